"""A run's calls: its token where a service refuses it, and the replies that are there already."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from groundswell.backends.databases.calls import digest_of
from groundswell.backends.databases.connections import EpochOver
from groundswell.backends.databases.leases import Lease
from groundswell.backends.peers import Peer
from groundswell.core.errors import Conflict, GroundswellError, Unauthenticated, Unavailable
from groundswell.core.records import Message, Part, Run, ToolResult
from groundswell.runtime import keys
from groundswell.runtime.worker import REFUSED_TOKENS, Execution, Services, Token, Work, execution_of

RUN = Run(
    id="run_1",
    tenant="acme",
    thread="t",
    agent="web",
    caller="ana",
    input=(Message(parts=(Part(text="?"),)),),
    status="running",
    created=datetime.now(UTC),
)


class Service:
    """A router that gives numbered tokens, and another service that refuses all but the last."""

    def __init__(self, refusal: GroundswellError, good: int) -> None:
        self.refusal, self.good, self.seen = refusal, good, list[str]()

    async def post(self, path: str, body: Any, headers: dict[str, str]) -> Any:
        if path == "/internal/token":
            return {"token": f"{len(self.seen) + 1}", "seconds": 300}
        self.seen.append(headers["Authorization"])
        if len(self.seen) < self.good:
            raise self.refusal
        return "said"


async def asked(service: Service) -> Any:
    peer = cast("Peer", service)
    return await Token(peer, keys.generate(), "worker", RUN).post(peer, "/calls", {})


@pytest.mark.parametrize("code", ["token_expired", "key_dropped"])
async def test_a_token_that_another_one_may_replace_is_replaced(code: str) -> None:
    service = Service(Unauthenticated(code, "this token is no good"), good=2)
    assert await asked(service) == "said"
    assert service.seen == ["Bearer 1", "Bearer 2"]


async def test_where_no_token_is_good_that_is_said_after_a_few() -> None:
    service = Service(Unauthenticated("token_expired", "a clock is off"), good=99)
    with pytest.raises(Unauthenticated):
        await asked(service)
    assert len(service.seen) == 1 + REFUSED_TOKENS


async def test_one_that_was_never_good_is_not_asked_with_again() -> None:
    service = Service(Unauthenticated("bad_token", "this token is no good"), good=2)
    with pytest.raises(Unauthenticated):
        await asked(service)
    assert service.seen == ["Bearer 1"]


async def test_a_lease_that_is_over_is_no_error_of_the_run() -> None:
    with pytest.raises(EpochOver):
        await asked(Service(Conflict("epoch_over", "this epoch is over"), good=2))


class Journal:
    """One that is away at first, and whose replies are waited for."""

    def __init__(self) -> None:
        self.tries, self.asked, self.come = 0, asyncio.Event(), asyncio.Event()

    async def replies(self, tenant: str, run: str, task: str) -> Any:
        self.tries += 1
        if self.tries == 1:
            raise Unavailable("database_down", "away")
        self.asked.set()
        await self.come.wait()
        return {("look", digest_of({"q": number}), 0): ToolResult(status="ok", value=number) for number in range(2)}


class Resumed(Work):
    """The work of a second lease, in one node."""

    def _begun(self) -> Any:
        info: Any = SimpleNamespace(task_id="t", node_attempt=1, node_first_attempt_time=None)
        self.executions.setdefault(execution_of(info), Execution())
        return info


async def test_a_call_that_is_given_up_takes_nothing_from_the_others_of_its_node() -> None:
    unused: Any = None
    journal = Journal()
    lease = Lease(RUN.model_copy(update={"epoch": 2}), 60, False, ())
    work = Resumed(lease, unused, unused, Services(unused, unused, unused), cast("Any", journal), unused, {})
    first, second = (asyncio.create_task(work.result("look", q=number)) for number in range(2))
    await journal.asked.wait()
    first.cancel()
    await asyncio.wait([first])
    journal.come.set()
    assert (await second).value == 1
