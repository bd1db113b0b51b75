"""Collects the claims of an answer, with what they cite."""

import re
from collections.abc import Iterable
from typing import Any

from groundswell.agents.drafts import Block, Draft
from groundswell.core.records import Citation, Claim, Excerpt, Ranked

_RANGE = re.compile(r"#L(\d+)(?:-L(\d+))?$")
_BETWEEN = r"(?:[\s*/#;>-]|<!--)+"  # what may stand between two words of a comment: line breaks and its markers


class Sheet:
    """Claims in blocks, in the order in which they are said."""

    def __init__(self) -> None:
        self._claims: list[dict[str, Any]] = []
        self._blocks: list[Block] = []
        self._places: dict[str, dict[str, None]] = {}
        self.told: set[str] = set()  # definitions that were said, by `path:line`
        self.ranked: list[Ranked] = []
        self.missing: list[str] = []
        self.question = ""
        self.needs_model = False

    def __bool__(self) -> bool:
        return bool(self._claims)

    def block(self, title: str = "", *, bullets: bool = False) -> None:
        """Begin a block; one without claims does not show."""
        self._blocks.append(Block(title=title, claims=[], bullets=bullets))

    def say(self, text: str, *cited: Citation | None, inferred: bool = False, confidence: float = 1.0) -> None:
        """Claim something. Without anything to cite it is not said."""
        citations = tuple(dict.fromkeys(each for each in cited if each is not None))
        if not citations:
            return
        if not self._blocks:
            self.block()
        kind = "inferred" if inferred else "observed"
        claim = Claim(text=text, kind=kind, confidence=confidence, citations=citations)
        self._blocks[-1].setdefault("claims", []).append(len(self._claims))
        self._claims.append(claim.model_dump(mode="json"))

    def cite(self, excerpt: Excerpt | None, quote: str = "", *, line: int = 0) -> Citation | None:
        """A citation of words in an excerpt, or of one of its lines; None where they do not stand there."""
        if excerpt is None or not excerpt.digest:
            return None
        found = _line(excerpt, line) if line else _words(excerpt.text, quote) if quote else _first(excerpt.text)
        if found is None:
            return None
        start, end = found
        self._places.setdefault(excerpt.digest, {})[excerpt.source] = None
        return Citation(evidence=excerpt.digest, source=_narrowed(excerpt, start, end), quote=excerpt.text[start:end])

    def update(self) -> dict[str, Any]:
        """What a node returns."""
        draft = Draft(
            claims=self._claims,
            blocks=self._blocks,
            ranked=[each.model_dump(mode="json") for each in self.ranked],
            needs_model=self.needs_model,
            question=self.question,
            missing=list(dict.fromkeys(self.missing)),
        )
        places = {digest: list(sources) for digest, sources in self._places.items()}
        return {"draft": draft, "places": places}


def _first(text: str) -> tuple[int, int] | None:
    """The first line that says something."""
    match = re.search(r"^[^\S\n]*(\S.*?)[^\S\n]*$", text, re.MULTILINE)
    return match.span(1) if match else None


def _line(excerpt: Excerpt, line: int) -> tuple[int, int] | None:
    own = _RANGE.search(excerpt.source)
    lines = excerpt.text.split("\n")
    index = line - int(own.group(1)) if own else -1
    if not 0 <= index < len(lines) or not lines[index].strip():
        return None
    start = sum(len(each) + 1 for each in lines[:index])
    text = lines[index]
    return start + len(text) - len(text.lstrip()), start + len(text.rstrip())


def _words(text: str, quote: str) -> tuple[int, int] | None:
    """Where some words stand, over the line breaks and markers of a comment."""
    words = quote.split()
    match = re.search(_BETWEEN.join(map(re.escape, words)), text) if words else None
    return match.span() if match else None


def _narrowed(excerpt: Excerpt, start: int, end: int) -> str:
    """The source of a part of an excerpt."""
    own = _RANGE.search(excerpt.source)
    if own is None:
        return excerpt.source
    first = int(own.group(1)) + excerpt.text.count("\n", 0, start)
    last = first + excerpt.text.count("\n", start, end)
    base = excerpt.source[: own.start()]
    return f"{base}#L{first}" if first == last else f"{base}#L{first}-L{last}"


def listed(items: Iterable[str]) -> str:
    """`a, b and c`."""
    words = list(items)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 file`, `2 files`."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def sentence(text: str, longest: int = 200) -> str:
    """The first sentence of a documentation, cut between words where it is too long."""
    text = " ".join(text.split())
    match = re.match(r".{15,}?[.!?](?=\s+[A-Z0-9\"'“]|$)", text)
    text = match.group() if match else text
    if len(text) <= longest:
        return text
    return text[:longest].rsplit(" ", 1)[0]


def code(text: str, longest: int = 110) -> str:
    """A piece of code as it stands in a sentence."""
    text = " ".join(text.replace("`", "").split())
    return f"`{text}`" if len(text) <= longest else f"`{text[:longest].rsplit(' ', 1)[0]}…`"
