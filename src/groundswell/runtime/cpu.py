"""Processes for CPU-bound work: off the event loop, and killed when their time is up."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from concurrent.futures import TimeoutError as Expired
from typing import Any

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from groundswell.core.errors import Unavailable
from groundswell.runtime.processes import context

IDLE_SECONDS = 60.0
START_SECONDS = 60.0  # for a process to begin; pebble starts others for ever where none can


class CpuWorkers:
    """A pool that starts with the first piece of work and goes away when it was idle for a minute."""

    def __init__(
        self, processes: int, idle_seconds: float = IDLE_SECONDS, start_seconds: float = START_SECONDS
    ) -> None:
        self.processes, self.idle_seconds, self.start_seconds = processes, idle_seconds, start_seconds
        self.pool: ProcessPool | None = None
        self.starting: asyncio.Task[bool] | None = None
        self.asked = 0
        self.work: set[ProcessFuture[Any]] = set()
        self.idle: asyncio.TimerHandle | None = None

    async def run(self, function: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        """`function(*arguments)` in another process; raises what it raises, Unavailable when its time is up."""
        if self.idle:
            self.idle.cancel()
        self.asked += 1
        try:
            return await self._run(function, arguments, seconds)
        finally:
            self.asked -= 1
            if not self.asked:
                self.idle = asyncio.get_running_loop().call_later(self.idle_seconds, self._stop)

    async def _run(self, function: Callable[..., Any], arguments: Sequence[Any], seconds: float) -> Any:
        name = function.__name__
        try:
            pool = await self._started()
            future = pool.schedule(function, args=list(arguments), timeout=max(seconds, 0.01))
        except (OSError, EOFError, RuntimeError) as error:
            raise self._gone(name) from error
        self.work.add(future)
        try:
            return await self._begun(future)
        except (Expired, TimeoutError) as error:
            message = f"{name} took longer than {seconds:.1f} s and was stopped"
            raise Unavailable("cpu_deadline", message, "ask for less at once") from error
        except ProcessExpired as error:
            message = f"the process of {name} died (exit code {error.exitcode})"
            raise Unavailable("cpu_died", message, "it may have used too much memory; ask for less") from error
        except BrokenExecutor as error:
            raise self._gone(name) from error
        except asyncio.CancelledError:
            future.cancel()  # kills it
            raise
        finally:
            self.work.discard(future)

    async def close(self) -> None:
        """Stop all at once."""
        if self.idle:
            self.idle.cancel()
        if self.pool is not None:
            pool, self.pool = self.pool, None
            await asyncio.to_thread(_ended, pool)

    async def _started(self) -> ProcessPool:
        """The pool, which has begun. A thread waits for its first processes: that takes seconds on a busy machine."""
        if self.pool is None:
            pool = self.pool = ProcessPool(self.processes, context=context(), initializer=_quiet)
            self.starting = asyncio.create_task(asyncio.to_thread(lambda: pool.active))
        pool, starting = self.pool, self.starting
        assert starting is not None
        await asyncio.shield(starting)
        return pool

    def _gone(self, name: str) -> Unavailable:
        self.pool = None  # the next piece of work gets a new one
        return Unavailable("cpu_died", f"the processes for {name} are gone", "ask again")

    async def _begun(self, future: ProcessFuture[Any]) -> Any:
        """Its value; where no process could begin with it in time, the pool is given up."""
        waited = asyncio.wrap_future(future)
        done, _ = await asyncio.wait([waited], timeout=self.start_seconds)
        if not done and not any(one.running() for one in self.work):
            future.cancel()
            if self.pool is not None:
                self.pool.stop()
            raise BrokenExecutor("no process can start")
        return await waited

    def _stop(self) -> None:
        if not self.asked and self.pool is not None:
            self.pool.close()
            self.pool = None


def _ended(pool: ProcessPool) -> None:
    pool.stop()  # waits for one that is still starting
    pool.join(5)


def _quiet() -> None:
    """Ctrl-C is for the platform's own process, which then stops this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
