"""Reading a run's events: what is stored, then what is stored next."""

from collections.abc import AsyncIterator

from groundswell.backends.databases.connections import Database
from groundswell.core.records import ENDED, Event

PAGE = 500


class EventLog:
    """The events of runs, in order and without gaps."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def after(self, tenant: str, run: str, number: int = 0, limit: int = PAGE) -> list[Event]:
        """Stored events after a number."""
        sql = """SELECT run, number, at, body FROM events WHERE tenant = %s AND run = %s AND number > %s
                 ORDER BY number LIMIT %s"""
        return [Event.model_validate(row) for row in await self.database.rows(sql, tenant, run, number, limit)]

    async def follow(self, tenant: str, run: str, after: int = 0) -> AsyncIterator[Event]:
        """Every event after a number, in order, until the run has ended and all are told."""
        # one statement: a run that has ended is seen together with its last event
        sql = """SELECT r.status, e.run, e.number, e.at, e.body FROM runs r
                 LEFT JOIN LATERAL (SELECT * FROM events WHERE tenant = r.tenant AND run = r.id AND number > %s
                                    ORDER BY number LIMIT %s) e ON true
                 WHERE r.tenant = %s AND r.id = %s ORDER BY e.number"""
        while True:
            rows = await self.database.rows(sql, after, PAGE, tenant, run)
            ended = not rows or rows[0]["status"] in ENDED
            found = [row for row in rows if row["number"] is not None]
            for row in found:
                after = row["number"]
                yield Event.model_validate({name: row[name] for name in ("run", "number", "at", "body")})
            if ended and len(found) < PAGE:
                return
            if not found:
                await self.database.ear.wait()
