"""One platform for one data directory, whatever ends, hangs or starts twice; nothing that was accepted is lost."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from e2e.program import Home, repository, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
QUICK = {"GROUNDSWELL_EMBEDDINGS__URL": "none:", "GROUNDSWELL_RUNS__LEASE_SECONDS": "2"}
PARTS = {f"part{n}.py": f"def part_{n}() -> int:\n    return {n}\n" * 40 for n in range(300)}


def submitted(home: Home, count: int, question: str = "Where is part_7 defined?") -> list[str]:
    body = {"input": question, "agent": "coding", "sources": {"repo": f"path:{home.repo}"}}
    with home.http() as http:
        return [http.post("/v1/runs", json=body).raise_for_status().json()["id"] for _ in range(count)]


def shown(home: Home, run: str) -> dict[str, Any]:
    with home.http() as http:
        return http.get(f"/v1/runs/{run}").raise_for_status().json()


def succeeded(home: Home, run: str) -> dict[str, Any]:
    found = until(lambda: (r := shown(home, run))["status"] not in ("queued", "running") and r, f"{run} has ended", 120)
    assert found["status"] == "succeeded", json.dumps(found)
    assert found["answer"]["claims"]
    return found


def serves(process: psutil.Process) -> bool:
    """Whether it is a process of single services; one that has just ended is none."""
    try:
        return "serve" in process.cmdline()
    except psutil.Error:
        return False


def is_forked(process: psutil.Process, platform: psutil.Process) -> bool:
    """Whether it is a process that a platform's server has forked."""
    try:
        return process.ppid() != platform.pid and any("forkserver" in word for word in process.cmdline())
    except psutil.Error:
        return False


@pytest.fixture
def quick(homes: Callable[..., Home]) -> Home:
    return homes(**QUICK)


def test_after_a_kill_the_next_up_takes_over_database_and_lock_and_finishes_the_runs(quick: Home) -> None:
    quick.repo = repository(quick.folder / "parts", PARTS)
    quick.well("up", "-d", "--no-question")
    [earlier] = submitted(quick, 1)
    earlier_answer = succeeded(quick, earlier)["answer"]
    (quick.repo / "more.py").write_text("def more() -> int:\n    return 1\n")
    runs = submitted(quick, 12)
    until(lambda: shown(quick, runs[0])["status"] != "queued", "a run is under way")
    killed, server = quick.instance, quick.postgres()
    psutil.Process(killed["pid"]).kill()
    assert psutil.Process(server.pid).is_running()
    assert quick.run("status").returncode == 6
    started = quick.well("up", "-d", "--no-question")
    assert "ready at" in started.stdout
    assert quick.instance["pid"] != killed["pid"]
    assert quick.postgres().pid == server.pid
    for run in runs:
        assert succeeded(quick, run)["answer"]["text"].startswith("`part_7` is a function in part7.py:1")
    assert shown(quick, earlier)["answer"] == earlier_answer
    quick.well("stop")
    quick.nothing_is_left()
    quick.well("up", "-d", "--no-question")
    listed = [run["id"] for run in quick.told("runs", "list", "-n", "50")["runs"]]
    assert listed[::-1] == [earlier, *runs]
    again = quick.run("up", "-d", "--no-question")
    assert (again.returncode, "already runs at" in again.stdout) == (0, True)


def test_a_platform_that_ask_started_stops_by_itself_when_it_is_idle(quick: Home) -> None:
    quick.more["GROUNDSWELL_IDLE_MINUTES"] = "0.02"
    asked = quick.run("ask", "Where is high_waters defined?")
    assert asked.returncode == 0
    assert "it stops by itself after 0.02 idle minutes" in asked.stderr
    quick.nothing_is_left()
    assert not (quick.data / "platform.json").exists()
    assert quick.run("status").returncode == 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_stop_all_with_the_workers_and_postgres(quick: Home, number: int) -> None:
    platform = quick.begin("up", "--no-question", "--workers", "1", stderr=subprocess.DEVNULL)
    assert platform.stdout is not None
    with platform, platform.stdout as said:
        assert any("ready at" in line for line in said)
        succeeded(quick, *submitted(quick, 1, "Where is high_waters defined?"))
        os.kill(platform.pid, number)
        said.read()
        assert platform.wait(60) == 0
    quick.nothing_is_left()


def test_workers_as_processes_do_the_work_are_replaced_and_end_with_their_platform(quick: Home) -> None:
    quick.well("up", "-d", "--no-question", "--workers", "2")

    def forked() -> set[int]:
        """Of the server: workers, and once runs have begun what works for the CPU alone."""
        platform = psutil.Process(quick.instance["pid"])
        return {child.pid for child in platform.children(recursive=True) if is_forked(child, platform)}

    first = until(lambda: len(forked()) == 2 and forked(), "two workers run")
    succeeded(quick, *submitted(quick, 1, "Where is high_waters defined?"))
    before = forked()
    os.kill(min(first), signal.SIGKILL)
    second = until(lambda: forked() - before and forked(), "another worker runs")
    for run in submitted(quick, 4, "Where is high_waters defined?"):
        succeeded(quick, run)
    os.kill(quick.instance["pid"], signal.SIGKILL)
    until(lambda: not any(psutil.pid_exists(pid) for pid in second), "the workers have ended, too")
    quick.well("up", "-d", "--no-question")
    quick.well("stop")
    quick.nothing_is_left()


@pytest.fixture
def served(quick: Home) -> Iterator[Home]:
    """Every service as a process of its own, all started at once in an empty data directory."""
    services = [quick.begin("serve", name) for name in ("gateway", "agents", "tools", "router", "models")]
    try:
        for service in services:
            assert service.stdout is not None
            assert any("serving" in line for line in service.stdout), service.args
        yield quick
    finally:
        for service in services:
            service.terminate()
            assert service.stdout is not None
            with service.stdout:
                service.stdout.read()
            service.wait(60)


def test_services_in_processes_of_their_own_answer_whoever_has_a_key(served: Home) -> None:
    key = served.told("keys", "create", "ana")["key"]
    with served.http("none") as http:
        del http.headers["Authorization"]
        assert http.get("/v1/runs").status_code == 401
        until(lambda: http.get("/ready").status_code == 200, "all services are ready")
        assert http.get("/v1/runs", headers={"Authorization": "Bearer gsk_wrong"}).status_code == 401
        assert http.get("/v1/runs", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    told = served.told("ask", "Where is high_waters defined?")
    assert told["claims"][0]["citations"][0]["source"].startswith("repo:harbour/tides.py#L")
    listed = served.told("runs", "list", "--url", served.instance["url"], "--key", key)
    assert [run["id"] for run in listed["runs"]] == [told["run"]]


def test_when_the_last_of_the_services_ends_so_does_the_database(served: Home) -> None:
    server = served.postgres()
    others = [process for process in served.processes() if serves(process)]
    assert len(others) == 5
    for number, process in enumerate(others):
        assert psutil.pid_exists(server.pid), f"after {number}"
        process.terminate()
    served.nothing_is_left()
