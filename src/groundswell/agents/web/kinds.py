"""Whether a piece of text holds the kind of thing that a question asks for."""

import re

from groundswell.agents.mentions import mentions

_MONEY = re.compile(
    r"[$€£¥]\s?\d|\b\d[\d,.]*\s?(?:USD|EUR|GBP|CHF|JPY|dollars?|euros?|pounds?|cents?)\b|"
    r"\bfree\b|\bno (?:charge|fee|cost)\b",
    re.I,
)
_NUMBER_WORD = (
    r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|"
    r"forty|fifty|sixty|ninety|half|a|an"
)
_DURATION = re.compile(
    rf"\b(?:\d[\d.,]*|{_NUMBER_WORD})[\s-]?(?:(?:full|business|working|calendar|consecutive|to \w+|or \w+)\s)*"
    r"(?:ms|milliseconds?|s|sec(?:ond)?s?|min(?:ute)?s?|h|hours?|days?|weeks?|months?|quarters?|years?|nights?)\b|"
    r"\b(?:daily|hourly|weekly|monthly|yearly|annually|quarterly|nightly|forever|indefinitely|twice|once|"
    r"(?:every|each|per) (?:\w+ )?(?:second|minute|hour|day|night|week|month|quarter|year|"
    r"release|\w+day))\b|\bimmediately\b",
    re.I,
)
_ORDINAL = re.compile(
    r"\b(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|\d+(?:st|nd|rd|th))\s+"
    r"(?:\w+\s+)?(?:day|week|month|year|quarter|hour|time)\b",
    re.IGNORECASE,
)
_LENGTH = re.compile(
    rf"\b(?:\d[\d.,]*|{_NUMBER_WORD})\s?(?:characters?|letters?|digits?|words?|pages?|lines?|"
    rf"bytes?|[kMGTP]i?B|mm|cm|m|km|"
    r"met(?:re|er)s?|feet|foot|ft|inch(?:es)?|miles?|knots?)\b",
    re.I,
)
_DATE = re.compile(
    r"\b(?:19|20)\d\d\b|\b\d{1,2}[:.]\d\d\b|\b\d{1,2}\s?(?:am|pm)\b|\b(?:jan|feb|mar|apr|jun|"
    r"jul|aug|sep|oct|nov|dec)[a-z]*\b|"
    r"\bMay\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\bv?\d+\.\d+(?:\.\d+)?\b|"
    r"\b(?:after|before|when|once|until|"
    r"at all hours|any time|always|during|midnight|noon|at the end|at the start|spring|summer|autumn|winter)\b",
    re.I,
)
_VERSION = re.compile(r"\bv?\d+(?:\.\d+)+\b|\b(?:version|release)\s+\d+\b", re.I)
_CODE = re.compile(
    r"`[^`]+`|(?<!\w)--?[a-z][\w-]+|\b[\w.]+\(\)|\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b|\b\w+_\w+\b|\b[a-z]+\.[a-z_]+\b"
)
_PERSON = re.compile(
    r"(?<![.?!]\s)(?<!^)\b[A-Z][a-z]+\b|\b[A-Z][a-z]+ (?:[A-Z]\. )?[A-Z][a-z]+\b|\b(?:team|"
    r"manager|owner|administrators?|admins?|"
    r"officer|lead|members?|users?|employees?|staff|director|department|office|engineers?|"
    r"support|maintainers?|anyone|everyone|"
    r"customers?|committee|desk)\b"
)
_PLACE = re.compile(
    r"(?<![.?!]\s)(?<!^)\b[A-Z][a-z]+\b|[\w.~-]*/[\w./-]+|`[^`]+`|\b(?:in|at|on|under|below|"
    r"inside|near|behind|to|from|via)\b",
    re.I,
)
_REASON = re.compile(
    r"\b(?:because|since|so that|due to|in order|therefore|reason|cause[sd]?|to (?:avoid|"
    r"prevent|keep|make|allow)|otherwise|for \w+ reasons|means? that|as (?:the|it))\b",
    re.I,
)
_ACTION = re.compile(
    r"^\s*(?:[-*+•]|\d+[.)])?\s*[*_]*(?:To\s+\w+|[A-Z][a-z]+)\b|\b(?:run|use|set|open|click|"
    r"select|choose|add|call|press|go to|pass|type|enter|install|create|write|turn|hold|"
    r"contact|send|put|place)\b",
    re.I,
)
_IS = re.compile(
    r"\b(?:is|are|was|were|means|refers|stands for|denotes|describes|provides|lets|allows)\b|[—–:=-]", re.I
)


def holds(kind: str, text: str, shape: str) -> float:
    """From 0 to 1. `shape` is what the text is: sentence, item, row or code."""
    text = text.replace("|", " ") if shape == "row" else text
    if kind == "amount":
        return 1.0 if _MONEY.search(text) else 0.6 if _has_number(text) else 0.0
    if kind == "length":
        return 1.0 if _LENGTH.search(text) else 0.3 if _has_number(text) else 0.0
    if kind == "duration":
        return 1.0 if _DURATION.search(text) else 0.3 if mentions(text).days or mentions(text).clocks else 0.0
    if kind == "number":
        return 1.0 if _has_number(text) else 0.0
    if kind == "date":
        return _of_date(text)
    if kind == "version":
        return 1.0 if _VERSION.search(text) else 0.0
    if kind == "command":
        return 1.0 if shape == "code" or _CODE.search(text) else 0.1
    if kind == "person":
        return 1.0 if _PERSON.search(text) else 0.0
    if kind == "place":
        return 1.0 if _PLACE.search(text) else 0.2
    if kind == "reason":
        return 1.0 if _REASON.search(text) else 0.5
    if kind == "howto":
        return 1.0 if shape == "code" or "`" in text else 0.85 if shape == "item" or _ACTION.search(text) else 0.4
    if kind == "definition":
        return 1.0 if _IS.search(text) else 0.4
    return 0.7


def is_strict(kind: str) -> bool:
    """Whether a text without such a thing cannot be the answer."""
    return kind in ("amount", "length", "duration", "number", "date", "version")


def _has_number(text: str) -> bool:
    found = mentions(text)
    return (
        bool(found.numbers or found.versions)
        or re.search(rf"\b(?:{_NUMBER_WORD}|no|none|unlimited|single)\b", text, re.I) is not None
    )


def _of_date(text: str) -> float:
    found = mentions(text)
    if found.days or found.clocks:
        return 1.0
    return 0.9 if _ORDINAL.search(text) or _DATE.search(text) or _DURATION.search(text) else 0.0
