"""Where something is handled that is described in words, not named."""

import re
from typing import Any, TypedDict

from groundswell.agents.coding.locating import Located
from groundswell.agents.coding.question import Asked
from groundswell.agents.coding.reports import best_line
from groundswell.agents.coding.sheet import Sheet, code
from groundswell.agents.coding.subjects import keywords
from groundswell.agents.words import content, stem
from groundswell.core.context import Tools
from groundswell.core.records import Hit

_SHOWN = 6
_ENOUGH = 0.5  # of the question's words that a passage must have, in its text, its name or its path
_SIDE = re.compile(r"(?:^|/)(?:docs?|examples?|tests?|bench(?:marks)?)/|\.(?:md|rst|txt|lock|json|ya?ml|toml)$")


class Nothing(TypedDict):
    """Passages come with their text: there is nothing more to read."""


async def read(asked: Asked, located: Located, tools: Tools) -> Nothing:
    """Passages come with their text: there is nothing more to read."""
    return Nothing()


def answer(asked: Asked, located: Located, read_: Any, sheet: Sheet) -> None:
    """The passages that have the question's words, source before tests and documentation."""
    words = [stem(word) for word in keywords(asked["phrase"] or asked["text"])]
    hits = [Hit.model_validate(row) for row in located.get("hits", [])]
    fits = [(hit, _share(hit, words)) for hit in hits]
    good = [(hit, share) for hit, share in fits if share >= _ENOUGH]
    if not good:
        best = max((share for _, share in fits), default=0.0)
        if hits and best > 0:
            near = ", ".join(dict.fromkeys(hit.path for hit in hits[:3]))
            sheet.missing.append(f"no passage has most of the words of the question; the nearest are in {near}")
        return
    order = {id(hit): rank for rank, (hit, _) in enumerate(good)}
    good.sort(
        key=lambda row: (
            _SIDE.search(row[0].path) is not None,
            -round(_weight(*row, words), 1),
            order[id(row[0])],
        )
    )
    sheet.block("These passages are about it, the best first:", bullets=True)
    seen: set[tuple[str, str]] = set()
    for hit, share in good:
        place = (hit.path, hit.symbol)
        if place in seen or len(seen) >= _SHOWN:
            continue
        seen.add(place)
        _say(hit, round(min(1.0, share), 2), asked, sheet)


def _weight(hit: Hit, share: float, words: list[str]) -> float:
    """A passage counts for more where its file or its definition is named for what is asked."""
    named = content(f"{hit.path} {hit.symbol}".replace("/", " ").replace("_", " "))
    return share + sum(word in named for word in words) / max(1, len(words))


def _share(hit: Hit, words: list[str]) -> float:
    if not words:
        return 0.0
    there = content(f"{hit.path} {hit.symbol}\n{hit.excerpt.text}".replace("/", " ").replace("_", " "))
    return sum(word in there for word in words) / len(words)


def _say(hit: Hit, confidence: float, asked: Asked, sheet: Sheet) -> None:
    head = sheet.cite(hit.excerpt)
    name = re.split(r"\.|::|#", hit.symbol)[-1]
    best = best_line(hit, asked["text"], sheet)
    if head is None:
        return
    line = re.search(r"#L(\d+)", best.source if best else head.source)
    assert line is not None
    quote = best.quote if best else head.quote
    if name and re.search(rf"\b{re.escape(name)}\b", hit.excerpt.text):
        start = next(
            (n for n, text in enumerate(hit.excerpt.text.split("\n")) if re.search(rf"\b{re.escape(name)}\b", text)),
            0,
        )
        cited = sheet.cite(hit.excerpt, line=hit.start + start)
        same = cited is not None and best is not None and cited.source == best.source
        where = f"`{name}` in {hit.path}:{hit.start + start}"
        detail = f": {code(quote)}" if same or best is None else f"; line {line.group(1)}: {code(quote)}"
        sheet.say(f"{where}{detail}", cited, best, confidence=confidence)
    else:
        sheet.say(f"{hit.path}:{line.group(1)}: {code(quote)}", best or head, confidence=confidence)
