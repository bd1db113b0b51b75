"""`groundswell policy`: what `policy.toml` says, whether it holds together, and why a call would be allowed or not."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from groundswell.cli.exits import DENIED
from groundswell.cli.groups import Group
from groundswell.cli.invocation import JsonOption, here
from groundswell.cli.terminal import counting, say, table
from groundswell.core.errors import ConfigError

group = typer.Typer(cls=Group, help="Show, check and explain policy.toml.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="policy")


@group.command()
def show(
    context: typer.Context,
    tenant: Annotated[str, typer.Option(metavar="NAME", help="One tenant; by default all of the file.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show what each tenant may do and read."""
    from groundswell.runtime.policy_report import shown

    here(context, as_json=as_json)
    loaded = here(context).loaded()
    found = {name: shown(loaded.policy, name) for name in ([tenant] if tenant else sorted(loaded.policy.tenants))}
    if as_json:
        say(json.dumps({"folder": str(loaded.folder), "tenants": found}, ensure_ascii=False, indent=2))
        return
    if not found:
        say("no tenant is named: with one tenant its callers read what their own rights reach")
    for name, told in found.items():
        say(f"[tenants.{name}]")
        table(list(told.items()), ("key", "what it says"))


@group.command()
def check(context: typer.Context) -> None:
    """Check policy.toml: its keys, its tools, its patterns."""
    from groundswell.runtime import discovery
    from groundswell.runtime.grants import check_policy

    loaded = here(context).loaded()
    check_policy(loaded.policy, discovery.tools())
    say(f"{loaded.folder / 'policy.toml'}: {counting(len(loaded.policy.tenants), 'tenant')}, nothing wrong")


@group.command()
def explain(
    context: typer.Context,
    tenant: Annotated[str, typer.Option(metavar="NAME", help="Whose caller asks.")],
    tool: Annotated[str, typer.Option(metavar="NAME", help="The tool that would be called.")],
    args: Annotated[str, typer.Option(metavar="JSON", help="Its arguments, as an object.")] = "{}",
    source: Annotated[list[str] | None, typer.Option(metavar="KIND=URL", help="A source that the run names.")] = None,
    agent: Annotated[str, typer.Option(metavar="NAME", help="By default the first that declares the tool.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Say whether a call would be made, and by which line."""
    from groundswell.runtime.policy_report import explained

    here(context, as_json=as_json)
    loaded = here(context).loaded()
    sources = {kind: named for kind, _, named in (each.partition("=") for each in source or [])}
    reason = explained(
        loaded.folder / "policy.toml", loaded.policy, tenant, tool, _arguments(args), agent=agent, sources=sources
    )
    if as_json:
        say(json.dumps(asdict(reason), ensure_ascii=False, indent=2))
    else:
        say(f"{'allowed' if reason.allowed else 'denied'}: {tool} by {reason.agent} for tenant {tenant}")
        for line in reason.lines:
            say(f"  {line}")
        for told in (reason.message, reason.hint, reason.asked_as and f"asked as: {reason.asked_as}"):
            if told:
                say(f"  {told}")
    if not reason.allowed:
        raise typer.Exit(DENIED)


def _arguments(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ConfigError("bad_json", f"--args is no JSON: {error}", """--args '{"namespace": "shop"}'""") from error
    if not isinstance(found, dict):
        raise ConfigError("bad_json", "--args is no object", """--args '{"namespace": "shop"}'""")
    return found
