"""What an agent says is checked against what it cites: the one node that all agents end with.

A claim is `observed` if each quote stands in the evidence it cites, up to white space; if every number, date and name
in its text stands with the quote, in the rest of that evidence or in the source; and if the evidence does not say the
opposite. A claim is `inferred` if it cites evidence that an observed claim of the same answer cites, and its numbers,
dates and names occur in what it cites. What is neither is dropped, and counted.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from langgraph.runtime import Runtime

from groundswell.agents.drafts import Draft, answered
from groundswell.agents.mentions import (
    Clock,
    Day,
    Mentions,
    Number,
    PathLine,
    attached_numbers,
    is_named_by,
    mentions,
)
from groundswell.agents.names import Name, names
from groundswell.agents.negation import contradicts
from groundswell.agents.words import content
from groundswell.core.agent import Update
from groundswell.core.context import ReadEvidence, RunContext
from groundswell.core.records import Citation, Claim, Evidence

_RANGE = re.compile(r"#L(\d+)(?:-L?(\d+))?$")
_PROSE = (".md", ".rst", ".txt", ".log", ".adoc", ".markdown")
_SHARED = 0.34  # of a claim's words, where it names nothing that can be checked

_AROUND = 12  # lines


async def ground(state: Mapping[str, Any], runtime: Runtime[RunContext]) -> Update:
    """Keep the claims that their evidence bears, and make the answer of them.

    Reads `draft`, and `places`: digest → the sources that tools named for it, since the same words may stand in more
    places than the one that their evidence is stored with. Writes `answer`.
    """
    draft: Draft = state["draft"]
    claims, kept, reasons = await _checked(draft, state.get("places", {}), runtime.context.evidence)
    if reasons:
        dropped = [{"claim": claims[index].text, "why": why} for index, why in list(reasons.items())[:20]]
        runtime.context.note("grounding", kept=len(kept), dropped=dropped)
    return {"answer": answered(draft, claims, kept).model_dump(mode="json")}


async def standing(draft: Draft, places: Mapping[str, Sequence[str]], read: ReadEvidence) -> set[int]:
    """Which claims of a draft its evidence bears, by their place."""
    return (await _checked(draft, places, read))[1]


async def _checked(
    draft: Draft, places: Mapping[str, Sequence[str]], read: ReadEvidence
) -> tuple[list[Claim], set[int], dict[int, str]]:
    claims = [Claim.model_validate(claim) for claim in draft.get("claims", [])]
    digests = sorted({citation.evidence for claim in claims for citation in claim.citations})
    evidence: dict[str, Evidence] = {}
    for digest in digests:
        if (found := await read(digest)) is not None:
            evidence[digest] = found
    return claims, *grounded(claims, evidence, places)


def grounded(
    claims: Sequence[Claim],
    evidence: Mapping[str, Evidence],
    places: Mapping[str, Sequence[str]] | None = None,
) -> tuple[set[int], dict[int, str]]:
    """Which claims stand, and why the others do not, by their place."""
    kept: set[int] = set()
    reasons: dict[int, str] = {}
    observed: set[str] = set()
    for kind in ("observed", "inferred"):
        for index, claim in enumerate(claims):
            if claim.kind != kind:
                continue
            if why := refused(claim, evidence, places or {}, observed):
                reasons[index] = why
                continue
            kept.add(index)
            if kind == "observed":
                observed.update(citation.evidence for citation in claim.citations)
    return kept, reasons


def refused(
    claim: Claim,
    evidence: Mapping[str, Evidence],
    places: Mapping[str, Sequence[str]],
    observed: Iterable[str] = (),
) -> str:
    """Why a claim does not stand; "" where it does."""
    grounds: list[Ground] = []
    for citation in claim.citations:
        found = _ground(citation, evidence, places)
        if found is None:
            return f"the quote does not stand in {citation.source}"
        grounds.append(found)
    if not claim.text.strip() or not grounds:
        return "it cites nothing"
    is_inferred = claim.kind == "inferred"
    if is_inferred and not {ground.evidence.digest for ground in grounds} & set(observed):
        return "it cites nothing that was observed"
    basis = Basis(claim.text, grounds, counts=is_inferred and len(grounds) > 1)
    return basis.unknown() or basis.denied(supported=not is_inferred)


@dataclass(frozen=True)
class Ground:
    """A citation that holds: the evidence, and where in it the quote stands."""

    citation: Citation
    evidence: Evidence
    start: int  # of the quote in the evidence's text
    end: int
    lines: frozenset[int]  # of the source: those of the quote, and the first that is cited

    @property
    def base(self) -> str:
        """The source without its lines."""
        return _RANGE.sub("", self.citation.source)

    @property
    def is_code(self) -> bool:
        """Whether the source is a file of code."""
        name = self.base.rpartition("/")[2].lower()
        return self.base.startswith("repo:") and "." in name and not name.endswith(_PROSE)

    @cached_property
    def context(self) -> str:
        """The quote with what its sentence or line says around it."""
        text = self.evidence.text
        start, end = _line_start(text, self.start), _line_end(text, self.end)
        if self.is_code:
            return text[start:end]
        while start > 0 and _wraps(text, start):
            start = _line_start(text, start - 1)
        while end < len(text) and _wraps(text, end + 1):
            end = _line_end(text, end + 1)
        cut = max((m.end() for m in _SENTENCE.finditer(text, start, self.start + 1)), default=start)
        stop = _SENTENCE.search(text, max(self.end - 1, 0), end)
        return _WRAP.sub(" ", text[cut : stop.start() + 1 if stop else end])

    @cached_property
    def around(self) -> str:
        """The lines near the quote: they name what it speaks of."""
        first = self.evidence.text.count("\n", 0, self.start)
        last = self.evidence.text.count("\n", 0, self.end)
        return "\n".join(self.evidence.text.split("\n")[max(0, first - _AROUND) : last + _AROUND + 1])


_SENTENCE = re.compile(r"[.!?][\"')\]*_]*\s+(?=[A-Z0-9\"'(\[*_`])")


_WRAP = re.compile(r"(?<=[\w,-])[ \t]*\n[ \t]*(?=[a-z])")


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found


def _wraps(text: str, at: int) -> bool:
    """Whether the line that begins here goes on with the sentence of the line before."""
    before, after = text[:at].rstrip(" \t\r").removesuffix("\n"), text[at : at + 1]
    return bool(before) and before[-1:].isalnum() | (before[-1:] in ",-") and after.islower()


def _ground(citation: Citation, evidence: Mapping[str, Evidence], places: Mapping[str, Sequence[str]]) -> Ground | None:
    found = evidence.get(citation.evidence)
    words = citation.quote.split()
    if found is None or not words:
        return None
    asked = _span(citation.source)
    for source in (found.source, *places.get(citation.evidence, ())):
        own = _span(source)
        if _RANGE.sub("", source) != _RANGE.sub("", citation.source):
            continue
        if own is None:
            if asked is not None:
                continue
        elif asked is not None and not own[0] <= asked[0] <= asked[1] <= own[1]:
            continue
        pattern = r"\s+".join(map(re.escape, words))
        for match in re.finditer(pattern, found.text):
            lines = _lines(found.text, match, own, asked)
            if lines is not None:
                return Ground(citation, found, match.start(), match.end(), lines)
    return None


def _span(source: str) -> tuple[int, int] | None:
    match = _RANGE.search(source)
    return (int(match.group(1)), int(match.group(2) or match.group(1))) if match else None


def _lines(
    text: str, match: re.Match[str], own: tuple[int, int] | None, asked: tuple[int, int] | None
) -> frozenset[int] | None:
    """The lines a quote grounds; None where it stands outside those that are cited."""
    if own is None:
        return frozenset()
    first = own[0] + text.count("\n", 0, match.start())
    last = first + match.group().count("\n")
    start, end = asked or own
    if not start <= first <= last <= end:
        return None
    return frozenset({*range(first, last + 1), start})


def _spoken(text: str) -> list[str]:
    """The words and signs of a text in order, without its markup and the addresses of its links."""
    bare = re.sub(r"\]\([^()\s]*\)|[*_]{1,2}(?=\W|$)", " ", text.lower())
    return re.findall(r"[\w'\N{RIGHT SINGLE QUOTATION MARK}]+|[-+!<>=~\N{NOT EQUAL TO}]", bare)


class Basis:
    """What one claim rests on, and whether that bears it."""

    def __init__(self, text: str, grounds: Sequence[Ground], *, counts: bool) -> None:
        self.text, self.grounds, self.counts = text, grounds, counts
        self.claim = mentions(re.sub(r"[`“”\"]", " ", text))
        self.words = content(text)

    @cached_property
    def near(self) -> str:
        """The quotes with their sentences, and the sources' names."""
        return "\n".join([*(ground.context for ground in self.grounds), *self.sources])

    @cached_property
    def sources(self) -> list[str]:
        """The cited places, without lines."""
        return [ground.base for ground in self.grounds]

    @cached_property
    def far(self) -> list[str]:
        """The other lines of the evidence that speak of what the claim speaks of."""
        texts = {ground.evidence.digest: ground.evidence.text for ground in self.grounds}
        return [line for text in texts.values() for line in _sentences(text) if content(line) & self.words]

    def unknown(self) -> str:
        """The first number, date or name in the claim that stands nowhere in what it cites."""
        for name in names(self.text):
            if not self._knows_name(name):
                return f"{name.text!r} does not stand there"
        near = mentions(self.near)
        far = [mentions(line) for line in self.far]
        if missing := self._unknown_figure(near, far):
            return f"{missing} does not stand there"
        if not self._is_about():
            return "the evidence is about something else"
        return ""

    def denied(self, *, supported: bool) -> str:
        """Whether what is cited says the opposite; an inference may deny what nothing there speaks of."""
        said = _spoken(self.text)
        if any(said == _spoken(ground.context) for ground in self.grounds if not ground.is_code):
            return ""  # it is the whole sentence, word for word
        grounds = [ground for ground in self.grounds if supported or not ground.is_code]
        contexts = [(ground.context, ground.is_code) for ground in grounds]
        if contradicts(self.text, contexts, supported=supported):
            return "the evidence says the opposite, or nothing of the kind"
        return ""

    def _knows_name(self, name: Name) -> bool:
        if name.stands(self.near):
            return True
        around = "\n".join(ground.around for ground in self.grounds)
        rest = self.words - content(name.text)
        lines = (line for line in self.far if name.loose or content(line) & rest)
        if name.stands(around) or any(map(name.stands, lines)) or name.in_parts(self.near, (around, *self.far)):
            return True
        days = (day for known in map(mentions, (self.near, *self.far)) for readings in known.days for day in readings)
        return any(is_named_by(day, name.text) for day in days)

    def _unknown_figure(self, near: Mentions, far: Sequence[Mentions]) -> str:
        for number in self.claim.numbers:
            if not self._knows_number(number, near, far):
                return f"{number.value:g}"
        for readings in self.claim.days:
            if not any(_knows_day(readings, known) for known in (near, *far)):
                return "the date"
        for clock in self.claim.clocks:
            if not any(_knows_clock(clock, known) for known in (near, *far)):
                return f"{clock.hour}:{clock.minute:02}"
        for version in self.claim.versions:
            if not any(version in known.versions for known in (near, *(far if not near.versions else ()))):
                return version
        for place in self.claim.places:
            if not self._knows_place(place):
                return f"line {place.start}"
        return ""

    def _knows_number(self, number: Number, near: Mentions, far: Sequence[Mentions]) -> bool:
        if self.counts and number.value == len(self.grounds):
            return True
        if number.parts and all(self._knows_number(Number(part), near, far) for part in number.parts):
            return True
        if _has(near, number) or any(value == number.value for value in self._attached):
            return True
        if any(number.beside & other.beside for other in near.numbers):
            return False  # the quote itself says how many of these there are
        return any(_has(known, number) for known in far)

    @cached_property
    def _attached(self) -> list[float]:
        """Numbers that end a word whose beginning the claim has as a word: `python3.11` of `Python 3.11`."""
        said = {word.lower() for word in re.findall(r"[A-Za-z]+", self.text)}
        return [
            value
            for word, value in attached_numbers(self.near)
            if word in said or (len(word) == 1 and any(each.startswith(word) for each in said))
        ]

    def _knows_place(self, place: PathLine) -> bool:
        wanted = {place.start, place.end}
        for ground in self.grounds:
            path = ground.base.partition(":")[2]
            fits = not place.path or path == place.path or path.endswith(f"/{place.path}")
            whole = _span(ground.citation.source) == (place.start, place.end)
            if fits and (wanted <= ground.lines or whole or all(map(self._names_line(ground), wanted))):
                return True
        together = {line for ground in self.grounds for line in ground.lines}
        if not place.path and place.start != place.end and wanted <= together:
            return True
        return any(_names_place(text, place) for text in (self.near, *self.far))

    def _names_line(self, ground: Ground) -> Callable[[int], bool]:
        """Whether a line of the evidence has an identifier that the claim has."""
        own = _span(ground.evidence.source)
        lines = ground.evidence.text.split("\n")
        said = [name for name in names(self.text) if name.exact and not name.loose and "/" not in name.text]

        def has(line: int) -> bool:
            index = line - own[0] if own else -1
            return 0 <= index < len(lines) and any(name.stands(lines[index]) for name in said)

        return has

    def _is_about(self) -> bool:
        """A claim that names nothing must at least share words with what it cites."""
        if not self.words:
            return False
        shared = len(self.words & content("\n".join([self.near, *self.far])))
        if names(self.text) or self.claim.days or self.claim.places:
            return True
        return shared >= (1 if self.claim.numbers or self.claim.versions else len(self.words) * _SHARED)


def _sentences(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if len(line) < 240:
            yield line
        else:
            yield from _SENTENCE.split(line)


def _has(known: Mentions, number: Number) -> bool:
    for other in known.numbers:
        if other.same(number) or number.value in other.parts:
            return True
    if number.value.is_integer() and 1900 <= number.value <= 2100:
        return any(day.year == number.value for readings in known.days for day in readings)
    return False


def _knows_day(readings: Sequence[Day], known: Mentions) -> bool:
    return any(day.within(other) for day in readings for others in known.days for other in others)


def _knows_clock(clock: Clock, known: Mentions) -> bool:
    return any(clock.within(other) for other in known.clocks)


def _names_place(text: str, place: PathLine) -> bool:
    """Whether a text itself names lines of a file, as a traceback or a compiler does."""
    for known in mentions(text).places:
        fits = not place.path or not known.path or known.path.endswith(place.path) or place.path.endswith(known.path)
        named = fits and (known.path or not place.path or place.path.rpartition("/")[2] in text)
        if named and (known.start, known.end) == (place.start, place.end):
            return True
    return False
