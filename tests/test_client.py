"""The client against a platform made of canned answers: what goes over the wire, and what it makes of it."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from groundswell.client import Client, failure, outcome
from groundswell.core.errors import Conflict, Denied, LimitReached, NotFound, Unavailable
from groundswell.core.records import Answer, Citation, Claim, Event, NewRun, Problem, Run
from groundswell.core.records.events import Answered, RunChanged

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ISSUE_KEYS = [
    "run",
    "agent",
    "status",
    "mode",
    "answer",
    "claims",
    "ranked",
    "route",
    "spent",
    "reason",
    "needs_model",
    "question",
    "missing",
    "error",
]


def a_run(**values: Any) -> Run:
    given: dict[str, Any] = {
        "id": "run_1",
        "tenant": "local",
        "thread": "thread_1",
        "agent": "coding",
        "caller": "local",
        "input": [{"parts": [{"text": "where?"}]}],
        "status": "running",
        "created": NOW,
    }
    return Run.model_validate(given | values)


def events(*numbers: int, last: int = 4) -> bytes:
    """Events as a stream; number `last` is the answer."""
    lines: list[str] = [": a comment\n\n"]
    for number in numbers:
        body = Answered(status="succeeded") if number == last else RunChanged(status="running", reason=f"r{number}")
        event = Event(run="run_1", number=number, at=NOW, body=body)
        lines.append(f"event: {event.kind}\nid: {number}\ndata: {event.model_dump_json()}\n\n")
    return "".join(lines).encode()


class Breaking(httpx2.AsyncByteStream):
    """Bytes, and then the end of the connection."""

    def __init__(self, content: bytes, breaks: bool) -> None:
        self.content, self.breaks = content, breaks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content
        if self.breaks:
            raise httpx2.ReadError("cut")


def stream(content: bytes, *, breaks: bool = False, status: int = 200) -> httpx2.Response:
    headers = {"Content-Type": "text/event-stream; charset=utf-8", "Location": "/v1/runs/run_1"}
    return httpx2.Response(status, headers=headers, stream=Breaking(content, breaks))


def platform(answer: Callable[[httpx2.Request], httpx2.Response], key: str = "k", patience: float = 5) -> Client:
    return Client("http://platform", key, transport=httpx2.MockTransport(answer), patience=patience)


@pytest.mark.parametrize("breaks", [True, False])
async def test_a_stream_that_breaks_is_taken_up_after_the_last_event_seen(breaks: bool) -> None:
    asked: list[str] = []
    parts = {"0": (1, 2), "2": (2, 3), "3": (4,)}  # one event is told twice: it counts once

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/v1/runs/run_1":
            return httpx2.Response(200, json=a_run().model_dump(mode="json"))
        asked.append(request.headers["last-event-id"])
        return stream(events(*parts[asked[-1]]), breaks=breaks)

    async with platform(answer) as client:
        seen = [event.number async for event in client.follow("run_1")]
    assert seen == [1, 2, 3, 4]
    assert asked == ["0", "2", "3"]


async def test_an_event_that_was_cut_in_its_middle_is_read_again_whole() -> None:
    whole = events(1, 2, 3, 4)
    streams = [stream(whole[: whole.index(b"r3")], breaks=True), stream(events(3, 4))]

    async with platform(lambda request: streams.pop(0)) as client:
        assert [event.number async for event in client.follow("run_1")] == [1, 2, 3, 4]


async def test_following_a_run_whose_events_are_all_known_ends() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/events"):
            return stream(events())
        return httpx2.Response(200, json=a_run(status="succeeded").model_dump(mode="json"))

    async with platform(answer) as client:
        assert [event async for event in client.follow("run_1", after=4)] == []


async def test_a_platform_that_stays_away_ends_a_stream_after_its_patience() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    async with platform(answer, patience=0) as client:
        with pytest.raises(Unavailable) as caught:
            _ = [event async for event in client.follow("run_1")]
    assert (caught.value.code, caught.value.hint) == ("platform_away", "start one: groundswell up")


async def test_a_run_that_is_streamed_is_started_once_though_its_stream_breaks_at_once() -> None:
    keys: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST":
            keys.append(request.headers["idempotency-key"])
            if "event-stream" in request.headers["accept"]:
                return stream(b"", breaks=True, status=201)
            return httpx2.Response(201, json=a_run().model_dump(mode="json"))
        return stream(events(1, 4))

    async with platform(answer) as client:
        seen = [event.number async for event in client.stream(NewRun.model_validate({"input": "where?"}))]
    assert seen == [1, 4]
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_the_key_goes_with_every_request() -> None:
    seen: list[str | None] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers.get("authorization"))
        return httpx2.Response(200, json=[])

    async with platform(answer) as client:
        await client.agents()
    async with platform(answer, key="") as client:
        await client.agents()
    assert seen == ["Bearer k", None]


@pytest.mark.parametrize(
    "error",
    [
        NotFound("no_run", "there is no run", "groundswell runs list"),
        Denied("scope_missing", "no"),
        Conflict("run_ended", "it ended"),
        LimitReached("too_fast", "slow down", retry_after=3),
    ],
)
async def test_a_problem_becomes_the_error_that_it_was(error: Any) -> None:
    headers = {"Content-Type": "application/problem+json"}
    answer = httpx2.Response(error.status, headers=headers, content=json.dumps(error.problem()))

    async with platform(lambda request: answer) as client:
        with pytest.raises(type(error)) as caught:
            await client.show("run_1")
    assert vars(caught.value) == vars(error)


async def test_what_is_no_platform_is_said_to_be_none() -> None:
    page = httpx2.Response(200, content="<html>", headers={"Content-Type": "text/html"})
    async with platform(lambda request: page) as client:
        with pytest.raises(Unavailable, match="not Groundswell"):
            await client.platform()
        with pytest.raises(Unavailable, match="not Groundswell"):
            _ = [event async for event in client.follow("run_1")]


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://x", "http://[::1"])
async def test_what_is_no_address_is_said_to_be_none(url: str) -> None:
    with pytest.raises(Unavailable) as caught:
        async with Client(url) as client:
            await client.health()
    assert caught.value.code == "bad_address"


async def test_a_port_where_nothing_listens_is_a_platform_that_is_away(unused_tcp_port: int) -> None:
    async with Client(f"http://127.0.0.1:{unused_tcp_port}") as client:
        with pytest.raises(Unavailable) as caught:
            await client.health()
    assert caught.value.code == "platform_away"


def test_an_outcome_has_the_keys_that_were_promised_and_no_others() -> None:
    claim = Claim(text="It is here.", citations=(Citation(evidence="ab" * 32, source="repo:a.py#L1", quote="here"),))
    run = a_run(
        status="failed", error=Problem(code="c", message="m"), answer=Answer(text="It is here.", claims=(claim,))
    )
    told = outcome(run)
    assert list(told) == ISSUE_KEYS
    assert list(told["claims"][0]) == ["text", "kind", "confidence", "citations"]
    assert list(told["claims"][0]["citations"][0]) == ["evidence", "source", "quote"]
    assert list(told["spent"]) == ["steps", "tool_calls", "tokens", "seconds"]
    assert told["error"] == {"code": "c", "message": "m", "hint": ""}
    assert json.loads(json.dumps(told)) == told


def test_an_error_without_a_run_is_told_with_the_same_keys() -> None:
    told = failure(NotFound("no_run", "there is none", "look"), "coding")
    assert list(told) == ISSUE_KEYS
    assert told["status"] == "failed"
    assert told["error"] == {"code": "no_run", "message": "there is none", "hint": "look"}
