"""What becomes of an effect that broke off: it is looked for before anybody is told that it failed."""

import asyncio
import time
from typing import Any

import pytest

from groundswell.backends.databases.calls import Journal, Place
from groundswell.backends.databases.runs import Scope
from groundswell.core.context import ToolContext
from groundswell.core.errors import Conflict, GroundswellError, Unavailable
from groundswell.core.policy import Grant
from groundswell.core.records import Ask, ToolResult
from groundswell.core.tool import Tool, tool
from groundswell.runtime.call_context import CallContext
from groundswell.runtime.tool_calls import OutcomeUnknown, ToolCalls

DONE: list[str] = []
ENDS: list[BaseException | float] = []  # how the effect ends once it has happened: it raises, or it hangs
unused: Any = None


async def sent(context: ToolContext, arguments: dict[str, Any]) -> str | None:
    """Whether it was sent."""
    return "found" if context.key in DONE else None


@tool(effect="write", seconds=0.2, probe=sent)
async def letter_send(context: ToolContext, happens: bool = True) -> str:
    """Send a letter."""
    if happens:
        DONE.append(context.key)
    for end in ENDS:
        if isinstance(end, BaseException):
            raise end
        await asyncio.sleep(end)
    return "sent"


@tool(effect="write", seconds=0.2)
async def blind_send(context: ToolContext, happens: bool = True) -> str:
    """Send a letter of which nobody can tell whether it went."""
    return await letter_send.function(context, happens)


async def outcome(named: Tool, *ends: BaseException | float, happens: bool = True, late: float = 0) -> ToolResult:
    DONE.clear()
    ENDS[:] = ends
    made = ToolCalls(unused, unused, {named.name: named}, {}, lambda token, scope: Grant(agent="a", tenant="t"), unused)
    ask = Ask(task="t", checkpoint="c", kind=named.name, arguments={"happens": happens}, n=0)
    deadline = time.monotonic() + named.seconds - late
    context = CallContext("t", "k", Scope({}, (), "ana"), unused, deadline, lambda stage, done, total: None)
    return (await made._outcome(named, Place("t", "run_1", 1, ask), context, False))[0]


BROKEN = [Unavailable("host_away", "the host is away"), RuntimeError("a fault"), 30.0]
CODES = ["host_away", "tool_crashed", "tool_deadline"]
IDS = ["away", "crashed", "hung"]


@pytest.mark.parametrize("end", BROKEN, ids=IDS)
async def test_effect_that_happened_is_done_however_it_ended(end: BaseException | float):
    result = await outcome(letter_send, end)
    assert (result.status, result.value) == ("ok", "found")


@pytest.mark.parametrize(("end", "code"), [*zip(BROKEN, CODES, strict=True)], ids=IDS)
async def test_effect_that_did_not_happen_has_failed(end: BaseException | float, code: str):
    result = await outcome(letter_send, end, happens=False)
    assert (result.status, result.code) == ("error", code)


@pytest.mark.parametrize("end", BROKEN, ids=IDS)
async def test_where_nothing_can_tell_a_person_is_asked(end: BaseException | float):
    with pytest.raises(OutcomeUnknown, match=r"^blind_send .+; look whether it happened: Send a letter"):
        await outcome(blind_send, end)


@pytest.mark.parametrize("error", [Conflict("already_sent", "no"), GroundswellError("refused", "no")])
async def test_tool_that_says_no_has_not_acted(error: GroundswellError):
    result = await outcome(blind_send, error)
    assert (result.status, result.code) == ("error", error.code)


async def test_effect_is_not_begun_after_its_deadline():
    result = await outcome(letter_send, late=1.0)
    assert (result.status, result.code, DONE) == ("error", "tool_deadline", [])


async def test_call_that_queues_has_not_begun():
    begun: list[str] = []

    class Noted(Journal):
        async def begin(self, place: Place, **_: Any) -> None:
            begun.append(place.ask.kind)

    made = ToolCalls(Noted(unused), unused, {"letter_send": letter_send}, {}, unused, unused)
    place = Place("t", "run_1", 1, Ask(task="t", checkpoint="c", kind="letter_send", arguments={}, n=0))
    made.slots["letter_send"] = asyncio.Semaphore(1)
    async with made.slots["letter_send"]:
        making = asyncio.create_task(made._make(letter_send, place, Scope({}, (), "ana"), None, unused))
        await asyncio.sleep(0.05)
        assert begun == []
    await making
    assert begun == ["letter_send"]
