"""The numbers of an answer's citations: one for each place, and neighbouring lines of one evidence are one place."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from groundswell.core.records import Citation, Claim

NEIGHBOURS = 2  # lines


@dataclass
class Entry:
    """One place that is cited."""

    number: int
    evidence: str
    path: str
    start: int  # 0: a place without lines
    end: int
    quotes: list[str] = field(default_factory=list[str])

    @property
    def place(self) -> str:
        """As people write it: `src/a.py:3-9`."""
        return written(self.path, self.start, self.end)

    def is_near(self, path: str, start: int, end: int) -> bool:
        """Whether these lines are part of this place, or next to it."""
        apart = start - self.end > NEIGHBOURS or self.start - end > NEIGHBOURS
        return path == self.path and (not apart if start and self.start else start == self.start)


def numbered(claims: Iterable["Claim"]) -> dict[str, Entry]:
    """The entry of every source that claims cite, numbered in the order in which they come."""
    entries: list[Entry] = []
    of_source: dict[str, Entry] = {}
    for citation in (citation for claim in claims for citation in claim.citations):
        entry = of_source.get(citation.source) or _entry(entries, citation)
        of_source[citation.source] = entry
        if not any(citation.quote in quote for quote in entry.quotes):
            entry.quotes.append(citation.quote)
    return of_source


def _entry(entries: list[Entry], citation: "Citation") -> Entry:
    path, start, end = parsed(citation.source)
    for entry in entries:
        if entry.evidence == citation.evidence and entry.is_near(path, start, end):
            entry.start, entry.end = min(entry.start, start), max(entry.end, end)
            return entry
    entries.append(Entry(len(entries) + 1, citation.evidence, path, start, end))
    return entries[-1]


def place(source: str) -> str:
    """A source as people write it: `repo:src/a.py#L3-L9` is `src/a.py:3-9`."""
    return written(*parsed(source))


def parsed(source: str) -> tuple[str, int, int]:
    """Path, first and last line of a repository's source; of any other it whole, and no lines."""
    match = re.fullmatch(r"(?:repo|doc):(.*?)(?:#L(\d+)(?:-L(\d+))?)?", source, re.DOTALL)
    if match is None:
        return source, 0, 0
    path, start, end = match.groups()
    return path, int(start or 0), int(end or start or 0)


def written(path: str, start: int, end: int) -> str:
    """A path and its lines."""
    if not start:
        return path
    return f"{path}:{start}" if start == end else f"{path}:{start}-{end}"
