"""An answer as lines for people: the text with numbers, what each number stands for, and what is missing."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from groundswell.cli.terminal import Style, printable, shortened, wrapped

if TYPE_CHECKING:
    from groundswell.core.records import Answer, Citation, Claim, Run

Line = tuple[str, Style]
QUOTE_LINES = 3
RANKED = 15


def place(source: str) -> str:
    """A source as people write it: `repo:src/a.py#L3-L9` is `src/a.py:3-9`."""
    match = re.fullmatch(r"repo:(.*?)(?:#L(\d+)(?:-L(\d+))?)?", source)
    if match is None:
        return source
    path, start, end = match.groups()
    if not start:
        return path
    return f"{path}:{start}" if end in (None, start) else f"{path}:{start}-{end}"


def lines(run: "Run", columns: int | None, program: str) -> Iterator[Line]:
    """The whole answer; `columns` None leaves lines whole."""
    answer = run.answer
    if answer is not None:
        yield from _said(answer, columns, program)
    if answer is None or not answer.text.strip():
        yield from _nothing(run, columns)
    if run.status == "exhausted":
        yield from _wrapped(f"Stopped at a limit: {run.reason.replace('_', ' ')}.", columns, "bad")
    if run.status == "waiting":
        yield from _wrapped(f"Waiting for {run.reason or 'somebody'}: {program} runs show {run.id}", columns, "bad")


def _said(answer: "Answer", columns: int | None, program: str) -> Iterator[Line]:
    numbers = _numbers(answer)
    if answer.text.strip():
        yield from _wrapped(_numbered(answer, numbers), columns)
    if numbers:
        yield "", ""
    for (evidence, source), (number, citation) in numbers.items():
        yield f"[{number}] {printable(place(source))}  evidence {evidence[:8]}", "mark"
        yield from ((line, "dim") for line in _quote(citation, columns))
    if answer.ranked:
        yield "", ""
        for ranked in answer.ranked[:RANKED]:
            yield f"{ranked.score:6.2f}  {printable(place(ranked.source))}", ""
    yield from _notes(answer, columns)
    if numbers:
        evidence = next(iter(numbers))[0]
        yield "", ""
        yield f"Open a citation:  {program} evidence {evidence[:8]}", "dim"


def _notes(answer: "Answer", columns: int | None) -> Iterator[Line]:
    notes = [f"Missing: {text}" for text in answer.missing]
    if answer.dropped:
        notes.append(f"Left out: {answer.dropped} sentence{'s' * (answer.dropped > 1)} that no evidence bears out.")
    if answer.needs_model:
        notes.append("This needs a model to be answered in full; none is configured. What was found is above.")
    if notes:
        yield "", ""
        for note in notes:
            yield from _wrapped(note, columns, "dim")
    if answer.question:
        yield "", ""
        yield from _wrapped(answer.question, columns, "bold")


def _nothing(run: "Run", columns: int | None) -> Iterator[Line]:
    if run.status == "succeeded" and not (run.answer and run.answer.question):
        yield from _wrapped("Not found: nothing in the sources bears out an answer.", columns, "bold")
    elif run.status == "cancelled":
        yield "Cancelled.", "bold"


def _numbers(answer: "Answer") -> dict[tuple[str, str], tuple[int, "Citation"]]:
    numbers: dict[tuple[str, str], tuple[int, Citation]] = {}
    for claim in answer.claims:
        for citation in claim.citations:
            numbers.setdefault((citation.evidence, citation.source), (len(numbers) + 1, citation))
    return numbers


def _numbered(answer: "Answer", numbers: dict[tuple[str, str], tuple[int, "Citation"]]) -> str:
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


def _mark(claim: "Claim", numbers: dict[tuple[str, str], tuple[int, "Citation"]]) -> str:
    cited = sorted({numbers[citation.evidence, citation.source][0] for citation in claim.citations})
    mark = "".join(f"[{number}]" for number in cited)
    unsure = [f"confidence {claim.confidence:.2f}"] if claim.confidence < 0.995 else []
    unsure = (["inference"] if claim.kind == "inferred" else []) + unsure
    return (f" {mark}" if mark else "") + (f" ({', '.join(unsure)})" if unsure else "")


def _quote(citation: "Citation", columns: int | None) -> Iterator[str]:
    quoted = [line.rstrip() for line in printable(citation.quote).expandtabs(4).split("\n") if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in quoted), default=0)
    if len(quoted) > 1 and quoted[0] == quoted[0].lstrip():  # a quote often begins within its first line
        margin = min(len(line) - len(line.lstrip()) for line in quoted[1:])
        quoted[0] = " " * margin + quoted[0]
    for line in quoted[:QUOTE_LINES]:
        indent = " " * (len(line) - len(line.lstrip()) - margin)
        yield f"    {indent}{shortened(line, columns and columns - 4 - len(indent))}"
    if len(quoted) > QUOTE_LINES:
        yield f"    … {len(quoted) - QUOTE_LINES} more lines"


def _wrapped(text: str, columns: int | None, style: Style = "") -> Iterator[Line]:
    return ((line, style) for line in wrapped(printable(text), columns))
