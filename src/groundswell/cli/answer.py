"""An answer as lines for people: the text with numbers, what each number stands for, and what is missing."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from groundswell.cli.citations import Entry, numbered, place
from groundswell.cli.terminal import Style, counting, middle, printable, shortened, wrapped

if TYPE_CHECKING:
    from groundswell.core.records import Answer, Claim, Run

Line = tuple[str, Style]
Numbers = dict[str, Entry]
QUOTE_LINES = 3
RANKED = 15
HEADING = re.compile(r"\d+\. .*[?:]$")


def lines(run: "Run", columns: int | None, program: str) -> Iterator[Line]:
    """The whole answer; `columns` None leaves lines whole."""
    blocks = [block for block in map(list, _blocks(run, columns, program)) if block]
    for number, block in enumerate(blocks):
        if number:
            yield "", ""
        yield from block


def _blocks(run: "Run", columns: int | None, program: str) -> Iterator[Iterator[Line]]:
    """What stands together, in order; empty lines go between."""
    answer = run.answer
    numbers = numbered(answer.claims) if answer else {}
    if answer and answer.text.strip():
        yield _said(answer, numbers, columns)
    elif run.status == "succeeded" and answer and not (answer.question or answer.needs_model):
        yield _wrapped("Not found: nothing in the sources bears out an answer.", columns, "bold")
    if answer:
        yield _citations(numbers, columns)
        yield _ranked(answer)
        yield _notes(answer, columns)
        yield _asked_back(answer.question, columns)
    yield _ending(run, columns, program)
    if numbers:
        first = next(iter(numbers.values()))
        yield _wrapped(f"Open a citation:  {program} evidence {first.evidence[:8]}", None, "dim")


def _said(answer: "Answer", numbers: Numbers, columns: int | None) -> Iterator[Line]:
    """The text; the headings of a report's sections, which no claim says, stand out."""
    before = ""
    for line in _numbered(answer, numbers).split("\n"):
        is_heading = not before and HEADING.match(line) and not any(line in claim.text for claim in answer.claims)
        yield from _wrapped(line, columns, "bold" if is_heading else "")
        before = line


def _citations(numbers: Numbers, columns: int | None) -> Iterator[Line]:
    for entry in {entry.number: entry for entry in numbers.values()}.values():
        head, tail = f"[{entry.number}] ", f"  evidence {entry.evidence[:8]}"
        yield f"{head}{middle(printable(entry.place), columns and columns - len(head) - len(tail))}{tail}", "mark"
        for line in _quote("\n".join(entry.quotes), columns):
            yield line, "dim"


def _ranked(answer: "Answer") -> Iterator[Line]:
    for found in answer.ranked[:RANKED]:
        yield f"{found.score:6.2f}  {printable(place(found.source))}", ""


def _notes(answer: "Answer", columns: int | None) -> Iterator[Line]:
    notes = list(answer.notes)
    if answer.dropped:
        notes.append(f"Left out: {counting(answer.dropped, 'sentence')} that no evidence bears out.")
    if answer.needs_model:
        notes.append("A full answer needs a model, and none is configured.")
    for note in notes:
        yield from _wrapped(note, columns, "bad" if note.startswith("Ungrounded") else "dim")


def _asked_back(question: str, columns: int | None) -> Iterator[Line]:
    """A question back: it stands out, and what may be answered hangs below it."""
    first, _, rest = question.partition("\n")
    yield from _wrapped(first, columns, "bold") if first else ()
    yield from _wrapped(rest, columns) if rest else ()


def _ending(run: "Run", columns: int | None, program: str) -> Iterator[Line]:
    told = run.answer is not None and any(text.startswith("stopped at ") for text in run.answer.missing)
    if run.status == "exhausted" and not told:
        yield from _wrapped(f"Stopped at a limit: {run.reason.replace('_', ' ')}.", columns, "bad")
    elif run.status == "cancelled":
        yield "Cancelled.", "bold"
    elif run.status == "waiting":
        yield from _wrapped(f"Waiting for {run.reason or 'somebody'}: {program} approvals {run.id}", columns, "bad")


def _numbered(answer: "Answer", numbers: Numbers) -> str:
    """The text with each claim's numbers behind it; a claim that does not stand in it follows as an item."""
    text, marks, rest, after = answer.text.rstrip(), list[tuple[int, str]](), list[str](), 0
    for claim in answer.claims:
        mark = _mark(claim, numbers)
        at = text.find(claim.text, after)
        at = text.find(claim.text) if at < 0 else at
        if at < 0:
            rest.append(f"- {claim.text}{mark}")
            continue
        after = at + len(claim.text)
        marks.append((after - (claim.text[-1:] in (".", ":")), mark))
    for at, mark in sorted(marks, reverse=True):
        text = text[:at] + mark + text[at:]
    return printable("\n".join([text, *rest]))


def _mark(claim: "Claim", numbers: Numbers) -> str:
    cited = sorted({numbers[citation.source].number for citation in claim.citations})
    mark = "".join(f"[{number}]" for number in cited)
    unsure = [f"confidence {claim.confidence:.2f}"] if claim.confidence < 0.995 else []
    unsure = (["inference"] if claim.kind == "inferred" else []) + unsure
    return (f" {mark}" if mark else "") + (f" ({', '.join(unsure)})" if unsure else "")


def _quote(quote: str, columns: int | None) -> Iterator[str]:
    quoted = [line.rstrip() for line in printable(quote).expandtabs(4).split("\n") if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in quoted), default=0)
    shown = quoted if len(quoted) == QUOTE_LINES + 1 else quoted[:QUOTE_LINES]  # one more line takes no more room
    for line in shown:
        indent = " " * (len(line) - len(line.lstrip()) - margin)
        yield f"    {indent}{shortened(line, columns and columns - 4 - len(indent))}"
    if len(quoted) > len(shown):
        yield f"    … {counting(len(quoted) - QUOTE_LINES, 'more line')}"


def _wrapped(text: str, columns: int | None, style: Style = "") -> Iterator[Line]:
    return ((line, style) for line in wrapped(printable(text), columns))
