"""Connections to PostgreSQL: a pool for one service, and the bell that tells readers something was stored."""

import asyncio
import contextlib
import json
import select
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from groundswell.core.errors import Conflict, GroundswellError, Invalid, NotFound, Unavailable
from groundswell.core.records import Fact

APPEND = "SELECT append(%s, %s, %s::jsonb)"
EPOCH_OVER = "GS001"
CHANNEL = "groundswell_runs"
# Nothing is lost with a lost notice, so its commit need not wait for the disk.
NOTIFY = f"SELECT set_config('synchronous_commit', 'off', true), pg_notify('{CHANNEL}', '')"
NOTIFY_SECONDS = 0.01
LOOK_SECONDS = 1.0
WAIT_SECONDS = 10.0  # for a connection
AWAY_SECONDS = 1.0  # the same, while the server is known to be away

Connection = psycopg.AsyncConnection[DictRow]
Emit = Callable[[str, str, Sequence[Fact]], None]  # run, tenant, facts


class EpochOver(Exception):
    """Another worker has this run, or it has ended: stop, nothing more can be written."""


class Database:
    """One service's connections. `url` may hold `{role}`, which becomes `groundswell_SERVICE`."""

    def __init__(
        self,
        url: str,
        *,
        role: str = "router",
        password: str | None = None,
        size: int = 8,
        transaction_seconds: float = 5.0,
        emit: Emit = lambda run, tenant, facts: None,
    ) -> None:
        self.url, self.emit, self.password = url.replace("{role}", f"groundswell_{role}"), emit, password
        milliseconds = int(transaction_seconds * 1000)

        async def configure(connection: Connection) -> None:
            # A stopped process that holds a run's row would hold up its takeover for ever. Not
            # idle_in_transaction_session_timeout: that one does not run while a pipeline is open.
            await connection.execute("SET search_path = groundswell, langgraph")
            await connection.execute("SELECT set_config('transaction_timeout', %s, false)", (str(milliseconds),))

        settings: dict[str, Any] = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
        settings |= {"connect_timeout": 5, "application_name": f"groundswell-{role}"}
        if password:
            settings["password"] = password
        self.settings = settings
        self.pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            self.url,
            min_size=1,
            max_size=size,
            kwargs=settings,
            open=False,
            configure=configure,
            check=_alive,
            timeout=WAIT_SECONDS,
            max_idle=60,
            # its pauses double: begun anew this often, none is long once the server is back
            reconnect_timeout=WAIT_SECONDS,
            name=f"groundswell-{role}",
        )
        self.using = 0
        self.away = False  # whether the last one to wait for a connection waited in vain
        self.bell = Bell(self)
        self.ear = Ear(self)

    async def open(self) -> None:
        """Connect; raises Unavailable("database_down")."""
        try:
            await self.pool.open(wait=True, timeout=15)
        except (PoolTimeout, psycopg.Error) as error:
            await self.pool.close()
            message = f"PostgreSQL at {self.where} does not answer: {await self._why() or error}"
            raise Unavailable("database_down", message, DOWN_HINT) from error

    @property
    def where(self) -> str:
        """Its address, for people."""
        parts = conninfo_to_dict(self.url)
        return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}"

    async def _why(self) -> str:
        """What one connection says: a pool says only that it has none. Empty where it now comes to be."""
        try:
            connection = await psycopg.AsyncConnection.connect(self.url, **self.settings)
        except psycopg.Error as error:
            return " ".join(str(error).split())
        await connection.close()
        return ""

    async def close(self) -> None:
        """Give the connections back."""
        await self.ear.close()
        await self.bell.close()
        await self.pool.close()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """A connection in autocommit; what goes wrong with the server is Unavailable."""
        try:
            async with self.pool.connection(AWAY_SECONDS if self.away else WAIT_SECONDS) as connection:
                self.away = False
                self.using += 1
                try:
                    yield connection
                finally:
                    self.using -= 1
        except PoolTimeout as error:
            self.away = not self.using
            if self.away:
                raise Unavailable("database_down", "PostgreSQL does not answer", DOWN_HINT) from error
            raise Unavailable("database_busy", "no database connection came free in time", DOWN_HINT) from error
        except (psycopg.Error, UnicodeEncodeError) as error:
            if (explained := _explained(error)) is None:
                raise
            raise explained from error

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """One transaction; it is committed when this ends well."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @contextlib.asynccontextmanager
    async def stating(self, run: str, tenant: str, facts: Sequence[Fact]) -> AsyncGenerator[Connection]:
        """One transaction that stores facts of a run; they are told once it is committed, and only then."""
        committed = False
        async with self.transaction() as connection:
            yield connection
            committed = True  # a rollback does not come by here
        if committed:
            self.appended(run, tenant, facts)

    async def rows(self, sql: LiteralString, *values: Any) -> list[DictRow]:
        """All rows of a query."""
        async with self.connection() as connection:
            return await (await connection.execute(sql, values)).fetchall()

    async def row(self, sql: LiteralString, *values: Any) -> DictRow | None:
        """The first row of a query."""
        async with self.connection() as connection:
            return await (await connection.execute(sql, values)).fetchone()

    def appended(self, run: str, tenant: str, facts: Sequence[Fact]) -> None:
        """Tell what was committed: to telemetry, and to those who follow."""
        if facts:
            self.emit(run, tenant, facts)
            self.bell.ring()


async def _alive(connection: Connection) -> None:
    """Raises where the server has closed a connection that nobody was using: the pool then gives another one.

    Only one that has something to say is asked: an idle connection is silent, and a question costs each user a trip.
    """
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    if poll.poll(0):
        await connection.execute("")


DOWN_HINT = "see whether it runs and takes connections: groundswell doctor"
FULL_HINT = "free space where the database lives; nothing that was acknowledged is lost"
OUTAGES = frozenset({"database_down", "database_busy", "database_full"})  # ours, and no answer of anybody's
NO_ROOM = "Check free disk space."  # PostgreSQL's hint where a quota or a limit ends a file: no class of its own


def _explained(error: Exception) -> GroundswellError | None:
    """What a person can do about an error of PostgreSQL; None where it is for the caller to handle."""
    if isinstance(error, psycopg.DataError | UnicodeEncodeError):  # such as a zero byte in a text
        message = f"this cannot be stored: {str(error).splitlines()[0]}"
        return Invalid("bad_value", message, "leave out what is no text")
    full = psycopg.errors.DiskFull | psycopg.errors.ConfigurationLimitExceeded | psycopg.errors.OutOfMemory
    if isinstance(error, full) or (isinstance(error, psycopg.Error) and error.diag.message_hint == NO_ROOM):
        return Unavailable("database_full", f"PostgreSQL cannot store more: {error}", FULL_HINT)
    if isinstance(error, psycopg.errors.TransactionTimeout):
        return Unavailable("database_busy", "PostgreSQL took too long", DOWN_HINT)
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError):
        return Unavailable("database_down", f"PostgreSQL does not answer: {error}", DOWN_HINT)
    return None


def as_json(facts: Sequence[Fact]) -> str:
    """Facts as `append` takes them; written once, since every step of every run passes here."""
    written = (f'{{"key":{json.dumps(f.key)},"kind":"{f.body.kind}","body":{f.body.model_dump_json()}}}' for f in facts)
    return f"[{','.join(written)}]"


async def append(connection: psycopg.AsyncConnection[Any], run: str, epoch: int | None, facts: Sequence[Fact]) -> None:
    """Lock the run's row, check the epoch, number and store. Raises EpochOver."""
    try:
        await connection.execute(APPEND, (run, epoch, as_json(facts)))
    except psycopg.Error as error:
        if error.sqlstate == EPOCH_OVER:
            raise EpochOver(run) from error
        raise


def no_run(run: str) -> NotFound:
    """What a person is told of a run that their tenant does not have."""
    return NotFound("no_run", f"there is no run {run}", "groundswell runs list")


def ended(run: str) -> Conflict:
    """What a person is told of a run that takes no more."""
    return Conflict("run_ended", f"run {run} has ended", "its answer is there: groundswell runs show ID")


class Bell:
    """Says after commits that there is something to read: one NOTIFY for all that was written within 10 ms.

    A NOTIFY inside the writing transaction makes all commits of the database wait for each other.
    """

    def __init__(self, database: Database) -> None:
        self.database, self.due = database, False
        self.tasks: set[asyncio.Task[None]] = set()

    def ring(self) -> None:
        """Something was committed."""
        if not self.due:
            self.due = True
            asyncio.get_running_loop().call_later(NOTIFY_SECONDS, self._start)

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def _start(self) -> None:
        self.due = False
        task = asyncio.create_task(self._notify())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _notify(self) -> None:
        # lost or closed: those who follow look by themselves each second
        with contextlib.suppress(psycopg.Error, PoolTimeout, Unavailable, asyncio.CancelledError):
            async with self.database.pool.connection() as connection:
                await connection.execute(NOTIFY)


class Ear:
    """One listening connection for all that wait in this process."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.task: asyncio.Task[None] | None = None
        self.waiting: set[asyncio.Future[None]] = set()

    async def wait(self, seconds: float = LOOK_SECONDS) -> None:
        """Until something was stored, or for so long."""
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self._listen())
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.add(future)
        try:
            await asyncio.wait([future], timeout=seconds)
        finally:
            self.waiting.discard(future)

    async def close(self) -> None:
        """Stop listening."""
        if self.task:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    async def _listen(self) -> None:
        with contextlib.suppress(psycopg.Error):  # the next wait tries again; meanwhile all look each second
            password = self.database.password
            connecting = psycopg.AsyncConnection.connect(self.database.url, autocommit=True, password=password)
            async with await connecting as connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                async for _ in connection.notifies():
                    for future in list(self.waiting):
                        if not future.done():
                            future.set_result(None)
