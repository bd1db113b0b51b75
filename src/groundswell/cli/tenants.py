"""`groundswell tenants`: who shares this platform."""

import asyncio
import json
from typing import Any

import typer

from groundswell.cli.invocation import JsonOption, here
from groundswell.cli.terminal import say, table


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(tenants)


def tenants(context: typer.Context, as_json: JsonOption = False) -> None:
    """List tenants.

    A tenant comes to be with its first key: groundswell keys create NAME --tenant TENANT.
    """
    here(context, as_json=as_json)

    async def listed() -> list[dict[str, Any]]:
        async with here(context).platform() as client:
            return await client.tenants()

    found = asyncio.run(listed())
    if as_json:
        say(json.dumps({"tenants": found}, ensure_ascii=False, indent=2))
        return
    rows = [(t["name"], str(t["keys"]), "yes" if t["policy"] else "no", (t["created"] or "-")[:10]) for t in found]
    table(rows, ("tenant", "keys", "in policy.toml", "since"))
