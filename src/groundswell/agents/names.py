"""The names in a text: identifiers, paths, addresses, what stands in quotes, and proper names."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from groundswell.agents.mentions import is_unit, mentions
from groundswell.agents.ordinary import ORDINARY
from groundswell.agents.words import STOP, content, stem

_QUOTED = re.compile(r"`([^`]+)`|“([^”]+)”|\"([^\"]+)\"")
_ELIDED = re.compile(r"\s*(?:…|\.\.\.)\s*")
_PLACE = re.compile(r"[\w./@+-]+(?::|#L)\d+(?:[-–]L?\d+)?")
_TOKEN = re.compile(r"[^\s,;()\[\]{}<>\"“”|*]+")
_NAME_PART = re.compile(r"[A-Za-z_$][\w$]*|\d+(?:\.\d+)*")
_MARKERS = re.compile(r"^[ \t]*(?://+[!/]?|#+!?|/?\*+/?|--+|;+|>+)[ \t]?", re.MULTILINE)
_DOTTED = re.compile(r"\.?[A-Za-z_$][\w$-]*(?:\.[A-Za-z_$*][\w$-]*)+")
_IDENTIFIER = re.compile(r"[\w$.]*(?:_|::|->|#|\(\)|[a-z0-9][A-Z])[\w$.:#>()-]*")
_FLAG = re.compile(r"--?[A-Za-z][\w-]*")
_MIXED = re.compile(r"(?=[^\d]*\d)(?=[^A-Za-z]*[A-Za-z])[\w.-]+")
_AMOUNT = re.compile(r"[-−]?[\d.,_]+(?:[A-Za-zµ%]{1,12})?(?:/[a-z]+)?|\d+(?:st|nd|rd|th|x)")
_KEBAB = re.compile(r"[a-z]+(?:-[a-z]+)+")
_UPPER = re.compile(r"[A-Z]{2,}s?")
_PROPER = re.compile(r"[A-Z][a-z]+(?:'s)?")
_VERB = re.compile(r"(?:ed|ly|able|ible)$")
_BEGINS = re.compile(r"(?:^|[.!?:;\n(“\"]\s*|[-–•*]\s+)$")
_ORDINARY_PARTS = frozenset(
    """re non self so well long short high low multi single pre post up out in on off to by of the and or built time
    based like read write only free safe wide level end open user built least most one two first last real run full part
    half self case line word side down over under per back front cross sub co non hand high""".split()  # noqa: SIM905
)
_ORDINARY = STOP | frozenset(
    """according additionally afterwards all also although among answer any because before besides both call called
    caller callers calls code combined compare consequently currently defined definition definitions depends described
    description directly documentation documented due during each early either elsewhere entry error errors even every
    evidence example exactly except exported few file files finally first for found four frame from function functions
    further given hence however if imported imports in inside instead its last later likely line lines locally main
    many matches method methods module modules most moreover much nearest neither never next no none nor not nothing
    now occurrences of once one only otherwise over parameters part perhaps place places possibly probably raised
    raises read reads reason related result results return returned returns run same second see seen several similar
    similarly since so some sometimes source specifically still stands subclass subclassed subclasses such takes
    test tested tests text than that then there therefore these this those three thus together too total two type types
    under unless unlike until usage use used users uses value values via what when where whether which while who why
    with within without yes yet class classes variable constant package inherited inherits instances handles creates
    contains exports declares covers mentions names passes sets starts stops works writes says shows adds checks
    builds runs makes gets loads sends parses overrides implements wraps extends""".split()  # noqa: SIM905
)
_KINDS = (
    "function|method|class|module|package|variable|constant|field|attribute|parameter|argument|option|flag|table|column|"
    "service|pod|container|deployment|namespace|node|host|user|branch|command|endpoint|queue|topic|secret|database|job|"
    "volume|bucket|cluster|image|account|repository|server|client|team|app|application|agent|worker|region"
)
_WHERE_NAMES_STAND = (
    re.compile(rf"\b(?i:{_KINDS}|named|called)\s+([a-z][\w-]*[a-z0-9_])\b"),
    re.compile(rf"\b([a-z][\w-]*[a-z0-9_])\s+(?:{_KINDS})s?\b"),
    re.compile(
        r"\b(?:to|from|by|of|on|in|at|via|into)\s+(?:the\s+|an?\s+)?([a-z][\w-]*[a-z0-9_])"
        r"(?=[.,;:)]|$|\s+(?:at|on|in|to|from|by|of|for|and|or|but|with|was|is|were|are|has|had|did|does|after|before)\b)"
    ),
    re.compile(r"^([a-z][\w-]*[a-z0-9_])(?![\w./:@-])"),
)


class Name(NamedTuple):
    """Something that must stand where the text is grounded."""

    text: str
    exact: bool = True  # capitals matter
    loose: bool = False  # only its stem must stand there

    def stands(self, text: str) -> bool:
        """Whether it stands in a text, as a whole."""
        if self.loose:
            return stem(self.text) in content(text) or self.text.lower() in text.lower().split()
        if _pattern(self.text, self.exact).search(text):
            return True
        if " " not in self.text or not (bare := _without_markers(self.text).strip()):
            return False
        return _pattern(bare, self.exact).search(_without_markers(text)) is not None

    def in_parts(self, near: str, far: Iterable[str]) -> bool:
        """Whether every part of a qualified name, or of a piece of code, stands there by itself."""
        if self.loose or "/" in self.text or (not self.exact and " " in self.text):
            return False
        pieces = _NAME_PART.findall(self.text)
        if len(pieces) < 2:
            return False
        lines = list(far)
        return all(any(Name(piece).stands(text) for text in (near, *lines)) for piece in pieces)


@lru_cache(4096)
def _pattern(name: str, exact: bool) -> re.Pattern[str]:
    """A name as a whole: no letter, digit or, where it has hyphens itself, hyphen may touch it."""
    edge = r"\w-" if "-" in name and " " not in name else r"\w"
    before = rf"(?<![{edge}])" if re.match(r"\w", name) else ""
    after = rf"(?![{edge}])" if re.search(r"\w$", name) else ""
    if name.isalpha() and name.isupper():
        after = rf"s?{after}"  # many URLs are of the name URL
    body = r"\s+".join(re.escape(part) for part in name.split())
    return re.compile(f"{before}{body}{after}", 0 if exact else re.IGNORECASE)


@lru_cache(512)
def _without_markers(text: str) -> str:
    """A text without the markers of comments and quotations: a sentence is the same with and without them."""
    return re.sub(r"[`\"“”]", "", _MARKERS.sub(" ", text))


@lru_cache(1024)
def names(text: str) -> tuple[Name, ...]:
    """The names in a claim."""
    found = dict.fromkeys(_quoted(text))
    bare = _QUOTED.sub(lambda match: " " * len(match.group()), text)
    rest = mentions(bare).rest
    for match in _TOKEN.finditer(rest):
        token = match.group().strip(".:!?'’…–—=").removesuffix("'s").removesuffix("’s")
        begins = _BEGINS.search(text[: match.start()]) is not None
        for piece in token.split("="):
            found.update(dict.fromkeys(_classified(piece, begins)))
    for pattern in _WHERE_NAMES_STAND:
        for match in pattern.finditer(rest):
            word = match.group(1)
            if stem(word) not in ORDINARY and not is_unit(word) and not _VERB.search(word):
                found[Name(word, exact=False, loose=True)] = None
    return tuple(found)


def _quoted(text: str) -> Iterator[Name]:
    for code, curly, straight in _QUOTED.findall(text):
        if code:
            if not _PLACE.fullmatch(code):
                yield from (Name(part.removesuffix("()")) for part in _ELIDED.split(code) if part.strip("() "))
        else:
            yield from (Name(part, exact=False) for part in _ELIDED.split(curly or straight) if part.strip())


def _classified(token: str, begins: bool) -> Iterator[Name]:
    if len(token) < 2 or _AMOUNT.fullmatch(token) or is_unit(token):
        return
    if "://" in token or "@" in token or _FLAG.fullmatch(token):
        yield Name(token.rstrip("/"))
    elif "/" in token:
        yield from _slashed(token, begins)
    elif token.lower().rstrip(".") not in ("e.g", "i.e", "etc", "vs") and _DOTTED.fullmatch(token):
        yield Name(token)
    elif _IDENTIFIER.fullmatch(token):
        yield Name(token.removesuffix("()"))
    elif _MIXED.fullmatch(token):
        yield Name(token, exact=False)
    elif _KEBAB.fullmatch(token):
        if _ORDINARY_PARTS.isdisjoint(token.split("-")):
            yield Name(token, exact=False)
    elif _UPPER.fullmatch(token):
        yield Name(token.removesuffix("s") if len(token) > 3 else token, exact=False)
    elif _PROPER.fullmatch(token) and token.lower() not in (_ORDINARY if begins else STOP):
        yield Name(token, exact=False, loose=True)
    elif "-" in token:
        for piece in token.split("-"):
            yield from _classified(piece, begins)


def _slashed(token: str, begins: bool) -> Iterator[Name]:
    """A path; or words that stand for each other, as in `and/or`."""
    pieces = [piece for piece in token.split("/") if piece]
    is_path = token.count("/") > 1 or token.startswith(("/", "./", "~")) or any("." in piece[1:] for piece in pieces)
    if is_path:
        yield Name(token.rstrip("/"))
        return
    for piece in pieces:
        yield from _classified(piece, begins)
