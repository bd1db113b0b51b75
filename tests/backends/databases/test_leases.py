"""Whose run is leased next: the flood of one tenant keeps no other waiting."""

import itertools
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from psycopg.types.json import Jsonb

from groundswell.backends.databases.connections import Database
from groundswell.backends.databases.embedded import ROLE
from groundswell.backends.databases.leases import Leases
from groundswell.core.records import Answer, Run
from groundswell.core.records.events import Answered

BUDGET = {"steps": 9, "tool_calls": 9, "tokens": 9, "money": 1, "seconds": 900, "bytes": 10**6}
NUMBERS = itertools.count()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url.replace("{role}", ROLE), role=ROLE)
    await opened.open()
    yield opened
    await opened.close()


async def queue(database: Database, tenant: str, count: int) -> None:
    """Runs that wait, each later than the one before it."""
    sql = """INSERT INTO runs (id, tenant, thread, agent, caller, input, sources, granted, budget)
             VALUES (%s, %s, %s, 'coding', 'c', '[]', '{}', '[]', %s)"""
    async with database.connection() as connection:
        for number in itertools.islice(NUMBERS, count):
            await connection.execute(sql, (f"run_{number}", tenant, f"run_{number}", Jsonb(BUDGET)))


class Crew:
    """Workers that hold what they have claimed."""

    def __init__(self, database: Database, *names: str) -> None:
        self.leases = [Leases(database, name, 600) for name in names]
        self.held: dict[str, list[Run]] = {name: [] for name in names}

    async def claims(self, leases: Leases, limit: int) -> list[str]:
        """The tenants whose runs one of them gets."""
        await leases.beat()
        held = self.held[leases.worker]
        got = [lease.run for lease in await leases.claim(limit, [run.id for run in held])]
        held += got
        return [run.tenant for run in got]

    async def ends(self, leases: Leases) -> None:
        """It finishes the oldest one that it has."""
        run = self.held[leases.worker].pop(0)
        await leases.end(run, Answered(status="succeeded", answer=Answer(text="done")))


@pytest.mark.parametrize("limit", [1, 4])
async def test_a_single_run_has_the_first_place_that_comes_free_in_another_tenants_flood(
    database: Database, limit: int
) -> None:
    crew = Crew(database, "a", "b", "c")
    await queue(database, "flooding", 200)
    for leases in crew.leases:
        assert await crew.claims(leases, 8) == ["flooding"] * 8
    await queue(database, "quiet", 1)
    first = crew.leases[0]
    for _ in range(limit):
        await crew.ends(first)
    assert (await crew.claims(first, limit)).count("quiet") == 1
    left = await database.row("SELECT count(*) AS n FROM runs WHERE status = 'queued'")
    assert left
    assert left["n"] == 200 - 24 - limit + 1, "nobody's place stays empty"


async def test_tenants_that_flood_take_turns_and_a_late_one_is_among_them(database: Database) -> None:
    crew = Crew(database, "a", "b")
    floods = {"first": 80, "second": 40, "third": 20}
    for tenant, count in floods.items():
        await queue(database, tenant, count)
    got: list[str] = []
    for leases in itertools.islice(itertools.cycle(crew.leases), 30):
        got += await crew.claims(leases, 1)
    assert max(Counter(got).values()) - min(Counter(got).values()) <= 1
    await queue(database, "late", 3)
    later = [tenant for _ in range(3) for leases in crew.leases for tenant in await crew.claims(leases, 1)]
    assert later[:3] == ["late"] * 3, "until it has as much under way as the others, it goes first"
    assert len(later) == 6


async def test_within_a_tenant_the_oldest_run_is_next(database: Database) -> None:
    crew = Crew(database, "a")
    await queue(database, "one", 12)
    order = [row["id"] for row in await database.rows("SELECT id FROM runs ORDER BY created, id")]
    for _ in range(4):
        await crew.claims(crew.leases[0], 3)
    assert sorted(run.id for run in crew.held["a"][:3]) == sorted(order[:3])
    assert sorted(run.id for run in crew.held["a"][3:6]) == sorted(order[3:6])
