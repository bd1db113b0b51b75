"""`groundswell prune`: what is no longer to be kept, now."""

import asyncio
import json
import re
from typing import TYPE_CHECKING, Annotated

import typer

from groundswell.cli.invocation import JsonOption, here
from groundswell.cli.terminal import counting, say
from groundswell.core.errors import ConfigError

if TYPE_CHECKING:
    from groundswell.core.records import Pruning

DAYS = {"m": 1 / 1440, "h": 1 / 24, "d": 1.0, "w": 7.0}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(prune)


def prune(
    context: typer.Context,
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="Of runs that ended longer ago, such as 30d or 12h; else as set.")
    ] = "",
    runs: Annotated[bool, typer.Option("--runs", help="Delete these runs themselves, too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Prune what ended runs keep.

    Bodies give way to tombstones, and the runs stay readable.
    """
    from groundswell.core.records import Prune

    here(context, as_json=as_json)
    if runs and not older_than:
        raise ConfigError("no_age", "--runs deletes only runs of an age", "say --older-than, such as 30d")
    request = Prune(older_than_days=_days(older_than), runs=runs, dry_run=dry_run)

    async def pruned() -> "Pruning":
        async with here(context).platform() as client:
            return await client.prune(request)

    done = asyncio.run(pruned())
    if as_json:
        say(json.dumps(done.model_dump(mode="json"), indent=2))
        return
    counts = {name: number for name, number in done.model_dump(exclude={"dry_run", "more", "runs"}).items() if number}
    would = "would lose" if dry_run else "lost"
    for part, number in counts.items():
        say(f"{counting(number, 'run')} {would} {part}")
    if done.runs:
        say(f"{counting(done.runs, 'run')} {'would be deleted' if dry_run else 'deleted'}")
    if not counts and not done.runs:
        say("nothing to prune")


def _days(age: str) -> float | None:
    if not age:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", age)
    if found is None:
        raise ConfigError("bad_age", f"{age!r} is no age", "write minutes, hours, days or weeks: 90m, 12h, 30d, 8w")
    return float(found[1]) * DAYS[found[2]]
