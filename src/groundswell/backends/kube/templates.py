"""Log lines by what they have in common: a small Drain (a tree by length and first words, then by likeness)."""

import re
from dataclasses import dataclass, field

_VARIABLE = re.compile(
    r"""\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b  # a UUID
    |\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*|\b\d\d:\d\d:\d\d\S*          # a time
    |\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b                                # an address
    |\b0x[0-9a-f]+\b|\b(?=[0-9a-f]*\d)[0-9a-f]{7,}\b                     # a number in hexadecimal
    |-?\d+(?:\.\d+)?                                                     # any other number
    """,
    re.IGNORECASE | re.VERBOSE,
)
_ANY = "<*>"
_LIKE = 0.6  # of a line's words stand where the template has them
_DEPTH = 2  # words, from the first that is no variable, that lead to a leaf
_LONGEST = 60  # words that are compared
_GROUPS = 400  # a log with more kinds of line than this is no longer told apart


@dataclass
class Group:
    """Lines that are like each other."""

    words: list[str]
    first: int  # the number of its first line
    last: int
    text: str  # of its first line
    count: int = 1


@dataclass
class Templates:
    """The groups of one log, in the order in which they came."""

    groups: list[Group] = field(default_factory=list[Group])
    leaves: dict[tuple[int, str], list[Group]] = field(default_factory=dict[tuple[int, str], list[Group]])

    def add(self, number: int, text: str) -> Group:
        """Put a line where it belongs."""
        words = _VARIABLE.sub(_ANY, text[:2000]).split()[:_LONGEST]
        lead = " ".join([word for word in words if _ANY not in word][:_DEPTH])
        leaf = self.leaves.setdefault((len(words), lead), [])
        for group in leaf:
            if _likeness(group.words, words) >= _LIKE or len(self.groups) >= _GROUPS:
                group.words = [a if a == b else _ANY for a, b in zip(group.words, words, strict=True)]
                group.last, group.count = number, group.count + 1
                return group
        group = Group(words, number, number, text)
        leaf.append(group)
        self.groups.append(group)
        return group


def _likeness(one: list[str], other: list[str]) -> float:
    same = sum(a == b for a, b in zip(one, other, strict=True))
    return same / len(one) if one else 1.0
