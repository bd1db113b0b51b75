"""Which files a report would touch: several weak signals, fused."""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, TypedDict

from groundswell.agents.coding.locating import Located, records, standing, widened
from groundswell.agents.coding.question import Asked
from groundswell.agents.coding.sheet import Sheet, code
from groundswell.agents.coding.subjects import keywords
from groundswell.agents.words import content
from groundswell.core.context import Tools
from groundswell.core.records import Frame, Hit, Outline, Ranked, Symbol

_K = 10  # of the rank fusion: small, so that first places count
_WEIGHTS = {"called": 2.0, "frame": 3.0, "path": 3.0, "name": 2.0, "words": 1.5, "title": 1.5, "near": 0.4}
_SIDE = re.compile(
    r"(?:^|/)(?:docs?|examples?|bench(?:marks)?|scripts|vendor)/|\.(?:md|rst|txt|lock|json|ya?ml|toml|cfg)$"
)
_TEST = re.compile(r"(?:^|/)(?:tests?|specs?|__tests__)/|(?:^|/)test_|_test\.|\.(?:test|spec)\.|(?:^|/)conftest\.")
_SHOWN = 8
_RANKED = 20


class Weighed(TypedDict, total=False):
    """Further signals; as JSON."""

    title: list[dict[str, Any]]  # passages that fit the first sentence
    outlines: list[dict[str, Any]]


async def read(asked: Asked, located: Located, tools: Tools) -> Weighed:
    """Search by the report's first sentence, and look at what the best files import."""
    title = re.split(r"(?<=[.!?:])\s|\n", _stripped(asked["text"]), maxsplit=1)[0][:300]
    words = " ".join(widened(keywords(title)))
    hits = records(await tools.result("code_search", query=words, limit=20), Hit) if words else []
    weighed = Weighed(title=[hit.model_dump(mode="json") for hit in hits], outlines=[])
    best = [path for path, _, _ in ranked(asked, located, weighed) if not _TEST.search(path)][:4]
    rows = await asyncio.gather(*(tools.result("module_outline", path=path) for path in best))
    weighed["outlines"] = [_edges(row.value) for row in rows if row.status == "ok"]
    return weighed


def _edges(outline: dict[str, Any]) -> dict[str, Any]:
    """What of an outline counts here: who imports whom."""
    return Outline.model_validate(outline).model_copy(update={"symbols": (), "doc": None}).model_dump(mode="json")


def _stripped(text: str) -> str:
    """A report without the question around it."""
    text = re.sub(r"(?is)^.{0,80}?\b(?:which|what|where)\b[^:?\n]{0,120}[:?]\s*", "", text.strip(), count=1) or text
    return text.strip()


def ranked(asked: Asked, located: Located, weighed: Weighed) -> list[tuple[str, float, str]]:
    """Files with their score and the signal that counts most for each, best first."""
    signals = list(_signals(asked, located, weighed))
    signals.append(("called", _called(asked, {path for _, paths in signals for path in paths})))
    scores: dict[str, float] = defaultdict(float)
    reasons: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for signal, paths in signals:
        for rank, path in enumerate(dict.fromkeys(paths)):
            points = _WEIGHTS[signal] / (_K + rank)
            scores[path] += points
            reasons[path][signal] += points
    wants_tests = re.search(r"\btests?\b", asked["text"][:400], re.IGNORECASE) is not None
    weighted = [
        (
            path,
            score * _share(path, wants_tests=wants_tests),
            max(reasons[path], key=lambda each: reasons[path][each]),
        )
        for path, score in scores.items()
    ]
    return sorted(weighted, key=lambda row: (-row[1], row[0]))


def _called(asked: Asked, paths: Iterable[str]) -> list[str]:
    """Files whose own name has words of the report, those first whose words few others have."""
    said = content(asked["text"][:6000].replace("_", " "))
    words = {path: content(re.sub(r"[/_.]", " ", path.rpartition(".")[0])) & said for path in paths}
    common = Counter(word for each in words.values() for word in each)
    weights = {path: sum(1 / common[word] for word in each) for path, each in words.items() if each}
    return sorted(weights, key=lambda path: (-weights[path], path))[:12]


def _share(path: str, *, wants_tests: bool) -> float:
    if _TEST.search(path):
        return 0.9 if wants_tests else 0.45
    if standing(path) == 2:
        return 0.25
    return 0.5 if _SIDE.search(path) else 1.0


def _signals(asked: Asked, located: Located, weighed: Weighed) -> Iterable[tuple[str, Sequence[str]]]:
    frames = [Frame.model_validate(row) for row in located.get("frames", [])]
    yield "frame", [frame.path for frame in reversed(frames) if frame.path]
    yield "path", located.get("files", [])
    for rows in located.get("symbols", {}).values():
        symbols = [Symbol.model_validate(row) for row in rows]
        paths = list(dict.fromkeys(symbol.path for symbol in symbols))
        if len(paths) <= 6:  # a name that everything has says nothing
            yield "name", paths
    yield "words", _paths(located.get("hits", []))
    yield "title", _paths(weighed.get("title", []))
    for row in weighed.get("outlines", []):
        yield (
            "near",
            [path for path in (*row["imports"], *row["imported_by"]) if "." in path and not _TEST.search(path)][:10],
        )


def _paths(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [row["path"] for row in rows]


def answer(asked: Asked, located: Located, weighed: Weighed, sheet: Sheet) -> None:
    """The files, best first, each with the passage that speaks for it."""
    rows = ranked(asked, located, weighed)
    if not rows:
        return
    top = rows[0][1]
    sheet.ranked = [Ranked(source=f"repo:{path}", score=round(score / top, 3)) for path, score, _ in rows[:_RANKED]]
    sheet.block("Files this would most likely touch, best first:", bullets=True)
    for path, score, _ in [row for row in rows if not _TEST.search(row[0])][:_SHOWN]:
        _say_why(path, round(min(1.0, score / top), 2), asked, located, weighed, sheet)
    sheet.block("Tests to look at:", bullets=True)
    for path, score, _ in [row for row in rows if _TEST.search(row[0])][:3]:
        _say_why(path, round(min(1.0, score / top), 2), asked, located, weighed, sheet)


def _say_why(path: str, confidence: float, asked: Asked, located: Located, weighed: Weighed, sheet: Sheet) -> None:
    """The strongest passage in a file, named with its line."""
    for row in reversed(located.get("frames", [])):
        frame = Frame.model_validate(row)
        if frame.path == path and (cited := sheet.cite(frame.excerpt, line=frame.line)):
            sheet.say(f"{path}:{frame.line}, in the traceback: {code(cited.quote)}", cited, confidence=confidence)
            return
    for name, rows in located.get("symbols", {}).items():
        for symbol in map(Symbol.model_validate, rows):
            if symbol.path == path and (cited := sheet.cite(symbol.excerpt)):
                text = f"{path}:{symbol.line} defines `{symbol.name}`, which is named"
                sheet.say(f"{text}." if name else f"{text}.", cited, confidence=confidence)
                return
    for row in (*weighed.get("title", []), *located.get("hits", [])):
        hit = Hit.model_validate(row)
        if hit.path == path and (cited := best_line(hit, asked["text"], sheet)):
            line = cited.source.rpartition("#L")[2].partition("-")[0]
            sheet.say(f"{path}:{line}: {code(cited.quote)}", cited, confidence=confidence)
            return


def best_line(hit: Hit, text: str, sheet: Sheet) -> Any:
    """The line of a passage that shares most with a text; of equals, the first."""
    wanted = content(text[:3000])
    lines = hit.excerpt.text.split("\n")
    order = sorted(range(len(lines)), key=lambda index: (-len(content(lines[index]) & wanted), index))
    return next((cited for index in order[:3] if (cited := sheet.cite(hit.excerpt, line=hit.start + index))), None)
