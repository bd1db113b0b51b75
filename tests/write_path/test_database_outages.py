"""The database is restarted and its connections are cut under load: runs wait, then finish, and nothing is lost."""

import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from groundswell.backends.databases.embedded import ROLE, EmbeddedPostgres
from groundswell.backends.databases.migrations import migrate
from write_path.test_every_process import configured, material
from write_path.test_faults import faults
from write_path.whole import Asker, Whole, checked

pytestmark = [pytest.mark.faults, pytest.mark.real, pytest.mark.timeout(600)]


@pytest.fixture
async def own_server() -> AsyncIterator[EmbeddedPostgres]:
    """A server that may be restarted: no other test is on it."""
    with tempfile.TemporaryDirectory(prefix="gs-test-", ignore_cleanup_errors=True) as folder:
        server = EmbeddedPostgres(Path(folder))
        await migrate(await server.start())
        yield server
        await server.stop()


def database_of(server: EmbeddedPostgres) -> str:
    return f"postgresql://{ROLE}@/postgres?host={server.data}"


def loaded(platform: Whole, runs: list[str], askers: list[Asker], folder: Path) -> None:
    """More runs, until some are under way."""
    runs += platform.submit(4)
    request = material(folder)["coding"] if not askers else askers[0].requests[0]
    askers.append(Asker(platform.url_of_gateway, [request, request]))
    askers[-1].start()
    platform.until(lambda: any(row["epoch"] for row in platform.unfinished(runs)))


async def test_runs_outlive_restarts_of_the_database_and_cut_connections(
    own_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    configured(tmp_path)
    url = database_of(own_server).replace(f"//{ROLE}@", "//{role}@")
    platform = Whole(tmp_path, url)
    runs: list[str] = []
    askers: list[Asker] = []
    cut = 0
    try:
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, and none at all
            loaded(platform, runs, askers, tmp_path)
            platform.db.close()
            server = int((own_server.data / "postmaster.pid").read_text().split()[0])
            os.kill(server, number)
            while own_server.running() is not None:
                signal.sigtimedwait([], 0.02)
            await own_server.start()
            platform.connect()
            assert all(process.is_alive() for process in platform.alive.values()), "no process of ours ends for it"
        loaded(platform, runs, askers, tmp_path)
        with psycopg.connect(database_of(own_server), autocommit=True) as knife:
            for _ in range(15):
                sql = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                         WHERE application_name LIKE 'groundswell-%'"""
                cut += (knife.execute(sql).fetchone() or (0,))[0]
                pause = time.monotonic() + 0.1
                while time.monotonic() < pause:
                    signal.sigtimedwait([], 0.02)
        assert cut > 15
        platform.until(lambda: not platform.unfinished(runs) and not any(a.is_alive() for a in askers), 120)
        assert all(process.is_alive() for process in platform.alive.values())
        assert faults(platform, runs) == {}
        checked(platform, askers, 2)
    finally:
        platform.close()
