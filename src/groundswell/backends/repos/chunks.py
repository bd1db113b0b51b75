"""The passages of a file that search can find: one a definition, and what stands between them."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from groundswell.backends.repos.facts import MODULE, Definition, FileFacts
from groundswell.backends.repos.words import path_words, widened

LONGEST = 80  # lines of a passage
_WHOLE = 60  # a class this short is one passage
_WIDEST = 400  # characters of a line that are searched
_MOST = 400  # passages of one file
_HEADING = re.compile(r"^#{1,4}\s|^[=\-~^]{4,}\s*$")
_CODE_KINDS = frozenset(("function", "method", "class", "interface", "type", "module"))


class Chunk(NamedTuple):
    """Lines of a file, and the definition they belong to (its name inside the module)."""

    start: int
    end: int
    symbol: str


def chunks(facts: FileFacts, lines: Sequence[str]) -> list[Chunk]:
    """The passages of a file, each line in at most one."""
    found: list[Chunk] = []
    if facts.definitions:
        spans = _spans(facts)
        at = 1
        for start, end, symbol in spans:
            found.extend(_windows(at, start - 1, "", lines))
            found.extend(_windows(start, end, symbol, lines))
            at = max(at, end + 1)
        found.extend(_windows(at, len(lines), "", lines))
    elif facts.language in ("markdown", "restructuredtext"):
        found.extend(_sections(lines))
    else:
        found.extend(_windows(1, len(lines), "", lines))
    return found[:_MOST]


def text_of(path: str, chunk: Chunk, lines: Sequence[str]) -> str:
    """What of a passage is searched: its words, those inside identifiers, its symbol's and its path's."""
    body = "\n".join(line[:_WIDEST] for line in lines[chunk.start - 1 : chunk.end])
    head = f"{path_words(path)}\n{chunk.symbol} {chunk.symbol}\n" if chunk.symbol else f"{path_words(path)}\n"
    return widened(head + body)


def head_of(path: str, facts: FileFacts, chunk: Chunk, lines: Sequence[str]) -> str:
    """What of a passage is embedded: signature and documentation of its symbol, or the passage's beginning."""
    number = next((n for n, d in enumerate(facts.definitions) if d.line == chunk.start and chunk.symbol), None)
    end = min(chunk.end, facts.definitions[number].head if number is not None else chunk.start + 11)
    body = "\n".join(line.strip()[:200] for line in lines[chunk.start - 1 : end])
    return f"{path} {chunk.symbol}\n{body}"[:1200]


def _spans(facts: FileFacts) -> list[Chunk]:
    """Definitions worth a passage of their own: functions, short classes, heads and methods of long ones."""
    spans: list[Chunk] = []
    for number, definition in enumerate(facts.definitions):
        unnamed = definition.name[0] == "<"
        if unnamed or definition.kind not in _CODE_KINDS or not _is_outermost(facts.definitions, number):
            continue
        name = _name(facts.definitions, number)
        inner = [d for d in facts.definitions if d.parent == number and d.kind in _CODE_KINDS]
        if _splits(definition) and inner:
            spans.append(Chunk(definition.line, max(definition.line, min(d.line for d in inner) - 1), name))
        else:
            spans.append(Chunk(definition.line, definition.end_line, name))
    spans.sort()
    return list(_apart(spans))


def _splits(definition: Definition) -> bool:
    is_type = definition.kind in ("class", "interface", "module")
    return is_type and definition.end_line - definition.line >= _WHOLE


def _is_outermost(definitions: Sequence[Definition], number: int) -> bool:
    """Whether no definition around it is a passage as a whole."""
    parent = definitions[number].parent
    while parent != MODULE:
        if not _splits(definitions[parent]):
            inside = definitions[parent].line <= definitions[number].line <= definitions[parent].end_line
            return not inside
        parent = definitions[parent].parent
    return True


def _apart(spans: Sequence[Chunk]) -> Iterator[Chunk]:
    """Passages cut where the next begins."""
    last = 0
    for span in spans:
        if span.start > last:
            yield span
            last = span.end


def _name(definitions: Sequence[Definition], number: int) -> str:
    names: list[str] = []
    while number != MODULE and len(names) < 20:
        names.append(definitions[number].name)
        if definitions[number].parent == MODULE and definitions[number].owner:
            names.append(definitions[number].owner)
        number = definitions[number].parent
    return ".".join(reversed(names))


def _windows(start: int, end: int, symbol: str, lines: Sequence[str]) -> Iterator[Chunk]:
    """A stretch of lines in passages of bounded length; blank ends are left out."""
    end = min(end, len(lines))
    while start <= end and not lines[start - 1].strip():
        start += 1
    while end >= start and not lines[end - 1].strip():
        end -= 1
    while start <= end:
        stop = min(end, start + LONGEST - 1)
        yield Chunk(start, stop, symbol)
        start = stop + 1


def _sections(lines: Sequence[str]) -> Iterator[Chunk]:
    """Text under its headings."""
    start = 1
    for number, line in enumerate(lines, 1):
        if _HEADING.match(line) and number - start > 3:
            first = number if line.startswith("#") else number - 1
            yield from _windows(start, first - 1, "", lines)
            start = first
    yield from _windows(start, len(lines), "", lines)
