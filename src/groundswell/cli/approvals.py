"""`groundswell approvals`, `approve`, `deny` and `settle`: what waits for a person, and what that person says."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer

from groundswell.cli.invocation import JsonOption, here
from groundswell.cli.program import program
from groundswell.cli.terminal import aside, printable, say
from groundswell.core.errors import ConfigError, NotFound

if TYPE_CHECKING:
    from groundswell.core.records import Choice, PendingCall

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]
DigestArgument = Annotated[
    str, typer.Argument(metavar="DIGEST", help="Of the arguments, its beginning; needed where several calls wait.")
]
SHOWN = 16  # characters of a digest


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (approvals, approve, deny, settle):
        app.command()(command)


def approvals(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="Of one run, also what is decided.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show what waits for a person.

    Calls to approve, and effects of which nobody knows whether they happened.
    """
    here(context, as_json=as_json)

    async def asked() -> list["PendingCall"]:
        async with here(context).platform() as client:
            return await client.approvals(run)

    found = asyncio.run(asked())
    if as_json:
        say(json.dumps({"approvals": [call.model_dump(mode="json") for call in found]}, ensure_ascii=False, indent=2))
        return
    if not found:
        aside("nothing waits for anybody")
    for call in found:
        for line in described(call):
            say(line)
        say()


def approve(context: typer.Context, run: RunArgument, digest: DigestArgument = "", as_json: JsonOption = False) -> None:
    """Approve a call that waits for it.

    It is made with the arguments it has; its run goes on.
    """
    _decide(context, run, digest, "approve", "", as_json=as_json)


def deny(
    context: typer.Context,
    run: RunArgument,
    digest: DigestArgument = "",
    reason: Annotated[str, typer.Option(help="The agent is told.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Deny a call that waits for an approval.

    Its run goes on without it.
    """
    _decide(context, run, digest, "deny", reason, as_json=as_json)


def settle(
    context: typer.Context,
    run: RunArgument,
    digest: DigestArgument = "",
    happened: Annotated[
        bool | None, typer.Option("--happened/--did-not-happen", help="What you have seen; then it may be made again.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether an effect happened.

    Of one of which the platform does not know; its run goes on.
    """
    here(context, as_json=as_json)
    if happened is None:
        hint = f"look where `{program()} approvals {run}` says, then say --happened or --did-not-happen"
        raise ConfigError("bad_options", "this needs to know whether it happened", hint)
    _decide(context, run, digest, "happened" if happened else "did_not_happen", "", as_json=as_json)


def described(call: "PendingCall") -> list[str]:
    """A call in a few lines, with all of its arguments: they are what is decided about."""
    lines = [f"{call.run}  {call.agent}  {call.tool}  {call.waits_for or call.state}"]
    for name, value in call.arguments.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        first, *rest = printable(text).split("\n")
        lines += [f"  {name}: {first}", *(f"    {line}" for line in rest)]
    if call.note:
        lines.append(f"  {'look' if call.waits_for == 'outcome' else 'said'}: {printable(call.note)}")
    if call.decided_by:
        lines.append(f"  decided by {printable(call.decided_by)}")
    if call.waits_for == "approval":
        until = f", until {call.expires:%Y-%m-%d %H:%M %Z}" if call.expires else ""
        lines.append(f"  {program()} approve {call.run} {call.digest[:SHOWN]}   (or deny{until})")
    elif call.waits_for == "outcome":
        lines.append(f"  {program()} settle {call.run} {call.digest[:SHOWN]} --happened   (or --did-not-happen)")
    return lines


def _decide(context: typer.Context, run: str, digest: str, choice: "Choice", reason: str, *, as_json: bool) -> None:
    here(context, as_json=as_json)

    async def decided() -> "PendingCall":
        async with here(context).platform() as client:
            return await client.decide(_meant(await client.approvals(run), run, digest), choice, reason=reason)

    call = asyncio.run(decided())
    if as_json:
        say(json.dumps(call.model_dump(mode="json"), ensure_ascii=False, indent=2))
        return
    for line in described(call):
        say(line)
    aside(f"how it goes on: {program()} runs follow {run}", "dim")


def _meant(calls: list["PendingCall"], run: str, digest: str) -> "PendingCall":
    """The call that waits, or the one that is named; never one of several."""
    found = [call for call in calls if (call.digest.startswith(digest) if digest else call.waits_for)]
    if not found:
        raise NotFound("no_call", f"nothing of run {run} waits for this", f"{program()} approvals")
    if len(found) > 1:
        message = f"{len(found)} calls of run {run} wait"
        raise ConfigError("which_call", message, f"name one by its digest: {program()} approvals {run}")
    return found[0]
