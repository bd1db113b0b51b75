"""`groundswell config` and `migrate`: the settings in effect, and the database's schema."""

import asyncio
import json
from typing import TYPE_CHECKING

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


def migrate(context: typer.Context) -> None:
    """Bring the database's schema to this release's.

    `up` does it by itself.
    """
    applied = asyncio.run(_migrated(here(context).loaded()))
    for name in applied:
        say(f"applied {name}")
    say(f"the schema is up to date ({len(applied)} applied)")


async def _migrated(loaded: "Loaded") -> list[str]:
    from groundswell.backends.databases import embedded, migrations
    from groundswell.runtime.datadir import DataDir
    from groundswell.runtime.platform import database

    password = loaded.settings.database.password
    async with database(loaded, DataDir(loaded.settings.data).create()) as url:
        applied = await migrations.migrate(
            url.replace("{role}", embedded.ROLE), password=password.get_secret_value() if password else None
        )
    return [f"{migration.number:04} {migration.name}" for migration in applied]
