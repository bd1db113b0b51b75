"""The platform in processes that can be killed. Kill points stand around the writes in the child alone: the product
has none."""

import asyncio
import contextlib
import functools
import os
import signal
import sys
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from importlib.metadata import EntryPoint
from multiprocessing import get_context
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
from groundswell.runtime.platform import Server, _socket
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


def base_for(folder: Path, url: str, lease: float) -> Base:
    overrides = {"data": str(folder), "runs.lease_seconds": lease, "runs.token_seconds": 5}
    loaded = load(folder / "config", overrides, {"HOME": str(folder)})
    return Base(loaded, DataDir(folder), keys.load(folder / "keys", create=True), url)


def service_main(name: str, folder: Path, url: str, lease: float, crash: str) -> None:
    """One service, as a process."""
    prepare(folder)
    arm(name, crash)
    base = base_for(folder, url, lease)
    service = discovery.discover("groundswell.services", Service)[name]
    config = uvicorn.Config(application(service, base), log_config=None, access_log=False, lifespan="on")

    async def main() -> None:
        await Server(config).serve(sockets=[_socket(base, name)])

    asyncio.run(main())


def worker_main(folder: Path, url: str, lease: float, crash: str, rule: str) -> None:
    """A worker, as a process."""
    prepare(folder)
    arm("worker", crash)
    if rule == "without_fence":
        plain = RunSaver.__init__
        RunSaver.__init__ = lambda self, db, run, tenant, epoch: plain(self, db, run, tenant, None)  # type: ignore
    base = base_for(folder, url, lease)

    async def main() -> None:
        database = base.database("agents")
        await database.open()
        services = Services(base.peer("router"), base.peer("tools"), base.peer("models"))
        worker = Worker(
            uuid.uuid4().hex[:8],
            database,
            services,
            base.keys,
            discovery.agents(),
            discovery.tools(),
            lease_seconds=lease,
        )
        await worker.leases.beat()
        loop = asyncio.get_running_loop()
        serving = asyncio.create_task(worker.serve())
        loop.add_signal_handler(signal.SIGTERM, serving.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        await database.close()

    asyncio.run(main())
    sys.exit(0)
