"""Every kind of process of a platform, each of its own; what dies is started again, as a supervisor would."""

import asyncio
import os
import signal
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from groundswell.client import Client
from groundswell.core.errors import GroundswellError
from groundswell.core.records import NewRun
from write_path.processes import service_main, worker_main
from write_path.test_faults import LEASE, Platform

KINDS = ("worker", "tools", "router", "gateway", "models")


class Whole(Platform):
    """A gateway, a router, tools, models and one or more workers."""

    def __init__(self, folder: Path, url: str, workers: Sequence[str] = ("worker",), lease: float = LEASE) -> None:
        (folder / "pids").mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.lease = lease
        self.clocks: dict[str, float] = {}  # how far off the next one of a kind is
        self.alive: dict[str, BaseProcess] = {}
        self.started = 0
        super().__init__(folder, url)
        for name in ("models", "gateway", *workers):
            self.begin(name)

    @property
    def url_of_gateway(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def service(self, name: str, crash: str = "") -> BaseProcess:
        file = self.folder / "sockets" / f"{name}.sock"
        file.unlink(missing_ok=True)
        port = self.port if name == "gateway" else 0
        clock = self.clocks.get(name, 0.0)
        process = self.start(service_main, name, self.folder, self.url, self.lease, crash, port, clock)
        self._known(name, process)
        self.until(self._answers if port else file.exists)
        return process

    def begin(self, name: str, rule: str = "") -> None:
        """Start one, again or anew."""
        if name.startswith("worker"):
            clock = self.clocks.get(name, 0.0)
            self._known(name, self.start(worker_main, self.folder, self.url, self.lease, "", rule, clock))
        else:
            self.service(name)

    def _known(self, name: str, process: BaseProcess) -> None:
        self.alive[name] = process
        self.started += 1
        part = self.folder / "pids" / f".{name}"
        part.write_text(str(process.pid))
        part.replace(self.folder / "pids" / name)

    def works(self, name: str) -> bool:
        """Whether a worker has begun, and hears what it is asked."""
        sql = "SELECT FROM workers WHERE id = %s AND alive_until > clock_timestamp()"
        return bool(self.rows(sql, f"worker-{self.alive[name].pid}"))

    def _answers(self) -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0

    def supervise(self) -> None:
        """Start again what has died."""
        for name, process in list(self.alive.items()):
            if not process.is_alive():
                process.join()
                self.begin(name)

    def see_to(self, done: Callable[[], Any], seconds: float = 60) -> None:
        """Until something is so, with what dies started again."""

        def looked() -> Any:
            self.supervise()
            return done()

        self.until(looked, seconds)

    def signal(self, name: str, number: int) -> None:
        """Send a signal to one, if it lives."""
        process = self.alive[name]
        if process.is_alive() and process.pid:
            os.kill(process.pid, number)


class Asker(threading.Thread):
    """Asks through the gateway, again until it is accepted, and follows every run to its end with the own client."""

    def __init__(self, url: str, requests: Sequence[NewRun], patience: float = 120) -> None:
        super().__init__(daemon=True)
        self.url, self.requests, self.patience = url, requests, patience
        self.key = uuid.uuid4().hex
        self.accepted: dict[int, str] = {}  # by the place of the request
        self.seen: dict[str, list[tuple[int, str]]] = {}
        self.failed: list[str] = []

    def run(self) -> None:
        """All at once."""
        asyncio.run(self._all())

    async def _all(self) -> None:
        # sockets are blocked in tests for other hosts only
        async with Client(self.url, patience=self.patience) as client:
            await asyncio.gather(*(self._one(client, n, request) for n, request in enumerate(self.requests)))

    async def _one(self, client: Client, number: int, request: NewRun) -> None:
        end = time.monotonic() + self.patience
        while True:
            try:
                run = await client.start(request, idempotency_key=f"{self.key}-{number}")
                break
            except GroundswellError as error:
                if time.monotonic() > end or error.status != 503:
                    self.failed.append(f"{error.code}: {error.message}")
                    return
                await asyncio.sleep(0.05)
        self.accepted[number] = run.id
        seen = self.seen.setdefault(run.id, [])
        try:
            async for event in client.follow(run.id):
                seen.append((event.number, event.kind))
        except GroundswellError as error:
            self.failed.append(f"{error.code}: {error.message}")


def told(platform: Platform, run: str) -> list[tuple[int, str]]:
    """The events that are stored."""
    rows = platform.rows("SELECT number, kind FROM events WHERE run = %s ORDER BY number", run)
    return [(row["number"], row["kind"]) for row in rows]


def made(platform: Platform, run: str) -> dict[str, Any]:
    """What a run came to: all that must be the same whatever was killed meanwhile."""
    row = platform.rows("SELECT * FROM runs WHERE id = %s", run)[0]
    calls = platform.rows("SELECT kind, state, arguments, reply_digest FROM calls WHERE run = %s", run)
    events = platform.rows("SELECT * FROM events WHERE run = %s ORDER BY number", run)
    kinds = Counter(event["kind"] for event in events)
    return {
        "status": (row["status"], row["reason"], row["mode"], row["error"]),
        "answer": row["answer"],
        "calls": Counter((call["kind"], call["state"], str(sorted(call["arguments"].items()))) for call in calls),
        "notes": Counter(event["body"]["name"] for event in events if event["kind"] == "note"),
        "steps": [(event["body"]["step"], event["body"]["nodes"]) for event in events if event["kind"] == "step"],
        "finished": kinds["call.finished"],
        "ends": (kinds["answer"], events[-1]["kind"]),
        "reserved": any(row[f"reserved_{name}"] for name in ("tool_calls", "tokens", "money", "bytes")),
    }


def wrong_numbers(seen: list[tuple[int, str]], stored: list[tuple[int, str]], last: int) -> bool:
    """Whether an event was lost, doubled or renumbered, in the table or on the way."""
    return seen != stored or [number for number, _ in stored] != list(range(1, last + 1))


def checked(platform: Platform, askers: list[Asker], each: int) -> None:
    """All that was accepted has succeeded, and was told without gap or double."""
    for asker in askers:
        assert asker.failed == []
        assert len(asker.accepted) == len(set(asker.accepted.values())) == each
        for run in asker.accepted.values():
            row = platform.rows("SELECT status, reason, error, epoch, last_event FROM runs WHERE id = %s", run)[0]
            assert row["status"] == "succeeded", row
            assert not wrong_numbers(asker.seen[run], told(platform, run), row["last_event"])


def quiet(process: BaseProcess, seconds: float = 10) -> int | None:
    """The exit code of one that was asked to end."""
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
        return -signal.SIGKILL
    return process.exitcode
