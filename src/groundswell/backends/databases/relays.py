"""Runs of one model call that is passed through: begun and ended by the router, without a worker and without text."""

from psycopg.types.json import Jsonb

from groundswell.backends.databases.connections import Database, append, no_run
from groundswell.backends.databases.runs import Accepted, as_run, conclude
from groundswell.core.records import Fact, Run
from groundswell.core.records.events import Answered, Routed, RunChanged

EPOCH = 1


class Relays:
    """What the router does to runs of this kind. A holder stands for the worker; when its time is over, one ends it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def begin(self, new: Accepted, seconds: float) -> Run:
        """Store a run that is under way already."""
        holder = f"relay-{new.id}"
        facts = [
            Fact(key="queued", body=RunChanged(status="queued")),
            Fact(key="route", body=Routed(route=new.route)),
            Fact(key=f"running/{EPOCH}", body=RunChanged(status="running", epoch=EPOCH)),
        ]
        messages = [message.model_dump(mode="json") for message in new.request.input]
        async with self.database.transaction() as connection:
            sql = """INSERT INTO workers (id, alive_until) VALUES (%s, clock_timestamp() + %s * interval '1 second')"""
            await connection.execute(sql, (holder, seconds))
            sql = "INSERT INTO threads (tenant, id, title) VALUES (%s, %s, %s)"
            await connection.execute(sql, (new.tenant, new.thread, new.route.agent))
            sql = """INSERT INTO runs (id, tenant, thread, agent, caller, input, call, sources, granted, budget, route,
                                       status, worker, epoch, started, mode)
                     VALUES (%s, %s, %s, %s, %s, %s, %s, '{}', '[]', %s, %s, 'running', %s, %s, clock_timestamp(), 'L0')
                     RETURNING *"""
            values = (
                *(new.id, new.tenant, new.thread, new.route.agent, new.caller, Jsonb(messages), Jsonb(new.call)),
                *(Jsonb(new.budget.model_dump()), Jsonb(new.route.model_dump(mode="json")), holder, EPOCH),
            )
            row = await (await connection.execute(sql, values)).fetchone()
            await append(connection, new.id, EPOCH, facts)
        self.database.appended(new.id, new.tenant, facts)
        return as_run(row)

    async def end(self, tenant: str, run: str, ending: Answered) -> None:
        """The run's end. Raises EpochOver where it has ended, NotFound for what is no such run of this tenant."""
        facts = [Fact(key="answer", body=ending)]
        async with self.database.transaction() as connection:
            sql = "SELECT id FROM runs WHERE tenant = %s AND id = %s AND call ? 'model'"
            if await (await connection.execute(sql, (tenant, run))).fetchone() is None:
                raise no_run(run)
            await append(connection, run, EPOCH, facts)
            await conclude(connection, tenant, run, ending)
            await connection.execute("DELETE FROM workers WHERE id = %s", (f"relay-{run}",))
        self.database.appended(run, tenant, facts)
