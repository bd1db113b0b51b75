"""The platform's side of the shard host: starts it when it is needed, ends it when it was idle, starts it again."""

import asyncio
import contextlib
import json
import socket
import sys
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from groundswell.backends.vectors.wire import SIZES, pack
from groundswell.core.errors import Unavailable

MODULE = "groundswell.backends.vectors.shard_host"
TRIES = 3


class EngineRefused(Exception):
    """The engine refused an operation; its text says why."""


class HostDied(Exception):
    """The host ended; `guilty` where it was doing this very operation."""

    def __init__(self, guilty: bool) -> None:
        super().__init__("the process that holds the vectors ended unexpectedly")
        self.guilty = guilty


class HostConnection:
    """One host for one folder. Operations are answered in the order they are sent."""

    def __init__(self, folder: Path, *, idle_seconds: float, call_seconds: float, lock_seconds: float) -> None:
        self._folder, self._idle, self._patience = folder, idle_seconds, call_seconds
        self._lock_seconds = lock_seconds
        self._starting = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None  # None from the moment it is to end
        self._stream: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._pending: deque[asyncio.Future[tuple[Any, bytes]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._holds = 0
        self.starts = 0  # a host that was started again has forgotten what it watched

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._writer is not None

    async def ask(self, operation: str, arguments: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        """Do one operation. Where the host died of it, it is tried once more: all operations may be repeated."""
        deaths = 0
        while True:
            try:
                return await self._ask(operation, arguments, blob)
            except HostDied as death:
                deaths += 2 if death.guilty else 1  # one that only waited behind another may try longer
                if deaths > TRIES:
                    raise

    async def start(self) -> None:
        """Have a host, and so the folder's lock."""
        async with self._starting:
            if self._writer is None:
                await self._reap()
                await self._start()

    @contextmanager
    def hold(self) -> Generator[None]:
        """Keep the host while something goes on between operations."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            self._settle()

    async def close(self) -> None:
        """End the host; all it was asked before is done first."""
        self._retire()
        await self._reap()

    async def _ask(self, operation: str, arguments: dict[str, Any], blob: bytes) -> tuple[Any, bytes]:
        await self.start()
        assert self._writer is not None
        answer: asyncio.Future[tuple[Any, bytes]] = asyncio.get_running_loop().create_future()
        self._pending.append(answer)
        self._writer.write(pack(json.dumps([operation, arguments]), blob))
        try:
            async with asyncio.timeout(self._patience):
                head, body = await answer  # cancelled with its asker; the reply is then thrown away
        except TimeoutError:
            self._kill()
            raise Unavailable(
                "vectors_stuck",
                f"the vector store did not answer within {self._patience:g} s ({operation})",
                "its process was ended; ask again",
            ) from None
        if "failed" in head:
            raise EngineRefused(head["failed"])
        return head["result"], body

    async def _start(self) -> None:
        waited = asyncio.get_running_loop().time() + self._lock_seconds
        while (owner := await self._launch()) is not None:
            # a host whose platform was killed needs a moment to close its shards
            if asyncio.get_running_loop().time() > waited:
                raise Unavailable(
                    "vectors_locked",
                    f"the vectors in {self._folder} are in use by another process ({owner or 'unknown'})",
                    "stop the other platform, or use another data directory",
                )
            await asyncio.sleep(0.1)
        self.starts += 1

    async def _launch(self) -> str | None:
        """Start a process; the owner's id if another process has the folder."""
        ours, its = socket.socketpair()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", MODULE, str(self._folder), str(its.fileno()),
                pass_fds=[its.fileno()], stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the platform; it closes its stores in order
            )  # fmt: skip
        except OSError as error:
            ours.close()
            raise Unavailable("vectors_unavailable", f"the vector store cannot start: {error}") from error
        finally:
            its.close()
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=1 << 24)
        try:
            hello, _ = await _message(reader)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            writer.close()
            await process.wait()
            raise Unavailable("vectors_unavailable", "the vector store's process ended as it started") from error
        if hello:
            writer.close()
            await process.wait()
            if "locked" in hello:
                return str(hello["locked"])
            raise Unavailable("vectors_unwritable", f"vectors cannot be kept in {self._folder}: {hello['unusable']}")
        self._process, self._writer, self._stream = process, writer, writer
        self._reading = asyncio.create_task(self._read(reader))
        return None

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                message = await _message(reader)
                answer = self._pending.popleft()
                if not answer.done():
                    answer.set_result(message)
                self._settle()
        except (asyncio.IncompleteReadError, ConnectionError):
            self._gone()

    def _settle(self) -> None:
        """Set the idle clock going where nothing is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writer is not None and not self._pending and not self._holds:
            self._timer = asyncio.get_running_loop().call_later(self._idle, self._retire)

    def _retire(self) -> None:
        """Close the connection, on which the host flushes and ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writer is not None:
            self._writer.write_eof()
            self._writer = None

    def _gone(self) -> None:
        """The host has ended: what it was doing is lost, what waited behind that may be asked again."""
        self._writer = None
        guilty = True
        while self._pending:
            answer = self._pending.popleft()
            if not answer.done():
                answer.set_exception(HostDied(guilty))
                answer.exception()  # seen, also where the asker has been cancelled
            guilty = False

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _reap(self) -> None:
        if self._reading is not None:
            await self._reading
            self._reading = None
        if self._stream is not None:
            self._stream.close()
            with contextlib.suppress(ConnectionError):
                await self._stream.wait_closed()
            self._stream = None
        if self._process is not None:
            await self._process.wait()
            self._process = None


async def _message(reader: asyncio.StreamReader) -> tuple[Any, bytes]:
    head, blob = SIZES.unpack(await reader.readexactly(SIZES.size))
    body = await reader.readexactly(head + blob)
    return json.loads(body[:head]), body[head:]
