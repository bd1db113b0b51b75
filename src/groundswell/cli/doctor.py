"""`groundswell doctor`: tries everything that can be wrong, and says what to do."""

import asyncio
import json
from typing import Annotated, NoReturn

import typer

from groundswell.cli import exits
from groundswell.cli.invocation import JsonOption, here
from groundswell.cli.terminal import Style, printable, say, styled, width, wrapped

SIGNS: dict[bool | None, tuple[str, Style]] = {True: ("✓", "good"), False: ("✗", "bad"), None: ("-", "dim")}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


EgressOption = Annotated[
    str, typer.Option("--egress", metavar="URL", help="Say how an address would be reached, or why it would not.")
]


def doctor(context: typer.Context, egress: EgressOption = "", as_json: JsonOption = False) -> None:
    """Try what can be wrong, and say what to do.

    One line each; exit code 1 where something is broken. With --egress URL: what would happen with that address, and
    why; exit code 4 where it would be refused.
    """
    if egress:
        _way_out(context, egress, as_json)
    from groundswell.cli.diagnosis import examined

    found = asyncio.run(examined(here(context)))
    if as_json:
        say(json.dumps({"findings": [vars(finding) for finding in found]}, ensure_ascii=False, indent=2))
    else:
        for finding in found:
            sign, style = SIGNS[finding.well]
            columns = width()
            first, *rest = wrapped(printable(finding.text), columns and columns - 14)
            say(f"{styled(sign, style)} {finding.name:11} {first}")
            for line in rest:
                say(f"{'':14}{line}")
            if finding.hint and finding.well is not True:
                for line in wrapped(printable(finding.hint), columns and columns - 16):
                    say(f"{'':14}→ {line}")
    raise typer.Exit(exits.FAILED if any(finding.well is False for finding in found) else exits.ANSWERED)


def _way_out(context: typer.Context, url: str, as_json: bool) -> NoReturn:
    from groundswell.cli.way_out import explained, show

    told = asyncio.run(explained(here(context).loaded(), url))
    if as_json:
        say(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        show(told)
    raise typer.Exit(exits.ANSWERED if told["allowed"] else exits.DENIED)
