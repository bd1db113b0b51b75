"""`groundswell runs`: what was asked, how it ended, and what happens in it."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundswell.cli import exits, replay
from groundswell.cli.ask import show as show_answer
from groundswell.cli.groups import Group
from groundswell.cli.invocation import JsonOption, here
from groundswell.cli.program import program
from groundswell.cli.results import show as show_result
from groundswell.cli.terminal import aside, counting, printable, say, shortened, size, span, table, width

if TYPE_CHECKING:
    from groundswell.core.records import Event, Run

group = typer.Typer(cls=Group, help="List, show, follow, cancel and delete runs.", invoke_without_command=True)
RunArgument = Annotated[str, typer.Argument(metavar="ID", help="The run's id.")]


def add_to(app: typer.Typer) -> None:
    """Add the group."""
    replay.add_to(group)
    app.add_typer(group, name="runs")


@group.callback()
def default(context: typer.Context) -> None:
    """List, show, follow, cancel and delete runs; by itself it lists them."""
    if context.invoked_subcommand is None:
        list_(context)


@group.command("list")
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=200)] = 20,
    thread: Annotated[str, typer.Option(help="Of one conversation.")] = "",
    status: Annotated[str, typer.Option(help="Such as running or failed.")] = "",
    cursor: Annotated[str, typer.Option(help="Where the page before ended.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List runs, newest first."""
    here(context, as_json=as_json)

    async def listed() -> tuple[list["Run"], str]:
        async with here(context).platform() as client:
            return await client.runs(limit=limit, thread=thread, status=status, cursor=cursor)

    runs, following = asyncio.run(listed())
    if as_json:
        _print({"runs": [run.model_dump(mode="json") for run in runs], "next": following})
        return
    if not runs:
        aside(f'no runs yet: {program()} ask "…"')
        return
    rows = [(run.id, _ended(run), span(run.spent.seconds), run.question) for run in runs]
    table(rows, ("run", "status", "took", "question"))
    if following and width():
        aside(f"more: {program()} runs list --cursor {following}", "dim")


@group.command()
def show(context: typer.Context, run: RunArgument, as_json: JsonOption = False) -> None:
    """Show a run: its answer, what it spent, and its calls."""
    here(context, as_json=as_json)

    async def shown() -> tuple["Run", list[dict[str, Any]]]:
        async with here(context).platform() as client:
            return await client.show(run), await client.calls(run)

    found, calls = asyncio.run(shown())
    if as_json:
        _print({"run": found.model_dump(mode="json"), "calls": calls})
        return
    facts = {
        "run": f"{found.id} ({_ended(found)})",
        "question": shortened(printable(found.question), None),
        "agent": f"{found.agent} ({found.route.reason})" if found.route and found.route.reason else found.agent,
        "thread": found.thread,
        "sources": ", ".join(found.sources.values()),
        "asked": f"{found.created:%Y-%m-%d %H:%M:%S %Z} by {found.caller}",
        "spent": ", ".join(
            [
                span(found.spent.seconds),
                counting(found.spent.steps, "step"),
                counting(found.spent.tool_calls, "call"),
                counting(found.spent.tokens, "token"),
                f"{size(found.spent.bytes)} of evidence",
            ]
        ),
    }
    rows = list(facts.items())
    rows += [("pruned", f"{part} on {gone.at:%Y-%m-%d}: {gone.reason}") for part, gone in found.pruned.items()]
    for name, value in rows:
        say(f"{name:9}{shortened(printable(value), (width() or 10_000) - 9)}" if value else "")
    say()
    if found.question in [f"call {call['tool']}" for call in calls]:  # a run of one call: its result is its answer
        show_result(calls[-1]["result"] or {"status": calls[-1]["state"]})
        return
    show_answer(found)
    if calls:
        say()
        table([_call(call) for call in calls], ("call", "result", "arguments"))


@group.command()
def follow(context: typer.Context, run: RunArgument, as_json: JsonOption = False) -> None:
    """Tell a run's events, one a line, until it ends. Leaving does not end the run."""
    here(context, as_json=as_json)

    async def followed() -> "Run":
        async with here(context).platform() as client:
            await client.show(run)
            async for event in client.follow(run):
                line = event.model_dump_json() if as_json else shortened(described(event), width())
                print(line, flush=True)
            return await client.show(run)

    raise typer.Exit(exits.of_run(asyncio.run(followed())))


@group.command()
def cancel(context: typer.Context, run: RunArgument, as_json: JsonOption = False) -> None:
    """Ask a run to stop."""
    here(context, as_json=as_json)

    async def cancelled() -> "Run":
        async with here(context).platform() as client:
            return await client.cancel(run)

    found = asyncio.run(cancelled())
    if as_json:
        _print({"run": found.model_dump(mode="json")})
    else:
        say(f"{found.id} {'is cancelled' if found.status == 'cancelled' else 'is asked to stop'}")


@group.command()
def delete(context: typer.Context, run: RunArgument, as_json: JsonOption = False) -> None:
    """Delete an ended run with all that is its own."""
    here(context, as_json=as_json)

    async def deleted() -> None:
        async with here(context).platform() as client:
            await client.delete(run)

    asyncio.run(deleted())
    if as_json:
        _print({"deleted": run})
    else:
        say(f"{run} is deleted")


def described(event: "Event") -> str:
    """An event in one line."""
    body = event.body
    said = ""
    if body.kind == "run":
        said = f"{body.status} {body.reason}"
    elif body.kind == "route":
        said = f"{body.route.agent} ({body.route.confidence:.2f}): {body.route.reason}"
    elif body.kind == "step" or body.kind == "step.started":
        said = f"{body.step} {', '.join(body.nodes)}"
    elif body.kind == "note":
        said = f"{body.node} {body.name} {json.dumps(body.data, ensure_ascii=False)}"
    elif body.kind == "call.started":
        said = f"{body.tool} {json.dumps(body.arguments, ensure_ascii=False)}"
    elif body.kind == "call.progress":
        said = f"{body.tool} {body.stage} {body.done}/{body.total}"
    elif body.kind == "call.finished":
        said = f"{body.tool} {body.status} {span(body.seconds)} {body.message}"
    elif body.kind == "denial":
        said = f"{body.rule}: {body.message}"
    elif body.kind == "approval":
        said = f"{body.tool} {body.state} {body.by}"
    elif body.kind == "pruned":
        said = body.was
    elif body.kind == "answer":
        said = f"{body.status} {body.reason} {body.error.message if body.error else body.answer.text}"
    return f"{event.number:4} {event.at:%H:%M:%S} {event.kind:14}{shortened(printable(said), None)}".rstrip()


def _ended(run: "Run") -> str:
    answer = run.answer
    if run.status == "succeeded" and answer and not answer.text.strip() and (answer.missing or answer.question):
        return "asks back" if answer.question else "not found"
    return f"{run.status} ({run.reason})" if run.reason else run.status


def _call(call: dict[str, Any]) -> tuple[str, str, str]:
    result = call["result"] or {}
    arguments = " ".join(f"{name}={value}" for name, value in call["arguments"].items())
    return call["tool"], str(result.get("status", call["state"])), arguments


def _print(value: Any) -> None:
    say(json.dumps(value, ensure_ascii=False, indent=2))
