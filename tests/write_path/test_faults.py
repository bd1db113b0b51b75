"""Kill -9, SIGSTOP and restarts around every write of a run: the same answer, nothing lost, doubled or renumbered."""

import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from groundswell.backends.databases.embedded import ROLE
from write_path import trial
from write_path.processes import FORK, service_main, worker_main

LEASE = 0.5
pytestmark = [pytest.mark.faults, pytest.mark.real, pytest.mark.timeout(300)]


class Platform:
    """Starts, kills and questions the processes of one trial."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.processes: list[BaseProcess] = []
        for part in ("sockets", "keys", "vectors"):
            (folder / part).mkdir()
        trial.LOGS["folder"] = folder
        self.connect()
        self.service("router")
        self.tools = self.service("tools")

    def connect(self) -> None:
        """Ask the database from here."""
        self.db = psycopg.connect(self.url.replace("{role}", ROLE), autocommit=True, row_factory=dict_row)
        self.db.execute("SET search_path = groundswell, langgraph")

    def start(self, target: Callable[..., None], *arguments: Any) -> BaseProcess:
        process = FORK.Process(target=target, args=arguments, daemon=True)
        process.start()
        self.processes.append(process)
        return process

    def service(self, name: str, crash: str = "") -> BaseProcess:
        socket = self.folder / "sockets" / f"{name}.sock"
        socket.unlink(missing_ok=True)
        process = self.start(service_main, name, self.folder, self.url, LEASE, crash)
        self.until(socket.exists)
        return process

    def worker(self, crash: str = "", rule: str = "") -> BaseProcess:
        return self.start(worker_main, self.folder, self.url, LEASE, crash, rule)

    def submit(self, count: int = 1, agent: str = "trial", **budget: float) -> list[str]:
        runs = [f"run_{uuid.uuid4().hex[:12]}" for _ in range(count)]
        limits = {"steps": 400, "tool_calls": 400, "tokens": 1, "money": 1, "seconds": 120, "bytes": 10**9} | budget
        for run in runs:
            self.db.execute(
                """INSERT INTO runs (id, tenant, thread, agent, caller, input, sources, granted, budget)
                   VALUES (%s, 'local', %s, %s, 'local', %s, '{}', '[]', %s)""",
                (run, run, agent, Jsonb([{"parts": [{"text": "why"}]}]), Jsonb(limits)),
            )
        return runs

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        return self.db.execute(sql, values).fetchall()

    def unfinished(self, runs: list[str]) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM runs WHERE id = ANY(%s) AND ended IS NULL", runs)

    def until(self, done: Callable[[], Any], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                held = self.rows("SELECT id, status, worker, epoch FROM runs WHERE ended IS NULL")
                raise AssertionError(f"it hangs: {held}")
            signal.sigtimedwait([], 0.01)

    def close(self) -> None:
        for process in self.processes:
            if process.is_alive():
                os.kill(process.pid or 0, signal.SIGCONT)
                process.kill()
            process.join()
        self.db.close()


@pytest.fixture
def platform(tmp_path: Path, database_url: str) -> Iterator[Platform]:
    started = Platform(tmp_path, database_url)
    yield started
    started.close()


def faults(platform: Platform, runs: list[str]) -> dict[str, int]:
    """Everything that is not as if nothing had happened."""
    wrong: Counter[str] = Counter()
    executed = Counter(line.split()[0] for line in trial.lines("executions.log"))
    effects = Counter(trial.lines("effects.log"))
    for run in runs:
        row = platform.rows("SELECT * FROM runs WHERE id = %s", run)[0]
        calls = platform.rows(
            """SELECT c.*, e.body FROM calls c LEFT JOIN evidence e ON (e.tenant, e.digest) = (c.tenant, c.reply_digest)
               WHERE run = %s""",
            run,
        )
        events = platform.rows("SELECT * FROM events WHERE run = %s ORDER BY number", run)
        kinds = Counter(event["kind"] for event in events)
        wrong[f"{row['status']}: {row['reason']}"] += row["status"] != "succeeded"
        wrong["answer differs"] += (row["answer"] or {}).get("text") != trial.expected("why")
        wrong["calls too many or few"] += abs(len(calls) - trial.CALLS)
        wrong["calls not done"] += sum(call["state"] != "done" for call in calls)
        wrong["replies missing"] += sum(call["body"] is None for call in calls)
        wrong["event numbers"] += [e["number"] for e in events] != list(range(1, row["last_event"] + 1))
        wrong["answers"] += kinds["answer"] != 1 or events[-1]["kind"] != "answer"
        wrong["notes"] += abs(kinds["note"] - trial.NOTES)
        wrong["steps"] += abs(kinds["step"] - trial.STEPS) + abs(row["steps"] - trial.STEPS)
        wrong["finished calls"] += abs(kinds["call.finished"] - trial.CALLS)
        wrong["started calls"] += abs(kinds["call.started"] - sum(call["attempt"] for call in calls))
        wrong["spend"] += row["tool_calls"] < trial.CALLS or row["bytes"] < sum(call["bytes"] for call in calls)
        wrong["reserved"] += any(row[f"reserved_{name}"] for name in ("tool_calls", "tokens", "money", "bytes"))
        for call in calls:
            key = f"{call['task']}/{call['kind']}/{call['request_digest'][:16]}/{call['n']}"
            if call["effect"]:
                wrong["effects"] += effects[key] != 1
            else:
                wrong["called after its reply was stored"] += executed[key] > call["attempt"]
    return dict(+wrong)


def finish(platform: Platform, runs: list[str], worker: BaseProcess, crash_in_tools: bool) -> bool:
    """See the runs to their end, replacing what dies; whether something died."""
    died = False
    state = {"worker": worker}

    def done() -> bool:
        nonlocal died
        if not state["worker"].is_alive():
            died, state["worker"] = True, platform.worker()
        if not platform.tools.is_alive():
            died, platform.tools = True, platform.service("tools")
        return not platform.unfinished(runs)

    platform.until(done)
    if not crash_in_tools:  # a kill after the end is one, too
        end = time.monotonic() + 0.2
        while worker.is_alive() and time.monotonic() < end:
            signal.sigtimedwait([], 0.01)
        died = died or not worker.is_alive()
    state["worker"].kill()
    state["worker"].join()
    return died


def test_an_undisturbed_run_has_no_faults(platform: Platform):
    worker = platform.worker()
    runs = platform.submit(3)
    assert not finish(platform, runs, worker, crash_in_tools=True)
    assert faults(platform, runs) == {}


@pytest.mark.parametrize(
    "point",
    ["before_writes", "after_writes", "before_checkpoint", "after_checkpoint", "before_end", "after_end"],
)
def test_a_worker_killed_at_any_boundary_changes_nothing(platform: Platform, point: str):
    kills = 0
    for number in range(1, 100):
        worker = platform.worker(f"{point}:{number}")
        runs = platform.submit()
        if not finish(platform, runs, worker, crash_in_tools=False):
            break
        kills += 1
        assert faults(platform, runs) == {}, f"killed at {point}:{number}"
    assert kills >= (1 if "end" in point else trial.STEPS)


@pytest.mark.parametrize("point", ["before_intent", "after_intent", "before_settle", "after_settle"])
def test_a_tools_service_killed_around_any_call_changes_nothing(platform: Platform, point: str):
    kills = 0
    for number in range(1, 100):
        platform.tools.kill()
        platform.tools.join()
        platform.tools = platform.service("tools", f"{point}:{number}")
        worker = platform.worker()
        runs = platform.submit()
        if not finish(platform, runs, worker, crash_in_tools=True):
            break
        kills += 1
        assert faults(platform, runs) == {}, f"killed at {point}:{number}"
    assert kills >= trial.CALLS


def test_a_worker_stopped_past_its_lease_writes_nothing_more(platform: Platform):
    for pause in (0.02, 0.05, 0.1, 0.15, 0.2):
        stopped = platform.worker()
        runs = platform.submit(2)
        platform.until(lambda runs=runs: all(row["epoch"] for row in platform.unfinished(runs)))
        signal.sigtimedwait([], pause)
        os.kill(stopped.pid or 0, signal.SIGSTOP)
        other = platform.worker()
        platform.until(lambda runs=runs: not platform.unfinished(runs))
        before = platform.rows("SELECT * FROM runs WHERE id = ANY(%s) ORDER BY id", runs)
        written = platform.rows("SELECT * FROM events WHERE run = ANY(%s) ORDER BY run, number", runs)
        os.kill(stopped.pid or 0, signal.SIGCONT)
        signal.sigtimedwait([], 0.4)  # time for it to try
        assert platform.rows("SELECT * FROM runs WHERE id = ANY(%s) ORDER BY id", runs) == before
        assert platform.rows("SELECT * FROM events WHERE run = ANY(%s) ORDER BY run, number", runs) == written
        assert faults(platform, runs) == {}
        for process in (stopped, other):
            process.kill()
            process.join()


def test_without_the_fence_a_stopped_worker_does_harm(platform: Platform):
    """The control: these tests can fail. When a stop does harm is chance, so it is tried until one has."""
    harmed = 0
    for pause in (0.01, 0.03, 0.05, 0.07, 0.09, 0.12) * 4:
        if harmed:
            break
        stopped = platform.worker(rule="without_fence")
        runs = platform.submit(3)
        platform.until(lambda runs=runs: all(row["epoch"] for row in platform.unfinished(runs)))
        signal.sigtimedwait([], pause)
        os.kill(stopped.pid or 0, signal.SIGSTOP)
        other = platform.worker()
        platform.until(lambda runs=runs: not platform.unfinished(runs))
        os.kill(stopped.pid or 0, signal.SIGCONT)
        signal.sigtimedwait([], 0.6)
        harmed += bool(faults(platform, runs))
        for process in (stopped, other):
            process.kill()
            process.join()
    assert harmed


def test_a_worker_that_is_asked_to_stop_leaves_its_runs_to_others_at_once(platform: Platform):
    worker = platform.worker()
    runs = platform.submit(4)
    platform.until(lambda: any(row["epoch"] for row in platform.unfinished(runs)))
    os.kill(worker.pid or 0, signal.SIGTERM)
    worker.join(10)
    assert worker.exitcode == 0
    second = platform.worker()
    platform.until(lambda: not platform.unfinished(runs))
    second.kill()
    assert faults(platform, runs) == {}


@pytest.mark.parametrize(("limit", "value"), [("steps", 3), ("tool_calls", 5), ("bytes", 300_000), ("seconds", 0.01)])
def test_each_limit_ends_a_run_by_its_name(platform: Platform, limit: str, value: float):
    platform.worker()
    runs = platform.submit(agent="endless", **{limit: value})
    platform.until(lambda: not platform.unfinished(runs))
    row = platform.rows("SELECT * FROM runs WHERE id = %s", runs[0])[0]
    assert (row["status"], row["reason"]) == ("exhausted", limit)
    assert row["tool_calls"] <= 400
    if limit in ("steps", "tool_calls"):
        assert row[limit] <= value


def test_an_agent_that_raises_ends_failed_and_the_worker_goes_on(platform: Platform):
    worker = platform.worker()
    runs = platform.submit(agent="broken")
    platform.until(lambda: not platform.unfinished(runs))
    row = platform.rows("SELECT * FROM runs WHERE id = %s", runs[0])[0]
    assert (row["status"], row["reason"]) == ("failed", "agent_crashed")
    assert "boom" not in str(row["error"])
    more = platform.submit()
    platform.until(lambda: not platform.unfinished(more))
    assert worker.is_alive()
    assert faults(platform, more) == {}
