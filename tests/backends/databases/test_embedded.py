import asyncio
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from groundswell.backends.databases import embedded, postgres_programs
from groundswell.backends.databases.embedded import EmbeddedPostgres
from groundswell.core.errors import ConfigError, Unavailable

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="only root can become another user")
NOBODY = 65534

HOLD = """
import asyncio, sys
from pathlib import Path
from groundswell.backends.databases.embedded import EmbeddedPostgres
async def main():
    postgres = EmbeddedPostgres(Path(sys.argv[1]))
    print(await postgres.start(), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await postgres.stop()
asyncio.run(main())
"""

TRY = """
import asyncio, sys
from pathlib import Path
import psycopg
from groundswell.backends.databases.embedded import EmbeddedPostgres
from groundswell.core.errors import GroundswellError
async def main():
    postgres = EmbeddedPostgres(Path(sys.argv[1]))
    try:
        url = await postgres.start()
    except GroundswellError as error:
        print(error.code)
        return
    with psycopg.connect(url) as connection:
        print(connection.execute("select 'it answers'").fetchone()[0])
    await postgres.stop()
    print(postgres.running())
asyncio.run(main())
"""


@pytest.fixture(scope="module")
async def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database, stopped: to make one takes a second, to copy it does not."""
    folder = tmp_path_factory.mktemp("template") / "postgres"
    postgres = EmbeddedPostgres(folder)
    await postgres.start()
    await postgres.stop()
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Iterator[Path]:
    copy = copied(template, tmp_path / "postgres")
    yield copy
    for process in processes(copy):
        process.kill()


def copied(folder: Path, to: Path) -> Path:
    to.parent.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", str(folder), str(to)], check=True)
    return to


def processes(folder: Path) -> list[psutil.Process]:
    return embedded._servers_in(folder / "data")


def creators_of_shared_memory() -> set[str]:
    table = Path("/proc/sysvipc/shm")
    return {line.split()[4] for line in table.read_text().splitlines()[1:]} if table.exists() else set()


def query(url: str, sql: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        row = cursor.fetchone() if cursor.description else None
        return str(row[0]) if row else ""


def left_by_a_killed_parent(folder: Path) -> int:
    """Start the server from a process group that is then killed; the server's pid."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().startswith(b"postgresql://")
        pid = EmbeddedPostgres(folder).running()
        os.killpg(holder.pid, signal.SIGKILL)
    assert pid is not None
    return pid


def process_of(owner: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=owner if ROOT else None)


@functools.cache
def python_of_nobody() -> list[str]:
    """A command line that runs Python for an ordinary user; root's own Python may lie in a closed folder."""
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", f"PYTHONPATH={':'.join(sys.path)}"]
    for python in (sys.executable, "/usr/bin/python3"):
        probe = [*user, python, "-c", "import groundswell.runtime.instance, psycopg"]
        if shutil.which("setpriv") and subprocess.run(probe, capture_output=True, check=False, cwd="/").returncode == 0:
            return [*user, python, "-c"]
    pytest.skip("no Python here that an ordinary user can run")


def as_nobody(program: str, *arguments: str) -> str:
    command = [*python_of_nobody(), program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    return done.stdout + done.stderr


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="gs-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


async def test_first_start_makes_a_database_on_a_private_socket(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "new" / "postgres")
    url = await postgres.start()
    assert query(url, "show server_version").startswith("18")
    assert query(url, "show listen_addresses") == ""
    assert [query(url, f"show {name}") for name in ("fsync", "full_page_writes", "data_checksums")] == ["on"] * 3
    query(url, "create extension vector")
    assert (tmp_path / "new/postgres").stat().st_mode & 0o777 == 0o700
    assert postgres.data.stat().st_mode & 0o777 == 0o700
    await postgres.stop()
    assert not processes(postgres.folder)


async def test_rows_of_one_start_are_there_at_the_next(folder: Path) -> None:
    postgres = EmbeddedPostgres(folder)
    query(await postgres.start(), "create table kept as select 7 as n")
    await postgres.stop()
    assert postgres.running() is None
    assert query(await postgres.start(), "select n from kept") == "7"
    await postgres.stop()


async def test_idle_server_takes_less_than_60_mib(folder: Path) -> None:
    postgres = EmbeddedPostgres(folder)
    await postgres.start()
    taken = sum(process.memory_full_info().pss for process in processes(folder))
    await postgres.stop()
    assert 0 < taken < 60 * 2**20


async def test_start_is_harmless_where_it_runs(folder: Path) -> None:
    postgres = EmbeddedPostgres(folder)
    url = await postgres.start()
    pid = postgres.running()
    assert await postgres.start() == url
    assert postgres.running() == pid
    await postgres.stop()


async def test_last_user_ends_the_server(folder: Path) -> None:
    first, second = EmbeddedPostgres(folder), EmbeddedPostgres(folder)
    await first.start()
    url = await second.start()
    pid = first.running()
    await first.stop()
    assert second.running() == pid
    assert query(url, "select 1") == "1"
    await second.stop()
    assert not processes(folder)


async def test_two_who_start_at_once_share_one_server(tmp_path: Path) -> None:
    both = [EmbeddedPostgres(tmp_path / "postgres") for _ in range(2)]
    assert len(set(await asyncio.gather(*(postgres.start() for postgres in both)))) == 1
    assert both[0].running() == both[1].running()
    await asyncio.gather(*(postgres.stop() for postgres in both))
    assert not processes(tmp_path / "postgres")


async def test_rows_survive_kill_9_of_the_server_and_its_memory_is_freed(folder: Path) -> None:
    postgres = EmbeddedPostgres(folder)
    query(await postgres.start(), "create table kept as select generate_series(1, 1000) as n")
    pid = postgres.running()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    url = await postgres.start()
    assert postgres.running() not in (None, pid)
    assert query(url, "select count(*) from kept") == "1000"
    await postgres.stop()
    assert not processes(folder)
    assert str(pid) not in creators_of_shared_memory()


async def test_server_left_by_a_killed_process_group_is_taken_over(folder: Path) -> None:
    pid = left_by_a_killed_parent(folder)
    postgres = EmbeddedPostgres(folder)
    url = await postgres.start()
    assert postgres.running() == pid
    assert query(url, "select 1") == "1"
    await postgres.stop()
    assert not processes(folder)


async def test_left_server_that_hangs_is_replaced(folder: Path) -> None:
    pid = left_by_a_killed_parent(folder)
    os.kill(pid, signal.SIGSTOP)
    postgres = EmbeddedPostgres(folder)
    url = await postgres.start()
    assert postgres.running() != pid
    assert query(url, "select 1") == "1"
    await postgres.stop()


async def test_left_server_with_other_settings_is_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left_by_a_killed_parent(folder)
    monkeypatch.setitem(embedded.SETTINGS, "work_mem", "5MB")
    postgres = EmbeddedPostgres(folder)
    assert query(await postgres.start(), "show work_mem") == "5MB"
    await postgres.stop()


async def test_pid_that_is_another_process_by_now_does_not_stop_the_start(folder: Path) -> None:
    owner = (folder / "data").stat().st_uid
    with process_of(owner) as other:
        lock = f"{other.pid}\n{folder / 'data'}\n1\n5432\n.\n\n0 0\nready\n"
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (folder / "data" / name).write_text(lock)
            os.chown(folder / "data" / name, owner, -1)
        postgres = EmbeddedPostgres(folder)
        assert postgres.running() is None
        await postgres.start()
        assert other.poll() is None
        await postgres.stop()
        assert other.poll() is None
        other.kill()


@pytest.mark.parametrize("content", ["", "not a number\n", "999999999\n/elsewhere\n"])
async def test_broken_pid_file_does_not_stop_the_start(folder: Path, content: str) -> None:
    file = folder / "data/postmaster.pid"
    file.write_text(content)
    os.chown(file, (folder / "data").stat().st_uid, -1)
    postgres = EmbeddedPostgres(folder)
    assert query(await postgres.start(), "select 1") == "1"
    await postgres.stop()


async def test_cancelled_start_leaves_nothing_running(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    starting = asyncio.create_task(postgres.start())
    async with asyncio.timeout(20):
        while not any((tmp_path / "postgres").glob("new-*/base")):
            await asyncio.wait({starting}, timeout=0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert sorted(path.name for path in (tmp_path / "postgres").iterdir()) == ["start.log", "turn.lock", "use.lock"]
    here = str(tmp_path)
    assert not [p for p in psutil.process_iter(["name", "cwd"]) if (p.info["cwd"] or "").startswith(here)]


async def test_path_too_long_for_a_socket_gets_a_short_name(template: Path, tmp_path: Path) -> None:
    folder = copied(template, tmp_path / ("very-" * 25) / "postgres")
    postgres = EmbeddedPostgres(folder)
    url = await postgres.start()
    assert query(url, "select 1") == "1"
    alias = (folder / "short").readlink()
    assert alias.stat().st_mode & 0o777 == 0o700
    assert await postgres.start() == url
    await postgres.stop()
    assert not alias.exists()


async def test_failed_statement_is_not_written_to_the_log(folder: Path) -> None:
    postgres = EmbeddedPostgres(folder)
    url = await postgres.start()
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        query(url, "select 'a-secret'::int")
    await postgres.stop()
    assert "a-secret" not in "".join(file.read_text() for file in (folder / "data/log").iterdir())


async def test_database_of_another_version_is_refused(folder: Path) -> None:
    (folder / "data/PG_VERSION").write_text("16\n")
    with pytest.raises(ConfigError, match="made by PostgreSQL 16") as refusal:
        await EmbeddedPostgres(folder).start()
    assert (refusal.value.code, bool(refusal.value.hint)) == ("database_version", True)


async def test_files_that_are_no_database_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "postgres/data").mkdir(parents=True)
    (tmp_path / "postgres/data/mine.txt").write_text("mine")
    with pytest.raises(ConfigError) as refusal:
        await EmbeddedPostgres(tmp_path / "postgres").start()
    assert refusal.value.code == "database_damaged"
    assert (tmp_path / "postgres/data/mine.txt").read_text() == "mine"


async def test_server_that_cannot_start_says_why(folder: Path) -> None:
    (folder / "data/postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(Unavailable, match="no_such_setting") as failure:
        await EmbeddedPostgres(folder).start()
    assert failure.value.code == "database_start"
    assert not processes(folder)


async def test_full_disk_is_said(small_disk: Path) -> None:
    with pytest.raises(Unavailable) as failure:
        await EmbeddedPostgres(small_disk / "postgres").start()
    assert failure.value.code == "disk_full"
    assert not any((small_disk / "postgres").glob("new-*"))


async def test_read_only_disk_is_said(small_disk: Path) -> None:
    (small_disk / "postgres").mkdir(mode=0o700)
    make_read_only(small_disk)
    with pytest.raises(ConfigError) as failure:
        await EmbeddedPostgres(small_disk / "postgres").start()
    assert failure.value.code == "data_read_only"


@needs_root
@pytest.mark.real
def test_it_runs_for_an_ordinary_user(open_folder: Path) -> None:
    os.chown(open_folder, NOBODY, NOBODY)
    assert as_nobody(TRY, str(open_folder / "postgres")).splitlines() == ["it answers", "None"]


@needs_root
async def test_no_other_user_reaches_the_socket(template: Path, open_folder: Path) -> None:
    folder = copied(template, open_folder / "postgres")
    postgres = EmbeddedPostgres(folder)
    url = await postgres.start()
    attempt = f"import psycopg; psycopg.connect({url!r})"
    assert "Permission denied" in await asyncio.to_thread(as_nobody, attempt)
    await postgres.stop()


@needs_root
def test_folder_of_another_user_is_refused(open_folder: Path) -> None:
    (open_folder / "postgres").mkdir(mode=0o700)
    assert as_nobody(TRY, str(open_folder / "postgres")).splitlines() == ["data_not_ours"]


@needs_root
async def test_root_gets_a_server_under_an_unused_id_and_opens_no_folder(folder: Path) -> None:
    before = folder.parent.stat().st_mode
    postgres = EmbeddedPostgres(folder)
    await postgres.start()
    assert {process.uids().real for process in processes(folder)} == {postgres.data.stat().st_uid}
    assert postgres.data.stat().st_uid in postgres_programs.UNUSED_ACCOUNTS
    assert folder.parent.stat().st_mode == before
    await postgres.stop()


@needs_root
@pytest.mark.real
async def test_programs_that_only_root_can_reach_are_run_from_a_copy(
    folder: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # patched, because the package of this environment may well be open to all
    monkeypatch.setattr(postgres_programs, "open_to_all", lambda package: False)
    monkeypatch.setattr(postgres_programs, "SHARED_COPIES", open_folder / "copies")
    postgres = EmbeddedPostgres(folder)
    assert query(await postgres.start(), "select 1") == "1"
    assert processes(folder)[0].exe().startswith(str(open_folder / "copies"))
    await postgres.stop()
