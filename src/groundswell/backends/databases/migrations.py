"""Numbered SQL migrations, forward only: `migrations/NNNN_name.sql`, each in a transaction of its own."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Any

import psycopg

from groundswell.core.errors import ConfigError, Unavailable

LOCK = 0x67726F756E64  # "ground": one migration at a time
OLDEST_SERVER = 170000  # transaction_timeout came with 17


@dataclass(frozen=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        """What it was when it was applied; a released migration never changes."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def known() -> list[Migration]:
    """The migrations of this release, in order."""
    folder = resources.files("groundswell.backends.databases").joinpath("migrations")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [Migration(int(f.name[:4]), f.name[5:-4], f.read_text(encoding="utf-8")) for f in files]


async def migrate(url: str, *, password: str | None = None, upto: int | None = None) -> list[Migration]:
    """Bring the schema to this release's version; returns what was applied.

    Raises ConfigError for a schema that is newer or differs, Unavailable where the server does not answer.
    """
    try:
        connecting = psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5, password=password)
        async with await connecting as connection:
            return await _migrate(connection, [m for m in known() if upto is None or m.number <= upto])
    except psycopg.errors.InsufficientPrivilege as error:
        hint = "migrate with a role that may create schemas and tables"
        raise ConfigError("migration_refused", f"PostgreSQL refuses the migration: {error}", hint) from error
    except psycopg.OperationalError as error:
        raise Unavailable("database_down", f"PostgreSQL does not answer: {error}", "groundswell doctor") from error


async def _migrate(connection: psycopg.AsyncConnection[Any], migrations: list[Migration]) -> list[Migration]:
    if connection.info.server_version < OLDEST_SERVER:
        version = connection.info.server_version // 10000
        raise ConfigError("old_server", f"PostgreSQL {version} is too old", "use PostgreSQL 17 or newer")
    await connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    try:
        applied = await _applied(connection)
        _refuse_what_is_not_ours(applied, migrations)
        due, newest = [m for m in migrations if m.number not in applied], known()[-1].number
        for migration in due:
            async with connection.transaction():
                await connection.execute("SET LOCAL search_path = groundswell, langgraph")
                await connection.execute(migration.sql.encode())
                await connection.execute(
                    "INSERT INTO schema_migrations (number, name, digest) VALUES (%s, %s, %s)",
                    (migration.number, migration.name, migration.digest),
                )
                if migration.number == newest:  # with it or not at all: what is applied is not looked at again
                    await _roles(connection)
        return due
    finally:
        await connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))


async def _applied(connection: psycopg.AsyncConnection[Any]) -> dict[int, tuple[str, str]]:
    async with connection.transaction():
        await connection.execute(
            """CREATE SCHEMA IF NOT EXISTS groundswell;
               CREATE TABLE IF NOT EXISTS groundswell.schema_migrations (
                   number int PRIMARY KEY, name text NOT NULL, digest text NOT NULL,
                   applied timestamptz NOT NULL DEFAULT clock_timestamp())"""
        )
    rows = await (await connection.execute("SELECT number, name, digest FROM groundswell.schema_migrations")).fetchall()
    return {number: (name, digest) for number, name, digest in rows}


def _refuse_what_is_not_ours(applied: dict[int, tuple[str, str]], migrations: list[Migration]) -> None:
    newest = max((m.number for m in migrations), default=0)
    if applied and max(applied) > newest:
        raise ConfigError(
            "newer_schema",
            f"the database has schema {max(applied)}; this release knows {newest}",
            "run the newer release, or restore a backup made before the upgrade",
        )
    for migration in migrations:
        if migration.number in applied and applied[migration.number][1] != migration.digest:
            message = f"migration {migration.number} ({migration.name}) in the database differs from this release's"
            raise ConfigError("changed_migration", message, "the database was made by another build; use that one")


async def _roles(connection: psycopg.AsyncConnection[Any]) -> None:
    """The roles and grants of this release, where we may make them; elsewhere every service logs in as the URL says."""
    row = await (
        await connection.execute("SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user")
    ).fetchone()
    if row and row[0]:
        sql = resources.files("groundswell.backends.databases").joinpath("roles.sql").read_text(encoding="utf-8")
        await connection.execute(sql.encode())
