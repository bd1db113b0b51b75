"""An embedded PostgreSQL with our schema, for benchmarks; and CPU time, the server's among it."""

import contextlib
import tempfile
import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import psutil
from psycopg.types.json import Jsonb

from groundswell.backends.databases.connections import Database
from groundswell.backends.databases.embedded import ROLE, EmbeddedPostgres
from groundswell.backends.databases.migrations import migrate
from groundswell.core.records import Limits
from groundswell.core.settings import Telemetry
from groundswell.runtime import telemetry


@dataclass
class Rig:
    """A database that is open."""

    database: Database

    async def run(self) -> str:
        """The row of a run that a worker holds in its first epoch."""
        run = uuid.uuid4().hex
        sql = """INSERT INTO runs (id, tenant, thread, agent, caller, input, sources, granted, budget, status,
                                   epoch, started)
                 VALUES (%s, 'local', 't', 'bench', 'local', '[]', '{}', '[]', %s, 'running', 1, clock_timestamp())"""
        budget = Limits(tokens=10**9, money=10**6, tool_calls=10**6, seconds=10**6)
        async with self.database.connection() as connection:
            await connection.execute(sql, (run, Jsonb(budget.model_dump())))
        return run


@contextlib.asynccontextmanager
async def opened(size: int = 10) -> AsyncGenerator[Rig]:
    """A server of its own, migrated; what is stored is logged and counted as on a platform."""
    telemetry.set_up(Telemetry(), "bench", "0", Path("/dev/null"))
    with tempfile.TemporaryDirectory(prefix="gs-bench-") as folder:
        server = EmbeddedPostgres(Path(folder))
        url = await server.start()
        try:
            await migrate(url)
            database = Database(url, role=ROLE, size=size, transaction_seconds=5, emit=telemetry.emit)
            await database.open()
            yield Rig(database)
            await database.close()
        finally:
            await server.stop()


def cpu_seconds(*, children: bool = True) -> float:
    """CPU time of this process so far, and of the processes below it that live, the database's backends."""
    here = psutil.Process()
    times = [here.cpu_times()]
    for child in here.children(recursive=True) if children else ():
        with contextlib.suppress(psutil.NoSuchProcess):
            times.append(child.cpu_times())
    return sum(each.user + each.system for each in times)
