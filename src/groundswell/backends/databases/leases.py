"""Leases: which worker moves which run, until when, and how a run stands in the end (architecture §5.4)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from groundswell.backends.databases.connections import Database, append
from groundswell.backends.databases.decisions import DOUBTED
from groundswell.backends.databases.runs import as_run
from groundswell.core.records import Fact, Run
from groundswell.core.records.events import Answered, RunChanged

CLAIMABLE = """(r.status = 'queued'
      OR r.status = 'running' AND (w.alive_until IS NULL OR w.alive_until < clock_timestamp()
                                   OR w.id = %(me)s AND r.id <> ALL(%(held)s)))
    AND (r.status = 'running' OR NOT EXISTS (
         SELECT FROM runs e WHERE e.tenant = r.tenant AND e.thread = r.thread AND (e.created, e.id) < (r.created, r.id)
            AND e.status IN ('queued', 'running', 'waiting')))"""


@dataclass(frozen=True)
class Lease:
    """A run that this worker holds in this epoch."""

    run: Run
    seconds_left: float  # of its budget, by PostgreSQL's clock
    cancelling: bool
    granted: tuple[str, ...]
    call: dict[str, Any] | None = None

    @property
    def epoch(self) -> int:
        """Which lease of the run this is."""
        return self.run.epoch


class Leases:
    """What a worker does to runs; time is PostgreSQL's alone."""

    def __init__(
        self, database: Database, worker: str, seconds: float, build: Callable[[str], str] = lambda agent: ""
    ) -> None:
        """`build` says which version of an agent this worker has."""
        self.database, self.worker, self.seconds, self.build = database, worker, seconds, build

    async def beat(self) -> None:
        """Prove life."""
        sql = """INSERT INTO workers (id, alive_until) VALUES (%s, clock_timestamp() + %s * interval '1 second')
                 ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until"""
        async with self.database.connection() as connection:
            await connection.execute(sql, (self.worker, self.seconds))

    async def leave(self) -> None:
        """Say that this worker is gone: what it held may be claimed at once."""
        async with self.database.connection() as connection:
            await connection.execute("DELETE FROM workers WHERE id = %s", (self.worker,))

    async def claim(self, limit: int, held: Sequence[str]) -> list[Lease]:
        """Lease what is queued, what a dead worker had, and what this one lost hold of.

        The tenant with the fewest runs under way has the next turn; within a tenant the oldest run has. A run waits for
        the earlier ones of its thread.
        """
        if limit < 1:
            return []
        sql = f"""WITH RECURSIVE tenants (tenant) AS (
                    SELECT min(tenant) FROM runs WHERE status IN ('queued', 'running')
                    UNION ALL
                    SELECT (SELECT min(r.tenant) FROM runs r
                            WHERE r.status IN ('queued', 'running') AND r.tenant > t.tenant)
                    FROM tenants t WHERE t.tenant IS NOT NULL),
                  turns AS (
                    SELECT c.id, busy.runs + row_number() OVER (PARTITION BY t.tenant ORDER BY c.created, c.id) AS turn
                    FROM tenants t,
                    LATERAL (SELECT count(*) AS runs FROM runs b
                             WHERE b.tenant = t.tenant AND b.status = 'running') busy,
                    LATERAL (SELECT r.id, r.created FROM runs r LEFT JOIN workers w ON w.id = r.worker
                             WHERE r.tenant = t.tenant AND {CLAIMABLE}
                             ORDER BY r.created, r.id LIMIT 4 * %(limit)s) c)
                 UPDATE runs SET worker = %(me)s, epoch = epoch + 1, status = 'running', reason = '',
                        started = coalesce(started, clock_timestamp()), parked = NULL,
                        waited = waited + coalesce(extract(epoch FROM clock_timestamp() - parked)::float8, 0)
                 WHERE id IN (
                   SELECT r.id FROM turns JOIN runs r ON r.id = turns.id LEFT JOIN workers w ON w.id = r.worker
                   WHERE {CLAIMABLE}
                   ORDER BY turns.turn, r.created LIMIT %(limit)s FOR UPDATE OF r SKIP LOCKED)
                 RETURNING *, extract(epoch FROM clock_timestamp() - started)::float8 - waited AS used"""
        stored: list[tuple[Lease, list[Fact]]] = []
        async with self.database.transaction() as connection:
            values = {"me": self.worker, "limit": limit, "held": list(held)}
            for row in await (await connection.execute(sql, values)).fetchall():
                run = as_run(row)
                left = run.budget.seconds - row["used"]
                lease = Lease(run, left, row["cancelling"], tuple(row["granted"]), row["call"])
                body = RunChanged(status="running", epoch=run.epoch, build=self.build(run.agent))
                facts = [Fact(key=f"running/{run.epoch}", body=body)]
                await append(connection, run.id, run.epoch, facts)
                stored.append((lease, facts))
        for lease, facts in stored:
            self.database.appended(lease.run.id, lease.run.tenant, facts)
        return [lease for lease, _ in stored]

    async def cancelled(self) -> set[str]:
        """The runs of this worker that are asked to stop."""
        sql = "SELECT id FROM runs WHERE worker = %s AND status = 'running' AND cancelling"
        return {row["id"] for row in await self.database.rows(sql, self.worker)}

    async def end(self, run: Run, ending: Answered) -> None:
        """The run's end and its answer in one transaction, under the fence. Raises EpochOver."""
        facts = [Fact(key="answer", body=ending)]
        error = Jsonb(ending.error.model_dump()) if ending.error else None
        answer = Jsonb(ending.answer.model_dump(mode="json"))
        async with self.database.transaction() as connection:
            await append(connection, run.id, run.epoch, facts)
            sql = """UPDATE runs SET status = %s, reason = %s, answer = %s, error = %s, mode = %s,
                            ended = clock_timestamp() WHERE id = %s"""
            await connection.execute(sql, (ending.status, ending.reason, answer, error, ending.mode, run.id))
        self.database.appended(run.id, run.tenant, facts)

    async def park(self, run: Run) -> None:
        """A node waits for a person: the run waits too, unless the person was faster. Raises EpochOver."""
        sql = f"""UPDATE runs SET (status, reason) = (
                    SELECT CASE WHEN bool_or(state = 'asked') OR bool_or({DOUBTED}) THEN 'waiting' ELSE 'queued' END,
                           CASE WHEN bool_or(state = 'asked') THEN 'approval' WHEN bool_or({DOUBTED}) THEN 'outcome'
                                ELSE '' END
                    FROM calls WHERE run = runs.id), parked = clock_timestamp()
                  WHERE id = %s RETURNING status, reason"""
        async with self.database.transaction() as connection:
            await append(connection, run.id, run.epoch, [])
            row = await (await connection.execute(sql, (run.id,))).fetchone()
            assert row is not None
            body = RunChanged(status=row["status"], reason=row["reason"], epoch=run.epoch)
            facts = [Fact(key=f"parked/{run.epoch}", body=body)]
            await append(connection, run.id, None, facts)
        self.database.appended(run.id, run.tenant, facts)
