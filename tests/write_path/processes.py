"""The platform in processes that can be killed. Kill points stand around the writes in the child alone: the product
has none."""

import asyncio
import contextlib
import functools
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from importlib.metadata import EntryPoint
from multiprocessing import current_process, get_context
from pathlib import Path
from typing import Any

import uvicorn

from groundswell.backends.databases.calls import Journal
from groundswell.backends.databases.decisions import Decisions
from groundswell.backends.databases.leases import Leases
from groundswell.backends.databases.saver import RunSaver
from groundswell.backends.repos.workspace import GitWorkspace
from groundswell.core.settings import Telemetry, load
from groundswell.runtime import discovery, keys, telemetry
from groundswell.runtime.base import Base
from groundswell.runtime.datadir import DataDir
from groundswell.runtime.platform import Server, _gateway_socket, _socket
from groundswell.runtime.service import Service, application
from groundswell.runtime.worker import Services, Worker
from write_path import trial

# children are forked from a process that has imported everything: one starts in a few milliseconds
os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
FORK = get_context("forkserver")
FORK.set_forkserver_preload(["pytest", "write_path.processes"])  # pytest: each child imports the main module
for package in ("services", "agents", "tools", "policies"):
    list(discovery.modules(f"groundswell.{package}"))
PASSED: Counter[str] = Counter()

POINTS: dict[str, list[tuple[Any, str, str]]] = {
    "worker": [
        (RunSaver, "aput_writes", "writes"),
        (RunSaver, "aput", "checkpoint"),
        (Leases, "end", "end"),
        (Leases, "park", "park"),
    ],
    "models": [(Journal, "begin", "intent"), (Journal, "settle", "settle"), (Journal, "tell", "text")],
    "tools": [
        (Journal, "ask", "ask"),
        (Journal, "begin", "intent"),
        (GitWorkspace, "_point", "effect"),
        (Journal, "settle", "settle"),
    ],
    "router": [(Decisions, "decide", "decision")],
}


def at_boundaries(folder: Path) -> None:
    """After the checkpoint of a step is durable, kill the process that `folder/schedule` names for it, once.

    Each boundary is written to `folder/boundaries.log`; the process ids are in `folder/pids`.
    """
    inner = RunSaver.aput

    async def aput(self: RunSaver, config: Any, checkpoint: Any, metadata: Any, versions: Any) -> Any:
        result = await inner(self, config, checkpoint, metadata, versions)
        boundary = f"{self.run}:{metadata.get('step')}"
        trial.write_line("boundaries.log", boundary)
        schedule = json.loads((folder / "schedule").read_text())
        if (victim := schedule.get(str(metadata.get("step")))) and f"{boundary} {victim}" not in trial.lines(
            "kills.log"
        ):
            trial.write_line("kills.log", f"{boundary} {victim}")
            os.kill(int((folder / "pids" / victim).read_text()), signal.SIGKILL)
        return result

    RunSaver.aput = aput  # type: ignore[method-assign]


def shift_clock(seconds: float) -> None:
    """What this process takes for the time is so far off, for our modules as if it had been so before their import."""
    true, moment = time.time, datetime

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return moment.now(tz) + timedelta(seconds=seconds)

    time.time = lambda: true() + seconds
    for name, module in list(sys.modules.items()):
        if name.startswith("groundswell"):
            for attribute, value in list(vars(module).items()):
                if value is true:
                    setattr(module, attribute, time.time)
                elif value is moment:
                    setattr(module, attribute, Shifted)


def arm(role: str, crash: str) -> None:
    """Die by SIGKILL at the n-th passing of a point, if `crash` is `before_writes:3` or the like."""

    def passing(point: str) -> None:
        PASSED[point] += 1
        if crash == f"{point}:{PASSED[point]}":
            os.kill(os.getpid(), signal.SIGKILL)

    for owner, method, name in POINTS.get(role, []):
        inner: Callable[..., Awaitable[Any]] = getattr(owner, method)

        def wrap(inner: Callable[..., Awaitable[Any]] = inner, name: str = name) -> Callable[..., Awaitable[Any]]:
            @functools.wraps(inner)
            async def outer(*args: Any, **kwargs: Any) -> Any:
                passing(f"before_{name}")
                result = await inner(*args, **kwargs)
                passing(f"after_{name}")
                return result

            return outer

        setattr(owner, method, wrap())


def prepare(folder: Path) -> None:
    """Make the trial an extension, as a package would be."""
    trial.LOGS["folder"] = folder
    # as in the platform: structlog's own default shows the locals of every frame, which takes half a minute
    telemetry.set_up(Telemetry(log_level="error"), "trial", "0", folder / "log")
    point = EntryPoint("trial", "write_path.trial", discovery.GROUP)
    discovery.entry_points = lambda group: [point]  # type: ignore[assignment]
    for cached in (discovery.extensions, discovery.agents, discovery.tools, discovery.policies):
        cached.cache_clear()


def base_for(folder: Path, url: str, lease: float, port: int = 0) -> Base:
    overrides = {"data": str(folder), "runs.lease_seconds": lease, "runs.token_seconds": 5, "gateway.port": port}
    overrides["gateway.requests_per_minute"] = 100_000
    loaded = load(folder / "config", overrides, {"HOME": str(folder)})
    return Base(loaded, DataDir(folder), keys.load(folder / "keys", create=True), url, keyless=bool(port))


def service_main(
    name: str, folder: Path, url: str, lease: float, crash: str, port: int = 0, clock: float = 0.0
) -> None:
    """One service, as a process; the gateway has a port. It ends at SIGTERM as `serve` does."""
    current_process()._config["daemon"] = False  # type: ignore[attr-defined]  # it may have processes of its own
    prepare(folder)
    shift_clock(clock)
    arm(name, crash)
    base = base_for(folder, url, lease, port)
    service = discovery.discover("groundswell.services", Service)[name]
    config = uvicorn.Config(
        application(service, base), log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=3
    )

    async def main() -> None:
        server = Server(config)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: setattr(server, "should_exit", True))
        await server.serve(sockets=[_gateway_socket(base.loaded) if port else _socket(base, name)])

    asyncio.run(main())


def worker_main(folder: Path, url: str, lease: float, crash: str, rule: str, clock: float = 0.0) -> None:
    """A worker, as a process."""
    prepare(folder)
    shift_clock(clock)
    arm("worker", crash)
    if (folder / "schedule").exists():
        at_boundaries(folder)
    if rule == "without_fence":
        plain = RunSaver.__init__
        RunSaver.__init__ = lambda self, db, run, tenant, epoch: plain(self, db, run, tenant, None)  # type: ignore
    base = base_for(folder, url, lease)

    async def main() -> None:
        database = base.database("agents")
        await database.open()
        services = Services(base.peer("router"), base.peer("tools"), base.peer("models"))
        worker = Worker(
            f"worker-{os.getpid()}",
            database,
            services,
            base.keys,
            discovery.agents(),
            discovery.tools(),
            lease_seconds=lease,
        )
        if rule == "without_takeover":  # the dead look alive
            worker.leases.seconds = 1e6
        serving = asyncio.create_task(worker.serve())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
        await worker.leases.beat()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        await database.close()

    asyncio.run(main())
    sys.exit(0)
