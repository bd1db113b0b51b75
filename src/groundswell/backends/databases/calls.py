"""The journal of calls, written by the service that acts: begun under the run's epoch, settled under its attempt."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from groundswell.backends.databases.connections import Connection, Database, EpochOver, append
from groundswell.backends.databases.evidence import Piece, store
from groundswell.core.errors import Conflict, LimitReached
from groundswell.core.records import Ask, CallState, Fact, Recorded, ToolResult
from groundswell.core.records.calls import parted
from groundswell.core.records.events import Approval, CallFinished, CallProgressed, CallStarted, Denial, Told


def digest_of(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, hex."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def name_of(task: str, kind: str, request_digest: str, n: int) -> str:
    """A call's name, in events and for people; `decisions.NAMED` is the same in SQL."""
    return f"{task}/{kind}/{request_digest[:16]}/{n}"


@dataclass(frozen=True)
class Place:
    """Which call of which run this is: the key of its row, and its idempotency key."""

    tenant: str
    run: str
    epoch: int
    ask: Ask

    @property
    def request_digest(self) -> str:
        """What is asked, as a digest."""
        return digest_of(self.ask.arguments)

    @property
    def fact(self) -> str:
        """The call's name, the same on every attempt."""
        return name_of(self.ask.task, self.ask.kind, self.request_digest, self.ask.n)

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """The primary key."""
        return self.run, self.ask.task, self.ask.kind, self.request_digest, self.ask.n


@dataclass(frozen=True)
class Standing:
    """How a call's row stands."""

    state: CallState
    attempt: int
    acting: bool  # its attempt may still be under way
    result: ToolResult | None
    decision: str = ""  # of a person, about an unknown outcome: `happened`
    decided_by: str = ""
    note: str = ""


@dataclass(frozen=True)
class Cost:
    """What a call uses; reserved before it, settled with it."""

    tool_calls: int = 1
    tokens: int = 0
    money: float = 0.0
    bytes: int = 0


SEEN = "seen_by_a_person"  # of a result that has no value
CHANGED = "its arguments have changed since"
KEY = "run = %s AND task = %s AND kind = %s AND request_digest = %s AND n = %s"
RESERVED = ("tool_calls", "tokens", "money", "bytes")
ONE_EFFECT = "calls_effect"  # the index: at one place of a run there is one effect


class Journal:
    """The rows of `calls`, with the evidence, the spend and the events that belong to them."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def check(self, tenant: str, run: str, epoch: int) -> None:
        """Raise EpochOver for a lease that is over: its token may be good for some minutes more, its word is not."""
        sql = "SELECT id FROM runs WHERE tenant = %s AND id = %s AND epoch = %s AND status = 'running'"
        if await self.database.row(sql, tenant, run, epoch) is None:
            raise EpochOver(run)

    async def standing(self, place: Place) -> Standing | None:
        """The row, if there is one."""
        sql = f"""SELECT c.state, c.attempt, c.acting_until > clock_timestamp() AS acting, c.result, e.body,
                         c.decision, c.decided_by, c.note
                  FROM calls c LEFT JOIN evidence e ON e.tenant = c.tenant AND e.digest = c.reply_digest
                  WHERE c.tenant = %s AND {KEY}"""
        row = await self.database.row(sql, place.tenant, *place.key)
        return _standing(row) if row else None

    async def begin(
        self, place: Place, *, before: Standing | None, effect: bool, seconds: float, reserve: Cost
    ) -> int | None:
        """Write down what is about to happen; returns the attempt, or None if another asker was faster.

        Raises EpochOver, LimitReached (`budget_…`) and Conflict (`diverged`: the same effect in other words).
        """
        attempt = before.attempt + 1 if before else 1
        ask, (ns, _) = place.ask, parted(place.ask.checkpoint_ns)
        started = CallStarted(call=place.fact, tool=ask.kind, attempt=attempt, arguments=ask.arguments, ns=ns)
        facts = [Fact(key=f"{place.fact}/started/{attempt}", body=started)]
        try:
            async with self._stating(place, facts) as connection:
                await append(connection, place.run, place.epoch, facts)
                if before is None:
                    if not await self._insert(connection, place, effect, "intended", 1, seconds):
                        raise psycopg.Rollback
                elif not await self._again(connection, place, attempt, seconds):
                    raise psycopg.Rollback
                if before is None or before.state == "approved":  # what is only asked for has reserved nothing
                    await self._reserve(connection, place, reserve)
                return attempt
        except psycopg.errors.UniqueViolation as error:
            if error.diag.constraint_name != ONE_EFFECT:
                return None  # this very attempt was begun by another
            message = f"{place.ask.kind} was called here before, with other arguments"
            raise Conflict(
                "diverged", message, "an effect keeps its place: make its calls one after another"
            ) from error
        return None

    async def ask(self, place: Place, *, effect: bool, seconds: float) -> None:
        """Ask a person whether a call may be made; what was asked for at the same place in other words is void.

        Nothing happens where it is asked for already. Raises EpochOver.
        """
        call = place.fact
        facts: list[Fact] = []
        async with self._stating(place, facts) as connection:
            await append(connection, place.run, place.epoch, [])
            sql = "SELECT clock_timestamp() + %s * interval '1 second' AS expires"
            row = await (await connection.execute(sql, (seconds,))).fetchone()
            assert row is not None
            if not await self._insert(connection, place, effect, "asked", 0, 0, row["expires"]):
                raise psycopg.Rollback
            asked = Approval(
                call=call, tool=place.ask.kind, state="asked", digest=place.request_digest, expires=row["expires"]
            )
            facts.append(Fact(key=f"{call}/asked", body=asked))
            facts += await self._void_others(connection, place) if effect else []
            await append(connection, place.run, place.epoch, facts)

    async def _void_others(self, connection: Connection, place: Place) -> list[Fact]:
        sql = """UPDATE calls SET state = 'denied', decided_by = 'groundswell'
                 WHERE run = %s AND task = %s AND kind = %s AND n = %s AND request_digest <> %s
                   AND state IN ('asked', 'approved')
                 RETURNING request_digest"""
        values = (place.run, place.ask.task, place.ask.kind, place.ask.n, place.request_digest)
        facts: list[Fact] = []
        for row in await (await connection.execute(sql, values)).fetchall():
            digest = row["request_digest"]
            call = name_of(place.ask.task, place.ask.kind, digest, place.ask.n)
            body = Approval(call=call, tool=place.ask.kind, state="denied", digest=digest, reason=CHANGED)
            facts.append(Fact(key=f"{call}/void", body=body))
        return facts

    async def settle(
        self,
        place: Place,
        attempt: int,
        result: ToolResult,
        pieces: Sequence[Piece],
        cost: Cost,
        reserved: Cost,
        seconds: float,
    ) -> bool:
        """Keep a reply, its evidence and its cost; False where another attempt was begun since (its cost is kept)."""
        body = json.dumps(result.value, ensure_ascii=False)
        reply = Piece(text=body, source=f"tool:{place.ask.kind}", truncated=result.truncated)
        kept = result.model_copy(update={"value": None, "digest": reply.digest})
        spend = """UPDATE runs SET tool_calls = tool_calls + %s, tokens = tokens + %s, money = money + %s,
                          bytes = bytes + %s WHERE id = %s"""
        async with self.database.transaction() as connection:
            await connection.execute(spend, (cost.tool_calls, cost.tokens, cost.money, cost.bytes, place.run))
            sql = f"""UPDATE calls SET state = 'done', result = %s, reply_digest = %s, done_at = clock_timestamp(),
                             tokens = tokens + %s, money = money + %s, bytes = bytes + %s
                      WHERE {KEY} AND state = 'intended' AND attempt = %s"""
            values = (Jsonb(kept.model_dump(mode="json")), reply.digest, cost.tokens, cost.money, cost.bytes)
            if (await connection.execute(sql, (*values, *place.key, attempt))).rowcount == 0:
                sql = f"UPDATE calls SET tokens = tokens + %s, money = money + %s, bytes = bytes + %s WHERE {KEY}"
                await connection.execute(sql, (cost.tokens, cost.money, cost.bytes, *place.key))
                return False
            await store(connection, place.tenant, place.run, [reply, *pieces])
            await self._unreserve(connection, place, reserved)
            facts = [_finished(place, "done", attempt, kept, len(body), seconds)]
            await append(connection, place.run, None, facts)
        self.database.appended(place.run, place.tenant, facts)
        return True

    async def refuse(self, place: Place, result: ToolResult, denial: Denial | None) -> None:
        """Write down a call that is not made: denied by policy, or without sense. It counts as a call."""
        body = json.dumps(None)
        reply = Piece(text=body, source=f"tool:{place.ask.kind}")
        kept = result.model_copy(update={"value": None, "digest": reply.digest})
        facts = [Fact(key=f"{place.fact}/denial", body=denial)] if denial else []
        facts.append(_finished(place, "done", 1, kept, 0, 0.0))
        async with self._stating(place, facts) as connection:
            await append(connection, place.run, place.epoch, [])
            sql = f"UPDATE calls SET state = 'intended' WHERE {KEY} AND state = 'approved'"  # policy has changed since
            approved = (await connection.execute(sql, place.key)).rowcount
            if not approved and not await self._insert(connection, place, False, "intended", 1, 0):
                raise psycopg.Rollback
            await self._reserve(connection, place, Cost())
            await self._unreserve(connection, place, Cost())
            await connection.execute("UPDATE runs SET tool_calls = tool_calls + 1 WHERE id = %s", (place.run,))
            sql = f"""UPDATE calls SET state = 'done', result = %s, reply_digest = %s, done_at = clock_timestamp()
                      WHERE {KEY}"""
            await connection.execute(sql, (Jsonb(kept.model_dump(mode="json")), reply.digest, *place.key))
            await store(connection, place.tenant, place.run, [reply])
            await append(connection, place.run, place.epoch, facts)

    async def doubt(self, place: Place, attempt: int, note: str, reserved: Cost) -> None:
        """Nobody can say whether an effect happened: a person must, who is told what to look at."""
        doubted = ToolResult(status="error", code="unknown_outcome", message=note)
        facts = [_finished(place, "unknown", attempt, doubted, 0, 0.0)]
        async with self._stating(place, facts) as connection:
            await append(connection, place.run, None, facts)
            sql = f"UPDATE calls SET state = 'unknown', note = %s WHERE {KEY} AND state = 'intended' AND attempt = %s"
            if (await connection.execute(sql, (note, *place.key, attempt))).rowcount == 0:
                raise psycopg.Rollback
            await self._unreserve(connection, place, reserved)

    async def believe(self, place: Place, standing: Standing) -> None:
        """A person has seen that an effect happened: the call is done, without the value it would have had."""
        message = f"{standing.decided_by} has seen that it happened"
        result = ToolResult(status="ok", code=SEEN, message=message)
        reply = Piece(text=json.dumps(None), source=f"tool:{place.ask.kind}")
        kept = result.model_copy(update={"digest": reply.digest})
        facts = [_finished(place, "done", standing.attempt, kept, 0, 0.0)]
        async with self._stating(place, facts) as connection:
            await append(connection, place.run, place.epoch, [])
            sql = f"""UPDATE calls SET state = 'done', result = %s, reply_digest = %s, done_at = clock_timestamp()
                      WHERE {KEY} AND state = 'unknown' AND decision = 'happened'"""
            values = (Jsonb(kept.model_dump(mode="json")), reply.digest, *place.key)
            if (await connection.execute(sql, values)).rowcount == 0:
                raise psycopg.Rollback
            await store(connection, place.tenant, place.run, [reply])
            await connection.execute("UPDATE runs SET tool_calls = tool_calls + 1 WHERE id = %s", (place.run,))
            await append(connection, place.run, place.epoch, facts)

    async def progress(self, place: Place, attempt: int, count: int, stage: str, done: int, total: int) -> None:
        """Show how far a call is. Raises EpochOver."""
        body = CallProgressed(call=place.fact, tool=place.ask.kind, stage=stage, done=done, total=total)
        await self._state(place, Fact(key=f"{place.fact}/progress/{attempt}/{count}", body=body))

    async def tell(self, place: Place, attempt: int, count: int, text: str, reasoning: str) -> None:
        """Show what a model says while it speaks. Raises EpochOver."""
        body = Told(call=place.fact, tool=place.ask.kind, attempt=attempt, text=text, reasoning=reasoning)
        await self._state(place, Fact(key=f"{place.fact}/text/{attempt}/{count}", body=body))

    async def _state(self, place: Place, fact: Fact) -> None:
        async with self.database.connection() as connection:  # one statement is a transaction of its own
            await append(connection, place.run, place.epoch, [fact])
        self.database.appended(place.run, place.tenant, [fact])

    def _stating(self, place: Place, facts: Sequence[Fact]) -> AbstractAsyncContextManager[Connection]:
        return self.database.stating(place.run, place.tenant, facts)

    async def replies(self, tenant: str, run: str, task: str) -> dict[tuple[str, str, int], ToolResult]:
        """What a task that ran before was told: (kind, request digest, n) → result."""
        sql = """SELECT c.kind, c.request_digest, c.n, c.state, c.attempt, false AS acting, c.result, e.body
                 FROM calls c JOIN evidence e ON e.tenant = c.tenant AND e.digest = c.reply_digest
                 WHERE c.tenant = %s AND c.run = %s AND c.task = %s AND c.state = 'done'"""
        found: dict[tuple[str, str, int], ToolResult] = {}
        for row in await self.database.rows(sql, tenant, run, task):
            if (result := _standing(row).result) is not None:
                found[row["kind"], row["request_digest"], row["n"]] = result
        return found

    async def of_run(self, tenant: str, run: str) -> list[dict[str, Any]]:
        """The calls of a run with their results, in the order in which they were begun.

        A pruned run's are not told, either, where another run keeps the same bytes.
        """
        sql = """SELECT c.*, false AS acting, e.body FROM calls c JOIN runs r ON r.id = c.run
                 LEFT JOIN evidence e ON e.tenant = c.tenant AND e.digest = c.reply_digest AND NOT r.pruned ? 'calls'
                 WHERE c.tenant = %s AND c.run = %s ORDER BY c.begun, c.task, c.kind, c.n"""
        found: list[dict[str, Any]] = []
        for row in await self.database.rows(sql, tenant, run):
            result = _standing(row).result
            call = name_of(row["task"], row["kind"], row["request_digest"], row["n"])
            values = {"call": call, "tool": row["kind"], "state": row["state"], "attempt": row["attempt"]}
            dumped = result.model_dump(mode="json") if result else None
            found.append({**values, "arguments": row["arguments"], "result": dumped})
        return found

    async def recorded(self, tenant: str, run: str) -> list[Recorded]:
        """The calls of a run with all that replaying it needs, in the order in which they were begun."""
        sql = """SELECT c.*, false AS acting, e.body FROM calls c
                 LEFT JOIN evidence e ON e.tenant = c.tenant AND e.digest = c.reply_digest
                 WHERE c.tenant = %s AND c.run = %s ORDER BY c.checkpoint, c.begun, c.task, c.kind, c.n"""
        names = Recorded.model_fields.keys() - {"result"}
        rows = await self.database.rows(sql, tenant, run)
        return [Recorded(**{name: row[name] for name in names}, result=_standing(row).result) for row in rows]

    async def _insert(
        self,
        connection: Connection,
        place: Place,
        effect: bool,
        state: str,
        attempt: int,
        seconds: float,
        expires: datetime | None = None,
    ) -> bool:
        sql = """INSERT INTO calls (tenant, run, checkpoint_ns, checkpoint, task, kind, request_digest, n, effect,
                                    state, attempt, epoch, acting_until, arguments, expires)
                 VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,
                         clock_timestamp() + %s * interval '1 second', %s, %s)
                 ON CONFLICT (run, task, kind, request_digest, n) DO NOTHING"""
        ask = place.ask
        values = (
            *(place.tenant, place.run, ask.checkpoint_ns, ask.checkpoint, ask.task, ask.kind, place.request_digest),
            *(ask.n, effect, state, attempt, place.epoch, seconds, Jsonb(ask.arguments), expires),
        )
        return bool((await connection.execute(sql, values)).rowcount)

    async def _again(self, connection: Connection, place: Place, attempt: int, seconds: float) -> bool:
        sql = f"""UPDATE calls SET state = 'intended', attempt = %s, epoch = %s,
                         acting_until = clock_timestamp() + %s * interval '1 second'
                  WHERE {KEY} AND state IN ('intended', 'approved') AND attempt = %s"""
        values = (attempt, place.epoch, seconds, *place.key, attempt - 1)
        return bool((await connection.execute(sql, values)).rowcount)

    async def _reserve(self, connection: Connection, place: Place, cost: Cost) -> None:
        sql = """UPDATE runs SET reserved_tool_calls = reserved_tool_calls + %s, reserved_tokens = reserved_tokens + %s,
                        reserved_money = reserved_money + %s, reserved_bytes = reserved_bytes + %s
                 WHERE id = %s
                 RETURNING budget, tool_calls + reserved_tool_calls AS tool_calls, tokens + reserved_tokens AS tokens,
                           money + reserved_money AS money, bytes + reserved_bytes AS bytes,
                           extract(epoch FROM clock_timestamp() - started)::float8 - waited AS seconds"""
        values = (cost.tool_calls, cost.tokens, cost.money, cost.bytes, place.run)
        row = await (await connection.execute(sql, values)).fetchone()
        assert row is not None
        for name in RESERVED:
            if row[name] > row["budget"][name] and getattr(cost, name) > 0:
                raise _over(place, name, row["budget"][name])
        if (row["seconds"] or 0.0) > row["budget"]["seconds"]:  # its worker ends it, and may be late
            raise _over(place, "seconds", row["budget"]["seconds"])

    async def _unreserve(self, connection: Connection, place: Place, cost: Cost) -> None:
        sql = """UPDATE runs SET reserved_tool_calls = reserved_tool_calls - %s, reserved_tokens = reserved_tokens - %s,
                        reserved_money = reserved_money - %s, reserved_bytes = reserved_bytes - %s WHERE id = %s"""
        await connection.execute(sql, (cost.tool_calls, cost.tokens, cost.money, cost.bytes, place.run))


def _over(place: Place, name: str, limit: float) -> LimitReached:
    message = f"this run may use {limit:,} {name.replace('_', ' ')}, and {place.ask.kind} needs more"
    return LimitReached(f"budget_{name}", message, "ask for less, or give the run a larger limit")


def _standing(row: Any) -> Standing:
    result = None
    if row["result"] is not None:
        value = json.loads(row["body"]) if row["body"] is not None else None
        result = ToolResult.model_validate({**row["result"], "value": value})
    decided = (row.get("decision", ""), row.get("decided_by", ""), row.get("note", ""))
    return Standing(row["state"], row["attempt"], row["acting"], result, *decided)


def _finished(place: Place, state: CallState, attempt: int, result: ToolResult, size: int, seconds: float) -> Fact:
    body = CallFinished(
        call=place.fact,
        tool=place.ask.kind,
        state=state,
        status=result.status,
        attempt=attempt,
        digest=result.digest,
        bytes=size,
        seconds=round(seconds, 4),
        message=result.message,
    )
    again = (
        f"/{attempt}" if state == "unknown" else ""
    )  # a person may send an effect out again, and it may stay unknown
    return Fact(key=f"{place.fact}/{state}{again}", body=body)
