"""Runs services in one process: database first, then each service on its address, the gateway last."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from groundswell.backends.databases.embedded import ROLE, EmbeddedPostgres
from groundswell.backends.databases.leases import Leases
from groundswell.backends.databases.migrations import migrate
from groundswell.core.errors import ConfigError, GroundswellError, Unavailable
from groundswell.core.settings import Loaded
from groundswell.runtime import discovery, keys, processes, telemetry
from groundswell.runtime.base import VERSION, Base
from groundswell.runtime.datadir import DataDir
from groundswell.runtime.grants import check_policy
from groundswell.runtime.instance import Instance, StartedBy, Tenure, acquire
from groundswell.runtime.service import Service, application
from groundswell.runtime.tcp_ports import port_taken

ORDER = ("router", "tools", "models", "agents", "gateway")  # in which they start; those of extensions before the last
STOP_SECONDS = 3  # for requests under way
START_SECONDS = 60
LOOK_SECONDS = 5.0
WATCH_SECONDS = 0.5  # between two looks at the embedded database
START_AGAIN_SECONDS = 3.0
Say = Callable[[str], None]


class Server(uvicorn.Server):
    """A server among others: signals are the platform's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Leave signals alone."""
        yield


@dataclass
class Running:
    """A platform while it runs."""

    base: Base
    instance: Instance | None
    stopping: asyncio.Event
    seconds: dict[str, float]  # what starting took


async def run(
    loaded: Loaded,
    *,
    names: Sequence[str] = (),
    keyless: bool,
    started_by: StartedBy = "up",
    workers: int = 0,
    worker: str = "",
    log: Path | None = None,
    say: Say = lambda text: None,
    ready: Callable[[Running], Awaitable[None]] | None = None,
) -> Instance | None:
    """Serve until SIGINT, SIGTERM or SIGHUP. Where this data directory's platform runs already, return it at once.

    `workers` agent workers become processes of their own; `worker` is the name of one of them. `say` tells progress,
    `ready` is awaited once all answer.
    Raises ConfigError, Unavailable.
    """
    data = DataDir(loaded.settings.data).create()
    async with contextlib.AsyncExitStack() as stack:
        tenure: Tenure | None = None
        if not names or "gateway" in names:
            got = await stack.enter_async_context(acquire(data))
            if isinstance(got, Instance):
                return got
            tenure = got
        gate = _gateway_socket(loaded) if tenure else None  # first: a port that is taken costs no start
        found, names = _chosen(names)
        if loaded.policy.tenants:
            check_policy(loaded.policy, discovery.tools())
        stopping = _stop_on_signals()
        telemetry.set_up(loaded.settings.telemetry, "platform" if len(names) > 1 else names[0], VERSION, log)
        running = await stack.enter_async_context(_opened(loaded, data, keyless, stopping, say))
        running.base.worker = worker or running.base.worker
        for name in names:
            if name == "agents" and workers:
                await stack.enter_async_context(_worker_processes(running.base, workers, log))
                continue
            began = time.monotonic()
            service = found[name]
            sock = gate if name == "gateway" and gate else _socket(running.base, name)
            await stack.enter_async_context(_served(service, running.base, sock))
            running.seconds[name] = time.monotonic() - began
        if tenure and gate:
            host, port = gate.getsockname()[:2]
            url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            running.instance = tenure.publish(url, VERSION, running.base.local_key, started_by, str(log or ""))
        if ready is not None:
            await ready(running)
        processes.on_parents_end(stopping.set)
        if started_by == "ask":
            stack.push_async_callback(_cancelled, asyncio.create_task(_stop_when_idle(running)))
        await stopping.wait()
        say("stopping")
    return None


def _chosen(names: Sequence[str]) -> tuple[dict[str, Service], list[str]]:
    """The services there are, and which of them are to run, in order; without names all. Raises ConfigError."""
    found = discovery.discover("groundswell.services", Service)
    known = [*ORDER[:-1], *(name for name in found if name not in ORDER), ORDER[-1]]
    unknown = set(names) - set(known)
    if unknown:
        hint = f"the services are {', '.join(known)}"
        raise ConfigError("unknown_service", f"there is no service {sorted(unknown)[0]!r}", hint)
    return found, [name for name in known if not names or name in names]


@contextlib.asynccontextmanager
async def _opened(
    loaded: Loaded, data: DataDir, keyless: bool, stopping: asyncio.Event, say: Say
) -> AsyncGenerator[Running]:
    """The database, its schema, and the keys."""
    seconds: dict[str, float] = {}
    began = time.monotonic()
    say("database")
    settings = loaded.settings
    async with database(loaded, data) as url:
        if settings.database.migrate:
            password = settings.database.password
            await migrate(url.replace("{role}", ROLE), password=password.get_secret_value() if password else None)
        seconds["database"] = time.monotonic() - began
        say("services")
        given = settings.services.keys
        base = Base(loaded, data, keys.load(given or data.keys, create=given is None), url, keyless)
        if settings.gateway.key:
            base.local_key = settings.gateway.key.get_secret_value()
        yield Running(base, None, stopping, seconds)


@contextlib.asynccontextmanager
async def database(loaded: Loaded, data: DataDir) -> AsyncGenerator[str]:
    """The database's URL; the embedded one runs for as long as this is entered. `{role}` may stand in it."""
    url = loaded.settings.database.url
    if url != "embedded:":
        yield url
        return
    postgres = EmbeddedPostgres(data.postgres)
    watching: asyncio.Task[None] | None = None
    try:
        url = await postgres.start()
        watching = asyncio.create_task(_kept_running(postgres), name="watch the database")
        yield url.replace(f"//{ROLE}@", "//{role}@")
    finally:
        if watching:
            await _cancelled(watching)
        await postgres.stop()


async def _kept_running(postgres: EmbeddedPostgres) -> None:
    """Start the server again where it ended without us: what it acknowledged survives that."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        if postgres.running() is None:
            telemetry.log.warning("database.ended")
            try:
                await postgres.start()
            except GroundswellError as error:  # such as a full disk: until there is room, requests get 503
                telemetry.log.error("database.does_not_start", error=error.message, hint=error.hint)
                await asyncio.sleep(START_AGAIN_SECONDS)
            else:
                telemetry.log.warning("database.started_again")


@contextlib.asynccontextmanager
async def _served(service: Service, base: Base, sock: socket.socket) -> AsyncGenerator[None]:
    """One service, answering."""
    app = application(service, base)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # who is at the other end is what the kernel says, not what a header does
        lifespan="off",
        timeout_graceful_shutdown=STOP_SECONDS,
        timeout_keep_alive=60,
        server_header=False,
        date_header=False,
    )
    server = Server(config)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(sock.close)
        await _lives(app, service.name, stack)
        task = asyncio.create_task(server.serve(sockets=[sock]), name=f"serve {service.name}")
        try:
            await _started(server, task, service.name)
            yield
        finally:
            server.should_exit = True
            await asyncio.gather(task, return_exceptions=True)


async def _lives(app: FastAPI, name: str, stack: contextlib.AsyncExitStack) -> None:
    """Open what a service works with. Here and not by its server, which ends the process with a number when that fails.

    Raises what the service raises where that is a sentence, else Unavailable.
    """
    try:
        async with asyncio.timeout(START_SECONDS):
            await stack.enter_async_context(app.router.lifespan_context(app))
    except GroundswellError:
        raise
    except Exception as error:
        telemetry.log.error("service.not_started", service=name, exc_info=error)
        said = f"{START_SECONDS} s were not enough" if isinstance(error, TimeoutError) else str(error)
        raise Unavailable("not_started", f"the {name} service did not start: {said}") from error


async def _started(server: uvicorn.Server, task: "asyncio.Task[None]", name: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        await asyncio.wait([task], timeout=0.01)
        if task.done() or time.monotonic() > deadline:
            raise Unavailable("not_started", f"the {name} service did not start") from (
                task.exception() if task.done() else None
            )


def _gateway_socket(loaded: Loaded) -> socket.socket:
    host, port = loaded.settings.gateway.host, loaded.settings.gateway.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        known = port_taken(port, host)
        raise known or ConfigError("bad_address", f"cannot listen on {host}:{port}: {error.strerror}") from error
    return sock


def _socket(base: Base, name: str) -> socket.socket:
    """The socket of an inner service: a file that only this user may open, or a TCP address."""
    address = base.address(name)
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            sock.bind(str(path))
        finally:
            os.umask(before)
    else:
        name, _, port = address.removeprefix("http://").rpartition(":")
        host = base.settings.services.listen or name.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, int(port)))
    sock.listen(128)
    return sock


def _stop_on_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopping.set)
    return stopping


@contextlib.asynccontextmanager
async def _worker_processes(base: Base, count: int, log: Path | None) -> AsyncGenerator[None]:
    """Agent workers as processes of their own. What one held that died, another may claim at once."""
    database = base.database("agents")
    await database.open()

    async def died(name: str) -> None:
        with contextlib.suppress(Unavailable):  # then its lease runs out
            await Leases(database, name, base.settings.runs.lease_seconds).leave()

    try:
        async with processes.kept(base.worker, serve_agents, base.loaded, log, count=count, died=died):
            yield
    finally:
        await database.close()


def serve_agents(name: str, loaded: Loaded, log: Path | None) -> None:
    """An agent worker, in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until there is a loop: Ctrl-C is for the platform, which ends this
    try:
        asyncio.run(run(loaded, names=("agents",), keyless=False, worker=name, log=log))
    except GroundswellError as error:
        telemetry.log.error("worker.does_not_start", worker=name, error=error.message, hint=error.hint)
        sys.exit(1)


async def _stop_when_idle(running: Running) -> None:
    """A platform that `ask` started ends when nobody has asked it for a while and no run is open."""
    loop = asyncio.get_running_loop()
    running.base.last_asked = loop.time()
    async with contextlib.AsyncExitStack() as stack:
        database = running.base.database("router")
        await database.open()
        stack.push_async_callback(database.close)
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if loop.time() - running.base.last_asked < running.base.settings.idle_minutes * 60:
                continue
            with contextlib.suppress(Unavailable):  # asked again at the next look
                row = await database.row("SELECT count(*) AS open FROM runs WHERE status IN ('queued', 'running')")
                if row and row["open"] == 0:
                    running.stopping.set()
                    return


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
