"""What a rule finds: what is wrong with which object, by which evidence, and what that may rest on."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from groundswell.agents.observability.world import Happening, Line, Ref, Thing
from groundswell.core.records import Excerpt

Depth = Literal[0, 1, 2, 3]  # a symptom, what brings it about, a cause, a cause that nothing here lies behind


@dataclass(frozen=True)
class Quote:
    """Words in the evidence."""

    excerpt: Excerpt
    words: str
    line: int = 0  # of a log: the line that is cited, whole


@dataclass(frozen=True)
class Statement:
    """One sentence with what it cites. The first of its wordings that the evidence bears is said."""

    wordings: tuple[str, ...]
    quotes: tuple[Quote, ...]
    inferred: bool = False


@dataclass
class Finding:
    """Something wrong."""

    rule: str
    cause: str  # a word for what kind of thing it is, such as `image.tag`
    about: Ref
    headline: Statement
    kind: str = ""  # what kind of complaint it is, where it is one: see `messages`
    depth: Depth = 2
    weight: float = 0.5  # how surely something is broken by it, 0 to 1
    details: list[Statement] = field(default_factory=list[Statement])
    against: list[Statement] = field(default_factory=list[Statement])
    needs: set[Ref] = field(default_factory=set[Ref])  # what it may rest on: a finding about one of these explains it
    touches: set[Ref] = field(default_factory=set[Ref])  # other objects that it is seen at
    next: str = ""  # a command that only reads
    since: str = ""
    is_broken: bool = True  # now; else it is only worth knowing


def statement(text: str | Iterable[str], *quotes: Quote | None, inferred: bool = False) -> Statement:
    """A sentence, or several wordings of it, with what it cites."""
    wordings = (text,) if isinstance(text, str) else tuple(text)
    return Statement(wordings, tuple(each for each in quotes if each is not None), inferred)


def field_of(thing: Thing | None, *words: str) -> Quote | None:
    """Words of an object, the first that stand there; else its name."""
    if thing is None:
        return None
    flat = " ".join(thing.excerpt.text.split())
    for each in words:
        if each and " ".join(each.split()) in flat:
            return Quote(thing.excerpt, each)
    return Quote(thing.excerpt, f"name: {thing.ref.name}")


def event_of(happening: Happening | None) -> Quote | None:
    """An event's message."""
    return Quote(happening.excerpt, happening.message) if happening else None


def line_of(line: Line) -> Quote:
    """A line of a log."""
    return Quote(line.excerpt, line.text, line.number)


def quoted(text: str, longest: int = 170) -> str:
    """Words of the evidence in a sentence."""
    text = " ".join(text.split())
    if len(text) > longest:
        text = text[:longest].rsplit(" ", 1)[0] + "…"
    return f"“{text.replace('“', '').replace('”', '')}”"
