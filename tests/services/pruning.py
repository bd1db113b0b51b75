"""A process that prunes, and dies by SIGKILL after its n-th statement that writes; after the last one, uncommitted."""

import asyncio
import os
import signal
from typing import Any

import psycopg

from groundswell.backends.databases.connections import Database
from groundswell.backends.databases.retention import RetentionStore
from groundswell.core.records import PARTS

WRITES = ("INSERT", "UPDATE", "DELETE")


def main(url: str, run: str, part: str, statement: int) -> None:
    """Prune a part of a run, or with "run" delete it."""
    seen = 0
    inner = psycopg.AsyncConnection.execute

    async def execute(self: Any, sql: str, *arguments: Any, **more: Any) -> Any:
        nonlocal seen
        done = await inner(self, sql, *arguments, **more)
        seen += sql.lstrip().startswith(WRITES)
        if seen == statement:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    async def prune() -> None:
        database = Database(url, role="router", size=1)
        await database.open()
        psycopg.AsyncConnection.execute = execute  # type: ignore[method-assign]
        store = RetentionStore(database)
        if part == "run":
            await store.delete("local", run)
        else:
            await store.prune("local", run, next(name for name in PARTS if name == part), "test")
        await database.close()

    asyncio.run(prune())
