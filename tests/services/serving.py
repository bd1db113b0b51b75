"""Runs a whole platform in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from groundswell.core.settings import Loaded
from groundswell.runtime.platform import Running, run


@asynccontextmanager
async def served(loaded: Loaded, log: Path | None = None) -> AsyncIterator[Running]:
    """A platform from when it answers until it has stopped; what keeps it from starting is raised."""
    ready: asyncio.Future[Running] = asyncio.get_running_loop().create_future()

    async def started(running: Running) -> None:
        ready.set_result(running)

    task = asyncio.create_task(run(loaded, keyless=True, ready=started, log=log))
    await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    running = ready.result()
    try:
        yield running
    finally:
        running.stopping.set()
        await task
