"""`groundswell waves`: how each wave stands, and a report that people can publish."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundswell.cli.invocation import Invocation, here
from groundswell.cli.terminal import aside, printable, say, styled, width, wrapped
from groundswell.cli.verify import COLUMNS, ProfileOption, shelf_of
from groundswell.core.errors import GroundswellError

if TYPE_CHECKING:
    from groundswell.core.records import Profile, Proof, Subject
    from groundswell.waves.standing import Standing

LOOK_SECONDS = 2.0
CLEAR = "\x1b[H\x1b[2J"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(waves)


def waves(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every two seconds, until Ctrl-C.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report that needs nothing else.")] = None,
    profile: ProfileOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how each wave stands: sync, health, gate, age of proof.

    It reads the proofs that are kept, and runs no check.
    """
    invocation = here(context, as_json=as_json)
    if html is not None:
        _publish(invocation, html, profile)
        return
    while True:
        _, rows, _, _ = asyncio.run(_standing(invocation, profile))
        if watch and width() is not None:
            print(CLEAR, end="")
        if as_json:
            say(json.dumps({"waves": [_plain(row) for row in rows]}, ensure_ascii=False, indent=2))
        else:
            show(rows, datetime.now(UTC))
        if not watch:
            return
        asyncio.run(asyncio.sleep(LOOK_SECONDS))


Found = tuple["Profile", list["Standing"], dict[str, "Proof"], "Subject | None"]


async def _standing(invocation: Invocation, file: Path | None) -> Found:
    """Place, rows, what stands behind them, and about what; without a platform what was proven is all there is."""
    from groundswell.core.check import Place
    from groundswell.core.records import Subject
    from groundswell.waves.plan import plan, profile
    from groundswell.waves.standing import standings, told_by_argo

    place = Place(profile(file))
    told: dict[int, tuple[str, str]] = {}
    subject: Subject | None = None
    health = "away"
    with contextlib.suppress(GroundswellError):
        async with invocation.platform() as client:
            platform = await client.platform()
            subject = Subject.model_validate(platform["subject"])
            away = [name for name, body in platform["services"].items() if body.get("status") != "ready"]
            health = "degraded" if away else "ready"
            told = await told_by_argo(client, place)
    shelf = shelf_of(invocation)
    proofs, unreadable = shelf.looked(subject)
    for name in unreadable:
        aside(f"{name} in {shelf.folder} cannot be read: what it proved is unknown", "bad")
    told = told or {wave.number: ("", health) for wave in plan().waves}
    return place.profile, standings(plan(), place.profile, proofs, told), proofs, subject


def show(rows: list["Standing"], now: datetime) -> None:
    """Print the table in at most 80 columns on a terminal; a pipe gets whole lines."""
    columns = min(width() or 10_000, COLUMNS)
    say(f"{'WAVE':18}{'SYNC':8}{'HEALTH':10}{'GATE':13}{'PROOF':9}NEXT STEP", "dim")
    for row in rows:
        state = f"{'open' if row.gate.open else 'closed'} {row.gate.passed}/{row.gate.owed}"
        name = f"{row.wave.number:>2} {row.wave.name}"
        style = "good" if row.gate.open else "bad"
        head = f"{name:18}{row.sync or '–':8}{row.health or '–':10}"
        fits = len(row.next_step) <= columns - 58
        rest = printable(row.next_step) if fits else ""
        say(f"{head}{styled(f'{state:13}', style)}{_age(row, now):9}{rest}".rstrip())
        for line in wrapped(printable(row.next_step), columns, "     ") if not fits else ():
            say(line)


def _age(row: "Standing", now: datetime) -> str:
    if row.oldest is None:
        return "–"
    minutes = (now - row.oldest).total_seconds() / 60
    return (
        f"{minutes:.0f} min"
        if minutes < 120
        else f"{minutes / 60:.0f} h"
        if minutes < 2880
        else f"{minutes / 1440:.0f} d"
    )


def _plain(row: "Standing") -> dict[str, Any]:
    return {
        "wave": row.wave.number,
        "name": row.wave.name,
        "sync": row.sync,
        "health": row.health,
        "gate": "open" if row.gate.open else "closed",
        "passed": row.gate.passed,
        "required": row.gate.owed,
        "reason": row.gate.reason,
        "proven": row.oldest.isoformat() if row.oldest else None,
        "expires": row.expires.isoformat() if row.expires else None,
        "next": row.next_step,
    }


def _publish(invocation: Invocation, file: Path, profile_file: Path | None) -> None:
    from groundswell.waves.plan import plan
    from groundswell.waves.report import Report, page

    place, rows, proofs, subject = asyncio.run(_standing(invocation, profile_file))
    hidden = [str(invocation.data().root.absolute()), str(Path.home())]
    made = Report(plan(), place, rows, proofs, shelf_of(invocation).history(), subject, datetime.now(UTC), hidden)
    file.write_text(page(made), encoding="utf-8")
    say(f"{file} is written")
