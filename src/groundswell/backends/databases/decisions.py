"""What people decide about calls: written by the router, checked by the service that acts (architecture §5.2)."""

from typing import Any

from psycopg.rows import DictRow

from groundswell.backends.databases.connections import Connection, Database, append, ended, no_run
from groundswell.backends.databases.runs import conclude
from groundswell.core.errors import Conflict, NotFound
from groundswell.core.records import ENDED, CallState, Choice, Decision, Fact, PendingCall, Problem
from groundswell.core.records.events import Answered, Approval, RunChanged

DOUBTED = "state = 'unknown' AND decision = ''"
EXPIRED_AT_ONCE = 100
NAMED = "c.task || '/' || c.kind || '/' || left(c.request_digest, 16) || '/' || c.n"
SHOWN_OF = f"c.*, r.agent, {NAMED} AS call, c.begun AS asked"
ASKED_ABOUT = "(c.expires IS NOT NULL OR c.note <> '')"
# what a call's state must be for a choice, and what it is then
CHOICES: dict[Choice, tuple[CallState, CallState]] = {
    "approve": ("asked", "approved"),
    "deny": ("asked", "denied"),
    "happened": ("unknown", "unknown"),  # the service that acts makes `done` of it
    "did_not_happen": ("unknown", "approved"),  # it may be made again
}
SHOWN: dict[Choice, CallState] = {"happened": "done"}  # in the event


class Decisions:
    """The calls that wait for a person."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def of_run(self, tenant: str, run: str) -> list[PendingCall]:
        """The calls of a run that a person was asked about, decided or not."""
        sql = f"""SELECT {SHOWN_OF} FROM calls c JOIN runs r ON r.id = c.run
                  WHERE c.tenant = %s AND c.run = %s AND {ASKED_ABOUT}
                  ORDER BY c.begun, c.task, c.kind, c.n"""
        return [_pending(row) for row in await self.database.rows(sql, tenant, run)]

    async def open(self, tenant: str, limit: int = 200) -> list[PendingCall]:
        """All that waits in a tenant, oldest first."""
        sql = f"""SELECT {SHOWN_OF} FROM calls c JOIN runs r ON r.id = c.run
                  WHERE c.tenant = %s AND (c.state = 'asked' OR c.{DOUBTED}) AND r.ended IS NULL
                    AND c.state IN ('asked', 'unknown')
                  ORDER BY c.begun LIMIT %s"""
        return [_pending(row) for row in await self.database.rows(sql, tenant, limit)]

    async def decide(self, tenant: str, run: str, by: str, decision: Decision) -> PendingCall:
        """Write a decision down; the run goes on where nothing else waits. The same decision again changes nothing.

        Raises NotFound (`no_call`) and Conflict: `run_ended`, `other_arguments`, `approval_expired`, `decided`.
        """
        async with self.database.transaction() as connection:
            standing = await self._locked(connection, tenant, run)
            call = await self._call(connection, tenant, run, decision)
            before, after = CHOICES[decision.choice]
            if _is(call, decision.choice, by):
                return _pending(call)
            if standing["status"] in ENDED:
                raise ended(run)
            if call["state"] != before or call["decision"]:
                raise _decided(call)
            if decision.choice == "approve" and call["expired"]:
                hint = "ask again: what was asked for so long ago may no longer be right"
                raise Conflict("approval_expired", f"the time to approve {call['kind']} is over", hint)
            happened = "happened" if decision.choice == "happened" else ""
            note = decision.reason if decision.choice == "deny" else call["note"]
            sql = f"""UPDATE calls c SET state = %s, decision = %s, decided_by = %s, note = %s
                      WHERE run = %s AND {NAMED} = %s AND request_digest = %s"""
            values = (after, happened, by, note, run, decision.call, decision.digest)
            await connection.execute(sql, values)
            facts = [_fact(call, decision, SHOWN.get(decision.choice, after), by)]
            facts += await self._resumed(connection, standing, call)
            await append(connection, run, None, facts)
        self.database.appended(run, tenant, facts)
        return _pending({**call, "state": after, "decision": happened, "decided_by": by, "note": note})

    async def expire(self) -> int:
        """End the runs that wait for an approval whose time is over; how many."""
        sql = """SELECT id, tenant FROM runs WHERE status = 'waiting' AND id IN (
                   SELECT run FROM calls WHERE state = 'asked' AND expires < clock_timestamp())
                 LIMIT %s FOR UPDATE SKIP LOCKED"""
        stored: list[tuple[str, str, list[Fact]]] = []
        async with self.database.transaction() as connection:
            for row in await (await connection.execute(sql, (EXPIRED_AT_ONCE,))).fetchall():
                stored.append((row["id"], row["tenant"], await self._expired(connection, row)))
        for run, tenant, facts in stored:
            self.database.appended(run, tenant, facts)
        return len(stored)

    async def _expired(self, connection: Connection, run: DictRow) -> list[Fact]:
        sql = f"""UPDATE calls c SET state = 'denied', decided_by = 'groundswell'
                  WHERE run = %s AND state = 'asked' AND expires < clock_timestamp()
                  RETURNING {NAMED} AS call, kind, request_digest"""
        facts: list[Fact] = []
        for call in await (await connection.execute(sql, (run["id"],))).fetchall():
            body = Approval(
                call=call["call"], tool=call["kind"], state="denied", digest=call["request_digest"], reason="expired"
            )
            facts.append(Fact(key=f"{call['call']}/expired", body=body))
        names = ", ".join(sorted({fact.body.tool for fact in facts if isinstance(fact.body, Approval)}))
        message = f"nobody said in time whether {names} may be called"
        hint = "ask again, and approve in time; [runs] approval_seconds says how long there is"
        problem = Problem(code="approval_expired", message=message, hint=hint)
        ending = Answered(status="failed", reason="approval_expired", error=problem)
        facts.append(Fact(key="answer", body=ending))
        await append(connection, run["id"], None, facts)
        await conclude(connection, run["tenant"], run["id"], ending, answered=False)
        return facts

    async def _locked(self, connection: Connection, tenant: str, run: str) -> DictRow:
        sql = "SELECT id, status, epoch FROM runs WHERE tenant = %s AND id = %s FOR UPDATE"
        row = await (await connection.execute(sql, (tenant, run))).fetchone()
        if row is None:
            raise no_run(run)
        return row

    async def _call(self, connection: Connection, tenant: str, run: str, decision: Decision) -> DictRow:
        sql = f"""SELECT {SHOWN_OF}, c.expires < clock_timestamp() AS expired FROM calls c JOIN runs r ON r.id = c.run
                  WHERE c.tenant = %s AND c.run = %s AND {NAMED} = %s AND {ASKED_ABOUT}"""
        row = await (await connection.execute(sql, (tenant, run, decision.call))).fetchone()
        if row is None:
            hint = f"GET /v1/runs/{run}/approvals shows those there are"
            raise NotFound("no_call", "no call of this run waits under that name", hint)
        if row["request_digest"] != decision.digest:
            message = "this decision is about other arguments than the call has"
            raise Conflict("other_arguments", message, "look at the call again, then decide")
        return row

    async def _resumed(self, connection: Connection, run: DictRow, call: DictRow) -> list[Fact]:
        """The run goes back into the queue, unless it still works or waits for more."""
        sql = f"""UPDATE runs SET status = 'queued', reason = '' WHERE id = %s AND status = 'waiting'
                    AND NOT EXISTS (SELECT FROM calls WHERE run = %s AND (state = 'asked' OR {DOUBTED}))"""
        if not (await connection.execute(sql, (run["id"], run["id"]))).rowcount:
            return []
        body = RunChanged(status="queued", reason="decided", epoch=run["epoch"])
        return [Fact(key=f"resumed/{run['epoch']}", body=body)]


def _pending(row: dict[str, Any]) -> PendingCall:
    doubted = row["state"] == "unknown" and not row["decision"]
    return PendingCall(
        run=row["run"],
        agent=row["agent"],
        call=row["call"],
        tool=row["kind"],
        arguments=row["arguments"],
        digest=row["request_digest"],
        state=row["state"],
        waits_for="approval" if row["state"] == "asked" else "outcome" if doubted else "",
        note=row["note"],
        asked=row["asked"],
        expires=row["expires"],
        decided_by=row["decided_by"],
    )


def _is(call: DictRow, choice: Choice, by: str) -> bool:
    """Whether this very decision was made before, by the same person: a client that lost the answer asks again."""
    made = ("denied",) if choice == "deny" else ("approved", "intended", "done")
    same = call["decision"] == "happened" if choice == "happened" else call["state"] in made and not call["decision"]
    return same and call["decided_by"] == by


def _decided(call: DictRow) -> Conflict:
    if call["state"] in ("asked", "unknown") and not call["decision"]:
        waits = "an approval" if call["state"] == "asked" else "somebody who says whether it happened"
        return Conflict("other_question", f"this call waits for {waits}", "look at the call again, then decide")
    by = f" by {call['decided_by']}" if call["decided_by"] else ""
    return Conflict("decided", f"this call is decided{by}: it is {call['state']}", "its run shows how it went on")


def _fact(call: DictRow, decision: Decision, state: CallState, by: str) -> Fact:
    body = Approval(
        call=decision.call, tool=call["kind"], state=state, by=by, digest=decision.digest, reason=decision.reason
    )
    return Fact(key=f"{decision.call}/decided/{call['attempt']}", body=body)
