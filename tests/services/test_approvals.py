"""Calls that wait for a person: approved, denied, expired, settled; bound to their arguments; by those who may."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from groundswell.backends.databases.calls import Journal, Place
from groundswell.core.records import Ask
from groundswell.runtime.platform import Running
from services.test_api import events, problem
from write_path import trial

pytestmark = pytest.mark.timeout(180)
log = logging.getLogger("measured")


async def until(ask: Callable[[], Awaitable[Any]], seconds: float = 20) -> Any:
    end = time.monotonic() + seconds
    while not (found := await ask()):
        assert time.monotonic() < end, "it does not come"
        await asyncio.sleep(0.02)
    return found


async def waiting(http: httpx2.AsyncClient, body: dict[str, Any], reason: str = "approval") -> dict[str, Any]:
    """A run that has come to where it waits."""
    run = (await http.post("/v1/runs", json=body)).json()["id"]

    async def parked() -> dict[str, Any] | None:
        found = (await http.get(f"/v1/runs/{run}")).json()
        assert not found["ended"], found
        return found if (found["status"], found["reason"]) == ("waiting", reason) else None

    return await until(parked)


async def asked(http: httpx2.AsyncClient, run: str) -> dict[str, Any]:
    (call,) = (await http.get(f"/v1/runs/{run}/approvals")).json()
    return call


async def decide(http: httpx2.AsyncClient, call: dict[str, Any], choice: str, **more: Any) -> httpx2.Response:
    body = {"call": call["call"], "digest": call["digest"], "choice": choice}
    headers = more.pop("headers", {})
    return await http.post(f"/v1/runs/{call['run']}/approvals", json=body | more, headers=headers)


def effects(call: dict[str, Any]) -> int:
    return trial.lines("effects.log").count(call["call"])


ASK = {"input": "send this", "agent": "sender"}


async def test_approved_call_is_made_once_and_the_run_goes_on_where_it_was(http: httpx2.AsyncClient):
    run = await waiting(http, ASK)
    call = await asked(http, run["id"])
    assert (call["tool"], call["arguments"], call["waits_for"]) == ("trial_send", {"text": "send this"}, "approval")
    assert call["expires"] > call["asked"]
    assert call["call"] in [each["call"] for each in (await http.get("/v1/approvals")).json()]
    assert effects(call) == 0
    decided = await decide(http, call, "approve")
    assert (decided.status_code, decided.json()["state"]) == (200, "approved")
    told = await events(http, run["id"])
    assert [e["number"] for e in told] == list(range(1, len(told) + 1))
    said = [(e["body"]["kind"], e["body"].get("state") or e["body"].get("status")) for e in told]
    assert [each for each in said if each[0] in ("approval", "run", "answer")] == [
        ("run", "queued"),
        ("run", "running"),
        ("approval", "asked"),
        ("run", "waiting"),
        ("approval", "approved"),
        ("run", "queued"),
        ("run", "running"),
        ("answer", "succeeded"),
    ]
    assert sum(e["body"]["kind"] == "note" for e in told) == 1
    shown = (await http.get(f"/v1/runs/{run['id']}")).json()
    assert shown["answer"]["text"] == trial.SENT
    assert shown["spent"]["tool_calls"] == 2
    assert effects(call) == 1
    assert call["call"] not in [each["call"] for each in (await http.get("/v1/approvals")).json()]


async def test_denied_call_is_never_made_and_the_agent_is_told_why(http: httpx2.AsyncClient):
    run = await waiting(http, ASK)
    call = await asked(http, run["id"])
    await decide(http, call, "deny", reason="not on a Friday")
    assert (await events(http, run["id"]))[-1]["body"]["status"] == "succeeded"
    shown = (await http.get(f"/v1/runs/{run['id']}")).json()
    assert "denied: local did not approve trial_send" in shown["answer"]["text"]
    assert (await asked(http, run["id"]))["note"] == "not on a Friday"
    assert effects(call) == 0


async def test_approval_that_nobody_gave_in_time_ends_its_run(http: httpx2.AsyncClient, admin: Callable[..., Any]):
    run = await waiting(http, ASK)
    call = await asked(http, run["id"])
    admin(
        "UPDATE calls SET expires = clock_timestamp() - interval '1 second' WHERE run = %s AND state = 'asked'",
        run["id"],
    )
    late = await decide(http, call, "approve")
    assert late.status_code == 409
    assert problem(late)[1] in ("approval_expired", "run_ended")  # refused, or swept up already
    told = await events(http, run["id"])
    assert told[-1]["body"]["status"] == "failed"
    shown = (await http.get(f"/v1/runs/{run['id']}")).json()
    assert (shown["status"], shown["reason"], shown["error"]["code"]) == (
        "failed",
        "approval_expired",
        "approval_expired",
    )
    assert effects(call) == 0


async def test_decision_is_about_the_arguments_that_were_shown(http: httpx2.AsyncClient):
    run = await waiting(http, ASK)
    call = await asked(http, run["id"])
    other = await decide(http, {**call, "digest": "0" * 64}, "approve")
    assert problem(other) == (409, "other_arguments")
    assert problem(await decide(http, {**call, "call": "x/y/z/0"}, "approve")) == (404, "no_call")
    assert problem(await decide(http, call, "happened")) == (409, "other_question")
    assert (await decide(http, call, "approve")).status_code == 200
    assert (await decide(http, call, "approve")).status_code == 200  # a client that lost the answer asks again
    assert problem(await decide(http, call, "deny"))[0] == 409
    await events(http, run["id"])
    assert effects(call) == 1


async def test_of_twenty_decisions_at_once_one_holds(http: httpx2.AsyncClient):
    run = await waiting(http, ASK)
    call = await asked(http, run["id"])
    choices = ["approve", "deny"] * 10
    said = await asyncio.gather(*(decide(http, call, choice) for choice in choices))
    held = {choice for choice, answer in zip(choices, said, strict=True) if answer.status_code == 200}
    assert len(held) == 1
    told = await events(http, run["id"])
    assert sum(e["body"]["kind"] == "approval" for e in told) == 2
    assert effects(call) == (held == {"approve"})


async def test_only_who_may_approve_does(http: httpx2.AsyncClient, key: dict[str, str], foreign: dict[str, str]):
    run = await waiting(http, ASK)
    call = await asked(http, run["id"])
    assert problem(await decide(http, call, "approve", headers=key)) == (403, "scope_missing")
    assert (await http.get("/v1/approvals", headers=key)).status_code == 200
    assert (await decide(http, call, "approve", headers=foreign)).status_code == 403
    assert (await http.get("/v1/approvals", headers=foreign)).json() == []
    assert problem(await http.get(f"/v1/runs/{run['id']}/approvals", headers=foreign)) == (404, "no_run")
    made = (await http.post("/v1/keys", json={"name": "boss", "scopes": ["runs", "approve"]})).json()
    boss = {"Authorization": f"Bearer {made['key']}"}
    assert (await decide(http, call, "approve", headers=boss)).json()["decided_by"] == "boss"
    approved = [e["body"] for e in await events(http, run["id"]) if e["body"]["kind"] == "approval"][-1]
    assert (approved["state"], approved["by"]) == ("approved", "boss")


async def test_waiting_run_can_be_cancelled_and_spends_no_time(http: httpx2.AsyncClient, admin: Callable[..., Any]):
    run = await waiting(http, ASK)
    call = await asked(http, run["id"])
    admin(
        "UPDATE runs SET parked = parked - interval '1 hour', started = started - interval '1 hour' WHERE id = %s",
        run["id"],
    )
    admin("UPDATE runs SET parked = clock_timestamp() - interval '1 hour' WHERE id = %s", run["id"])
    await decide(http, call, "approve")
    assert (await events(http, run["id"]))[-1]["body"]["status"] == "succeeded"  # of 60 seconds none was left else
    other = await waiting(http, ASK)
    assert (await http.post(f"/v1/runs/{other['id']}/cancel")).json()["status"] == "cancelled"
    assert problem(await decide(http, await asked(http, other["id"]), "approve")) == (409, "run_ended")


async def test_arguments_that_change_void_what_was_asked_for(
    platform: Running, http: httpx2.AsyncClient, admin: Callable[..., Any]
):
    """The service that acts goes by the row of the very arguments: an approval of others is worth nothing."""
    run = await waiting(http, ASK)
    call = await asked(http, run["id"])
    (row,) = admin("SELECT task, checkpoint, epoch FROM calls WHERE run = %s AND state = 'asked'", run["id"])
    admin("UPDATE runs SET status = 'running' WHERE id = %s", run["id"])
    database = platform.base.database("tools")
    await database.open()
    try:
        ask = Ask(task=row[0], checkpoint=row[1], kind="trial_send", arguments={"text": "something else"}, n=0)
        await Journal(database).ask(Place("local", run["id"], row[2], ask), effect=True, seconds=60)
    finally:
        await database.close()
    states = {
        each["arguments"]["text"]: each["state"] for each in (await http.get(f"/v1/runs/{run['id']}/approvals")).json()
    }
    assert states == {"send this": "denied", "something else": "asked"}
    assert problem(await decide(http, call, "approve"))[1] in ("decided", "run_ended")
    assert effects(call) == 0


async def doubted(http: httpx2.AsyncClient, admin: Callable[..., Any]) -> dict[str, Any]:
    """A run that waits for somebody who says whether its effect happened."""
    run = await waiting(http, ASK)
    doubt = trial.LOGS["folder"] / "doubt"
    doubt.touch()
    # as it stands when the service died in the middle, and the time it had is over
    admin(
        """UPDATE calls SET state = 'intended', attempt = 1, acting_until = clock_timestamp() - interval '1 second'
           WHERE run = %s AND state = 'asked'""",
        run["id"],
    )
    admin(
        """UPDATE runs SET status = 'queued', reason = '', reserved_tool_calls = 1, reserved_bytes = 64000 * 16
           WHERE id = %s""",
        run["id"],
    )

    async def unknown() -> bool:
        found = (await http.get(f"/v1/runs/{run['id']}")).json()
        assert not found["ended"], found
        return (found["status"], found["reason"]) == ("waiting", "outcome")

    await until(unknown)
    doubt.unlink()
    return run


async def test_unknown_outcome_is_settled_by_a_person(http: httpx2.AsyncClient, admin: Callable[..., Any]):
    for choice, made, said in (("happened", 0, "ok"), ("did_not_happen", 1, "sent")):
        run = await doubted(http, admin)
        call = await asked(http, run["id"])
        assert call["waits_for"] == "outcome"
        assert call["note"] == f"look for {call['call']} in effects.log"
        assert problem(await decide(http, call, "approve")) == (409, "other_question")
        assert (await decide(http, call, choice)).status_code == 200
        assert (await events(http, run["id"]))[-1]["body"]["status"] == "succeeded"
        shown = (await http.get(f"/v1/runs/{run['id']}")).json()
        assert shown["answer"]["text"] == " ".join(sorted(["v-before sending", said]))
        assert effects(call) == made
        reserved = admin("SELECT reserved_tool_calls, reserved_bytes, tool_calls FROM runs WHERE id = %s", run["id"])
        assert reserved == [(0, 0, 2)]


async def test_effect_that_policy_does_not_name_is_denied_before_anybody_is_asked(
    http: httpx2.AsyncClient, foreign: dict[str, str]
):
    body = {"agent": "sender", "arguments": {"text": "x"}}
    made = (await http.post("/v1/tools/trial_send/calls", json=body, headers=foreign)).json()
    told = await events(http, made["id"], **foreign)
    assert told[-1]["body"]["reason"] == "denied"
    assert not [e for e in told if e["body"]["kind"] == "approval"]


async def test_cancel_reaches_a_running_tool_and_stops_its_process(http: httpx2.AsyncClient):
    made = (await http.post("/v1/runs", json={"input": "80", "agent": "waiter"})).json()

    async def began() -> bool:
        assert not (await http.get(f"/v1/runs/{made['id']}")).json()["ended"]
        return bool(trial.lines("waits.log"))

    await until(began, 60)  # the first process imports all it may need
    started = time.monotonic()
    await http.post(f"/v1/runs/{made['id']}/cancel")
    assert (await events(http, made["id"]))[-1]["body"]["status"] == "cancelled"

    async def settled() -> bool:
        (call,) = (await http.get(f"/v1/runs/{made['id']}/calls")).json()
        return call["state"] == "done" and call["result"]["code"] == "cancelled"

    await until(settled)
    log.info("%.3f seconds until the call is settled", time.monotonic() - started)
    (line,) = trial.lines("waits.log")
    pid = int(line.split()[1])

    async def gone() -> bool:
        try:
            return "Z" in open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]  # noqa: ASYNC230, PTH123
        except FileNotFoundError:
            return True

    await until(gone)
    log.info("%.3f seconds until its process is gone", time.monotonic() - started)
    told = await events(http, made["id"])
    assert told[-1]["body"]["kind"] == "answer"


async def posted(http: httpx2.AsyncClient, body: dict[str, Any]) -> httpx2.Response:
    """Asked again where the database was too busy, as clients do."""
    for _ in range(100):
        if (answer := await http.post("/v1/runs", json=body)).status_code != 503:
            return answer
        await asyncio.sleep(0.1)
    raise AssertionError(answer.text)


@pytest.mark.parametrize("on_busy", ["reject", "interrupt", "enqueue"])
async def test_two_at_once_in_a_busy_thread(http: httpx2.AsyncClient, on_busy: str):
    thread = f"race-{on_busy}"
    first = await waiting(http, {**ASK, "thread": thread})
    body = {"input": "why", "agent": "trial", "thread": thread, "on_busy": on_busy}
    said = await asyncio.gather(*(posted(http, body) for _ in range(6)))
    runs = [each.json()["id"] for each in said if each.status_code == 201]
    states = [(await http.get(f"/v1/runs/{run}")).json() for run in [first["id"], *runs]]
    if on_busy == "reject":
        assert runs == []
        assert {problem(each) for each in said} == {(409, "thread_busy")}
        await http.post(f"/v1/runs/{first['id']}/cancel")
        again = await asyncio.gather(*(posted(http, body) for _ in range(6)))
        assert sorted(each.status_code for each in again) == [201, *[409] * 5]  # one of them was the first
    elif on_busy == "interrupt":
        assert len(runs) == 6
        ends = [(await events(http, run))[-1]["body"]["status"] for run in [first["id"], *runs]]
        assert ends.count("succeeded") == 1  # the last one
        assert ends.count("cancelled") == 6
    else:
        assert [each["status"] for each in states] == ["waiting", *["queued"] * 6]
        await http.post(f"/v1/runs/{first['id']}/cancel")
        told = [await events(http, run) for run in runs]
        assert {each[-1]["body"]["status"] for each in told} == {"succeeded"}
        spans = sorted(
            (next(e["at"] for e in each if e["body"].get("status") == "running"), each[-1]["at"]) for each in told
        )
        assert all(one[1] <= two[0] for one, two in zip(spans, spans[1:], strict=False))
