"""The PostgreSQL 18 that a laptop runs by itself: one private server in one folder, on a Unix socket only.

    folder/                     mode 0700
     ├── data/                  PostgreSQL's own files, its socket, and log/ with a file for each day of the week
     ├── start.log              what the server said before its log was open
     ├── turn.lock, use.lock    who starts or stops it now; who uses it
     └── short                  where the alias is of a path too long for a socket

Whoever reaches the socket is let in, and only the owner of the folder and root reach it.
"""

import asyncio
import errno
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psutil

from groundswell.backends.databases import postgres_programs
from groundswell.core.errors import ConfigError, GroundswellError, Unavailable

SOCKET = ".s.PGSQL.5432"
ROLE = "groundswell"
SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103

SETTINGS = {
    # reachable through the socket in its own folder and in no other way
    "listen_addresses": "",
    "unix_socket_directories": ".",
    "unix_socket_permissions": "0600",
    "port": "5432",
    # nothing acknowledged is lost
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # small: a laptop has other things to do
    "shared_buffers": "16MB",
    "max_connections": "60",
    "maintenance_work_mem": "32MB",
    "huge_pages": "off",
    "jit": "off",
    "io_method": "sync",  # "worker" keeps three more processes
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "1",
    "max_wal_senders": "2",  # for pg_basebackup
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    # a week of days; what a statement did wrong is told to its client, and its text may hold secrets
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgres-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}

INITDB = (
    f"--username={ROLE}",
    "--auth-local=trust",  # the folder is the gate
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",  # sorts the same on every machine, and after its libraries are updated
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)


class EmbeddedPostgres:
    """A PostgreSQL server in `folder`, shared by every process that starts it there.

    The first to start it makes it run, the last to stop it ends it. A server whose users were all killed is
    found by the next to start and taken over, or started anew when it does not answer or is set otherwise.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.data = self.folder / "data"
        self._use: int | None = None
        self._child: subprocess.Popen[bytes] | None = None

    async def start(self) -> str:
        """Make the server run and return the libpq URL it is reached at; harmless when it runs already."""
        with _explained(self.folder):
            self._make_folder()
            async with self._turn():
                self._join()
                try:
                    await self._ensure()
                    return self._url()
                except BaseException:
                    self._leave()
                    raise

    async def stop(self) -> None:
        """Stop using the server, and end it unless another process uses it."""
        if self._use is None:
            return
        with _explained(self.folder):
            async with self._turn():
                self._leave()
                if self._used_by_others():
                    if self._child is not None:  # no longer ours to end, but still ours to bury
                        threading.Thread(target=self._child.wait, daemon=True).start()
                    return
                if (server := self._server()) is not None:
                    await self._end(server)
                await self._end_leftovers()
                self._remove_alias()

    def running(self) -> int | None:
        """The process id of the server in this folder, whoever started it."""
        server = self._server()
        return server.pid if server else None

    # Who starts it, and who uses it. The kernel frees both locks when their holder dies.

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = self.folder.stat().st_uid
        if owner != os.geteuid():
            raise _not_ours(f"{self.folder} belongs to {_name(owner)}, not to {_name(os.geteuid())}")
        if self.folder.stat().st_mode & 0o077:
            self.folder.chmod(0o700)

    @asynccontextmanager
    async def _turn(self, seconds: float = 90) -> AsyncGenerator[None]:
        """Be the only one who starts or stops the server in this folder."""
        turn = self._open("turn.lock")
        try:
            if not await _until(lambda: _lock(turn, fcntl.LOCK_EX), seconds):
                raise Unavailable(
                    "database_busy",
                    f"Another process has been starting or stopping the database in {self.folder} for {seconds:.0f} s.",
                    "Look for it with `ps`, end it, and try again.",
                )
            yield
        finally:
            os.close(turn)

    def _join(self) -> None:
        if self._use is None:
            self._use = self._open("use.lock")
            _lock(self._use, fcntl.LOCK_SH)

    def _leave(self) -> None:
        if self._use is not None:
            os.close(self._use)
            self._use = None

    def _used_by_others(self) -> bool:
        use = self._open("use.lock")
        try:
            return not _lock(use, fcntl.LOCK_EX)
        finally:
            os.close(use)

    def _open(self, name: str) -> int:
        return os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)

    # What is there.

    async def _ensure(self) -> None:
        """Leave a server running that answers and is set as this release sets it."""
        programs = await asyncio.to_thread(postgres_programs.find_programs)
        if not self._version():
            await self._create(programs)
        if (found := self._version()) != postgres_programs.VERSION:
            raise ConfigError(
                "database_version",
                f"The database in {self.data} was made by PostgreSQL {found}, and this release brings"
                f" {postgres_programs.VERSION}; it does not convert it.",
                "Use the release that made it, or dump it there with pg_dump and restore it into a new data directory"
                " (GROUNDSWELL_DATA names one).",
            )
        if (server := self._server()) is not None:
            if self._is_as_we_start_it(server, programs) and await self._comes_to_answer(server):
                return
            await self._end(server)
        await self._end_leftovers()
        self._drop_misleading_locks()
        await self._launch(programs)

    def _version(self) -> str:
        """The PostgreSQL that made the database, or nothing where there is none yet."""
        with suppress(FileNotFoundError):
            return (self.data / "PG_VERSION").read_text().strip()
        return ""

    def _pid_file(self) -> list[str]:
        with suppress(FileNotFoundError, NotADirectoryError):
            return (self.data / "postmaster.pid").read_text(errors="replace").splitlines()
        return []

    def _server(self) -> psutil.Process | None:
        """The live server that the pid file names; its number alone may be another process's by now."""
        self._reap()
        with suppress(OSError, ValueError, IndexError):
            return _server_of(int(self._pid_file()[0]), self.data)
        return None

    def _reap(self) -> None:
        if self._child is not None and self._child.poll() is not None:
            self._child = None

    def _is_as_we_start_it(self, server: psutil.Process, programs: Path) -> bool:
        try:
            stopped = server.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
            return not stopped and server.cmdline() == self._command(programs) and Path(server.exe()).exists()
        except psutil.Error:
            return False

    async def _comes_to_answer(self, server: psutil.Process, seconds: float = 60) -> bool:
        """Whether the server is ready in time; recovery after a crash takes some."""

        def settled() -> bool:
            self._reap()
            return self._says_ready(server.pid) or not _alive(server)

        return await _until(settled, seconds) and _alive(server) and await self._answers()

    def _says_ready(self, pid: int) -> bool:
        lines = self._pid_file()
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    async def _answers(self) -> bool:
        """Whether anybody replies on the socket: the kernel takes connections for a server that hangs, too."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._socket_folder() / SOCKET))
        except OSError:
            return False
        try:
            writer.write(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")  # "may we speak TLS?"
            return await asyncio.wait_for(reader.read(1), 3) in (b"N", b"S")
        except (OSError, TimeoutError):
            return False
        finally:
            writer.transport.abort()

    # Starting it.

    async def _create(self, programs: Path) -> None:
        """Make a new cluster beside its place, then move it there: half a cluster never looks like a whole one."""
        self._make_room()
        fresh = Path(tempfile.mkdtemp(prefix="new-", dir=self.folder))
        try:
            creator = None
            if os.geteuid() == 0:
                creator = postgres_programs.account_that_creates()
                postgres_programs.give(fresh, creator)
            command = [str(programs / "bin/initdb"), "-D", postgres_programs.path_for(fresh, creator), *INITDB]
            if await self._run(command, fresh, creator) != 0:
                raise self._failure("The database could not be made")
            (fresh / "postgresql.conf").write_text("# Groundswell gives its settings on the command line.\n")
            if creator is not None:
                postgres_programs.give(fresh, postgres_programs.unused_account(self.folder))
            self._move_in(fresh)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _make_room(self) -> None:
        for leftover in self.folder.glob("new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        with suppress(FileNotFoundError):
            try:
                self.data.rmdir()
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise
                raise ConfigError(
                    "database_damaged",
                    f"{self.data} holds something, but no database.",
                    "Move it away; a new database is made at the next start.",
                ) from error

    def _move_in(self, fresh: Path) -> None:
        fresh.rename(self.data)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    async def _run(self, command: list[str], folder: Path, as_user: int | None, seconds: float = 120) -> int | None:
        """The exit status of a program; it does not outlive this call."""
        with (self.folder / "start.log").open("wb") as log:
            child = postgres_programs.spawn(command, folder, as_user, log.fileno())
        try:
            await _until(lambda: child.poll() is not None, seconds)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        return child.returncode

    async def _launch(self, programs: Path) -> None:
        with (self.folder / "start.log").open("wb") as log:
            child = postgres_programs.spawn(self._command(programs), self.data, self._as_user(), log.fileno())
        self._child = child
        try:
            if not await self._comes_to_answer(psutil.Process(child.pid)):
                raise self._failure("The database did not start")
        except BaseException:
            child.kill()  # its own children see that, and end
            child.wait()
            self._child = None
            raise

    def _as_user(self) -> int | None:
        return self.data.stat().st_uid if os.geteuid() == 0 else None

    def _command(self, programs: Path) -> list[str]:
        """The server's command line; it is also how a running one is known to be set as we set it."""
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        where = postgres_programs.path_for(self.data, self._as_user())
        return [str(programs / "bin/postgres"), "-D", where, *settings]

    def _failure(self, what: str) -> GroundswellError:
        """The error that the program's own words stand for."""
        said = self._last_words()
        if "No space left on device" in said:
            return _disk_full(self.folder)
        if "Read-only file system" in said:
            return _read_only(self.folder)
        if "could not look up effective user ID" in said:
            message = f"{what}: PostgreSQL asks for an entry of user id {os.geteuid()} in /etc/passwd."
            return ConfigError("no_account", message, "Add one, or use a database of your own by its URL.")
        hint = f"Look into {self.folder / 'start.log'} and {self.data / 'log'}."
        return Unavailable("database_start", f"{what}. It said: {said or 'nothing'}", hint)

    def _last_words(self) -> str:
        logs = sorted(self.data.glob("log/*.log"), key=lambda file: file.stat().st_mtime)[-1:]
        lines: list[str] = []
        for file in [*logs, self.folder / "start.log"]:
            with suppress(FileNotFoundError):
                lines += file.read_text(errors="replace").splitlines()[-8:]
        return "\n".join(lines)

    # Ending it.

    async def _end(self, server: psutil.Process) -> None:
        """End a server: ask, tell, force; what it acknowledged survives all three."""
        for number, seconds in ((signal.SIGINT, 20), (signal.SIGQUIT, 5), (signal.SIGKILL, 10)):
            with suppress(psutil.NoSuchProcess):
                server.send_signal(number)
                server.send_signal(signal.SIGCONT)  # a stopped one does not hear the first two
            if await self._gone([server], seconds):
                return
        raise Unavailable(
            "database_hangs",
            f"The database (pid {server.pid}) does not end, not even by SIGKILL.",
            "It waits for the kernel, most likely for a disk; look at the system's log.",
        )

    async def _end_leftovers(self) -> None:
        """End what outlived a killed server: it would still write to its memory and files."""
        left = await asyncio.to_thread(_servers_in, self.data)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        await self._gone(left, 10)

    async def _gone(self, processes: list[psutil.Process], seconds: float) -> bool:
        def gone() -> bool:
            self._reap()
            return not any(_alive(process) for process in processes)

        return await _until(gone, seconds)

    def _drop_misleading_locks(self) -> None:
        """Remove what a dead server left that PostgreSQL would take for a live one: it only asks whether a pid lives.

        A pid file that does not mislead stays, for it tells PostgreSQL which shared memory to clean up.
        """
        (self.data / f"{SOCKET}.lock").unlink(missing_ok=True)
        try:
            misleads = psutil.pid_exists(int(self._pid_file()[0]))
        except (ValueError, IndexError):
            misleads = True
        if misleads:
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    # Where it is.

    def _url(self) -> str:
        return f"postgresql://{ROLE}@/postgres?host={quote(str(self._socket_folder()), safe='')}&port=5432"

    def _socket_folder(self) -> Path:
        """The folder with the socket, by a name short enough for one."""
        if len(os.fsencode(self.data / SOCKET)) <= SOCKET_PATH_BYTES:
            return self.data
        memory = self.folder / "short"
        with suppress(OSError):
            alias = memory.readlink() / "db"
            if alias.readlink() == self.data and alias.parent.stat().st_uid == os.geteuid():
                return alias
        alias = Path(tempfile.mkdtemp(prefix="groundswell-")) / "db"
        alias.symlink_to(self.data)
        memory.unlink(missing_ok=True)
        memory.symlink_to(alias.parent)
        return alias

    def _remove_alias(self) -> None:
        memory = self.folder / "short"
        with suppress(OSError):
            (memory.readlink() / "db").unlink()
            memory.readlink().rmdir()
            memory.unlink()


async def _until(true: Callable[[], bool], seconds: float) -> bool:
    """Whether a condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.005)
    return True


def _lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _server_of(pid: int, data: Path) -> psutil.Process | None:
    """The process of this number, if it is a live PostgreSQL process at work in this folder."""
    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if process.name() == "postgres" and Path(process.cwd()).samefile(data) and _alive(process):
            return process
    return None


def _servers_in(data: Path) -> list[psutil.Process]:
    found = (_server_of(process.pid, data) for process in psutil.process_iter())
    return [process for process in found if process is not None]


@contextmanager
def _explained(folder: Path) -> Generator[None]:
    """Turn what the operating system says of the folder into what a person can do about it."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EROFS:
            raise _read_only(folder) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(folder) from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise _not_ours(f"{_name(os.geteuid())} may not use the database in {folder}: {error}") from error
        raise


def _disk_full(folder: Path) -> Unavailable:
    return Unavailable("disk_full", f"The disk of the database in {folder} is full.", "Free some space and try again.")


def _read_only(folder: Path) -> ConfigError:
    hint = "Name a folder that can be written with GROUNDSWELL_DATA."
    return ConfigError("data_read_only", f"The database folder {folder} is read-only.", hint)


def _not_ours(message: str) -> ConfigError:
    hint = "Run as the user who made it, or name another folder with GROUNDSWELL_DATA."
    return ConfigError("data_not_ours", f"{message}.", hint)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user id {uid}"
