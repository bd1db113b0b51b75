"""What of a passage can be an answer: sentences, list items, table rows and pieces of code, with what frames them."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_FENCE = re.compile(r"^\s*(?:`{3,}|~{3,})")
_ROW = re.compile(r"^\s*\|(.*)\|\s*$")
_RULE = re.compile(r"^\s*\|?[\s:|-]*-{2,}[\s:|-]*\|?\s*$")
_ITEM = re.compile(r"^(\s*)(?:[-*+•]|\d+[.)])\s+")
_HEADING = re.compile(r"^#{1,6}\s|^([=\-~^*#\"'+`.:_])\1{2,}\s*$")
_END = re.compile(r"(?<=[.!?])[\"')\]*_]*\s+(?=[\"'(\[*_`]?[A-Z0-9`])")
_ABBREVIATED = re.compile(r"\b(?:e\.g|i\.e|etc|vs|approx|no|dr|mr|mrs|ms|st|inc|cf|fig)\.$", re.IGNORECASE)
_DIRECTIVE = re.compile(r"^\s*\.\. (?!(?:versionadded|versionchanged|deprecated)::)[\w:-]+")
# of badges and links: it shows nothing to a reader
_HIDDEN = re.compile(r"^\s*(?::{3,}|\.\. \|[^|]+\| \w+::|\.\. _[^:]+:|:(?:target|alt|width|height|align|scale):)")
_CODE = re.compile(
    r"^\s*(?:[$>]\s|#\s|@\w|def |class |import |from \S+ import|return\b)|\w\(|[=;{}]\s*$|\s=\s|^\s*\w+=\S"
)
_COMMENT = re.compile(r"^\s*(?:#|//|;|--)\s+\S")
_OPTION = re.compile(r"^\s*(?:-\w,?\s+)?--[a-z][\w-]+")
_REMARKS, _LONG = 2, 420  # comments and characters from which a block is a reference of settings and no example
_STEP = re.compile(r"^\s*\d+[.)]\s")


class Span(NamedTuple):
    """A piece of a passage, word for word."""

    text: str
    kind: str  # sentence, item, row, code
    before: str = ""  # the sentence before it, or the one that leads into its list or code
    columns: tuple[str, ...] = ()  # of its table
    head: str = ""  # the table's first row, word for word
    step: bool = False  # of a numbered list
    group: int = 0  # spans of one list or table share it


def spans(text: str, columns: str = "") -> list[Span]:
    """Everything in a passage that can answer, in order. `columns` is the head of a table that began before it."""
    found: list[Span] = []
    for number, block in enumerate(_blocks(text.split("\n"))):
        found.extend(_of_block(block, number, _lead(found), columns))
    return found


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    fence = _begins_in_code(lines)
    block: list[str] = ["```"] if fence else []
    for at, line in enumerate(lines):
        if _FENCE.match(line):
            if not fence and block:
                yield block
                block = []
            fence = not fence
            block.append(line)
            if not fence:
                yield block
                block = []
            continue
        is_title = at + 1 < len(lines) and _HEADING.match(lines[at + 1]) is not None and bool(line.strip())
        if not fence and (
            not line.strip()
            or _HIDDEN.match(line)
            or _HEADING.match(line)
            or (is_title and not _ROW.match(line) and not block)
        ):
            if block:
                yield block
            block = []
            continue
        block.append(line)
    if block:
        yield block


def _begins_in_code(lines: list[str]) -> bool:
    """Whether a passage was cut within a block of code: its first fence closes one that stands before it."""
    fences = [at for at, line in enumerate(lines) if _FENCE.match(line)]
    if len(fences) % 2 == 0 or lines[fences[0]].strip("`~ \t") != "":
        return False
    first = fences[0]
    return first > 0 and lines[first - 1].strip() != "" and not "".join(lines[first + 1 : first + 2]).strip()


def _lead(found: list[Span]) -> str:
    return found[-1].text if found else ""


def _of_block(block: list[str], number: int, lead: str, columns: str) -> Iterator[Span]:
    if _FENCE.match(block[0]):
        body = "\n".join(line for line in block if not _FENCE.match(line))
        if body.strip():
            parts = [*_remarks(body, number), *_options(body, number)] if len(body) > _LONG else []
            yield from parts or [Span(body[:1500], "code", lead, group=number)]
    elif _ROW.match(block[0]):
        yield from _rows(block, number, lead, columns)
    elif _DIRECTIVE.match(block[0]) and len(block) == 1:
        return
    elif any(_ITEM.match(line) for line in block):
        yield from _items(block, number, lead)
    elif all(line.startswith(("   ", "\t")) for line in block) and (lead.endswith("::") or _is_code(block)):
        yield Span("\n".join(block)[:1500], "code", lead, group=number)
    else:
        yield from _sentences("\n".join(block), number, lead)


def _remarks(body: str, number: int) -> Iterator[Span]:
    """The comments of a block that is a commented reference, each with the line that it is about."""
    found: list[list[str]] = []
    within = False
    for line in body.split("\n"):
        if _COMMENT.match(line):
            if not within:
                found.append([])
            found[-1].append(line)
        elif within and line.strip():
            found[-1].append(line)
        within = _COMMENT.match(line) is not None
    if len(found) >= _REMARKS:
        for lines in found:
            yield Span("\n".join(lines).strip()[:1500], "sentence", group=number)


def _options(body: str, number: int) -> Iterator[Span]:
    """The options of a program's usage, each with what is said of it."""
    found: list[list[str]] = []
    within = False
    for line in body.split("\n"):
        if _OPTION.match(line):
            found.append([line])
            within = True
        elif within and line.strip():
            found[-1].append(line)
        else:
            within = False
    if len(found) >= _REMARKS:
        for lines in found:
            yield Span("\n".join(lines).strip()[:1500], "item", group=number)


def _is_code(block: list[str]) -> bool:
    """Whether most lines of an indented block look like a program or a command."""
    return sum(_CODE.search(line) is not None for line in block) * 2 > len(block)


def _rows(block: list[str], number: int, lead: str, columns: str) -> Iterator[Span]:
    head = ""
    rows = block
    if len(block) > 1 and _RULE.match(block[1]):
        head, rows = block[0], block[2:]
    names = tuple(cells(head or columns))
    for row in rows:
        if not _RULE.match(row):
            yield Span(row.strip(), "row", lead if lead.endswith(":") else "", names, head.strip(), group=number)


def cells(row: str) -> list[str]:
    """The cells of a table's row."""
    match = _ROW.match(row)
    return [cell.strip() for cell in match.group(1).split("|")] if match else []


def _items(block: list[str], number: int, lead: str) -> Iterator[Span]:
    """Items of a list with their continued lines; what stands before the first one leads into them."""
    items: list[list[str]] = []
    opening: list[str] = []
    for line in block:
        if _ITEM.match(line):
            items.append([line])
        elif items:
            items[-1].append(line)
        else:
            opening.append(line)
    if opening:
        sentences = list(_sentences("\n".join(opening), number, lead))
        yield from sentences
        lead = sentences[-1].text if sentences else lead
    lead = lead if lead.rstrip("*_").endswith(":") or opening else ""
    for item in items:
        yield Span("\n".join(item).rstrip(), "item", lead, step=_STEP.match(item[0]) is not None, group=number)


def _sentences(paragraph: str, number: int, lead: str) -> Iterator[Span]:
    start, before = 0, lead if lead.endswith(":") else ""
    for match in [*_END.finditer(paragraph), None]:
        end = match.start() if match else len(paragraph)
        piece = paragraph[start:end].strip()
        if match and (_ABBREVIATED.search(piece) or not piece):
            continue
        if piece:
            yield Span(piece, "sentence", before, group=number)
            before = piece
        start = match.end() if match else end
