"""What the journal tells of: what is stored, once it is."""

from collections.abc import AsyncIterator, Sequence

import pytest
from psycopg.types.json import Jsonb

from groundswell.backends.databases.calls import Cost, Journal, Place
from groundswell.backends.databases.connections import Database
from groundswell.backends.databases.embedded import ROLE
from groundswell.core.errors import Unavailable
from groundswell.core.records import Ask, Fact, ToolResult
from groundswell.core.records.events import Denial

BUDGET = {"steps": 9, "tool_calls": 9, "tokens": 9, "money": 1, "seconds": 900, "bytes": 10**6}
# what PostgreSQL finds out at the commit, such as that its disk is full
FAILS = (
    """CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$""",
    """CREATE CONSTRAINT TRIGGER fails AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW EXECUTE FUNCTION fail()""",
)
PLACE = Place("acme", "run_1", 1, Ask(task="t", checkpoint="c", kind="look", arguments={}, n=0))


@pytest.fixture
async def told() -> list[str]:
    return []


@pytest.fixture
async def journal(database_url: str, told: list[str]) -> AsyncIterator[Journal]:
    """The journal of one run under way."""

    def emit(run: str, tenant: str, facts: Sequence[Fact]) -> None:
        told.extend(fact.body.kind for fact in facts)

    database = Database(database_url.replace("{role}", ROLE), role=ROLE, emit=emit)
    await database.open()
    async with database.connection() as connection:
        sql = """INSERT INTO runs (id, tenant, thread, agent, caller, input, sources, granted, budget, status, epoch)
                 VALUES ('run_1', 'acme', 't', 'coding', 'c', '[]', '{}', '[]', %s, 'running', 1)"""
        await connection.execute(sql, (Jsonb(BUDGET),))
    yield Journal(database)
    await database.close()


async def test_what_is_not_committed_is_not_told(journal: Journal, told: list[str]) -> None:
    async with journal.database.connection() as connection:
        for statement in FAILS:
            await connection.execute(statement)
    with pytest.raises(Unavailable, match="no room"):
        await journal.begin(PLACE, before=None, effect=False, seconds=9, reserve=Cost())
    with pytest.raises(Unavailable, match="no room"):
        await journal.ask(PLACE, effect=True, seconds=9)
    assert told == []


async def test_of_two_who_begin_one_attempt_one_does(journal: Journal, told: list[str]) -> None:
    begun = [await journal.begin(PLACE, before=None, effect=True, seconds=9, reserve=Cost()) for _ in range(2)]
    before = await journal.standing(PLACE)
    begun += [await journal.begin(PLACE, before=before, effect=True, seconds=9, reserve=Cost()) for _ in range(2)]
    assert begun == [1, None, 2, None]
    assert told == ["call.started", "call.started"]


async def test_of_two_who_ask_a_person_about_one_call_one_does(journal: Journal, told: list[str]) -> None:
    for _ in range(2):
        await journal.ask(PLACE, effect=True, seconds=9)
    assert told == ["approval"]


async def test_of_two_who_refuse_one_call_one_does(journal: Journal, told: list[str]) -> None:
    for _ in range(2):
        await journal.refuse(
            PLACE, ToolResult(status="denied", code="no"), Denial(subject="look", rule="no", message="no")
        )
    row = await journal.database.row("SELECT tool_calls, reserved_tool_calls FROM runs")
    assert told == ["denial", "call.finished"]
    assert row == {"tool_calls": 1, "reserved_tool_calls": 0}


async def test_of_two_who_are_told_that_an_effect_happened_one_writes_it_down(
    journal: Journal, told: list[str]
) -> None:
    await journal.begin(PLACE, before=None, effect=True, seconds=9, reserve=Cost())
    await journal.doubt(PLACE, 1, "look there", Cost())
    async with journal.database.connection() as connection:
        await connection.execute("UPDATE calls SET decision = 'happened', decided_by = 'ana'")
    standing = await journal.standing(PLACE)
    assert standing is not None
    for _ in range(2):
        await journal.believe(PLACE, standing)
    assert told == ["call.started", "call.finished", "call.finished"]
