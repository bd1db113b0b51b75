"""Finds the piece of text that answers: by what it covers of the question, where, and of which kind it is.

A piece is judged together with what frames it: its table's head, the sentence that leads into it, its headings, the
page's title. A question's word that nothing there stands for counts against it, the more the rarer the word: a passage
about the right thing that does not speak of what is asked is no answer.
"""

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypedDict

from groundswell.agents.web.kinds import holds, is_strict
from groundswell.agents.web.question import Asked
from groundswell.agents.web.senses import LIGHT, SYNONYM, alike, said
from groundswell.agents.web.units import Span, spans
from groundswell.agents.words import content, stem
from groundswell.core.records import Passage

KEPT = 24  # units that are looked at closely
COVER, KIND, NEAR, RANK = 0.66, 0.16, 0.14, 0.04  # what each counts for
THRESHOLD = 0.64  # below it nothing is an answer
LOST = 0.34  # of the score, for a whole word of the question that is nowhere
NEAREST, FARTHEST = 0.70, 0.15  # cosines that count as the same, and as nothing
_IN_UNIT, _IN_FRAME, _IN_HEADING, _IN_TITLE, _BESIDE, _NEARBY, _IN_PASSAGE = 1.0, 0.9, 0.88, 0.75, 0.65, 0.6, 0.35


class Unit(TypedDict):
    """A piece of text that may answer, as JSON."""

    text: str
    kind: str
    passage: int  # its place among the passages
    span: int  # its place in the passage
    score: float
    covered: float
    missing: list[str]  # stems of the question that nothing here stands for
    holds: float


def ranked(question: Asked, passages: Sequence[Passage], kin: Mapping[str, Sequence[str]] | None = None) -> list[Unit]:
    """The best pieces, best first. `kin`: for words of the question, those that mean nearly the same."""
    others = {term: frozenset(near) for term, near in (kin or {}).items()}
    weights = weighed(question, passages)
    found: list[Unit] = []
    for number, passage in enumerate(passages):
        frame = Frame(passage, number / max(len(passages), 1))
        for place, span in enumerate(frame.spans):
            found.append(_unit(question, weights, others, frame, span, number, place))
    found.sort(key=lambda unit: (-unit["score"], unit["passage"], unit["span"]))
    return found[:KEPT]


def compared(question: Asked, units: Sequence[Unit], nearness: Sequence[float]) -> list[Unit]:
    """The same with what they mean; where nothing embeds texts, words count for all of it."""
    if not nearness:
        return [Unit({**unit, "score": round(unit["score"] / (1 - NEAR), 4)}) for unit in units]
    found: list[Unit] = []
    for unit, cosine in zip(units, nearness, strict=True):
        share = min(1.0, max(0.0, (cosine - FARTHEST) / (NEAREST - FARTHEST)))
        found.append(Unit({**unit, "score": round(unit["score"] + NEAR * share, 4)}))
    return sorted(found, key=lambda unit: -unit["score"])


class Frame:
    """A passage, and what frames its pieces."""

    def __init__(self, passage: Passage, depth: float) -> None:
        self.passage, self.depth = passage, depth
        self.spans = spans(passage.excerpt.text, passage.columns)
        self.asks = bool(passage.headings) and passage.headings[-1].endswith("?")  # what follows is the reply
        self.headings = words(" ".join(passage.headings[-1:]))
        self.above = words(" ".join([passage.page, *passage.headings[:-1], _path(passage.excerpt.source)]))
        self.whole = words(passage.excerpt.text)
        self.groups: dict[int, frozenset[str]] = {}
        for span in self.spans:
            self.groups[span.group] = self.groups.get(span.group, frozenset()) | words(span.text)
        self.all_text = " ".join(
            [passage.page, *passage.headings, passage.excerpt.source, passage.updated, passage.excerpt.text]
        )


@lru_cache(8192)
def words(text: str) -> frozenset[str]:
    """The stems of a text; two-letter words that look like names stay."""
    return content(text)


def weighed(question: Asked, passages: Sequence[Passage]) -> dict[str, float]:
    """What each of the question's words counts: what only few passages say counts most."""
    texts = [words(" ".join([p.page, *p.headings, p.excerpt.text])) for p in passages]
    found: dict[str, float] = {}
    for term in question["terms"]:
        seen = sum(any(alike(term, word) for word in text) for text in texts)
        share = math.log((1 + len(texts)) / (0.5 + seen)) / math.log((1 + len(texts)) / 0.5) if texts else 1.0
        found[term] = 0.35 + 0.65 * max(0.0, share)
    return found


def _unit(
    question: Asked,
    weights: Mapping[str, float],
    kin: Mapping[str, frozenset[str]],
    frame: Frame,
    span: Span,
    passage: int,
    place: int,
) -> Unit:
    own = words(span.text) | said(span.text)
    framing = words(" ".join(span.columns)) | (
        words(span.before) if span.before.rstrip("*_ ").endswith((":", "?")) else frozenset()
    )
    beside = words(span.before)
    is_reply = frame.asks and span.group == frame.spans[0].group
    total = covered = lost = 0.0
    missing: list[str] = []
    for term, weight in weights.items():
        best = max(
            _IN_UNIT * _stands(term, own),
            _IN_FRAME * _stands(term, framing),
            (1.0 if is_reply else _IN_HEADING) * _stands(term, frame.headings),
            _IN_TITLE * _stands(term, frame.above),
            _BESIDE * _stands(term, beside),
            _NEARBY * _stands(term, frame.groups.get(span.group, frozenset())),
            (_NEARBY if span.kind == "row" else _IN_PASSAGE) * _stands(term, frame.whole),
        )
        if best < SYNONYM and term in kin and kin[term] & (own | framing | frame.headings):
            best = SYNONYM
        if term in LIGHT:
            weight *= 0.3
        total += weight
        covered += weight * best
        if best <= _IN_PASSAGE:
            missing.append(term)
            lost += weight * (0.5 if best else 1.0)
    share = covered / total if total else 0.0
    kind = holds(question["kind"], _without(question["names"], span.text), span.kind)
    score = COVER * share + KIND * kind + RANK * (1 - frame.depth)
    if is_strict(question["kind"]) and kind == 0.0:
        score *= 0.6
    score *= max(0.4, 1 - LOST * lost)
    score *= _counts(question, span) * _in_range(question, span)
    score *= _constrained(question, frame, span)
    if span.text.rstrip("*_ ").endswith("?"):
        score *= 0.55  # a question is no answer
    if _POINTS.search(span.text) and place + 1 == len(frame.spans):
        score *= 0.55  # nor is what leads into something that is not here
    if span.kind == "code" and question["kind"] not in ("howto", "command"):
        score *= OF_CODE
    if question["kind"] in ("howto", "command") and place + 1 < len(frame.spans):
        score *= 1.05 if frame.spans[place + 1].kind == "code" else 1.0
    if is_reply:
        score *= 1.04 if place == 0 else 0.97
    elif not own & frozenset(_kin_terms(question["terms"], own)):
        score *= 0.85  # it says none of it itself
    return Unit(
        text=span.text,
        kind=span.kind,
        passage=passage,
        span=place,
        score=round(score, 4),
        covered=round(share, 4),
        missing=missing,
        holds=kind,
    )


_POINTS = re.compile(
    r"\b(?:like this|as follows|the following|following \w+|(?:an|for) example|this way|below)\W*:\W*$", re.I
)
OF_CODE = 0.92  # an example shows more than it says
_TOKEN = re.compile(r"[\w.,-]*\w")
_AMOUNT = re.compile(
    r"\d[\d.,]*|no|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|"
    r"hundred|thousand|million|billion|several|unlimited"
)
UNCOUNTED = 0.68
_RANGE = re.compile(r"(?<!\d)(\d+(?:\.\d+)?)\s?(?:%|[a-z]{1,3})?\s?(?:to|-|–|and)\s?(\d+(?:\.\d+)?)", re.IGNORECASE)
_BELOW = re.compile(r"\b(?:up to|less than|under|below|at most)\s(\d+(?:\.\d+)?)", re.IGNORECASE)
_ABOVE = re.compile(
    r"\b(?:over|more than|above|at least|from)\s(\d+(?:\.\d+)?)(?!\s?\w*\s?(?:to|-|–)\s?\d)", re.IGNORECASE
)


def _in_range(question: Asked, span: Span) -> float:
    """More for the row whose range holds the question's number, less for one whose range does not."""
    if not question["numbers"] or span.kind == "code":
        return 1.0
    first = span.text.strip("| ").split("|")[0] if span.kind == "row" else span.text
    ranges = [(float(low), float(high)) for low, high in _RANGE.findall(first)]
    ranges += [(-math.inf, float(high)) for high in _BELOW.findall(first)]
    ranges += [(float(low), math.inf) for low in _ABOVE.findall(first)]
    if not ranges:
        return 1.0
    values = [float(number.replace(",", "")) for number in question["numbers"]]
    return 1.15 if any(low <= value <= high for value in values for low, high in ranges) else 0.75


def _counts(question: Asked, span: Span) -> float:
    """Less where `how many` asks for things of which the text gives no number."""
    asked_for = question["counted"]
    if not asked_for or question["kind"] != "number":
        return 1.0
    columns = words(" ".join(span.columns))
    lead = words(span.before) if span.before.endswith(":") else frozenset[str]()
    if any(_stands(word, columns | lead) for word in asked_for):
        return 1.0
    if span.kind == "row":  # the row is about it, and a column says how many
        return 1.0 if any(_stands(word, words(span.text)) for word in asked_for) else UNCOUNTED
    tokens = _TOKEN.findall(span.text.lower())
    for at, token in enumerate(tokens):
        near = {stem(each) for each in tokens[at + 1 : at + 4]}
        if _AMOUNT.fullmatch(token) and any(alike(word, each) for word in asked_for for each in near):
            return 1.0
    stated = re.search(r"\bnumber of ([\w -]+)|\b([\w-]+):\s*\d", span.text, re.IGNORECASE)
    return 1.0 if stated and any(_stands(word, words(stated.group())) for word in asked_for) else UNCOUNTED


def _without(names: Sequence[str], text: str) -> str:
    """A text without the question's own names: they are no news."""
    for name in names:
        text = re.sub(rf"\b{re.escape(name)}\b", " ", text)
    return text


def _kin_terms(terms: Sequence[str], own: frozenset[str]) -> set[str]:
    return {word for word in own for term in terms if alike(term, word)}


@lru_cache(65536)
def _stands(term: str, text: frozenset[str]) -> float:
    if term in text:
        return 1.0
    return max((alike(term, word) for word in text), default=0.0)


def _constrained(question: Asked, frame: Frame, span: Span) -> float:
    """Less where a name, version or year of the question is not what the passage is about."""
    factor = 1.0
    for version in question["versions"]:
        if not re.search(rf"(?<![\d.]){re.escape(version)}(?![\d]|\.\d)", frame.all_text):
            factor *= 0.45
    for year in question["years"]:
        if year not in frame.all_text:
            factor *= 0.45
    lower = frame.all_text.lower()
    for name in question["names"]:
        pieces = [piece for piece in re.split(r"[\s()]+", name.lower()) if len(piece) > 1]
        if pieces and not all(_mentions(piece, lower) for piece in pieces):
            factor *= 0.55
    in_range = _in_range(question, span) > 1
    for number in question["numbers"]:
        if number not in frame.all_text and not in_range:
            factor *= 0.8
    return factor


def _mentions(piece: str, text: str) -> bool:
    return piece in text or (len(piece) > 4 and piece.removesuffix("s") in text)


def _path(source: str) -> str:
    """The words of a page's address."""
    return re.sub(r"#L\d+(?:-L\d+)?$|^https?://[^/]+|^doc:[^/]+", "", source).replace("-", " ").replace("/", " ")
