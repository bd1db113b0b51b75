"""`groundswell ask`: one question, or a conversation."""

import asyncio
import contextlib
import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundswell.cli import answer, exits
from groundswell.cli.invocation import Invocation, here
from groundswell.cli.program import program
from groundswell.cli.progress import Watch, progress
from groundswell.cli.sources import piped, sources
from groundswell.cli.terminal import aside, counting, printable, say, span, width, wrapped
from groundswell.core.errors import ConfigError, Conflict, GroundswellError

if TYPE_CHECKING:
    from groundswell.client import Client
    from groundswell.core.records import NewRun, Run

MOST_ATTACHED = 150_000  # characters; the question and the rest of the input need room, too
RepoOption = Annotated[
    str,
    typer.Option("--repo", metavar="PATH|URL", help="The repository; by default the current folder's work tree."),
]
SourceOption = Annotated[
    list[str] | None, typer.Option("--source", metavar="KIND=URL", help="repo, pages, kubernetes or prometheus.")
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(ask)


def ask(
    context: typer.Context,
    question: Annotated[list[str] | None, typer.Argument(help="The question; piped input goes with it.")] = None,
    agent: Annotated[str, typer.Option(help="Who answers; by default the router chooses.")] = "",
    repo: RepoOption = "",
    thread: Annotated[str, typer.Option(help="Go on with a conversation.")] = "",
    source: SourceOption = None,
    on_busy: Annotated[
        str, typer.Option(metavar="enqueue|reject|interrupt", help="Where the thread has a question under way.")
    ] = "enqueue",
    as_json: Annotated[bool, typer.Option("--json", help="Print one object.")] = False,
    interactive: Annotated[bool, typer.Option("--interactive", "-i", help="Converse: Ctrl-D leaves.")] = False,
) -> None:
    """Ask a question, and get an answer on evidence.

    Exit codes: 0 answered, 1 failed, 2 usage, 3 not found, 4 denied, 5 limit, 6 unavailable, 7 waiting.
    """
    invocation = here(context)
    if as_json:
        from groundswell.client import failure

        invocation.as_json = lambda error: failure(error, agent)
    if interactive and as_json:
        raise ConfigError("bad_options", "--json prints one answer, and -i holds a conversation", "use one of them")
    looked_at = sources(repo, source or [])
    if "repo" not in looked_at and agent in ("", "coding") and not source:
        aside(f"{Path.cwd()} is in no Git repository: asking without one (--repo names one)", "dim")
    said = " ".join(question or []).strip()
    attached = "" if interactive else piped(MOST_ATTACHED)
    wanted = Wanted(agent, thread, looked_at, attached, on_busy)
    if interactive:
        raise typer.Exit(_converse(invocation, said, wanted))
    if not said and not attached.strip():
        raise ConfigError("empty_question", "there is no question", 'write one: groundswell ask "Where is … defined?"')
    run = asyncio.run(_answered(invocation, wanted.request(said), quiet=as_json))
    if as_json:
        from groundswell.client import outcome

        say(json.dumps(outcome(run), ensure_ascii=False, indent=2))
    else:
        show(run)
    raise typer.Exit(exits.of_run(run))


class Wanted:
    """What goes with each question."""

    def __init__(
        self, agent: str, thread: str, looked_at: dict[str, str], attached: str = "", on_busy: str = "enqueue"
    ) -> None:
        self.on_busy = on_busy
        self.agent, self.thread, self.sources, self.attached = agent, thread, looked_at, attached

    def request(self, question: str) -> "NewRun":
        """A run's request. Raises ConfigError for one that cannot be asked."""
        from pydantic import ValidationError

        from groundswell.core.records import NewRun

        attached = self.attached.strip()
        parts = [{"text": question or attached}]
        if question and attached:
            parts.append({"kind": "attachment", "text": self.attached})
        given = {"input": [{"parts": parts}], "agent": self.agent, "thread": self.thread, "sources": self.sources}
        given["on_busy"] = self.on_busy
        try:
            return NewRun.model_validate(given)
        except ValidationError as error:
            message = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
            hint = "shorten the question; pipe long logs to standard input"
            raise ConfigError("bad_question", f"this cannot be asked: {message}", hint) from error


async def _answered(invocation: Invocation, request: "NewRun", *, quiet: bool) -> "Run":
    async with invocation.platform(start=True) as client:
        with progress(quiet=quiet) as watch:
            return await follow(client, await client.start(request), watch)


async def follow(client: "Client", run: "Run", watch: Watch) -> "Run":
    """Watch a run until it ends or waits. Ctrl-C cancels it."""
    try:
        async for event in client.follow(run.id):
            watch(event)
            if event.body.kind == "run" and event.body.status == "waiting":
                break
    except asyncio.CancelledError:
        aside(f"\ncancelling {run.id}…", "dim")
        with contextlib.suppress(Conflict):  # it ended meanwhile
            await client.cancel(run.id)
        async for event in client.follow(run.id):
            watch(event)
    return await client.show(run.id)


def show(run: "Run") -> None:
    """Print how a run ended: the answer on standard output, an error and the figures on standard error."""
    for text, style in answer.lines(run, width(), program()):
        say(text, style)
    if run.error:
        aside(f"error: {run.error.message}", "bad")
        if run.error.hint:
            aside(f"hint: {run.error.hint}")
    if sys.stderr.isatty():
        spent = run.spent
        counted = f"{counting(spent.steps, 'step')} · {counting(spent.tool_calls, 'call')}"
        if run.route and run.route.agent and run.route.confidence < 1:
            for line in wrapped(f"{run.agent} was chosen: it {printable(run.route.reason)}", width()):
                aside(line, "dim")
        aside(f"{run.id} · {run.agent or 'no agent'} · {span(spent.seconds)} · {counted}", "dim")


def _converse(invocation: Invocation, question: str, wanted: Wanted) -> int:
    """Question after question in one thread, until the input ends."""
    with contextlib.suppress(ImportError):
        importlib.import_module("readline")  # gives `input` its history and its keys

    code, at_terminal = exits.ANSWERED, sys.stdin.isatty()
    if at_terminal:
        aside("Ask. Ctrl-C cancels a question under way, Ctrl-D leaves.", "dim")
    while True:
        try:
            question = question or input("› " if at_terminal else "")
            if question.strip():
                code = _turn(invocation, question, wanted)
        except KeyboardInterrupt:
            aside()
        except EOFError:
            return code
        question = ""


def _turn(invocation: Invocation, question: str, wanted: Wanted) -> int:
    try:
        run = asyncio.run(_answered(invocation, wanted.request(question), quiet=False))
    except GroundswellError as error:  # the conversation goes on
        aside(f"error: {error.message}", "bad")
        if error.hint:
            aside(f"hint: {error.hint}")
        return exits.of_error(error)
    wanted.thread = run.thread
    show(run)
    return exits.of_run(run)
