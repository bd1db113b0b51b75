"""`groundswell keys`: API keys for callers other than you at this machine."""

import asyncio
import json
from typing import Annotated, Any

import typer

from groundswell.cli.groups import Group
from groundswell.cli.invocation import JsonOption, here
from groundswell.cli.terminal import aside, say, table

TenantOption = Annotated[str, typer.Option(metavar="NAME", help="Another tenant than yours; needs the scope admin.")]

group = typer.Typer(cls=Group, help="Create, list and revoke API keys.", invoke_without_command=True)


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="keys")


@group.callback()
def default(context: typer.Context) -> None:
    """Create, list and revoke API keys; by itself it lists them."""
    if context.invoked_subcommand is None:
        list_(context)


@group.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    caller: Annotated[str, typer.Option(help="Whom it stands for; by default its name.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option(help="runs, approve, keys, prune, admin, local; by default runs.")
    ] = None,
    tenant: TenantOption = "",
    as_json: JsonOption = False,
) -> None:
    """Create an API key. It is shown this once."""
    here(context, as_json=as_json)

    async def created() -> dict[str, Any]:
        async with here(context).platform() as client:
            return await client.create_key(name, caller=caller, scopes=scope or ["runs"], tenant=tenant)

    made = asyncio.run(created())
    if as_json:
        say(json.dumps(made, ensure_ascii=False, indent=2))
        return
    say(made["key"])
    aside(f"id {made['record']['id']}; only a hash of the key is stored, so keep it now", "dim")
    if "local" in made["record"]["scopes"]:
        aside("on this machine it reads what you read", "dim")
    else:
        aside("it reads what policy.toml grants its tenant; for programs of your own here: --scope runs --scope local")


@group.command("list")
def list_(context: typer.Context, tenant: TenantOption = "", as_json: JsonOption = False) -> None:
    """List API keys, without themselves."""
    here(context, as_json=as_json)

    async def listed() -> list[dict[str, Any]]:
        async with here(context).platform() as client:
            return await client.keys(tenant=tenant)

    keys = asyncio.run(listed())
    if as_json:
        say(json.dumps({"keys": keys}, ensure_ascii=False, indent=2))
    elif not keys:
        aside("no keys: you at this machine need none")
    else:
        rows = [
            (key["id"], _state(key), ",".join(key["scopes"]), key["created"][:10], key["caller"], key["name"])
            for key in keys
        ]
        table(rows, ("id", "state", "scopes", "created", "caller", "name"))


@group.command()
def revoke(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="ID", help="The id, not the key itself.")],
    tenant: TenantOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take an API key back, at once."""
    here(context, as_json=as_json)

    async def revoked() -> dict[str, Any]:
        async with here(context).platform() as client:
            return await client.revoke_key(key, tenant=tenant)

    record = asyncio.run(revoked())
    say(json.dumps(record, ensure_ascii=False, indent=2) if as_json else f"{record['id']} is revoked")


def _state(key: dict[str, Any]) -> str:
    if key.get("revoked"):
        return "revoked"
    return f"used {key['used'][:10]}" if key.get("used") else "unused"
