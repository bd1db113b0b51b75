"""What a text mentions that can be checked: numbers, dates, times, versions, lines of files, and names."""

import datetime
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from groundswell.agents.words import content

MONTHS = "january february march april may june july august september october november december".split()  # noqa: SIM905
WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()  # noqa: SIM905
_SMALL = """zero - two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty"""
_NUMBER_WORDS = {word: value for value, word in enumerate(_SMALL.split()) if word != "-"} | {  # "one" is an article
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
    "twice": 2,
}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}

_TIME = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "msec": 1e-3,
    "millisecond": 1e-3,
    "s": 1,
    "sec": 1,
    "second": 1,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hr": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
    "week": 604800,
}
_SIZE = {"b": 1, "byte": 1} | {
    f"{letter}{ending}": base**power
    for power, letter in enumerate("kmgt", 1)
    for ending, base in (("b", 1000), ("ib", 1024), ("i", 1024))
}
_UNITS = (
    {name: ("time", factor) for name, factor in _TIME.items()}
    | {name: ("size", float(factor)) for name, factor in _SIZE.items()}
    | {"%": ("share", 0.01), "percent": ("share", 0.01)}
    | {"k": ("count", 1e3)}
)

_MONTH = "(?:" + "|".join(f"{month[:3]}(?:{month[3:]})?" for month in MONTHS) + r")\.?"
_DATES = (
    re.compile(r"(?<![\d.])(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?![\d.]\d|\d)"),
    re.compile(r"(?<![\d./-])(?P<a>\d{1,2})(?P<sep>[-/.])(?P<b>\d{1,2})(?P=sep)(?P<y>\d{4})(?!\d)"),
    re.compile(
        rf"(?<!\w)(?P<d>\d{{1,2}})(?:st|nd|rd|th)?[ -](?:of )?(?P<mon>{_MONTH})(?:,?[ -](?P<y>\d{{4}}))?(?!\w)",
        re.I,
    ),
    re.compile(
        rf"(?<!\w)(?P<mon>{_MONTH}) +(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:,? (?P<y>\d{{4}}))?(?![\w.:]\d|\w)",
        re.I,
    ),
    re.compile(rf"(?<!\w)(?P<mon>{_MONTH}),? (?P<y>\d{{4}})(?!\w)", re.I),
)
_CLOCK = re.compile(
    r"(?<![\d:.])(?P<h>\d{1,2}):(?P<min>\d{2})(?::(?P<s>\d{2})(?:[.,]\d+)?)?(?![\d:])(?: ?(?P<ap>[ap]m)\b)?",
    re.I,
)
_VERSION = re.compile(
    r"(?<![\w.])v?\d+(?:\.\d+){2,}(?:[-+.][0-9A-Za-z.-]*[0-9A-Za-z])?(?![\w])|(?<![\w.])v\d+(?:\.\d+)*(?!\w)"
)
_LINES = re.compile(r"\blines?\s+(\d+)(?:\s*(?:-|–|to|and|through)\s*(\d+))?|#L(\d+)(?:-L?(\d+))?", re.I)
_PLACE = re.compile(r"(?<![\w/])((?:[\w.@+-]+/)*[\w@+-][\w.@+-]*\.[A-Za-z]\w*):(\d+)(?:[-–](\d+))?")
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w)\].])[-−])?"
    r"(?<![\w.])(?P<n>\d{1,3}(?:[,_'\u00a0\u2009\u202f ]\d{3})+(?:\.\d+)?(?!\d)|\d+(?:_\d+)+|\d+(?:\.\d+)?)"
    r"(?:[ \u00a0\u2009\u202f]?(?P<unit>%|[A-Za-zµ]+))?"
)
_WORD_BEFORE = re.compile(r"([A-Za-z_]+)[\s=:(]*$")
_WORD_AFTER = re.compile(r"\s?([A-Za-z]+)")
_WEAK = re.compile(r"([A-Za-z]+)[-_]?(\d+(?:\.\d+)?)(?![\w.])")
_SPELT = re.compile(
    rf"\b(?P<w>{'|'.join(_NUMBER_WORDS)})\b(?:[ -](?P<scale>{'|'.join(_SCALES)})\b)?(?:[ -](?P<unit>[a-z]+))?",
    re.I,
)


class Number(NamedTuple):
    """A number, and what it counts in where that is a known unit."""

    value: float
    unit: str = ""
    factor: float = 1.0
    parts: tuple[float, ...] = ()  # what it is if the spaces in it separate numbers, not thousands
    beside: frozenset[str] = frozenset()  # the stems of the words next to it

    def same(self, other: "Number") -> bool:
        """Whether both say the same amount; a bare number agrees with any unit."""
        if not self.unit or not other.unit:
            return _near(self.value, other.value) or _near(self.amount, other.amount)
        return self.unit == other.unit and _near(self.amount, other.amount)

    @property
    def amount(self) -> float:
        """In the base unit."""
        return self.value * self.factor


class Day(NamedTuple):
    """A date; 0 for what is not said."""

    year: int = 0
    month: int = 0
    day: int = 0

    def within(self, other: "Day") -> bool:
        """Whether everything this date says is what the other says."""
        return all(mine in (0, theirs) for mine, theirs in zip(self, other, strict=True))


class Clock(NamedTuple):
    """A time of day; -1 seconds for what is not said."""

    hour: int
    minute: int
    second: int = -1

    def within(self, other: "Clock") -> bool:
        """Whether everything this time says is what the other says."""
        return self[:2] == other[:2] and self.second in (-1, other.second)


class PathLine(NamedTuple):
    """Lines of a file; an empty path where only lines are named."""

    path: str
    start: int
    end: int


@dataclass
class Mentions:
    """The checkable things in a text, and what is left of it without them."""

    numbers: list[Number] = field(default_factory=list[Number])
    days: list[tuple[Day, ...]] = field(default_factory=list[tuple[Day, ...]])  # readings of one date each
    clocks: list[Clock] = field(default_factory=list[Clock])
    versions: list[str] = field(default_factory=list[str])
    places: list[PathLine] = field(default_factory=list[PathLine])
    rest: str = ""


@lru_cache(2048)
def mentions(text: str) -> Mentions:
    """Read a text. What one reading took, no later one sees: the parts of a date are no numbers."""
    found = Mentions()
    text = _taken(text, _PLACE, lambda m: found.places.append(_path_line(m)))
    text = _taken(text, _LINES, lambda m: found.places.append(_lines(m)))
    for pattern in _DATES:
        text = _taken_if(text, pattern, lambda m: _day(m, found.days))
    text = _taken(text, _CLOCK, lambda m: found.clocks.append(_clock(m)))
    text = _taken(text, _VERSION, lambda m: found.versions.append(m.group().removeprefix("v")))
    found.rest = text
    for match in _NUMBER.finditer(text):
        found.numbers.append(_number(match)._replace(beside=_beside(text, match)))
    for match in _SPELT.finditer(text):
        value = _NUMBER_WORDS[match.group("w").lower()] * _SCALES.get((match.group("scale") or "").lower(), 1)
        found.numbers.append(_with_unit(float(value), match.group("unit") or ""))
    return found


def attached_numbers(text: str) -> Iterator[tuple[str, float]]:
    """Numbers that end a word, with the word: `python3.11`, `v2`."""
    for match in _WEAK.finditer(text):
        yield match.group(1).lower(), float(match.group(2))


def is_unit(word: str) -> bool:
    """Whether a word is a unit that numbers are given in."""
    word = word.lower()
    return word in _UNITS or word.removesuffix("s") in _UNITS


def is_named_by(day: Day, word: str) -> bool:
    """Whether a word is the name of a date's month or day of the week."""
    word = word.lower()
    if day.month and len(word) >= 3 and MONTHS[day.month - 1].startswith(word):
        return True
    if not all(day):
        return False
    try:
        return len(word) >= 3 and WEEKDAYS[datetime.date(*day).weekday()].startswith(word)
    except ValueError:
        return False


def _taken(text: str, pattern: re.Pattern[str], take: Callable[[re.Match[str]], object]) -> str:
    def blank(match: re.Match[str]) -> str:
        take(match)
        return " " * len(match.group())

    return pattern.sub(blank, text)


def _taken_if(text: str, pattern: re.Pattern[str], take: Callable[[re.Match[str]], object]) -> str:
    def blank(match: re.Match[str]) -> str:
        return " " * len(match.group()) if take(match) else match.group()

    return pattern.sub(blank, text)


def _path_line(match: re.Match[str]) -> PathLine:
    return PathLine(match.group(1), int(match.group(2)), int(match.group(3) or match.group(2)))


def _lines(match: re.Match[str]) -> PathLine:
    start = int(match.group(1) or match.group(3))
    return PathLine("", start, int(match.group(2) or match.group(4) or start))


def _day(match: re.Match[str], days: list[tuple[Day, ...]]) -> bool:
    """Add the readings of a date; False where it is none."""
    groups = match.groupdict()
    year = int(groups.get("y") or 0)
    if groups.get("mon"):
        month = next(number for number, name in enumerate(MONTHS, 1) if name.startswith(groups["mon"].lower()[:3]))
        if groups["mon"].lower() == "may" and groups["mon"] != "May":
            return False
        readings = (Day(year, month, int(groups.get("d") or 0)),)
    elif groups.get("a"):
        first, second = int(groups["a"]), int(groups["b"])
        readings = (Day(year, second, first), Day(year, first, second))
    else:
        readings = (Day(year, int(groups["m"]), int(groups["d"])),)
    is_named = groups.get("d") is None and groups.get("a") is None
    valid = tuple(day for day in readings if 1 <= day.month <= 12 and (is_named or 1 <= day.day <= 31))
    if valid:
        days.append(valid)
    return bool(valid)


def _clock(match: re.Match[str]) -> Clock:
    hour = int(match.group("h"))
    half = (match.group("ap") or "").lower()
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return Clock(hour, int(match.group("min")), int(match.group("s") or -1))


def _number(match: re.Match[str]) -> Number:
    written = match.group("n")
    value = float(re.sub(r"[,_'\u00a0\u2009\u202f ]", "", written))
    if match.group("sign"):
        value = -value
    parts = tuple(map(float, written.split(" "))) if " " in written and "," not in written else ()
    return _with_unit(value, match.group("unit") or "", parts)


def _beside(text: str, match: re.Match[str]) -> frozenset[str]:
    before = _WORD_BEFORE.search(text[max(0, match.start() - 40) : match.start()])
    after = _WORD_AFTER.match(text, match.end("n"))
    words = {word for found in (before, after) if found for word in content(found.group(1))}
    return frozenset(word for word in words if not is_unit(word))


def _with_unit(value: float, unit: str, parts: tuple[float, ...] = ()) -> Number:
    name = unit.lower()
    if name in _SCALES:
        return Number(value * _SCALES[name], parts=parts)
    known = _UNITS.get(name) or _UNITS.get(name.removesuffix("s"))
    return Number(value, *known, parts) if known else Number(value, parts=parts)


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-9 * max(1.0, abs(one), abs(other))
