"""Prunes: parts of ended runs give way to tombstones, and runs go with all that is theirs.

Each run is pruned in a transaction of its own, under its row's lock, so that whatever is killed leaves a run as it was
or as it is to be. A row that somebody holds is left for the next time.
"""

from collections.abc import Awaitable, Callable
from typing import Any, LiteralString

import psycopg

from groundswell.backends.databases.connections import Connection, Database, no_run
from groundswell.backends.databases.runs import title_of
from groundswell.core.errors import Conflict
from groundswell.core.records import ENDED, Message, PrunedPart

# below PostgreSQL's look for deadlocks: of two that wait for each other it is always the pruner that gives way
PATIENCE = "SET LOCAL lock_timeout = '500ms'"
GAVE_WAY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
REPLIES: LiteralString = "tool:%%"  # the sources of what calls said, other than what they found
PLAIN = ("run", "route", "denial", "approval", "answer", "pruned")  # what stays of a run's events
HELD: dict[PrunedPart, LiteralString] = {
    part: f"ended IS NOT NULL AND NOT pruned ? '{part}'" for part in ("checkpoints", "calls", "events", "evidence")
}
OLD: LiteralString = "ended < clock_timestamp() - %s * interval '1 second'"
TENANT: LiteralString = "(%s = '' OR tenant = %s)"


class RetentionStore:
    """What retention does to rows."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def due(self, part: PrunedPart | None, seconds: float, tenant: str, limit: int) -> list[tuple[str, str]]:
        """Runs that ended so long ago and still have a part (None: the run itself), oldest first: (tenant, run)."""
        held: LiteralString = HELD[part] if part else "ended IS NOT NULL"
        sql = f"SELECT tenant, id FROM runs WHERE {held} AND {OLD} AND {TENANT} ORDER BY ended LIMIT %s"
        rows = await self.database.rows(sql, seconds, tenant, tenant, limit)
        return [(row["tenant"], row["id"]) for row in rows]

    async def counted(self, part: PrunedPart | None, seconds: float, tenant: str) -> int:
        """How many such runs there are."""
        held: LiteralString = HELD[part] if part else "ended IS NOT NULL"
        sql = f"SELECT count(*) AS runs FROM runs WHERE {held} AND {OLD} AND {TENANT}"
        row = await self.database.row(sql, seconds, tenant, tenant)
        return row["runs"] if row else 0

    async def beyond(self, size: int, tenant: str, limit: int) -> list[tuple[str, str]]:
        """Runs whose evidence, with that of all later runs of their tenant, is larger than a size; oldest first."""
        sql = f"""SELECT tenant, id FROM (
                    SELECT tenant, id, ended, bytes,
                           sum(bytes) OVER (PARTITION BY tenant ORDER BY ended DESC, id) AS upto
                    FROM runs WHERE {HELD["evidence"]} AND {TENANT}) AS x
                  WHERE upto > %s AND bytes > 0 ORDER BY ended LIMIT %s"""
        rows = await self.database.rows(sql, tenant, tenant, size, limit)
        return [(row["tenant"], row["id"]) for row in rows]

    async def prune(self, tenant: str, run: str, part: PrunedPart, reason: str) -> bool:
        """Replace a part of an ended run by its tombstone; False where it is gone already, or the run is held."""
        act = {"checkpoints": _checkpoints, "calls": _calls, "events": _events, "evidence": _evidence}[part]

        async def pruned(connection: Connection) -> bool:
            sql = f"SELECT FROM runs WHERE tenant = %s AND id = %s AND {HELD[part]} FOR UPDATE SKIP LOCKED"
            if await (await connection.execute(sql, (tenant, run))).fetchone() is None:
                return False
            await act(connection, tenant, run)
            sql = """UPDATE runs SET pruned = pruned || jsonb_build_object(
                       %s::text, jsonb_build_object('at', clock_timestamp(), 'reason', %s::text)) WHERE id = %s"""
            await connection.execute(sql, (part, reason, run))
            return True

        return await self._patiently(pruned)

    async def delete(self, tenant: str, run: str) -> bool:
        """Delete an ended run with all that is its own; False where somebody holds it.

        Raises NotFound and Conflict("run_open").
        """

        async def deleted(connection: Connection) -> bool:
            sql = "SELECT thread, status FROM runs WHERE tenant = %s AND id = %s FOR UPDATE"
            row = await (await connection.execute(sql, (tenant, run))).fetchone()
            if row is None:
                raise no_run(run)
            if row["status"] not in ENDED:
                hint = f"cancel it first: groundswell runs cancel {run}"
                raise Conflict("run_open", f"run {run} is {row['status']}", hint)
            await _checkpoints(connection, tenant, run)
            await _handed_on(connection, tenant, run)
            await _released(connection, tenant, run, "true")
            for sql in DELETED:
                await connection.execute(sql, (tenant, run))
            await _thread(connection, tenant, row["thread"])
            return True

        return await self._patiently(deleted)

    async def forget_workers(self) -> None:
        """Delete those that have not been heard of for a day: whoever is killed says no goodbye."""
        async with self.database.connection() as connection:
            await connection.execute("DELETE FROM workers WHERE alive_until < clock_timestamp() - interval '1 day'")

    async def _patiently(self, act: Callable[[Connection], Awaitable[bool]]) -> bool:
        done = False
        async with self.database.transaction() as connection:
            await connection.execute(PATIENCE)
            try:
                done = await act(connection)
            except GAVE_WAY as error:
                raise psycopg.Rollback from error
        return done


DELETED: tuple[LiteralString, ...] = (
    "DELETE FROM events WHERE tenant = %s AND run = %s",
    "DELETE FROM calls WHERE tenant = %s AND run = %s",
    "DELETE FROM idempotency WHERE tenant = %s AND run = %s",
    "DELETE FROM runs WHERE tenant = %s AND id = %s",
)


async def _checkpoints(connection: Connection, tenant: str, run: str) -> None:
    await connection.execute("DELETE FROM langgraph.checkpoint_writes WHERE thread_id = %s", (run,))
    await connection.execute("DELETE FROM langgraph.checkpoint_blobs WHERE thread_id = %s", (run,))
    await connection.execute("DELETE FROM langgraph.checkpoints WHERE thread_id = %s", (run,))


async def _calls(connection: Connection, tenant: str, run: str) -> None:
    """What was asked and said; who was called, when and how it went stays."""
    await connection.execute("UPDATE calls SET arguments = '{}' WHERE tenant = %s AND run = %s", (tenant, run))
    await _emptied(connection, tenant, run, "kind = ANY(%s)", ["call.started", "text"])
    await _released(connection, tenant, run, f"source LIKE '{REPLIES}'")


async def _events(connection: Connection, tenant: str, run: str) -> None:
    await _emptied(connection, tenant, run, "kind <> ALL(%s)", list(PLAIN))


async def _evidence(connection: Connection, tenant: str, run: str) -> None:
    await _handed_on(connection, tenant, run)
    await _released(connection, tenant, run, f"source NOT LIKE '{REPLIES}'")


async def _emptied(connection: Connection, tenant: str, run: str, which: LiteralString, kinds: list[str]) -> None:
    """Events keep their number and their time, so that a stream still resumes after any of them."""
    sql = f"""UPDATE events SET body = jsonb_build_object('kind', 'pruned', 'version', 1, 'was', kind), kind = 'pruned'
              WHERE tenant = %s AND run = %s AND {which}"""
    await connection.execute(sql, (tenant, run, kinds))


async def _handed_on(connection: Connection, tenant: str, run: str) -> None:
    """What later runs of its thread cite of a run's evidence, or may still come to cite, becomes theirs."""
    sql = """INSERT INTO evidence_sources (tenant, digest, run, source, origin, truncated, retrieved)
             SELECT s.tenant, s.digest, later.id, s.source, s.origin, s.truncated, s.retrieved
             FROM runs mine
             JOIN runs later ON later.tenant = mine.tenant AND later.thread = mine.thread AND later.id <> mine.id
                  AND later.created >= mine.created AND NOT later.pruned ? 'evidence'
             JOIN evidence_sources s ON s.tenant = mine.tenant AND s.run = mine.id
             WHERE mine.tenant = %s AND mine.id = %s AND s.source NOT LIKE 'tool:%%'
               AND position(s.digest IN coalesce(CASE WHEN later.ended IS NOT NULL THEN later.answer
                                                      ELSE mine.answer END, '{}')::text) > 0
             ON CONFLICT DO NOTHING"""
    await connection.execute(sql, (tenant, run))


async def _released(connection: Connection, tenant: str, run: str, which: LiteralString) -> None:
    """A run refers to some evidence no more; what nothing refers to is deleted."""
    sql = f"DELETE FROM evidence_sources WHERE tenant = %s AND run = %s AND {which} RETURNING digest"
    rows = await (await connection.execute(sql, (tenant, run))).fetchall()
    digests = sorted({row["digest"] for row in rows})
    unused: LiteralString = """tenant = %s AND digest = ANY(%s) AND NOT EXISTS (
        SELECT FROM evidence_sources s WHERE s.tenant = evidence.tenant AND s.digest = evidence.digest)"""
    # who stores holds a lock on what it is about to refer to: wait for it, then look anew
    sql = f"SELECT digest FROM evidence WHERE {unused} ORDER BY digest FOR UPDATE"
    rows = await (await connection.execute(sql, (tenant, digests))).fetchall()
    locked = [row["digest"] for row in rows]
    await connection.execute(f"DELETE FROM evidence WHERE {unused}", (tenant, locked))


async def _thread(connection: Connection, tenant: str, thread: str) -> None:
    """A thread goes with its last run; until then its title is from a run that is there."""
    sql = "SELECT FROM threads WHERE tenant = %s AND id = %s FOR UPDATE"
    await connection.execute(sql, (tenant, thread))  # a run that is just being added holds it
    sql = "SELECT input FROM runs WHERE tenant = %s AND thread = %s ORDER BY created, id LIMIT 1"
    first: Any = await (await connection.execute(sql, (tenant, thread))).fetchone()
    if first is None:
        await connection.execute("DELETE FROM threads WHERE tenant = %s AND id = %s", (tenant, thread))
    else:
        sql = "UPDATE threads SET title = %s WHERE tenant = %s AND id = %s"
        await connection.execute(
            sql, (title_of([Message.model_validate(message) for message in first["input"]]), tenant, thread)
        )
