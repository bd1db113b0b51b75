"""The whole platform is killed or asked to stop under load, or its disk is full: what was accepted finishes."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import psutil
import psycopg
import pytest

from e2e.program import Home, until
from groundswell.backends.databases.embedded import ROLE

pytestmark = [pytest.mark.faults, pytest.mark.real, pytest.mark.timeout(300)]
QUESTIONS = ("Where is retrying defined?", "Where is high_waters defined?", "Where is read_gauge defined?")


def submitted(home: Home, count: int) -> list[str]:
    with home.http() as http:
        bodies = (
            {"input": QUESTIONS[n % len(QUESTIONS)], "agent": "coding", "sources": {"repo": f"path:{home.repo}"}}
            for n in range(count)
        )
        return [http.post("/v1/runs", json=body).raise_for_status().json()["id"] for body in bodies]


def standing(http: httpx2.Client, runs: list[str]) -> list[dict[str, Any]]:
    return [http.get(f"/v1/runs/{run}").raise_for_status().json() for run in runs]


def all_succeeded(home: Home, runs: list[str]) -> None:
    with home.http() as http:
        until(lambda: all(run["ended"] for run in standing(http, runs)), "all runs have ended", 120)
        for run in standing(http, runs):
            assert run["status"] == "succeeded", run
            assert run["answer"]["claims"]
            lines = http.get(f"/v1/runs/{run['id']}/events").text.splitlines()
            numbers = [int(line.removeprefix("id:")) for line in lines if line.startswith("id:")]
            assert numbers == list(range(1, run["last_event"] + 1))


def test_queued_and_running_runs_finish_after_the_whole_platform_was_killed_or_stopped(
    homes: Callable[..., Home],
) -> None:
    home = homes(
        GROUNDSWELL_EMBEDDINGS__URL="none:", GROUNDSWELL_RUNS__LEASE_SECONDS="2", GROUNDSWELL_RUNS__AT_ONCE="1"
    )
    up = ("up", "-d", "--no-question", "--workers", "1")
    home.well(*up)
    for how in ("kill", "stop"):
        runs = submitted(home, 24)
        with home.http() as http:
            states = [run["status"] for run in http.get("/v1/runs", params={"limit": "24"}).json()["runs"]]
        assert "queued" in states
        if how == "kill":
            everything = home.processes()
            assert any("postgres" in process.name() for process in everything)
            for process in everything:
                os.kill(process.pid, signal.SIGKILL)
            psutil.wait_procs(everything, 30)
        else:
            home.well("stop")
        home.nothing_is_left()
        home.well(*up)
        all_succeeded(home, runs)
    home.well("stop")


def test_a_killed_worker_is_replaced_and_what_it_held_does_not_wait_for_its_lease(homes: Callable[..., Home]) -> None:
    home = homes(GROUNDSWELL_EMBEDDINGS__URL="none:", GROUNDSWELL_RUNS__LEASE_SECONDS="600")  # longer than this test
    home.well("up", "-d", "--no-question", "--workers", "1")
    runs = submitted(home, 12)
    with home.http() as http:
        until(lambda: any(run["status"] == "running" for run in standing(http, runs)), "a run is under way")
    listening = str(home.data / "sockets" / "agents.sock")
    (worker,) = {c.pid for c in psutil.net_connections("unix") if c.laddr == listening and c.pid}
    server = psutil.Process(worker).parent()
    assert server is not None
    assert server.num_threads() == 1, "only such a one may be forked"
    assert not server.net_connections("inet")
    os.kill(worker, signal.SIGKILL)
    all_succeeded(home, runs)
    with psycopg.connect(f"postgresql://{ROLE}@/postgres?host={home.data}/postgres/data") as database:
        taken = database.execute("SELECT count(*) FROM groundswell.runs WHERE epoch > 1").fetchone()
    assert taken is not None
    assert taken[0], "the worker had some when it died"
    home.well("stop")
    home.nothing_is_left()


# Mount namespaces are root's; others get one in a user namespace of their own.
NAMESPACE = ("unshare", "-m") if os.geteuid() == 0 else ("unshare", "-Um", "--map-current-user", "--keep-caps")
MOUNTED = 'mkdir -p "$0" && mount -t tmpfs -o size=144m,mode=0700 tmpfs "$0" && exec "$@"'


def namespaces() -> bool:
    """Whether a disk of one's own may be mounted here."""
    command = [*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not namespaces(), reason="no mount namespaces here; a quota is tried in test_broken_ground.py")
def test_where_the_disk_of_the_database_is_full_to_its_last_byte_nothing_accepted_is_lost(
    homes: Callable[..., Home],
) -> None:
    home = homes(GROUNDSWELL_EMBEDDINGS__URL="none:", GROUNDSWELL_RUNS__LEASE_SECONDS="2")
    plain = home.program
    home.program = (*NAMESPACE, "sh", "-c", MOUNTED, str(home.data / "postgres"), *plain)
    home.well("up", "-d", "--no-question")
    home.program = plain
    before = submitted(home, 1)
    all_succeeded(home, before)
    inside = Path(f"/proc/{home.instance['pid']}/root{home.data}/postgres")
    filler = inside / "filler"
    with home.http() as http:
        accepted = submitted(home, 6)
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        refused: set[str] = set()

        def both() -> bool:
            """Something is refused for it, and PostgreSQL has ended over a log that cannot grow."""
            try:
                url = f"postgresql://{ROLE}@/postgres?host={inside / 'data'}"
                with psycopg.connect(url, autocommit=True, connect_timeout=2) as knife:
                    knife.execute("SELECT pg_logical_emit_message(true, 'fill', repeat('x', 4000000))")
            except psycopg.Error:
                refused.add("ended")
            body = {"input": QUESTIONS[0], "agent": "coding", "sources": {"repo": f"path:{home.repo}"}}
            reply = http.post("/v1/runs", json=body)
            if reply.status_code == 201:
                accepted.append(reply.json()["id"])
            else:
                assert reply.status_code == 503, reply.text
                refused.add(reply.json()["code"])
            return {"ended"} < refused

        until(both, "the disk is full", 60)
        assert refused <= {"ended", "database_full", "database_down", "database_busy"}
        assert http.get("/health").status_code == 200
        filler.unlink()
        until(lambda: http.get("/ready").status_code == 200, "the platform has come back by itself", 60)
    all_succeeded(home, accepted)
    all_succeeded(home, before)
    all_succeeded(home, submitted(home, 1))
    home.well("stop")
