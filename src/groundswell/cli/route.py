"""`groundswell route`: which agent would answer, and why, without asking it."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

from groundswell.cli import exits
from groundswell.cli.ask import MOST_ATTACHED, RepoOption, SourceOption, Wanted
from groundswell.cli.invocation import here
from groundswell.cli.sources import piped, sources
from groundswell.cli.terminal import printable, say, width, wrapped
from groundswell.core.errors import ConfigError

if TYPE_CHECKING:
    from groundswell.core.records import Route


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(route)


def route(
    context: typer.Context,
    text: Annotated[list[str] | None, typer.Argument(help="The question; piped input goes with it.")] = None,
    repo: RepoOption = "",
    thread: Annotated[str, typer.Option(help="As a follow-up in a conversation.")] = "",
    source: SourceOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object.")] = False,
) -> None:
    """Show which agent would answer, and why; nothing is run.

    Exit codes: 0 an agent would, 3 none would: the question would be asked back.
    """
    invocation = here(context, as_json=as_json)
    said, attached = " ".join(text or []).strip(), piped(MOST_ATTACHED)
    if not said and not attached.strip():
        raise ConfigError("empty_question", "there is no question", 'write one: groundswell route "Where is …?"')
    request = Wanted("", thread, sources(repo, source or []), attached).request(said)

    async def chosen() -> "Route":
        async with invocation.platform(start=True) as client:
            return await client.route(request)

    found = asyncio.run(chosen())
    if as_json:
        say(json.dumps(found.model_dump(mode="json"), ensure_ascii=False, indent=2))
    else:
        show(found)
    raise typer.Exit(exits.ANSWERED if found.agent else exits.ABSTAINED)


def show(found: "Route") -> None:
    """Print a choice for people."""
    say(f"{found.agent or 'no agent'}  {found.confidence:.2f}", "bold")
    for line in wrapped(printable(found.reason), width(), "  "):
        say(line)
    if found.alternatives:
        others = " · ".join(f"{other.agent} {other.confidence:.2f}" for other in found.alternatives)
        say(f"  {'else' if found.agent else 'agents'}: {others}", "dim")
    if found.question:
        say()
        for line in wrapped(printable(found.question), width()):
            say(line)
