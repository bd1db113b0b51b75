"""`groundswell tools` and `groundswell index`: one tool call, as a run of its own."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundswell.cli import exits
from groundswell.cli.ask import RepoOption, SourceOption, follow
from groundswell.cli.groups import Group
from groundswell.cli.invocation import Invocation, JsonOption, here
from groundswell.cli.program import program
from groundswell.cli.progress import progress
from groundswell.cli.results import show as show_result
from groundswell.cli.sources import sources
from groundswell.cli.terminal import aside, printable, say, span, table, width, wrapped
from groundswell.core.errors import ConfigError, NotFound

if TYPE_CHECKING:
    from groundswell.client import Client
    from groundswell.core.records import Run

group = typer.Typer(cls=Group, help="List tools, show one, call one.", invoke_without_command=True)
AsOption = Annotated[str, typer.Option("--as", metavar="AGENT", help="Under this agent's policies.")]
INDEX = "repo_index"


def add_to(app: typer.Typer) -> None:
    """Add the group, and `index`."""
    app.add_typer(group, name="tools")
    app.command()(index)


@group.callback()
def default(context: typer.Context) -> None:
    """List tools, show one, call one; by itself it lists them."""
    if context.invoked_subcommand is None:
        list_(context)


@group.command("list")
def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the tools."""
    tools = _catalogue(context, as_json)
    if as_json:
        say(json.dumps({"tools": tools}, ensure_ascii=False, indent=2))
        return
    rows = [(tool["name"], tool["effect"], ", ".join(tool["agents"]), _first(tool["description"])) for tool in tools]
    table(rows, ("tool", "effect", "agents", "what it does"))


@group.command()
def show(
    context: typer.Context, name: Annotated[str, typer.Argument(help="The tool's name.")], as_json: JsonOption = False
) -> None:
    """Show a tool: what it does, and its arguments."""
    tool = _named(_catalogue(context, as_json), name)
    if as_json:
        say(json.dumps(tool, ensure_ascii=False, indent=2))
        return
    say(tool["name"], "bold")
    for line in wrapped(printable(tool["description"]), width()):
        say(line)
    say()
    needed = tool["arguments"].get("required", [])
    for argument, schema in tool["arguments"].get("properties", {}).items():
        default_ = "needed" if argument in needed else f"by default {json.dumps(schema.get('default'))}"
        say(f"  {argument}  {_type(schema)}, {default_}")
    say(f"effect {tool['effect']}, at most {tool['seconds']:g} s, for {', '.join(tool['agents']) or 'no agent'}")


@group.command()
def call(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The tool's name.")],
    arguments: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE…")] = None,
    agent: AsOption = "",
    repo: RepoOption = "",
    source: SourceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Call one tool, and print its result. A value that is JSON is taken as JSON, any other as text."""
    invocation = here(context, as_json=as_json)
    given = dict(_argument(text) for text in arguments or [])
    run, result = asyncio.run(called(invocation, name, given, agent, sources(repo, source or []), quiet=as_json))
    if as_json:
        say(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        show_result(result)
        aside(f"{run.id} · {run.agent} · {result['status']} · {span(run.spent.seconds)}", "dim")
    raise typer.Exit(exits.of_result(result))


def index(context: typer.Context, repo: RepoOption = "", agent: AsOption = "", as_json: JsonOption = False) -> None:
    """Index a repository now.

    The first question about it need not wait then.
    """
    invocation = here(context, as_json=as_json)
    looked_at = sources(repo, [])
    if "repo" not in looked_at:
        raise ConfigError("no_source", "the current folder is in no Git repository", "name one with --repo PATH")
    _, result = asyncio.run(called(invocation, INDEX, {}, agent, looked_at, quiet=as_json))
    if as_json:
        say(json.dumps(result, ensure_ascii=False, indent=2))
    elif result["status"] == "ok":
        for line in covered(result["value"]):
            say(printable(line))
    else:
        show_result(result)
    raise typer.Exit(exits.of_result(result))


def covered(coverage: dict[str, Any]) -> list[str]:
    """What an index covers, in a few lines."""
    parsed, files = coverage["parsed"], coverage["files"]
    lines = [f"{parsed:,} of {files:,} files indexed in {span(coverage['seconds'])}, at {coverage['revision'][:24]}"]
    if coverage["languages"]:
        most = sorted(coverage["languages"].items(), key=lambda item: -item[1])
        lines.append("languages: " + ", ".join(f"{language} {count:,}" for language, count in most[:8]))
    if coverage["skipped"]:
        lines.append("skipped: " + ", ".join(f"{reason} {count:,}" for reason, count in coverage["skipped"].items()))
    if coverage["to_embed"]:
        lines.append(f"vectors: {coverage['embedded']:,} of {coverage['to_embed']:,} so far; questions need not wait")
    if not coverage["complete"]:
        lines.append("not complete: some files are beyond the limit")
    return lines


async def called(
    invocation: Invocation,
    name: str,
    arguments: dict[str, Any],
    agent: str,
    looked_at: dict[str, str],
    *,
    quiet: bool,
) -> tuple["Run", dict[str, Any]]:
    """The finished run, and the result of its one call."""
    async with invocation.platform(start=True) as client:
        agent = agent or await _agent_for(client, name)
        run = await client.call_tool(name, arguments, agent=agent, sources=looked_at)
        with progress(quiet=quiet) as watch:
            run = await follow(client, run, watch)
        calls = await client.calls(run.id)
    if calls and calls[-1]["result"]:
        return run, calls[-1]["result"]
    error = run.error.model_dump() if run.error else {"code": run.status, "message": f"the run is {run.status}"}
    if run.status == "waiting":
        hint = f"{program()} approvals {run.id}"
        error = {"code": run.reason, "message": f"{run.id} waits for {run.reason}", "hint": hint}
    status = {"waiting": "approval_required"}.get(run.status, "denied" if run.reason == "denied" else "error")
    return run, {"status": status, "value": None, **error}


async def _agent_for(client: "Client", name: str) -> str:
    """The first agent that may use a tool; where none may, the first one, so that policy says why not."""
    tool = _named(await client.tools(), name)
    return (tool["agents"] or [agent["name"] for agent in await client.agents()] or [""])[0]


def _catalogue(context: typer.Context, as_json: bool) -> list[dict[str, Any]]:
    here(context, as_json=as_json)

    async def listed() -> list[dict[str, Any]]:
        async with here(context).platform() as client:
            return await client.tools()

    return asyncio.run(listed())


def _named(tools: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for tool in tools:
        if tool["name"] == name:
            return tool
    known = ", ".join(tool["name"] for tool in tools)
    raise NotFound("no_tool", f"there is no tool {name!r}", f"there are: {known}")


def _argument(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError("bad_argument", f"{text!r} is no argument", "write arguments as KEY=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _first(text: str) -> str:
    """The first sentence of a description."""
    return text.partition(". ")[0].partition("\n\n")[0]


def _type(schema: dict[str, Any]) -> str:
    kinds = schema.get("anyOf", [schema])
    return " or ".join(str(kind.get("type", kind.get("$ref", "value"))).rpartition("/")[2] for kind in kinds)
