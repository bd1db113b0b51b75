"""`groundswell models`: which roles have a model, what a model can do, and which engines run on this machine."""

import asyncio
import json
from typing import Annotated, Any

import typer

from groundswell.cli.groups import Group
from groundswell.cli.invocation import JsonOption, here
from groundswell.cli.terminal import aside, say, table

group = typer.Typer(cls=Group, help="List models, test one, look for engines here.", invoke_without_command=True)


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="models")


@group.callback()
def default(context: typer.Context) -> None:
    """List models, test one, look for engines here; by itself it lists them."""
    if context.invoked_subcommand is None:
        list_(context)


@group.command("list")
def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the roles that have a model; where none has, look for engines on this machine."""
    here(context, as_json=as_json)

    async def listed() -> list[dict[str, Any]]:
        async with here(context).platform(start=True) as client:
            return [model for model in await client.models() if model["id"].startswith("llm:")]

    models = asyncio.run(listed())
    if as_json:
        say(json.dumps({"models": models}, ensure_ascii=False, indent=2))
        return
    if models:
        rows = [
            (
                model["id"].removeprefix("llm:"),
                model["groundswell"]["engine"],
                f"{model['groundswell']['window']:,}",
                "does not answer" if model["groundswell"]["resting"] else "answers",
            )
            for model in models
        ]
        table(rows, ("role", "model", "window", ""))
        return
    say("No model is configured: agents answer from evidence alone (mode L3).")
    _scan(context)


@group.command("test")
def probe(
    context: typer.Context,
    role: Annotated[str, typer.Argument(help="planner, code or small.")],
    as_json: JsonOption = False,
) -> None:
    """Try what a role's model can do, and say which loop will be used."""
    here(context, as_json=as_json)

    async def tested() -> dict[str, Any]:
        async with here(context).platform(start=True) as client:
            return await client.test_model(role)

    report = asyncio.run(tested())
    if as_json:
        say(json.dumps(report, ensure_ascii=False, indent=2))
        return
    say(f"{report['role']}: {report['model']}", "bold")
    table([(each["name"], each["status"], each["detail"]) for each in report["findings"]], ("", "", ""))
    say(f"loop: {report['loop']} ({report['reason']})")


@group.command()
def scan(context: typer.Context) -> None:
    """Look for Ollama and llama.cpp on loopback, and print the settings that would use them."""
    _scan(context)


def _scan(context: typer.Context) -> None:
    from groundswell.backends.models.local_engines import found, lines

    loaded = here(context).loaded()
    engines = asyncio.run(found(leave_out=[loaded.settings.gateway.port]))
    if not engines:
        say("No engine answers on this machine at the usual ports of Ollama and llama.cpp.")
        aside("Any OpenAI-compatible endpoint will do: set [models.planner] url in groundswell.toml.", "dim")
        return
    for engine in engines:
        say()
        models = ", ".join(engine.models[:6]) or "no models"
        say(f"{engine.kind} answers at {engine.url} with {models}. To use it, write into")
        say(f"{loaded.folder / 'groundswell.toml'}:")
        for line in lines(engine):
            say(f"    {line}")
