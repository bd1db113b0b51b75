"""What a terminal is given: colours only where they are seen, lines that fit it, nothing that could steer it."""

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

Style = Literal["", "bold", "dim", "good", "bad", "mark"]
WIDEST = 100
CODES: dict[Style, str] = {"bold": "1", "dim": "2", "good": "32", "bad": "31", "mark": "36"}
# control characters could move the cursor or rename the window, bidirectional ones could hide code
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass
class Look:
    """How this process prints; `main` sets it once."""

    plain: bool = False  # no colours, whoever reads


look = Look()


def printable(text: str) -> str:
    """A text from elsewhere without what could steer a terminal."""
    return UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def width() -> int | None:
    """The columns to fill; None where no terminal reads, so that a pipe gets whole lines."""
    return min(shutil.get_terminal_size((80, 24)).columns, WIDEST) if sys.stdout.isatty() else None


def styled(text: str, style: Style, stream: TextIO | None = None) -> str:
    """The text in a style, where it is seen."""
    if not style or not text or look.plain or not (stream or sys.stdout).isatty():
        return text
    return f"\x1b[{CODES[style]}m{text}\x1b[0m"


def say(text: str = "", style: Style = "") -> None:
    """A line on standard output."""
    print(styled(text, style), flush=True)


def aside(text: str = "", style: Style = "") -> None:
    """A line on standard error: for people, never part of a result."""
    print(styled(text, style, sys.stderr), file=sys.stderr, flush=True)


def wrapped(text: str, columns: int | None, indent: str = "") -> list[str]:
    """Lines of at most so many columns. Paths and words stay whole; a list's items hang."""
    lines: list[str] = []
    for line in text.split("\n"):
        if columns is None or len(indent) + len(line) <= columns:
            lines.append((indent + line).rstrip())
            continue
        bullet = re.match(r"\s*(?:[-*•]\s+|\d+[.)]\s+|\[\d+\]\s+)?", line)
        hang = indent + " " * len(bullet.group() if bullet else "")
        lines += textwrap.wrap(
            line,
            max(columns, len(hang) + 20),
            initial_indent=indent,
            subsequent_indent=hang,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        ) or [""]
    return lines


def shortened(text: str, columns: int | None) -> str:
    """One line that fits."""
    text = " ".join(text.split())
    return text if columns is None or len(text) <= columns else text[: max(columns - 1, 1)].rstrip() + "…"


def middle(text: str, columns: int | None) -> str:
    """One line that fits, cut in its middle: a place begins and ends with what tells it from others."""
    if columns is None or len(text) <= columns:
        return text
    kept = max(columns - 1, 2)
    return f"{text[: kept - kept * 2 // 3]}…{text[-(kept * 2 // 3) :]}"


def table(rows: Iterable[Sequence[str]], heads: Sequence[str]) -> None:
    """Columns side by side. The last one gives way on a terminal; a pipe gets all of it."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max([len(head), *(len(row[n]) for row in cells)]) for n, head in enumerate(heads)]
    columns = width()
    for number, row in enumerate([[head.upper() for head in heads], *cells]):
        line = "  ".join(cell.ljust(room) for cell, room in zip(row[:-1], widths, strict=False))
        left = None if columns is None else max(columns - len(line) - 2, 10)
        say(f"{line}  {shortened(row[-1], left)}".rstrip(), "dim" if number == 0 else "")


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return ""


def span(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"


def counting(count: int, word: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
