import psycopg
import pytest
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from groundswell.backends.databases import migrations
from groundswell.backends.databases.embedded import ROLE
from groundswell.backends.databases.migrations import known, migrate
from groundswell.core.errors import ConfigError, Unavailable

WITHOUT_TENANT = {"workers", "schema_migrations"}  # processes, and the schema itself


@pytest.fixture
def url(database_url: str) -> str:
    return database_url.replace("{role}", ROLE)


async def rows(url: str, sql: str, *values: object) -> list[tuple]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(sql, values)
        return await cursor.fetchall() if cursor.description else []


async def test_migrating_again_does_nothing(url: str):
    assert await migrate(url) == []


async def test_every_table_names_its_tenant(url: str):
    sql = """SELECT table_name FROM information_schema.tables t WHERE table_schema = 'groundswell'
             AND NOT EXISTS (SELECT FROM information_schema.columns c WHERE c.table_schema = t.table_schema
                             AND c.table_name = t.table_name AND c.column_name = 'tenant')"""
    assert {name for (name,) in await rows(url, sql)} == WITHOUT_TENANT


async def test_a_newer_schema_is_refused(url: str):
    await rows(url, "INSERT INTO groundswell.schema_migrations VALUES (9999, 'future', 'x')")
    with pytest.raises(ConfigError, match="schema 9999") as caught:
        await migrate(url)
    assert caught.value.code == "newer_schema"


async def test_a_changed_migration_is_refused(url: str):
    await rows(url, "UPDATE groundswell.schema_migrations SET digest = 'x' WHERE number = 1")
    with pytest.raises(ConfigError) as caught:
        await migrate(url)
    assert caught.value.code == "changed_migration"


async def test_a_server_that_is_away_is_said_to_be(tmp_path):
    with pytest.raises(Unavailable) as caught:
        await migrate(f"postgresql://nobody@/x?host={tmp_path}")
    assert caught.value.code == "database_down"


async def test_langgraphs_tables_are_those_of_the_pinned_library(url: str):
    await rows(url, "CREATE SCHEMA pinned")
    async with AsyncPostgresSaver.from_conn_string(f"{url}&options=-csearch_path%3Dpinned") as saver:
        await saver.setup()
    columns = """SELECT table_name, column_name, data_type, is_nullable, column_default
                 FROM information_schema.columns WHERE table_schema = %s ORDER BY 1, 2"""
    assert await rows(url, columns, "langgraph") == await rows(url, columns, "pinned")
    versions = await rows(url, "SELECT v FROM langgraph.checkpoint_migrations ORDER BY 1")
    assert [v for (v,) in versions] == list(range(len(AsyncPostgresSaver.MIGRATIONS)))
    indexes = "SELECT replace(indexdef, schemaname || '.', '') FROM pg_indexes WHERE schemaname = %s"
    ours, theirs = (
        {d for (d,) in await rows(url, indexes, "langgraph")},
        {d for (d,) in await rows(url, indexes, "pinned")},
    )
    assert ours <= theirs
    # what we leave out are prefixes of primary keys
    assert {d.split(" ON ")[0].removeprefix("CREATE INDEX ") for d in theirs - ours} == {
        "checkpoints_thread_id_idx",
        "checkpoint_blobs_thread_id_idx",
        "checkpoint_writes_thread_id_idx",
    }


async def test_each_migration_runs_on_the_one_before_with_data_in_it(postgres: str):
    numbers = [migration.number for migration in known()]
    assert numbers == list(range(1, len(numbers) + 1))
    root = postgres.replace("{role}", ROLE).replace("{name}", "postgres")
    await rows(root, "CREATE DATABASE stepwise")
    url = postgres.replace("{role}", ROLE).replace("{name}", "stepwise")
    for number in numbers:
        assert [m.number for m in await migrate(url, upto=number)] == [number]
        await rows(
            url,
            """INSERT INTO groundswell.runs (id, tenant, thread, agent, caller, input, sources, granted, budget)
               VALUES (%s, 'local', 't', 'coding', 'local', '[]', '{}', '[]', '{}')""",
            f"run_{number}",
        )
    assert len(await rows(url, "SELECT id FROM groundswell.runs")) == len(numbers)


async def test_a_migration_that_is_killed_before_the_roles_are_set_is_made_again_with_them(
    postgres: str, monkeypatch: pytest.MonkeyPatch
):
    async def killed(connection: object) -> None:
        raise KeyboardInterrupt

    root = postgres.replace("{role}", ROLE).replace("{name}", "postgres")
    await rows(root, "CREATE DATABASE cut_off")
    url = postgres.replace("{role}", ROLE).replace("{name}", "cut_off")
    with monkeypatch.context() as patch:  # it ends there
        patch.setattr(migrations, "_roles", killed)
        with pytest.raises(KeyboardInterrupt):
            await migrate(url)
    await migrate(url)
    may = "SELECT has_table_privilege('groundswell_router', 'groundswell.runs', 'INSERT')"
    assert await rows(url, may) == [(True,)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO evidence VALUES ('t', 'd', 'b')",
        "UPDATE calls SET state = 'approved'",
        "UPDATE runs SET tool_calls = 0",
        "UPDATE runs SET budget = '{}'",
        "DELETE FROM events",
        "SELECT * FROM api_keys",
        "INSERT INTO runs (id) VALUES ('x')",
    ],
)
async def test_a_worker_may_not_write_calls_evidence_spend_or_keys(database_url: str, statement: str):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await rows(database_url.replace("{role}", "groundswell_agents"), statement)
