"""What is pruned is gone, what stays can be read, and nothing refers to what is not there."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg.rows import dict_row

from groundswell.backends.databases.embedded import ROLE
from groundswell.backends.databases.evidence import Piece, store
from groundswell.backends.databases.retention import RetentionStore
from groundswell.core.records import PARTS
from groundswell.core.settings import Retention
from groundswell.runtime.platform import Running
from groundswell.runtime.retention import Pruner
from services import pruning
from services.test_api import events, finished, problem
from write_path.processes import FORK

Rows = psycopg.AsyncConnection[dict[str, Any]]
ASKED = {"input": "why", "agent": "trial"}


@pytest.fixture
async def db(platform: Running) -> AsyncIterator[Rows]:
    """The platform's database, as its owner sees it."""
    url = platform.base.database_url.replace("{role}", ROLE)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True, row_factory=dict_row) as connection:
        await connection.execute("SET search_path = groundswell, langgraph")
        yield connection


async def rows(db: Rows, sql: Any, *values: Any) -> list[dict[str, Any]]:
    return await (await db.execute(sql, values)).fetchall()


async def left(db: Rows, run: str) -> dict[str, int]:
    """How many rows there are of a run."""
    tables = {"runs": "id", "events": "run", "calls": "run", "evidence_sources": "run", "idempotency": "run"}
    tables |= {f"langgraph.checkpoint{name}": "thread_id" for name in ("s", "_blobs", "_writes")}
    return {
        table: (await rows(db, f"SELECT count(*) AS n FROM {table} WHERE {column} = %s", run))[0]["n"]
        for table, column in tables.items()
    }


async def dangling(db: Rows) -> dict[str, int]:
    """What refers to nothing, and what nothing refers to."""
    found = {
        "evidence without a run": """SELECT count(*) AS n FROM evidence e WHERE NOT EXISTS (
            SELECT FROM evidence_sources s WHERE (s.tenant, s.digest) = (e.tenant, e.digest))""",
        "sources without a run": """SELECT count(*) AS n FROM evidence_sources s
            WHERE NOT EXISTS (SELECT FROM runs r WHERE r.id = s.run)""",
        "replies that are missing": """SELECT count(*) AS n FROM calls c JOIN runs r ON r.id = c.run
            WHERE c.reply_digest IS NOT NULL AND NOT r.pruned ? 'calls' AND NOT EXISTS (
            SELECT FROM evidence e WHERE (e.tenant, e.digest) = (c.tenant, c.reply_digest))""",
        "events before their tombstone": """SELECT count(*) AS n FROM events e JOIN runs r ON r.id = e.run
            WHERE e.kind = 'pruned' AND NOT r.pruned ?| ARRAY['events', 'calls']""",
        "half a tombstone": """SELECT count(*) AS n FROM calls c JOIN runs r ON r.id = c.run
            WHERE r.pruned ? 'calls' AND c.arguments <> '{}'""",
        "threads without a run": """SELECT count(*) AS n FROM threads t
            WHERE NOT EXISTS (SELECT FROM runs r WHERE (r.tenant, r.thread) = (t.tenant, t.id))""",
        "rows without a run": """SELECT (SELECT count(*) FROM events e WHERE NOT EXISTS (
            SELECT FROM runs r WHERE r.id = e.run)) + (SELECT count(*) FROM calls c WHERE NOT EXISTS (
            SELECT FROM runs r WHERE r.id = c.run)) AS n""",
    }
    return {name: n for name, sql in found.items() if (n := (await rows(db, sql))[0]["n"])}


async def prune(http: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    answered = await http.post("/v1/prune", json=body)
    assert answered.status_code == 200, answered.text
    return answered.json()


async def aged(db: Rows, run: str, days: float) -> None:
    await db.execute("UPDATE runs SET ended = ended - %s * interval '1 day' WHERE id = %s", (days, run))


async def test_bodies_give_way_to_tombstones_and_the_run_stays_readable(http: httpx2.AsyncClient, db: Rows):
    run, _ = await finished(http, ASKED), await finished(http, ASKED)  # what another run keeps is not shown here
    told = await events(http, run["id"])
    await aged(db, run["id"], 40)
    counted = await prune(http, older_than_days=39, dry_run=True)
    done = await prune(http, older_than_days=39)
    assert {part: done[part] for part in PARTS} == {part: counted[part] for part in PARTS}
    assert all(done[part] >= 1 for part in PARTS)
    shown = (await http.get(f"/v1/runs/{run['id']}")).json()
    assert shown["answer"] == run["answer"]
    assert set(shown["pruned"]) == set(PARTS)
    assert {grave["reason"] for grave in shown["pruned"].values()} == {"pruned by local"}
    calls = (await http.get(f"/v1/runs/{run['id']}/calls")).json()
    assert calls
    assert all(call["arguments"] == {} and call["result"]["value"] is None for call in calls)
    assert {call["result"]["status"] for call in calls} == {"ok"}
    again = await events(http, run["id"])
    assert [event["number"] for event in again] == [event["number"] for event in told]
    assert [event["body"]["kind"] for event in again if event["body"]["kind"] != "pruned"] == [
        "run", "route", "run", "answer"
    ]  # fmt: skip
    rest = await left(db, run["id"])
    assert rest["evidence_sources"] == rest["langgraph.checkpoints"] == 0
    assert not await dangling(db)


async def test_evidence_says_that_it_was_pruned(http: httpx2.AsyncClient, db: Rows):
    run = await finished(http, {**ASKED, "input": "only here"})
    sql = "SELECT digest FROM evidence_sources WHERE run = %s AND source LIKE 'repo:only here%%' LIMIT 1"
    digest = (await rows(db, sql, run["id"]))[0]["digest"]
    await aged(db, run["id"], 40)
    await prune(http, older_than_days=39)
    gone = await http.get(f"/v1/evidence/{digest}", params={"run": run["id"]})
    assert problem(gone) == (404, "evidence_pruned")
    assert "pruned by local" in gone.json()["detail"]


async def test_evidence_goes_when_its_last_run_does(http: httpx2.AsyncClient, db: Rows):
    asked = {"input": "shared by two", "agent": "trial"}
    first, second = await finished(http, asked), await finished(http, asked)
    sql = "SELECT digest FROM evidence_sources WHERE run = %s AND source LIKE 'repo:shared%%'"
    digests = {row["digest"] for row in await rows(db, sql, first["id"])}
    assert digests == {row["digest"] for row in await rows(db, sql, second["id"])} != set()
    for run, remaining in ((first, len(digests)), (second, 0)):
        assert (await http.delete(f"/v1/runs/{run['id']}")).json()["runs"] == 1
        there = await rows(db, "SELECT FROM evidence WHERE digest = ANY(%s)", list(digests))
        assert len(there) == remaining
        assert not await dangling(db)


async def test_what_a_later_run_of_the_thread_cites_becomes_its_own(http: httpx2.AsyncClient, db: Rows):
    first = await finished(http, {**ASKED, "input": "a thread's first"})
    digest = (await rows(db, "SELECT digest FROM evidence_sources WHERE run = %s LIMIT 1", first["id"]))[0]["digest"]
    await db.execute(
        "UPDATE evidence_sources SET source = 'repo:a#L1' WHERE run = %s AND digest = %s", (first["id"], digest)
    )
    later = await finished(http, {**ASKED, "input": "its second", "thread": first["thread"]})
    cites = """UPDATE runs SET answer = jsonb_set(answer, '{claims}', jsonb_build_array(jsonb_build_object(
               'text', 'x', 'citations', jsonb_build_array(jsonb_build_object(
               'evidence', %s::text, 'source', 'repo:a#L1', 'quote', 'line'))))) WHERE id = %s"""
    await db.execute(cites, (digest, later["id"]))
    await http.delete(f"/v1/runs/{first['id']}")
    assert (await http.get(f"/v1/evidence/{digest}", params={"run": later["id"]})).status_code == 200
    thread = (await http.get(f"/v1/threads/{first['thread']}")).json()
    assert (thread["title"], thread["runs"]) == ("its second", 1)
    await http.delete(f"/v1/runs/{later['id']}")
    assert (await http.get(f"/v1/threads/{first['thread']}")).status_code == 404
    assert not await dangling(db)


async def test_deleted_means_deleted(http: httpx2.AsyncClient, db: Rows):
    headers = {"Idempotency-Key": "to be deleted"}
    run = await finished(http, {**ASKED, "input": "vanishing quokka"}, **headers)
    assert (await http.delete(f"/v1/runs/{run['id']}")).status_code == 200
    assert set((await left(db, run["id"])).values()) == {0}
    assert problem(await http.get(f"/v1/runs/{run['id']}")) == (404, "no_run")
    assert problem(await http.delete(f"/v1/runs/{run['id']}")) == (404, "no_run")
    tables = await rows(db, "SELECT tablename FROM pg_tables WHERE schemaname IN ('groundswell', 'langgraph')")
    for table in [row["tablename"] for row in tables]:
        found = await rows(db, f"SELECT count(*) AS n FROM {table} t WHERE t::text LIKE '%%quokka%%'")
        assert found[0]["n"] == 0, table
    assert (await finished(http, {**ASKED, "input": "another"}, **headers))["id"] != run["id"]


async def test_what_is_deleted_can_be_had_back_by_vacuum(platform: Running, http: httpx2.AsyncClient, db: Rows):
    run = await finished(http, ASKED)
    size = "SELECT pg_total_relation_size('evidence') AS bytes"
    big = [random.Random(number).randbytes(150_000).hex() for number in range(10)]
    async with db.transaction():
        await store(db, "local", run["id"], [Piece(text, "repo:big") for text in big])
    large = (await rows(db, size))[0]["bytes"]
    await http.delete(f"/v1/runs/{run['id']}")
    await db.execute("VACUUM (FULL) evidence")
    assert (await rows(db, size))[0]["bytes"] < large - 1_000_000


async def test_a_run_under_way_or_waiting_is_never_pruned(platform: Running, http: httpx2.AsyncClient, db: Rows):
    made = (await http.post("/v1/runs", json={"input": "spin", "agent": "endless"})).json()
    try:
        assert problem(await http.delete(f"/v1/runs/{made['id']}")) == (409, "run_open")
        parked = await finished(http, ASKED)
        await db.execute("UPDATE runs SET status = 'waiting', ended = NULL WHERE id = %s", (parked["id"],))
        await db.execute("UPDATE runs SET created = created - interval '9 years' WHERE id = ANY(%s)",
                         ([made["id"], parked["id"]],))  # fmt: skip
        before = [await left(db, run) for run in (parked["id"],)]
        await prune(http, older_than_days=0, runs=True)
        await prune(http, older_than_days=0)
        assert [await left(db, run) for run in (parked["id"],)] == before
        assert (await http.get(f"/v1/runs/{made['id']}")).json()["pruned"] == {}
        assert problem(await http.delete(f"/v1/runs/{parked['id']}")) == (409, "run_open")
    finally:
        await http.post(f"/v1/runs/{made['id']}/cancel")
        await events(http, made["id"])
        await http.post(f"/v1/runs/{parked['id']}/cancel")


async def test_pruning_ends_at_the_tenant(http: httpx2.AsyncClient, db: Rows, foreign: dict[str, str]):
    run = await finished(http, ASKED)
    mine = await left(db, run["id"])
    assert problem(await http.post("/v1/prune", json={"older_than_days": 0, "runs": True}, headers=foreign)) == (
        403,
        "scope_missing",
    )
    platform_wide = await http.delete(f"/v1/runs/{run['id']}", headers=foreign)
    assert problem(platform_wide) == (404, "no_run")
    assert await left(db, run["id"]) == mine


async def test_another_tenants_runs_stay(platform: Running, http: httpx2.AsyncClient, db: Rows):
    run = await finished(http, ASKED)
    mine = await left(db, run["id"])
    database = platform.base.database("router")
    await database.open()
    pruner = Pruner(RetentionStore(database), Retention())
    await pruner.prune_older("narrow", 0.0, runs=True, by="stranger")
    await pruner.prune_older("narrow", 0.0, runs=False, by="stranger")
    assert await left(db, run["id"]) == mine
    await database.close()


async def test_the_background_prunes_by_age_and_by_size(platform: Running, http: httpx2.AsyncClient, db: Rows):
    old, newer = await finished(http, {**ASKED, "input": "old one"}), await finished(http, {**ASKED, "input": "new"})
    await aged(db, old["id"], 0.5)
    database = platform.base.database("router")
    await database.open()
    hours = Retention(
        checkpoints_hours=6,
        calls_days=0,
        events_days=0,
        evidence_days=0,
        runs_days=0,
        evidence_bytes=0,
        every_seconds=0.05,
    )
    serving = asyncio.create_task(Pruner(RetentionStore(database), hours).serve())
    while (await left(db, old["id"]))["langgraph.checkpoints"]:  # noqa: ASYNC110 - the database sends no event
        await asyncio.sleep(0.02)
    serving.cancel()
    assert (await left(db, newer["id"]))["langgraph.checkpoints"]
    small = hours.model_copy(update={"checkpoints_hours": 0.0, "evidence_bytes": newer["spent"]["bytes"]})
    done = await Pruner(RetentionStore(database), small).prune("local")
    assert done.evidence >= 1
    kept = [(await http.get(f"/v1/runs/{run['id']}")).json()["pruned"] for run in (old, newer)]
    assert "retention.evidence_bytes" in kept[0]["evidence"]["reason"]
    assert "evidence" not in kept[1]
    assert not await dangling(db)
    await database.close()


async def test_evidence_that_is_being_stored_is_not_pruned_away(platform: Running, http: httpx2.AsyncClient, db: Rows):
    """A run that stores bytes which are there already, while the only run that refers to them is deleted."""
    first, second = await finished(http, ASKED), await finished(http, ASKED)
    piece = Piece("the same bytes", "repo:same")
    async with db.transaction():
        await store(db, "local", first["id"], [piece])
    database = platform.base.database("router")
    await database.open()
    url = platform.base.database_url.replace("{role}", ROLE)
    async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as storing:
        await storing.execute("SET search_path = groundswell, langgraph")
        await store(storing, "local", second["id"], [piece])
        assert not await RetentionStore(database).delete("local", first["id"])  # it gives way
        await storing.commit()
    assert await RetentionStore(database).delete("local", first["id"])
    assert await rows(db, "SELECT FROM evidence WHERE digest = %s", piece.digest)
    assert not await dangling(db)
    await database.close()


@pytest.mark.real
@pytest.mark.timeout(240)
@pytest.mark.parametrize("part", ["run", *PARTS])
async def test_kill_9_after_any_statement_leaves_all_or_nothing(
    platform: Running, http: httpx2.AsyncClient, db: Rows, part: str
):
    run = (await finished(http, {**ASKED, "input": f"killed in {part}"}))["id"]
    before = await left(db, run)
    for statement in range(1, 40):
        process = FORK.Process(target=pruning.main, args=(platform.base.database_url, run, part, statement))
        process.start()
        await asyncio.to_thread(process.join, 60)
        assert not await dangling(db)
        if process.exitcode == 0:
            break
        assert process.exitcode == -9
        assert await left(db, run) == before
    assert statement > 2
    assert await left(db, run) != before or part == "events"


def test_the_names_of_settings_are_those_of_parts():
    names = {name.partition("_")[0] for name in Retention.model_fields}
    assert set(PARTS) <= names


def test_everything_is_bounded_by_default():
    assert all(getattr(Retention(), name) > 0 for name in Retention.model_fields)


async def test_a_worker_that_was_killed_is_forgotten_and_one_that_is_late_is_not(platform: Running, db: Rows) -> None:
    for name, age in (("killed", "2 days"), ("late", "1 hour")):
        await db.execute("INSERT INTO workers VALUES (%s, clock_timestamp() - %s::interval)", (name, age))
    database = platform.base.database("router")
    await database.open()
    pruning = asyncio.create_task(Pruner(RetentionStore(database), Retention(every_seconds=0.01)).serve())
    try:
        async with asyncio.timeout(5):
            while await rows(db, "SELECT FROM workers WHERE id = 'killed'"):  # noqa: ASYNC110 - it is another process'
                await asyncio.sleep(0.01)
    finally:
        pruning.cancel()
        await asyncio.gather(pruning, return_exceptions=True)
        await database.close()
    assert len(await rows(db, "DELETE FROM workers WHERE id = 'late' RETURNING id")) == 1
