"""What tests share: one real PostgreSQL for all, a database of its own for each that asks."""

import asyncio
import contextlib
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from playwright.async_api import Browser, async_playwright

from groundswell.backends.databases.embedded import ROLE, EmbeddedPostgres
from groundswell.backends.databases.migrations import migrate

NUMBERS = itertools.count()
settings.register_profile("groundswell", deadline=None)  # no test judges by the clock
settings.load_profile("groundswell")


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting and no proxy of whoever runs the tests reaches them."""
    for name in list(os.environ):
        if name.startswith("GROUNDSWELL_") or re.fullmatch(r"(?i)(https?|all|no)_proxy", name):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A real one, without a window."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "this needs a Chromium"
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        await opened.close()


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[str]:
    """A real server; the URL has `{role}` where the role goes and `{name}` where the database goes."""
    with tempfile.TemporaryDirectory(prefix="gs-test-", ignore_cleanup_errors=True) as folder:
        server = EmbeddedPostgres(Path(folder))
        url = await server.start()
        try:
            yield url.replace(f"//{ROLE}@", "//{role}@").replace("/postgres?", "/{name}?")
        finally:
            await server.stop()


@pytest.fixture
async def database_url(postgres: str) -> AsyncIterator[str]:
    """A fresh database with our schema; `{role}` still stands in its URL."""
    name = f"test_{os.getpid()}_{next(NUMBERS)}"
    root = postgres.replace("{role}", ROLE).replace("{name}", "postgres")
    async with await psycopg.AsyncConnection.connect(root, autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {name}")
    url = postgres.replace("{name}", name)
    await migrate(url.replace("{role}", ROLE))
    yield url
    with contextlib.suppress(psycopg.Error, asyncio.CancelledError):
        async with await psycopg.AsyncConnection.connect(root, autocommit=True) as connection:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
