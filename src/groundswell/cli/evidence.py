"""`groundswell evidence`: the stored bytes that an answer rests on."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from groundswell.cli.citations import place
from groundswell.cli.invocation import JsonOption, here
from groundswell.cli.terminal import printable, say, width

if TYPE_CHECKING:
    from groundswell.client import Client
    from groundswell.core.records import Citation, Evidence, Run

AROUND = 12  # lines before and after the quote, on a terminal
LATEST = 50  # runs that are searched for the quote


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evidence)


def evidence(
    context: typer.Context,
    digest: Annotated[str, typer.Argument(metavar="ID", help="8 characters of it or more.")],
    quote: Annotated[str, typer.Option(help="Mark this; by default what a recent answer quoted.")] = "",
    run: Annotated[str, typer.Option(metavar="ID", help="Mark what this run quoted.")] = "",
    whole: Annotated[bool, typer.Option("--all", help="All lines, not only those around the quote.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Open a citation: the stored bytes at the quote.

    With where they come from and when they were read.
    """
    here(context, as_json=as_json)

    async def read() -> tuple["Evidence", list[str]]:
        async with here(context).platform() as client:
            cited = None if quote else await _cited(client, digest, run)
            source = cited[0].source if cited else ""
            found = await client.evidence(digest, run=run, source=source)
            return found, [quote] if quote else [citation.quote for citation in cited or []]

    found, quotes = asyncio.run(read())
    marked = sorted({line for text in quotes for line in quoted_lines(found.text, text)})
    first = first_line(found.source)
    if as_json:
        body = {**found.model_dump(mode="json"), "marked": [first + line for line in marked]}
        say(json.dumps(body, ensure_ascii=False, indent=2))
        return
    for name, value in (("evidence", found.digest), ("source", place(found.source)), ("origin", found.origin)):
        if value:
            say(f"{name:10}{printable(value)}")
    say(f"{'read':10}{found.retrieved:%Y-%m-%d %H:%M:%S %Z}{', cut where it was too long' if found.truncated else ''}")
    say()
    for text, is_marked in numbered(found.text, first, marked, None if whole else width()):
        say(text, "bold" if is_marked else "")


async def _cited(client: "Client", digest: str, run: str) -> list["Citation"] | None:
    """What a run quotes of the evidence: the run that is named, else the latest that does."""
    runs = [await client.show(run)] if run else (await client.runs(limit=LATEST))[0]
    for each in runs:
        if found := _citations(each, digest):
            return found
    return None


def _citations(run: "Run", digest: str) -> list["Citation"]:
    claims = run.answer.claims if run.answer else ()
    return [cited for claim in claims for cited in claim.citations if cited.evidence.startswith(digest)]


def first_line(source: str) -> int:
    """The number of the first line: of `repo:a.py#L12-L18` it is 12."""
    match = re.search(r"#L(\d+)(?:-L\d+)?$", source)
    return int(match.group(1)) if match else 1


def quoted_lines(text: str, quote: str) -> list[int]:
    """The lines, from 0, on which a quote stands, whatever the white space."""
    words = quote.split()
    if not words:
        return []
    match = re.search(r"\s+".join(map(re.escape, words)), text)
    if match is None:
        return []
    return list(range(text.count("\n", 0, match.start()), text.count("\n", 0, match.end()) + 1))


def numbered(text: str, first: int, marked: list[int], columns: int | None) -> Iterator[tuple[str, bool]]:
    """Lines with their numbers; on a terminal only those around the quote, if there are many."""
    lines = printable(text).expandtabs(4).split("\n")
    if lines[-1] == "":
        lines.pop()
    start, end = 0, len(lines)
    if columns is not None and marked and len(lines) > 4 * AROUND:
        start, end = max(marked[0] - AROUND, 0), min(marked[-1] + AROUND + 1, len(lines))
    room = len(str(first + len(lines)))
    if start:
        yield f"… {start} lines before: --all shows them", False
    for number, line in enumerate(lines[start:end], start):
        sign = ">" if number in marked else " "
        shown = line if columns is None else line[: max(columns - room - 4, 20)]
        yield f"{sign} {first + number:{room}}  {shown}".rstrip(), number in marked
    if end < len(lines):
        yield f"… {len(lines) - end} lines after: --all shows them", False
