"""`groundswell runs export` and `runs replay`: a finished run as one file, and what comes of it again."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundswell.cli import exits
from groundswell.cli.invocation import JsonOption, here
from groundswell.cli.terminal import aside, counting, printable, say, size
from groundswell.core.errors import ConfigError

if TYPE_CHECKING:
    from groundswell.runtime.replay import Difference


def add_to(group: typer.Typer) -> None:
    """Add the commands to those of runs."""
    group.command()(export)
    group.command()(replay)


def export(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="ID", help="The run's id.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="By default ID.jsonl.")] = None,
) -> None:
    """Write a run that has ended as one file."""

    async def exported() -> bytes:
        async with here(context).platform() as client:
            return await client.export(run)

    text = asyncio.run(exported())
    file = output or Path(f"{run}.jsonl")
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_bytes(text)
        part.replace(file)
    except OSError as error:
        raise ConfigError("not_written", f"{file} cannot be written: {error.strerror}") from error
    say(f"{file} ({size(len(text))})")


def replay(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `runs export` wrote.")],
    as_json: JsonOption = False,
) -> None:
    """Recompute a run from its file, here and without a platform; ends with 0 where it is the same, else with 1."""
    from groundswell.runtime import discovery
    from groundswell.runtime.replay import replayed
    from groundswell.runtime.run_file import read

    here(context, as_json=as_json)
    try:
        text = file.read_bytes()
    except OSError as error:
        raise ConfigError("unreadable_file", f"{file} cannot be read: {error.strerror}") from error
    found = asyncio.run(replayed(read(text), discovery.agents()))
    if as_json:
        say(json.dumps(found.model_dump(mode="json"), ensure_ascii=False, indent=2))
    elif found.difference:
        say(f"different: {printable(found.difference.what)}")
        _told(found.difference)
    else:
        answered = f"{found.calls} of {counting(found.recorded_calls, 'recorded call')}"
        say(f"the same: {found.run} ({found.agent}, {found.status}), {answered}")
        if found.missing:
            aside(f"as far as it goes: {printable(found.missing)}")
    if not as_json and found.recorded_with != found.replayed_with:
        aside(f"recorded with {found.recorded_with or 'an unknown version'}, replayed with {found.replayed_with}")
    raise typer.Exit(exits.ANSWERED if found.same else exits.FAILED)


def _told(difference: "Difference") -> None:
    if difference.node:
        say(f"step      {difference.step}, {difference.node}")
    for name, call in (("asked", difference.asked), ("recorded", difference.recorded)):
        if call is not None:
            say(f"{name:9} {call.tool} {printable(json.dumps(call.arguments, ensure_ascii=False))}")
    for name, (was, now) in difference.ended.items():
        say(f"{name}: recorded {printable(json.dumps(was, ensure_ascii=False))}")
        say(f"{' ' * len(name)}  replayed {printable(json.dumps(now, ensure_ascii=False))}")
