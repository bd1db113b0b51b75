"""Connections that the server has closed while nobody used them are no error of whoever comes next."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from groundswell.backends.databases.connections import Database
from groundswell.backends.databases.embedded import ROLE


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url.replace("{role}", ROLE), role=ROLE, size=4)
    await opened.open()
    yield opened
    await opened.close()


async def backend(database: Database, seconds: float = 0.0) -> int:
    """Which process of the server answers, after so long."""
    row = await database.row("SELECT pg_backend_pid() AS pid FROM pg_sleep(%s)", seconds)
    assert row
    return row["pid"]


async def test_what_comes_after_the_server_has_closed_all_idle_connections_succeeds(
    database: Database, database_url: str
) -> None:
    before = set(await asyncio.gather(*(backend(database, 0.2) for _ in range(4))))
    assert len(before) > 1
    async with await psycopg.AsyncConnection.connect(database_url.replace("{role}", ROLE), autocommit=True) as root:
        for pid in before:
            await root.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    after = set(await asyncio.gather(*(backend(database) for _ in range(4))))
    assert not after & before
