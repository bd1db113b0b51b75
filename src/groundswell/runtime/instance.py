"""One platform for one data directory: who it is, becoming it, finding it, starting it behind, ending it.

A lock on `platform.lock` says that a platform lives: the kernel frees it with its holder, however that ends.
`platform.json` says which one; only the holder of the lock writes it, so it is true whenever the lock is held.
"""

import asyncio
import fcntl
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal

import psutil
from pydantic import SecretStr, ValidationError, field_serializer

from groundswell.core.errors import ConfigError, Unavailable
from groundswell.core.records import Record
from groundswell.runtime.datadir import LOG_BYTES, DataDir

StartedBy = Literal["up", "ask"]


class Instance(Record):
    """A platform that runs: what `platform.json` holds."""

    url: str
    pid: int
    began: float  # of the process; with the pid it names one process for ever
    version: str
    key: SecretStr
    started_by: StartedBy
    log: str = ""

    @field_serializer("key", when_used="json")
    def _key(self, key: SecretStr) -> str:
        return key.get_secret_value()


class Tenure:
    """Being the one platform of a data directory, from `acquire` until it ends."""

    def __init__(self, data: DataDir, lock: int) -> None:
        self.data = data
        self._lock = lock
        data.platform.unlink(missing_ok=True)  # a dead platform's

    def publish(self, url: str, version: str, key: str, started_by: StartedBy, log: str = "") -> Instance:
        """Tell where this process's platform answers; from here on others find it."""
        pid = os.getpid()
        instance = Instance(
            url=url,
            pid=pid,
            began=_began(psutil.Process(pid)),
            version=version,
            key=SecretStr(key),
            started_by=started_by,
            log=log,
        )
        _write(self.data.platform, instance.model_dump_json(indent=2))
        return instance

    def end(self) -> None:
        """Let another platform have the data directory."""
        if self._lock >= 0:
            self.data.platform.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1


def find(data: DataDir) -> Instance | None:
    """The platform that runs on this data directory and has said where, or None."""
    if not _held(data.lock):
        return None
    with suppress(OSError, ValidationError):
        instance = Instance.model_validate_json(data.platform.read_bytes())
        return instance if _process(instance) else None
    return None


@asynccontextmanager
async def acquire(data: DataDir, seconds: float = 60) -> AsyncGenerator[Tenure | Instance]:
    """Be the platform of this data directory, or get the one that is.

    Of two that start at once one gets the Tenure; the other waits until that one has published itself, and takes
    its place if it ends before.
    """
    outcome: list[Tenure | Instance] = []

    def settled() -> bool:
        with suppress(BlockingIOError):
            outcome.append(Tenure(data, _take(data.lock)))
            return True
        if instance := find(data):
            outcome.append(instance)
        return bool(outcome)

    if not await _until(settled, seconds):
        raise Unavailable(
            "platform_starting",
            f"Another platform has held {data.root} for {seconds:.0f} s without saying where it answers"
            f"{_holder_named(data.lock)}.",
            "Look into its log, end it, and try again.",
        )
    try:
        yield outcome[0]
    finally:
        if isinstance(outcome[0], Tenure):
            outcome[0].end()


async def stop(data: DataDir, seconds: float = 30) -> Instance | None:
    """Ask the platform to end and wait until it has; what hangs is named. None where none runs."""
    instance = find(data)
    process = _process(instance) if instance else None
    if instance is None or process is None:
        return None
    try:
        process.send_signal(signal.SIGTERM)
    except psutil.NoSuchProcess:
        return instance
    except psutil.AccessDenied as error:
        message = f"The platform (pid {process.pid}) belongs to {process.username()}."
        raise ConfigError("not_allowed", message, "Stop it as that user.") from error

    def gone() -> bool:  # its successor may be here already
        return not _alive(process) and (not _held(data.lock) or find(data) is not None)

    if not await _until(gone, seconds):
        raise Unavailable("platform_hangs", _what_hangs(process, data, seconds), _how_to_end(process))
    return instance


async def spawn(data: DataDir, argv: Sequence[str], log: Path, seconds: float = 60) -> Instance:
    """Start a platform in the background and return once it can be found.

    It gets a session of its own, so that neither Ctrl-C nor the end of this terminal reaches it.
    """
    child, before = await asyncio.to_thread(_start_behind, argv, log)
    await _until(lambda: child.poll() is not None or find(data) is not None, seconds)
    if instance := find(data):
        if not _is_of_session(instance, child.pid) and not await _until(lambda: child.poll() is not None, 10):
            child.terminate()  # one that was faster is here, and ours has not seen it
        return instance
    if child.poll() is None:
        child.terminate()
        raise Unavailable(
            "platform_slow", f"The platform did not start in {seconds:.0f} s.{_said(log, before)}", f"See {log}."
        )
    message = f"The platform ended as it started (exit status {child.returncode}).{_said(log, before)}"
    raise Unavailable("platform_ended", message, f"See {log}.")


async def _until(true: Callable[[], bool], seconds: float) -> bool:
    """Whether a condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def _start_behind(argv: Sequence[str], log: Path) -> tuple[subprocess.Popen[bytes], int]:
    """The started program, and where in the log it begins to write."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(f"{log}.1")
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        child = subprocess.Popen(  # noqa: S603 - the caller's own program
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        threading.Thread(target=child.wait, daemon=True).start()  # buries it, should it end before us
        return child, os.fstat(output).st_size
    finally:
        os.close(output)


# The lock.


def _take(path: Path) -> int:
    """Lock the file, or raise BlockingIOError; whoever has it is the platform."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(file)
        raise
    return file


def _held(path: Path) -> bool:
    """Whether somebody has the lock. Asks for a shared one, so that two who ask do not see each other."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _holder_named(path: Path) -> str:
    """`: python (pid 12)` where the kernel says who has the lock open, else nothing."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and any(file.path == str(path) for file in process.open_files()):
                return f": {process.name()} (pid {process.pid})"
    return ""


# The process.


def _began(process: psutil.Process) -> float:
    """When a process began. On Linux since the boot: a clock that is set must not make it another process."""
    began = process.create_time()
    return began - psutil.boot_time() if psutil.LINUX else began


def _process(instance: Instance) -> psutil.Process | None:
    """The process of a platform, if it lives and the number is not another's by now."""
    with suppress(psutil.Error):
        process = psutil.Process(instance.pid)
        same = abs(_began(process) - instance.began) < 2  # both are rounded to seconds somewhere
        return process if same and _alive(process) else None
    return None


def _is_of_session(instance: Instance, session: int) -> bool:
    """Whether the platform is the program that leads this session, or one that it started."""
    with suppress(OSError):
        return os.getsid(instance.pid) == session
    return False


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _what_hangs(process: psutil.Process, data: DataDir, seconds: float) -> str:
    """What is still there of a platform that was asked to end."""
    if not _alive(process):
        return f"The platform ended, but {data.lock} is still held{_holder_named(data.lock)}."
    message = f"The platform (pid {process.pid}) has not ended {seconds:g} s after it was asked to."
    with suppress(psutil.Error):
        children = ", ".join(f"{child.name()} (pid {child.pid})" for child in process.children())
        message += f" It is {process.status()}; its child processes: {children or 'none'}."
    return message


def _how_to_end(process: psutil.Process) -> str:
    if not _alive(process):
        return "End the process that is named, if it is a leftover."
    return f"End it with `kill -9 {process.pid}`; nothing it has acknowledged is lost."


# Files.


def _write(path: Path, text: str) -> None:
    """Put a file in its place in one step, for this user's eyes only."""
    file, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(file, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _said(log: Path, since: int) -> str:
    with suppress(OSError), log.open("rb") as stream:
        stream.seek(since)
        if lines := stream.read().decode(errors="replace").splitlines():
            return " It said:\n" + "\n".join(lines[-12:])
    return " It said nothing."
