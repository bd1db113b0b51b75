"""`groundswell agents`: who answers, and what each may do."""

import asyncio
import json
from typing import Annotated, Any

import typer

from groundswell.cli.groups import Group
from groundswell.cli.invocation import JsonOption, here
from groundswell.cli.terminal import printable, say, size, span, table, width, wrapped

group = typer.Typer(cls=Group, help="List agents, and show what one may do.", invoke_without_command=True)


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="agents")


@group.callback()
def default(context: typer.Context) -> None:
    """List agents, and show what one may do; by itself it lists them."""
    if context.invoked_subcommand is None:
        list_(context)


@group.command("list")
def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the agents."""
    here(context, as_json=as_json)

    async def listed() -> list[dict[str, Any]]:
        async with here(context).platform() as client:
            return await client.agents()

    agents = asyncio.run(listed())
    if as_json:
        say(json.dumps({"agents": agents}, ensure_ascii=False, indent=2))
        return
    rows = [(agent["name"], str(len(agent["tools"])), agent["description"]) for agent in agents]
    table(rows, ("agent", "tools", "what it does"))


@group.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The agent's name.")],
    as_json: JsonOption = False,
) -> None:
    """Show what an agent may do: what it declares, narrowed by policy.toml."""
    here(context, as_json=as_json)

    async def shown() -> dict[str, Any]:
        async with here(context).platform() as client:
            return await client.agent(name)

    agent = asyncio.run(shown())
    if as_json:
        say(json.dumps(agent, ensure_ascii=False, indent=2))
        return
    grant = agent["grant"]
    say(agent["name"], "bold")
    _lines(agent["description"])
    say()
    _row("answers", "; ".join(agent["intents"]))
    _row("looks at", ", ".join(agent["sources"]) or "no source")
    _row("tools", ", ".join(sorted(grant["tools"])) or "none")
    for tool, arguments in grant["arguments"].items():
        for argument, rules in arguments.items():
            _row(f"  {tool}", f"{argument}: {'; '.join(filter(None, map(_rule, rules)))}")
    _row("sources", ", ".join([*grant["schemes"], *grant["roots"]]) or "those you name yourself")
    _row("domains", ", ".join(grant["domains"]) or "none")
    _row("limits", ", ".join(_limit(name, value) for name, value in grant["limits"].items()))


def _limit(name: str, value: float) -> str:
    shown = {"money": f"{value:.2f} USD", "seconds": span(value), "bytes": f"{size(value)} of evidence"}
    return shown.get(name) or f"{value:,} {name.replace('_', ' ')}"


def _rule(rule: dict[str, Any]) -> str:
    said = [f"one of {', '.join(rule['any_of'])}"] if rule["any_of"] else []
    said += [f"none of {', '.join(rule['none_of'])}"] if rule["none_of"] else []
    said += [f"at most {rule['at_most']:g}"] if rule["at_most"] is not None else []
    return ", ".join(said)


def _row(name: str, value: str) -> None:
    columns = width()
    first, *rest = wrapped(printable(value), columns and columns - 12)
    say(f"{name:<11} {first}")
    for line in rest:
        say(f"{'':12}{line}")


def _lines(text: str) -> None:
    for line in wrapped(printable(text), width()):
        say(line)
