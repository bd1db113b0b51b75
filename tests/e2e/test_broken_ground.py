"""The ground gives way: a database that dies or is full, a port that is taken, a data directory that is read-only."""

import fcntl
import json
import os
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, ClassVar, LiteralString

import psutil
import psycopg
import pytest

from e2e.program import Home, repository, until
from groundswell.backends.databases.embedded import ROLE
from groundswell.cli.exits import UNAVAILABLE

pytestmark = [pytest.mark.faults, pytest.mark.real, pytest.mark.timeout(240)]

# A file may grow to one WAL segment and half a page: so a table can be full, as under a quota.
FULL = 16 * 2**20 + 4096
LIMITED = f"""import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({FULL}, resource.RLIM_INFINITY))
os.execv(sys.argv[1], sys.argv[1:])"""
# Root writes anywhere: without these capabilities it is held to permissions as others are.
UNPRIVILEGED = """import ctypes, os, sys
if os.geteuid() == 0:
    for capability in (1, 2, 3):  # DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER
        assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])"""


def wrapped(home: Home, code: str) -> Home:
    home.program = (sys.executable, "-c", code, *home.program)
    return home


@contextmanager
def nobody_starts_it(home: Home) -> Generator[None]:
    """Hold the lock of whoever starts the database, as another process would that is slow to start it."""
    file = os.open(home.data / "postgres" / "turn.lock", os.O_RDWR)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def submitted(home: Home, question: str = "Where is part_7 defined?") -> str:
    with home.http() as http:
        body = {"input": question, "agent": "coding", "sources": {"repo": f"path:{home.repo}"}}
        return http.post("/v1/runs", json=body).raise_for_status().json()["id"]


def shown(home: Home, run: str) -> dict[str, Any]:
    with home.http() as http:
        return http.get(f"/v1/runs/{run}").raise_for_status().json()


def finished(home: Home, run: str) -> dict[str, Any]:
    """A run that succeeded: its answer is there, and its events are numbered without gap or double."""
    with home.http() as http:

        def ended() -> bool:
            reply = http.get(f"/v1/runs/{run}")
            return reply.status_code == 200 and reply.json()["status"] not in ("queued", "running")

        until(ended, f"{run} has ended", 120)
        found = http.get(f"/v1/runs/{run}").json()
        assert found["status"] == "succeeded", json.dumps(found)
        assert found["answer"]["claims"]
        lines = http.get(f"/v1/runs/{run}/events").text.splitlines()
    numbers = [int(line.removeprefix("id:")) for line in lines if line.startswith("id:")]
    assert numbers == list(range(1, found["last_event"] + 1))
    assert sum(line.replace(" ", "") == "event:answer" for line in lines) == 1
    return found


def unavailable(home: Home, code: str) -> None:
    """Requests are told so, and when to come back; so is whoever runs a command."""
    with home.http() as http:
        body = {"input": "Where is x?", "agent": "coding"}
        for refused in (http.get("/v1/runs"), http.post("/v1/runs", json=body)):
            if code == "database_full" and refused.request.method == "GET":
                continue  # reading goes on
            assert (refused.status_code, refused.json()["code"]) == (503, code), refused.text
            assert int(refused.headers["Retry-After"]) >= 1
            assert refused.json()["hint"]
    asked = home.run("ask", "Where is x defined?")
    assert asked.returncode == 6
    assert asked.stderr.splitlines()[-1].startswith("hint: ")
    assert "Traceback" not in asked.stderr


def test_a_database_that_dies_is_started_again_and_runs_under_way_finish(homes: Callable[..., Home]) -> None:
    home = homes(GROUNDSWELL_EMBEDDINGS__URL="none:", GROUNDSWELL_RUNS__LEASE_SECONDS="2")
    home.well("up", "-d", "--no-question")
    before = finished(home, submitted(home, "Where is high_waters defined?"))
    home.repo = repository(
        home.folder / "parts", {f"part{n}.py": f"def part_{n}() -> int:\n    return {n}\n" * 40 for n in range(400)}
    )
    runs = [submitted(home), submitted(home)]
    until(lambda: shown(home, runs[0])["status"] == "running", "a run is under way")
    server = home.postgres()
    with nobody_starts_it(home):
        server.kill()
        unavailable(home, "database_down")
        with home.http() as http:
            assert http.get("/health").status_code == 200
            assert http.get("/ready").status_code == 503
    for run in runs:
        assert finished(home, run)["answer"]["text"].startswith("`part_7` is a function in part7.py:1")
    assert home.postgres().pid != server.pid
    kept = shown(home, before["id"])
    assert (kept["answer"], kept["last_event"]) == (before["answer"], before["last_event"])
    assert home.run("status").returncode == 0
    home.well("stop")
    home.nothing_is_left()


def test_a_service_whose_database_is_not_there_ends_with_a_sentence(homes: Callable[..., Home]) -> None:
    home = homes(
        GROUNDSWELL_DATABASE__URL="postgresql://{role}@127.0.0.1:1/none", GROUNDSWELL_DATABASE__MIGRATE="false"
    )
    ended = home.run("serve", "router")
    assert ended.returncode == UNAVAILABLE, ended
    said = ended.stderr.strip().splitlines()
    assert "Traceback" not in ended.stderr
    assert said[-2].startswith("error: PostgreSQL at 127.0.0.1:1 does not answer: "), said
    assert "refused" in said[-2]
    assert said[-1].startswith("hint: ")


class Filler:
    """Rows that fill a table to its last byte."""

    ROWS: ClassVar[dict[str, LiteralString]] = {
        "events": "(tenant, run, number, fact, kind, body) SELECT 'filler', 'filler', n, n::text, 'x', '{}'",
        "calls": """(tenant, run, checkpoint_ns, checkpoint, task, kind, request_digest, n, effect, state, attempt,
                     epoch, acting_until, arguments)
                    SELECT 'filler', 'filler', '', '', '', 'x', '', n, false, 'done', 1, 1, now(), '{}'""",
    }

    def __init__(self, home: Home) -> None:
        url = f"postgresql://{ROLE}@/postgres?host={home.data / 'postgres' / 'data'}"
        self.database = psycopg.connect(url, autocommit=True)
        self.database.execute("SET search_path = groundswell")
        self.number = 0

    def fill(self, table: LiteralString) -> None:
        self.database.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        for size in (20_000, 1000, 50, 1):
            while self._grown(table, size):
                pass

    def _grown(self, table: LiteralString, size: int) -> bool:
        first, self.number = self.number, self.number + size
        try:
            rows = f"INSERT INTO {table} {self.ROWS[table]} FROM generate_series(%s::int, %s::int) AS n"
            self.database.execute(rows, (first, self.number - 1))
        except (psycopg.errors.DiskFull, psycopg.errors.InternalError_):
            return False
        return True

    def free(self, table: LiteralString) -> None:
        self.database.execute(f"DELETE FROM {table} WHERE tenant = 'filler'")
        self.database.execute(f"VACUUM {table}")


def test_a_full_database_refuses_what_is_new_keeps_what_it_has_and_goes_on_when_there_is_room(
    homes: Callable[..., Home],
) -> None:
    home = wrapped(homes(GROUNDSWELL_EMBEDDINGS__URL="none:"), LIMITED)
    home.well("up", "-d", "--no-question")
    # what follows is PostgreSQL's disk alone
    psutil.Process(home.instance["pid"]).rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
    before = finished(home, submitted(home, "Where is high_waters defined?"))
    filler = Filler(home)
    filler.fill("calls")
    accepted = submitted(home, "Where is retrying defined?")
    filler.fill("events")
    unavailable(home, "database_full")
    assert shown(home, before["id"])["answer"] == before["answer"]
    assert shown(home, accepted)["status"] in ("queued", "running")
    filler.free("events")
    filler.free("calls")
    assert finished(home, accepted)["answer"]["text"].startswith("`retrying` is a function in harbour/retry.py:")
    finished(home, submitted(home, "Where is read_gauge defined?"))
    filler.database.close()


def test_where_the_port_is_taken_ask_starts_a_platform_elsewhere_and_up_names_the_holder(home: Home) -> None:
    home.more["GROUNDSWELL_EMBEDDINGS__URL"] = "none:"
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        home.more["GROUNDSWELL_GATEWAY__PORT"] = str(port)
        refused = home.run("up", "-d", "--no-question")
        assert refused.returncode == 2
        assert f"Port {port} is held by " in refused.stderr
        assert f"(pid {os.getpid()})" in refused.stderr
        told = home.told("ask", "Where is high_waters defined?")
        assert told["status"] == "succeeded"
        assert not home.instance["url"].endswith(f":{port}")
        status = json.loads(home.well("status", "--json").stdout)
        assert status["started_by"] == "ask"


@pytest.mark.parametrize("place", ["data", "home"])
def test_a_data_directory_that_cannot_be_written_is_named_with_what_to_set(
    homes: Callable[..., Home], place: str
) -> None:
    home = wrapped(homes(), UNPRIVILEGED)
    folder = home.data if place == "data" else home.folder
    folder.mkdir(exist_ok=True)
    folder.chmod(0o555)
    try:
        for command in (["up", "-d", "--no-question"], ["up"], ["ask", "Where is x?"], ["migrate"]):
            refused = home.run(*command)
            assert refused.returncode == 2, (command, refused)
            assert str(home.data) in refused.stderr
            assert "hint: Name a folder that can be written with GROUNDSWELL_DATA." in refused.stderr
            assert "Traceback" not in refused.stderr
        assert list(folder.iterdir()) == [] or place == "home"
        assert home.run("doctor").returncode == (1 if place == "data" else 0)
    finally:
        folder.chmod(0o755)


def test_a_log_that_cannot_be_written_stops_nothing(home: Home) -> None:
    home.more["GROUNDSWELL_EMBEDDINGS__URL"] = "none:"
    logs = home.data / "logs"
    logs.mkdir(mode=0o700, parents=True)
    (logs / "platform.log").symlink_to("/dev/full")
    platform = home.begin("up", "--no-question")
    assert platform.stdout is not None
    with platform, platform.stdout as said:
        assert any("ready at" in line for line in said)
        for name in ("high_waters", "retrying"):
            assert home.told("ask", f"Where is {name} defined?")["status"] == "succeeded"
        assert home.run("status").returncode == 0
        home.well("stop")
