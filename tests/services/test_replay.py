"""A finished run is one file, and is the same wherever it is recomputed."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from groundswell.core.errors import GroundswellError
from groundswell.runtime import discovery
from groundswell.runtime.replay import Replay, replayed
from groundswell.runtime.run_file import RunFile, lines, read
from services.all_agents import AllAgents, all_agents
from services.test_api import finished, problem

pytestmark = [pytest.mark.real, pytest.mark.timeout(200)]
WHOLE = (
    "coding",
    "coding secrets",
    "coding fails",
    "web",
    "web secrets",
    "observability",
    "nowhere",
    "follow-up",
    "one call",
    "logs",
)


@pytest.fixture(scope="module")
async def there(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AllAgents]:
    async with all_agents(tmp_path_factory.mktemp("replay")) as found:
        yield found


async def exported(there: AllAgents, name: str) -> bytes:
    answered = await there.http.get(f"/v1/runs/{there.runs[name]['id']}/export")
    assert answered.status_code == 200, answered.text
    return answered.content


async def replay(file: RunFile) -> Replay:
    return await replayed(file, discovery.agents())


@pytest.mark.parametrize("name", WHOLE)
async def test_a_run_of_each_agent_is_the_same_again(there: AllAgents, name: str):
    file = read(await exported(there, name))
    found = await replay(file)
    assert found.difference is None
    assert found.complete, found.missing
    assert found.calls == found.recorded_calls > 0 or name == "nowhere"
    assert found.recorded_with == found.replayed_with


@pytest.mark.parametrize("name", ["few steps", "few calls", "cancelled"])
async def test_a_run_that_was_cut_off_is_the_same_as_far_as_it_goes(there: AllAgents, name: str):
    file = read(await exported(there, name))
    if not file.build:  # cancelled before a worker took it
        with pytest.raises(GroundswellError, match="before any agent took it"):
            await replay(file)
        return
    found = await replay(file)
    assert found.same
    assert found.status in ("exhausted", "cancelled")
    assert found.complete == (name == "few steps") or found.missing


def changed(file: RunFile, **call: Any) -> RunFile:
    """The file with its second call changed, as if the agent asked otherwise now."""
    first, second, *rest = file.calls
    return file.model_copy(update={"calls": (first, second.model_copy(update=call), *rest)})


async def test_the_first_difference_is_named(there: AllAgents):
    file = read(await exported(there, "coding"))
    was = file.calls[1]
    found = await replay(changed(file, request_digest="0" * 64, arguments={"asked": "otherwise"}))
    assert not found.same
    assert found.difference is not None
    assert found.difference.asked is not None
    assert (found.difference.asked.tool, found.difference.asked.arguments) == (was.kind, was.arguments)
    assert found.difference.recorded is not None
    assert found.difference.recorded.arguments == {"asked": "otherwise"}
    assert found.difference.step >= 1
    assert found.difference.node


async def test_another_reply_leads_to_another_end(there: AllAgents):
    file = read(await exported(there, "web"))
    run = file.head.run
    assert run.answer is not None
    head = file.head.model_copy(
        update={"run": run.model_copy(update={"answer": run.answer.model_copy(update={"text": "another"})})}
    )
    found = await replay(file.model_copy(update={"head": head}))
    assert found.difference is not None
    assert set(found.difference.ended) == {"answer"}


async def test_a_file_that_was_cut_or_changed_is_refused(there: AllAgents):
    text = await exported(there, "observability")
    assert b"".join(line.encode() for line in lines(read(text))) == text
    cut = text[: text.rindex(b'{"end"')]
    for bad, code in (
        (cut, "run_file_cut"),
        (cut[: len(cut) // 2], "run_file_cut"),
        (text.replace(b"mooring", b"moaning", 1), "run_file_changed"),
        (text.replace(b'"format":1', b'"format":2', 1), "run_file_format"),
        (b"\n".join([text.split(b"\n")[0], *text.split(b"\n")[2:]]), "run_file_changed"),
        (b"", "not_a_run_file"),
        (b"\xff\x00", "not_a_run_file"),
        (b'{"run": 3}\n{"end": {}}\n', "not_a_run_file"),
        (b"[" * 100_000, "not_a_run_file"),
    ):
        with pytest.raises(GroundswellError) as refused:
            read(bad)
        assert refused.value.code == code
        assert refused.value.hint


async def test_a_run_that_has_not_ended_or_was_pruned_is_not_exported(there: AllAgents):
    run = there.runs["coding secrets"]["id"]
    await exported(there, "coding secrets")
    database = there.running.base.database("router")
    await database.open()
    async with database.connection() as connection:
        await connection.execute("UPDATE runs SET status = 'waiting' WHERE id = %s", (run,))
        open_ = await there.http.get(f"/v1/runs/{run}/export")
        await connection.execute("UPDATE runs SET status = 'succeeded' WHERE id = %s", (run,))
    await database.close()
    assert problem(open_) == (409, "run_open")


async def test_the_program_replays_without_a_platform_or_a_network(there: AllAgents, tmp_path: Path):
    file = tmp_path / "run.jsonl"
    file.write_bytes(await exported(there, "coding"))
    # no socket of any kind: whatever opened one would fail
    guard = tmp_path / "sitecustomize.py"
    guard.write_text(
        "import socket\n\ndef refuse(*a, **k):\n    raise OSError('no network')\n\nsocket.socket.connect = refuse\n"
    )
    words = [sys.executable, "-m", "groundswell.cli.main", "runs", "replay", str(file)]
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}

    def program(*more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*words, *more], capture_output=True, text=True, timeout=60, env=environment, check=False)

    done = program("--json")
    assert (done.returncode, json.loads(done.stdout)["complete"]) == (0, True), done.stderr
    assert program().stdout.startswith("the same: run_")
    broken = changed(read(file.read_bytes()), request_digest="0" * 64)
    file.write_text("".join(lines(broken)))
    done = program()
    assert (done.returncode, done.stdout.split(":")[0]) == (1, "different")
    file.write_bytes(file.read_bytes()[:-200])
    assert program().returncode == 2


@pytest.mark.parametrize(("agent", "limits"), [("trial", {}), ("broken", {}), ("endless", {"steps": 7})])
async def test_retries_fans_effects_crashes_and_limits_replay(
    http: httpx2.AsyncClient, agent: str, limits: dict[str, int]
):
    run = await finished(http, {"input": "why", "agent": agent, "limits": limits})
    found = await replay(read((await http.get(f"/v1/runs/{run['id']}/export")).content))
    assert (found.difference, found.complete, found.calls) == (None, True, found.recorded_calls)


async def test_a_run_cancelled_in_its_midst_replays_as_far_as_it_went(http: httpx2.AsyncClient):
    run = (await http.post("/v1/runs", json={"input": "spin", "agent": "endless"})).json()["id"]
    async with http.stream("GET", f"/v1/runs/{run}/events") as response:
        async for line in response.aiter_lines():
            if '"call.finished"' in line:
                await http.post(f"/v1/runs/{run}/cancel")
    found = await replay(read((await http.get(f"/v1/runs/{run}/export")).content))
    assert (found.same, found.complete, found.status) == (True, False, "cancelled")
    assert found.calls >= 1
    assert found.missing
