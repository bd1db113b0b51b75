"""What may be broken on a laptop when somebody asks for it: the processes that store things are killed."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import psutil

from groundswell.backends.databases.embedded import EmbeddedPostgres
from groundswell.core.check import Drill
from groundswell.core.errors import GroundswellError, Unavailable
from groundswell.core.settings import Loaded
from groundswell.runtime.datadir import DataDir
from groundswell.runtime.instance import find

SECONDS = 60.0
SHARD_HOST = "groundswell.backends.vectors.shard_host"


def drills(loaded: Loaded, data: DataDir, answers: Callable[[], Awaitable[object]]) -> dict[str, Drill]:
    """The drills of a platform on this data directory; `answers` raises while it is away."""
    if loaded.settings.database.url != "embedded:":
        return {}

    async def stores() -> str:
        """Kill -9 the database and whoever holds the vectors, and wait until the platform has started both again."""
        postgres = EmbeddedPostgres(data.postgres)
        before = postgres.running()
        if before is None:
            raise Unavailable("no_database", "no embedded database runs on this data directory", "groundswell up")
        hosts = _shard_hosts(data)
        for pid in (before, *hosts):
            os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(SECONDS):
            while postgres.running() in (None, before) or not await _answers(answers):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        return f"PostgreSQL (pid {before}) was killed" + (", and the vector store" if hosts else "")

    return {"stores": stores}


def _shard_hosts(data: DataDir) -> list[int]:
    """The processes of this platform that hold vectors."""
    instance = find(data)
    if instance is None:
        return []
    found: list[int] = []
    for child in psutil.Process(instance.pid).children(recursive=True):
        try:
            words = child.cmdline()
        except psutil.Error:
            continue
        if SHARD_HOST in words:
            found.append(child.pid)
    return found


async def _answers(answers: Callable[[], Awaitable[object]]) -> bool:
    try:
        await answers()
    except GroundswellError:
        return False
    return True
