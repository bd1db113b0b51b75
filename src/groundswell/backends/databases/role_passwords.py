"""Passwords of the services' roles, set after the migrations that make them; only their SCRAM verifiers are sent."""

from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from groundswell.core.errors import ConfigError, Unavailable

PREFIX = "groundswell_"


def read(folder: Path) -> dict[str, str]:
    """The passwords in a folder, by the files' names. Raises ConfigError where there is none."""
    found = {file.name: file.read_text(encoding="utf-8").strip() for file in folder.glob("[a-z]*") if file.is_file()}
    if not found:
        raise ConfigError("no_passwords", f"{folder} holds no password", "one file for each role, named for it")
    return found


async def assign(secrets: Mapping[str, str], url: str, password: str | None) -> None:
    """Let `groundswell_NAME` log in with its password. Raises ConfigError, Unavailable."""
    try:
        connecting = psycopg.AsyncConnection.connect(url, connect_timeout=5, password=password)
        async with await connecting as connection:
            for name, secret in secrets.items():
                role = f"{PREFIX}{name}"
                verifier = connection.pgconn.encrypt_password(secret.encode(), role.encode(), b"scram-sha-256")
                statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
                await connection.execute(statement.format(sql.Identifier(role), sql.Literal(verifier.decode())))
    except psycopg.errors.UndefinedObject as error:
        raise ConfigError(
            "no_role", f"there is no role: {error}", "migrate with a role that may create roles"
        ) from error
    except psycopg.OperationalError as error:
        raise Unavailable("database_down", f"PostgreSQL does not answer: {error}", "groundswell doctor") from error
