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
        while True:
            # the status first: a run that ends between the two statements is found at the next look
            sql = "SELECT status FROM runs WHERE tenant = %s AND id = %s"
            row = await self.database.row(sql, tenant, run)
            events = await self.after(tenant, run, after)
            for event in events:
                after = event.number
                yield event
            if row is None or (row["status"] in ENDED and len(events) < PAGE):
                return
            if not events:
                await self.database.ear.wait()
