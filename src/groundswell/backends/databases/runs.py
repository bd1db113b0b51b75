"""Runs and threads, as the router writes and everyone reads them."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from groundswell.backends.databases.connections import Connection, Database, append, ended, no_run
from groundswell.core.errors import Conflict, Invalid, LimitReached, NotFound
from groundswell.core.records import ENDED, Answer, Fact, Limits, Message, NewRun, Problem, Route, Run, Thread, Turn
from groundswell.core.records.events import Answered, Denial, Routed, RunChanged

HISTORY = 8  # earlier runs a follow-up sees


@dataclass(frozen=True)
class Accepted:
    """A run about to be stored: a request, and what the router made of it."""

    id: str
    tenant: str
    caller: str
    request: NewRun
    route: Route
    budget: Limits
    thread: str
    granted: tuple[str, ...] = ()  # sources that the local caller named itself
    call: dict[str, Any] | None = None  # a run of one call: the tool and its arguments
    idempotency_key: str = ""
    queued_at_most: int = 1000
    subject: dict[str, Any] = field(default_factory=dict[str, Any])  # who asks: local, or known to a cluster


@dataclass(frozen=True)
class Scope:
    """The sources of a run, which of them the local caller named itself, and who asked."""

    sources: dict[str, str]
    granted: tuple[str, ...]
    caller: str
    direct: bool = False  # a run of one call, which its caller asked for
    subject: dict[str, Any] = field(default_factory=dict[str, Any])
    alone: bool = False  # there is no other tenant


class RunStore:
    """What the router does to runs."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def create(self, new: Accepted, ending: Answered | None = None, denial: Denial | None = None) -> Run:
        """Store a run; it is durable when this returns. The same idempotency key gives the first run again.

        With an `ending`, or what policy refuses of it, it has ended when it is stored: no worker ever takes it.
        """
        if denial is not None:
            problem = Problem(code=denial.rule, message=denial.message, hint=denial.hint)
            ending = Answered(status="failed", reason="denied", error=problem)
        async with self.database.transaction() as connection:
            if (first := await self._first(connection, new)) is not None:
                return first
            # first: it locks the thread, so that of two runs at once one sees the other
            sql = """INSERT INTO threads (tenant, id, title) VALUES (%s, %s, %s)
                     ON CONFLICT (tenant, id) DO UPDATE SET updated = clock_timestamp()"""
            await connection.execute(sql, (new.tenant, new.thread, title_of(new.request.input)))
            interrupted = await self._admit(connection, new)
            sql = """INSERT INTO runs (id, tenant, thread, agent, caller, input, call, sources, granted, budget, route,
                                       subject)
                     VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""
            messages = [message.model_dump(mode="json") for message in new.request.input]
            values = (
                *(new.id, new.tenant, new.thread, new.route.agent, new.caller, Jsonb(messages)),
                *(Jsonb(new.call) if new.call else None, Jsonb(new.request.sources), Jsonb(list(new.granted))),
                *(Jsonb(new.budget.model_dump()), Jsonb(new.route.model_dump(mode="json")), Jsonb(new.subject)),
            )
            await connection.execute(sql, values)
            facts = [Fact(key="queued", body=RunChanged(status="queued"))]
            facts.append(Fact(key="route", body=Routed(route=new.route)))
            if denial is not None:
                facts.append(Fact(key=f"denial/{denial.rule}", body=denial))
            if ending is not None:
                facts.append(Fact(key="answer", body=ending))
            await append(connection, new.id, None, facts)
            if ending is not None:
                await conclude(connection, new.tenant, new.id, ending, answered=ending.error is None)
            row = await (await connection.execute("SELECT * FROM runs WHERE id = %s", (new.id,))).fetchone()
        for run, stopped in interrupted.items():
            self.database.appended(run, new.tenant, stopped)
        self.database.appended(new.id, new.tenant, facts)
        return as_run(row)

    async def _first(self, connection: Connection, new: Accepted) -> Run | None:
        if not new.idempotency_key:
            return None
        asked = json.dumps([new.request.model_dump(mode="json"), new.call], sort_keys=True)
        digest = hashlib.sha256(asked.encode()).hexdigest()
        sql = """INSERT INTO idempotency (tenant, caller, key, request_digest, run) VALUES (%s, %s, %s, %s, %s)
                 ON CONFLICT DO NOTHING"""
        values = (new.tenant, new.caller, new.idempotency_key, digest, new.id)
        if (await connection.execute(sql, values)).rowcount:
            return None
        sql = """SELECT i.request_digest, r.* FROM idempotency i JOIN runs r ON r.id = i.run
                 WHERE i.tenant = %s AND i.caller = %s AND i.key = %s"""
        cursor = await connection.execute(sql, (new.tenant, new.caller, new.idempotency_key))
        row = await cursor.fetchone()
        if row is None or row.pop("request_digest") != digest:
            message = "this Idempotency-Key was used for another request"
            raise Conflict("idempotency_mismatch", message, "use a new key for a new request")
        return as_run(row)

    async def _admit(self, connection: Connection, new: Accepted) -> dict[str, list[Fact]]:
        """Refuse what the queue or the thread has no room for; the runs that were asked to stop for it."""
        sql = "SELECT count(*) AS open FROM runs WHERE tenant = %s AND status = 'queued'"
        row = await (await connection.execute(sql, (new.tenant,))).fetchone()
        if row and row["open"] >= new.queued_at_most:
            raise LimitReached("queue_full", f"{row['open']} runs are queued already", "ask again later", retry_after=5)
        if new.request.on_busy == "enqueue":
            return {}
        # in order, and locked: none of them ends in between
        sql = """SELECT id FROM runs WHERE tenant = %s AND thread = %s AND status IN ('queued', 'running', 'waiting')
                 ORDER BY created, id FOR UPDATE"""
        busy = [row["id"] for row in await (await connection.execute(sql, (new.tenant, new.thread))).fetchall()]
        if busy and new.request.on_busy == "reject":
            hint = "wait for it, or send on_busy=enqueue"
            raise Conflict("thread_busy", f"thread {new.thread} is busy with run {busy[0]}", hint)
        return {run: await self._cancel(connection, new.tenant, run) for run in busy}

    async def get(self, tenant: str, run: str) -> Run:
        """A run of this tenant; raises NotFound."""
        row = await self.database.row("SELECT * FROM runs WHERE tenant = %s AND id = %s", tenant, run)
        if row is None:
            raise no_run(run)
        return as_run(row)

    async def listed(
        self, tenant: str, *, cursor: str = "", limit: int = 50, thread: str = "", status: str = ""
    ) -> tuple[list[Run], str]:
        """Runs, newest first, and the cursor of the next page (empty: this was the last)."""
        created, last = _read_cursor(cursor)
        sql = """SELECT * FROM runs WHERE tenant = %s AND (%s::timestamptz IS NULL OR (created, id) < (%s, %s))
                 AND (%s = '' OR thread = %s) AND (%s = '' OR status = %s)
                 ORDER BY created DESC, id DESC LIMIT %s"""
        values = (tenant, created, created, last, thread, thread, status, status, limit + 1)
        rows = await self.database.rows(sql, *values)
        runs = [as_run(row) for row in rows[:limit]]
        return runs, _cursor(runs[-1]) if len(rows) > limit else ""

    async def scope(self, tenant: str, run: str) -> Scope:
        """What a run looks at, for a service that acts for it; raises NotFound."""
        sql = """SELECT sources, granted, caller, call IS NOT NULL AS direct, subject,
                        NOT EXISTS (SELECT FROM tenants t WHERE t.tenant <> r.tenant) AS alone
                 FROM runs r WHERE tenant = %s AND id = %s"""
        row = await self.database.row(sql, tenant, run)
        if row is None:
            raise NotFound("no_run", f"there is no run {run}")
        granted = tuple(row["granted"])
        return Scope(row["sources"], granted, row["caller"], row["direct"], row["subject"], row["alone"])

    async def call(self, tenant: str, run: str) -> dict[str, Any] | None:
        """What a run of one call calls."""
        row = await self.database.row("SELECT call FROM runs WHERE tenant = %s AND id = %s", tenant, run)
        return row["call"] if row else None

    async def stopped(self, runs: Sequence[str]) -> set[str]:
        """Those of some runs that are asked to stop, or have ended."""
        sql = "SELECT id FROM runs WHERE id = ANY(%s) AND (cancelling OR ended IS NOT NULL)"
        return {row["id"] for row in await self.database.rows(sql, list(runs))}

    async def leased(self, run: str, epoch: int, worker: str) -> Run | None:
        """The run that a living worker holds in an epoch, by PostgreSQL's clock."""
        sql = """SELECT r.* FROM runs r JOIN workers w ON w.id = r.worker
                 WHERE r.id = %s AND r.epoch = %s AND r.worker = %s AND r.status = 'running'
                   AND w.alive_until > clock_timestamp()"""
        row = await self.database.row(sql, run, epoch, worker)
        return as_run(row) if row else None

    async def history(self, tenant: str, thread: str, before: Run) -> list[Turn]:
        """Earlier runs of a thread that have an answer, oldest first."""
        sql = """SELECT * FROM runs WHERE tenant = %s AND thread = %s AND (created, id) < (%s, %s)
                 AND status = 'succeeded' AND call IS NULL ORDER BY created DESC, id DESC LIMIT %s"""
        rows = await self.database.rows(sql, tenant, thread, before.created, before.id, HISTORY)
        runs = [as_run(row) for row in reversed(rows)]
        return [Turn(run=r.id, agent=r.agent, question=r.question, answer=r.answer or Answer()) for r in runs]

    async def threads(self, tenant: str, limit: int = 50) -> list[Thread]:
        """Threads, latest first."""
        sql = """SELECT t.id, t.tenant, t.title, t.created, t.updated, count(r.id) AS runs
                 FROM threads t LEFT JOIN runs r ON r.tenant = t.tenant AND r.thread = t.id
                 WHERE t.tenant = %s GROUP BY t.tenant, t.id ORDER BY t.updated DESC LIMIT %s"""
        return [Thread.model_validate(row) for row in await self.database.rows(sql, tenant, limit)]

    async def thread(self, tenant: str, thread: str) -> Thread:
        """One thread; raises NotFound."""
        sql = """SELECT t.id, t.tenant, t.title, t.created, t.updated,
                        (SELECT count(*) FROM runs r WHERE r.tenant = t.tenant AND r.thread = t.id) AS runs
                 FROM threads t WHERE t.tenant = %s AND t.id = %s"""
        row = await self.database.row(sql, tenant, thread)
        if row is None:
            raise NotFound("no_thread", f"there is no thread {thread}", "groundswell runs list shows threads")
        return Thread.model_validate(row)

    async def cancel(self, tenant: str, run: str) -> Run:
        """Ask a run to stop: at once where nobody works on it, else its worker ends it. Raises Conflict once ended."""
        async with self.database.transaction() as connection:
            facts = await self._cancel(connection, tenant, run)
            row = await (await connection.execute("SELECT * FROM runs WHERE id = %s", (run,))).fetchone()
        self.database.appended(run, tenant, facts)
        return as_run(row)

    async def _cancel(self, connection: Connection, tenant: str, run: str) -> list[Fact]:
        sql = "SELECT status, cancelling FROM runs WHERE tenant = %s AND id = %s FOR UPDATE"
        row = await (await connection.execute(sql, (tenant, run))).fetchone()
        if row is None:
            raise no_run(run)
        if row["status"] in ENDED:
            raise ended(run)
        if row["cancelling"]:
            return []
        facts = [Fact(key="cancelling", body=RunChanged(status=row["status"], reason="cancelling"))]
        if row["status"] != "running":
            facts.append(Fact(key="answer", body=Answered(status="cancelled")))
            sql = """UPDATE runs SET cancelling = true, status = 'cancelled', ended = clock_timestamp(), answer = %s
                     WHERE id = %s"""
            await append(connection, run, None, facts)
            await connection.execute(sql, (Jsonb(Answer().model_dump(mode="json")), run))
        else:
            await append(connection, run, None, facts)
            await connection.execute("UPDATE runs SET cancelling = true WHERE id = %s", (run,))
        return facts


async def conclude(connection: Connection, tenant: str, run: str, ending: Answered, *, answered: bool = True) -> None:
    """Write into a run's row how the router ended it; its role may not say in which mode, as a worker's may."""
    sql = """UPDATE runs SET status = %s, reason = %s, answer = %s, error = %s, ended = clock_timestamp()
             WHERE tenant = %s AND id = %s"""
    answer = Jsonb(ending.answer.model_dump(mode="json")) if answered else None
    error = Jsonb(ending.error.model_dump()) if ending.error else None
    await connection.execute(sql, (ending.status, ending.reason, answer, error, tenant, run))


def as_run(row: DictRow | None) -> Run:
    """A run's row as the record."""
    assert row is not None
    spent = {name: row[name] for name in ("steps", "tool_calls", "tokens", "money", "bytes")}
    if row["started"]:
        until = row["ended"] or datetime.now(row["started"].tzinfo)
        if row["parked"]:
            until = row["parked"]  # it waits for a person
        spent["seconds"] = round((until - row["started"]).total_seconds() - row["waited"], 3)
    names = Run.model_fields.keys() - {"spent"}
    return Run.model_validate({name: row[name] for name in names} | {"spent": spent})


def title_of(messages: Sequence[Message]) -> str:
    """What a thread is called, by its first run."""
    texts: Sequence[str] = [part.text for message in messages for part in message.parts if part.kind == "text"]
    return " ".join(" ".join(texts).split())[:80] or "untitled"


def _cursor(run: Run) -> str:
    return base64.urlsafe_b64encode(f"{run.created.isoformat()} {run.id}".encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime | None, str]:
    if not cursor:
        return None, ""
    try:
        created, last = base64.urlsafe_b64decode(cursor.encode()).decode().split(" ")
        return datetime.fromisoformat(created), last
    except ValueError as error:
        raise Invalid("bad_cursor", "this cursor is none of ours", "start without one") from error
