"""Work for runs that stops when its run is asked to stop: a caller's cancel reaches what a service does for it."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

from groundswell.backends.databases.runs import RunStore
from groundswell.core.errors import Unavailable

T = TypeVar("T")
LOOK_SECONDS = 0.5  # where nobody told us of anything
PAUSE_SECONDS = 0.05  # between two looks


class RunStopped(Exception):
    """The run was asked to stop, or has ended, and the work was cut off."""


class Stoppable:
    """The work under way in this process, by run."""

    def __init__(self, runs: RunStore) -> None:
        self.runs = runs
        self.work: defaultdict[str, set[asyncio.Task[Any]]] = defaultdict(set)
        self.busy = asyncio.Event()

    async def done(self, run: str, work: Coroutine[Any, Any, T]) -> T:
        """What the work comes to. Raises RunStopped."""
        task = asyncio.create_task(work)
        self.work[run].add(task)
        self.busy.set()
        try:
            return await task
        except asyncio.CancelledError:
            asker = asyncio.current_task()
            if asker is not None and asker.cancelling():
                raise  # it is we who are cut off
            raise RunStopped(run) from None
        finally:
            self.work[run].discard(task)
            if not self.work[run]:
                del self.work[run]

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncGenerator[None]:
        """Stop work while this is entered."""
        task = asyncio.create_task(self._watch(), name="stop what was cancelled")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await self.busy.wait()
            await self.runs.database.ear.wait(LOOK_SECONDS)
            if not self.work:
                self.busy.clear()
                continue
            with contextlib.suppress(Unavailable):  # asked again at the next look
                for run in await self.runs.stopped(list(self.work)):
                    for task in self.work.get(run, ()):
                        task.cancel()
            await asyncio.sleep(PAUSE_SECONDS)
