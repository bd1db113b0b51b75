"""Processes of our own. Each is forked from a server that has imported what it needs, so that it is there at once."""

import asyncio
import contextlib
import itertools
import multiprocessing
import os
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any

from groundswell.runtime import telemetry

AGAIN_SECONDS = 1.0  # between two starts of one that dies at once


def context() -> ForkServerContext | SpawnContext:
    """How a process begins: not as a fork of this one, which has threads and open databases.

    The server has neither, since to import a module does nothing. macOS's own libraries bear no fork at all: there
    each process starts anew.
    """
    # both run `python -c`, which looks for modules in the current folder first: that may be anybody's repository
    os.putenv("PYTHONSAFEPATH", "1")
    return multiprocessing.get_context("spawn" if sys.platform == "darwin" else "forkserver")


@contextlib.asynccontextmanager
async def kept(
    name: str, main: Callable[..., None], *arguments: Any, count: int, died: Callable[[str], Awaitable[None]]
) -> AsyncGenerator[None]:
    """So many processes that run `main(NAME, *arguments)`; after one has died and `died(NAME)`, another starts.

    Each has a name of its own, which begins with `name`. They are asked to end by SIGTERM.
    """
    how, numbers = context(), itertools.count(1)
    if isinstance(how, ForkServerContext):
        how.set_forkserver_preload(sorted(module for module in sys.modules if module.startswith("groundswell.")))

    async def keep() -> None:
        while True:
            began, own = time.monotonic(), f"{name}-{next(numbers)}"
            process = how.Process(target=main, args=(own, *arguments), name=own)
            try:
                await _run(process)
            except (OSError, EOFError) as error:
                telemetry.log.error("process.does_not_start", process=own, error=str(error))
            else:
                telemetry.log.warning("process.ended", process=own, exit_code=process.exitcode)
                await died(own)
            await asyncio.sleep(began + AGAIN_SECONDS - time.monotonic())

    tasks = [asyncio.create_task(keep(), name=f"keep {name}") for _ in range(count)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run(process: BaseProcess) -> None:
    """See a process to its end; where this is given up it ends, too."""
    starting = asyncio.create_task(asyncio.to_thread(process.start))  # the first one waits for the server's imports
    try:
        await asyncio.shield(starting)
        await _ended(process)
    finally:
        await asyncio.wait([starting])
        if process.is_alive():
            process.terminate()
            await _ended(process)


async def _ended(process: BaseProcess) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(process.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process.sentinel)
    process.join()


def on_parents_end(then: Callable[[], None]) -> None:
    """In a process that was started so: once the one that started it has ended, however it did."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    loop, sentinel = asyncio.get_running_loop(), parent.sentinel

    def ended() -> None:
        loop.remove_reader(sentinel)
        then()

    loop.add_reader(sentinel, ended)
