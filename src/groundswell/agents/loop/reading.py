"""Reads on in a result that was put behind a handle: page after page, or only what has a text in it."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from groundswell.agents.conversation import Evidences, fenced

LINE = 400  # characters of a line that is found
_AROUND = 160  # of a longer line, before what was looked for

_JSON: TypeAdapter[Any] = TypeAdapter(Any)
Place = str | Mapping[str, Any]  # a field, or the excerpt that a line stands in


def page(text: str, offset: Any, room: int, evidences: Evidences, handle: str) -> str:
    """A stretch of a result as it was shown when it was cut: its offsets go on from there."""
    whole = evidences.rendered(_value(text))
    start = offset if isinstance(offset, int) and offset > 0 else 0
    if start >= len(whole):
        return f"{handle} ends before that: it has {len(whole):,} characters"
    end = start + room
    more = f"\n[goes on at offset {end} of {len(whole):,}]" if end < len(whole) else ""
    return fenced(whole[start:end], handle) + more


def found(text: str, wanted: str, skip: Any, room: int, evidences: Evidences, handle: str) -> str:
    """The lines of a result that have a text in them, each with the evidence or the field it stands in."""
    needle = _plain(wanted)
    if not needle:
        return "result_find needs a text"
    lines = [(place, line) for place, line in _lines(_value(text)) if needle in _plain(f"{_source(place)} {line}")]
    start = min(len(lines), skip) if isinstance(skip, int) and skip > 0 else 0
    shown: list[str] = []
    for place, line in lines[start:]:
        room -= len(short := _around(line, needle)) + len(_source(place)) + 8
        if shown and room < 0:
            break
        shown.append(f"{_named(place, evidences)}{short}")
    if not shown:
        return f"{len(lines)} lines have it, and none after them" if lines else "no line has it"
    more = start + len(shown)
    rest = f"\n[{len(lines):,} lines have it; go on with skip={more}]" if more < len(lines) else ""
    return fenced("\n".join(shown), handle) + rest


def _lines(value: Any, place: str = "") -> Iterator[tuple[Place, str]]:
    """A value as lines: those of its texts, and each of its other fields."""
    if isinstance(value, Mapping):
        if Evidences.is_excerpt(value):
            yield from ((value, line) for line in str(value["text"]).splitlines() if line.strip())
            return
        for key, each in value.items():
            if key != "digest":
                yield from _lines(each, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _lines(each, f"{place}[{index}]")
    elif value not in ("", None):
        yield from ((place, line) for line in str(value).splitlines())


def _value(text: str) -> Any:
    """What was stored: JSON, also where its end was cut off before; else the text itself."""
    try:
        value = _JSON.validate_json(text, experimental_allow_partial="trailing-strings")
    except ValueError:
        return text
    return value if isinstance(value, dict | list | str) else text


def _source(place: Place) -> str:
    return place if isinstance(place, str) else str(place["source"])


def _named(place: Place, evidences: Evidences) -> str:
    if isinstance(place, str):
        return f"{place}: " if place else ""
    number = evidences.number(place["digest"], place["source"], place["text"])
    return f"{number} {place['source']}: "


def _plain(text: str) -> str:
    return " ".join(text.split()).lower()


def _around(line: str, needle: str) -> str:
    """A long line, from a little before what was looked for."""
    if len(line) <= LINE:
        return line
    start = max(0, line.lower().find(needle.partition(" ")[0]) - _AROUND)
    before, after = "…" if start else "", "…" if start + LINE < len(line) else ""
    return f"{before}{line[start : start + LINE]}{after}"
