"""`groundswell config` and `migrate`: the settings in effect, and the database's schema."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundswell.cli.invocation import JsonOption, here
from groundswell.cli.terminal import printable, say, styled

if TYPE_CHECKING:
    from groundswell.core.settings import Loaded


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(config)
    app.command()(migrate)


def config(context: typer.Context, as_json: JsonOption = False) -> None:
    """Print the settings in effect, and where each is from.

    Secrets are masked.
    """
    from groundswell.core.settings import described

    here(context, as_json=as_json)
    loaded = here(context).loaded()
    rows = described(loaded)
    if as_json:
        settings = {name: {"value": value, "source": source} for name, value, source in rows}
        say(json.dumps({"folder": str(loaded.folder), "settings": settings}, ensure_ascii=False, indent=2))
        return
    for name, value, source in rows:
        shown = f"{name} = {printable(value) or '(none)'}"
        say(f"{shown:<48}  {styled(source, 'dim' if source == 'default' else 'mark')}")
    policy = loaded.folder / "policy.toml"
    say(f"policies: {policy if policy.exists() else f'none ({policy} is not there)'}")


def migrate(
    context: typer.Context,
    passwords: Annotated[
        Path | None, typer.Option(help="A folder of the services' passwords, one file for each, to set.")
    ] = None,
) -> None:
    """Bring the database's schema to this release's.

    `up` does it by itself.
    """
    applied, roles = asyncio.run(_migrated(here(context).loaded(), passwords))
    for name in applied:
        say(f"applied {name}")
    say(f"the schema is up to date ({len(applied)} applied)")
    if roles:
        say(f"passwords set: {', '.join(roles)}")


async def _migrated(loaded: "Loaded", passwords: Path | None) -> tuple[list[str], list[str]]:
    from groundswell.backends.databases import embedded, migrations, role_passwords
    from groundswell.runtime.datadir import DataDir
    from groundswell.runtime.platform import database

    secrets = role_passwords.read(passwords) if passwords else {}
    given = loaded.settings.database.password
    password = given.get_secret_value() if given else None
    async with database(loaded, DataDir(loaded.settings.data).create()) as url:
        owner = url.replace("{role}", embedded.ROLE)
        applied = await migrations.migrate(owner, password=password)
        if secrets:
            await role_passwords.assign(secrets, owner, password)
    return [f"{migration.number:04} {migration.name}" for migration in applied], sorted(secrets)
