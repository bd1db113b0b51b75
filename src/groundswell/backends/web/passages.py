"""Splits a text into passages: whole paragraphs, lists, tables and code under the headings they stand under."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

SIZE = 1100  # characters that a passage aims at
LARGEST = 4000  # of one block; what is longer is cut between its lines
MOST = 4000  # passages of one page
_ATX = re.compile(r"^(#{1,6})\s+(\S.*?)\s*#*\s*$")
_LINE_BELOW = re.compile(r"^([=\-~^*#\"'+.:_])\1{2,}\s*$")
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_TABLE = re.compile(r"^\s*\|.*\|\s*$|^\s*[-:| ]+\|[-:| ]+$")
_RULE = re.compile(r"^\s*\|?[\s:|-]*-{2,}[\s:|-]*\|?\s*$")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s")
_DEFINES = re.compile(
    r"^\.\. (?:\w+:)?(?:data|function|class|method|attribute|option|envvar|confval|setting|"
    r"exception|decorator)::\s+(\S.*)$"
)
_DEEPEST = 9  # of headings: what reStructuredText describes piece by piece
_MARKUP = re.compile(
    r"[`*]+|(?<!\w)_+|_+(?!\w)|\[([^\]]*)\]\([^)]*\)|:\w+:`([^`<]*)(?:\s*<[^>]*>)?`|\s*\{#[^}]*\}|<[^>]+>"
)


class Piece(NamedTuple):
    """A passage: lines `start` to `end` of the text, counted from 1."""

    text: str
    start: int
    end: int
    headings: tuple[str, ...]
    columns: str = ""  # the head of the table of which these are later rows


class _Block(NamedTuple):
    start: int  # line index
    end: int  # after the last one
    is_table: bool = False


def split(text: str) -> list[Piece]:
    """The passages of a text, in order."""
    lines = text.split("\n")
    pieces: list[Piece] = []
    for section in _sections(lines):
        pieces.extend(_packed(lines, *section))
        if len(pieces) >= MOST:
            break
    return pieces[:MOST]


def plain(heading: str) -> str:
    """A heading without its markup."""
    return " ".join(_MARKUP.sub(lambda match: match.group(1) or match.group(2) or "", heading).split())


def _sections(lines: Sequence[str]) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Runs of lines under one heading, the heading's own lines among them."""
    path: list[tuple[int, str]] = []
    styles: list[str] = []  # of underlines, in the order in which they come: the first is the top
    start, at, fence = 0, 0, ""
    while at < len(lines):
        line = lines[at]
        if match := _FENCE.match(line):
            mark = match.group(1)[:3]
            fence = "" if fence == mark else (fence or mark)
        found = None if fence else _heading(lines, at, styles)
        if found is None:
            at += 1
            continue
        level, title, size = found
        if at > start:
            yield start, at, tuple(name for _, name in path)
        path = [(other, name) for other, name in path if other < level] + [(level, title)]
        start = at
        at += size
    yield start, len(lines), tuple(name for _, name in path)


def _heading(lines: Sequence[str], at: int, styles: list[str]) -> tuple[int, str, int] | None:
    """Level, title and how many lines a heading takes, where one begins."""
    line = lines[at]
    if match := _DEFINES.match(line):
        return _DEEPEST, match.group(1).strip(), 1
    if match := _ATX.match(line):
        return len(match.group(1)), plain(match.group(2)), 1
    below = lines[at + 1] if at + 1 < len(lines) else ""
    above_is_open = at == 0 or not lines[at - 1].strip() or _LINE_BELOW.match(lines[at - 1]) is not None
    match = _LINE_BELOW.match(below)
    if match is None or not above_is_open or not line.strip() or line.startswith((" ", "\t", "|")):
        return None
    if _ITEM.match(line) or len(below.strip()) < min(len(line.strip()), 3) or _LINE_BELOW.match(line):
        return None
    if match.group(1) == "-" and len(below.strip()) < len(line.strip()) and at == 0:
        return None
    style = match.group(1)
    if style not in styles:
        styles.append(style)
    return styles.index(style) + 1, plain(line), 2


def _packed(lines: Sequence[str], start: int, end: int, headings: tuple[str, ...]) -> Iterator[Piece]:
    """Neighbouring blocks together, up to the size of a passage."""
    first: int | None = None
    last = start
    size = 0
    for block in _blocks(lines, start, end):
        length = sum(len(lines[at]) + 1 for at in range(block.start, block.end))
        if first is not None and size + length > SIZE and size > SIZE // 4:
            yield _piece(lines, first, last, headings)
            first, size = None, 0
        if length > LARGEST:
            if first is not None:
                yield _piece(lines, first, last, headings)
                first, size = None, 0
            yield from _cut(lines, block, headings)
            continue
        first = block.start if first is None else first
        last, size = block.end, size + length
    if first is not None:
        yield _piece(lines, first, last, headings)


def _blocks(lines: Sequence[str], start: int, end: int) -> Iterator[_Block]:
    """Paragraphs, lists, tables and fenced code; empty lines end all but the last."""
    at = start
    while at < end:
        if not lines[at].strip():
            at += 1
            continue
        first = at
        if match := _FENCE.match(lines[at]):
            at += 1
            while at < end and not lines[at].strip().startswith(match.group(1)[:3]):
                at += 1
            at = min(at + 1, end)
        else:
            while at < end and lines[at].strip() and (at == first or not _FENCE.match(lines[at])):
                at += 1
        is_table = all(_TABLE.match(lines[line]) for line in range(first, min(at, first + 3)))
        yield _Block(first, at, is_table)


def _cut(lines: Sequence[str], block: _Block, headings: tuple[str, ...]) -> Iterator[Piece]:
    """A block that is too long, in pieces of whole lines; later rows of a table keep its head beside them."""
    columns = ""
    if block.is_table and block.end - block.start > 2 and _RULE.match(lines[block.start + 1]):
        columns = lines[block.start].strip()
    first, size = block.start, 0
    for at in range(block.start, block.end):
        length = len(lines[at]) + 1
        if size and size + length > SIZE:
            yield _piece(lines, first, at, headings, columns if first > block.start else "")
            first, size = at, 0
        size += length
    yield _piece(lines, first, block.end, headings, columns if first > block.start else "")


def _piece(lines: Sequence[str], start: int, end: int, headings: tuple[str, ...], columns: str = "") -> Piece:
    text = "\n".join(lines[start:end])
    return Piece(text[: LARGEST * 4], start + 1, end, headings, columns)
