"""From what a question names to definitions, files and passages of the repository."""

import asyncio
import difflib
import re
from collections.abc import Sequence
from typing import Any, TypedDict

from groundswell.agents.coding.question import Asked
from groundswell.agents.coding.subjects import keywords, spellings
from groundswell.agents.words import stem
from groundswell.core.context import Tools
from groundswell.core.records import Frame, Hit, Outline, Record, Symbol, ToolResult

NAMES = 12  # of a question that are looked up
HITS = 12
MENTIONS = 60  # lines that have a name


_ASIDE = re.compile(
    r"(?:^|/)(?:examples?|tutorials?|demos?|samples?|bench(?:es|marks?)?|benchmarks?|docs?|docs_src|scripts)(?:[-_]\w+)?/"
    r"|\.(?:md|mdx|rst|txt|adoc)$"
)
_TEST = re.compile(r"(?:^|/)(?:tests?|specs?|__tests__)/|(?:^|/)test_|_test\.|\.(?:test|spec)\.|(?:^|/)conftest\.")
_CONSTANT = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9]")


class Located(TypedDict, total=False):
    """What was found, as JSON; `symbols` by the name that was asked for."""

    symbols: dict[str, list[dict[str, Any]]]
    files: list[str]
    outline: dict[str, Any] | None  # of the module that is named, where it is one
    frames: list[dict[str, Any]]
    hits: list[dict[str, Any]]
    mentions: dict[str, list[dict[str, Any]]]  # lines that have a name which is defined nowhere
    nearest: list[str]  # names like one that is not here


async def located(asked: Asked, tools: Tools) -> Located:
    """Look up what a question names, in every way that fits its kind."""
    found = Located(symbols={}, files=[], outline=None, frames=[], hits=[], mentions={}, nearest=[])
    if asked["kind"] == "overview":
        return found
    names = list(dict.fromkeys(asked["names"]))[:NAMES]
    symbols, files, frames, hits = await asyncio.gather(
        _symbols(tools, names, asked["paths"]),
        _files(tools, asked["paths"]),
        _frames(tools, asked["trace"]),
        _hits(tools, asked),
    )
    found.update(symbols=dumped_lists(symbols), files=files, frames=dumped(frames), hits=dumped(hits))
    if asked["kind"] in ("failure", "report"):
        return found
    if not any(symbols.values()) and not files:
        await _otherwise(asked, tools, names, found)
    elif files and not any(symbols.values()):
        found["outline"] = await _outline(tools, files[0])
    return found


async def _otherwise(asked: Asked, tools: Tools, names: Sequence[str], found: Located) -> None:
    """Nothing has that name: it may be a module, a name written in words, a word in the text, or misspelt."""
    for name in (*(each for each in names if not _CONSTANT.fullmatch(each)), *asked["paths"]):
        if (outline := await _outline(tools, name)) is not None:
            found["outline"], found["files"] = outline, [outline["path"]]
            return
    if await _by_last_part(tools, names, found):
        return
    is_constant = any(_CONSTANT.fullmatch(name) for name in names)
    words = [] if is_constant else [each for each in spellings(asked["phrase"]) if each not in names]
    by_spelling = await _symbols(tools, words, ()) if len(words) > 1 else {}
    for spelt, symbols in by_spelling.items():
        if symbols:
            found["symbols"] = {spelt: dumped(symbols)}
            return
    for name in names[:3]:
        last = re.split(r"\.|::|#|->", name)[-1]
        lines = await tools.result("repo_search", pattern=rf"\b{re.escape(last)}\b", limit=MENTIONS)
        hits = records(lines, Hit)
        if hits:
            found["mentions"] = {**found.get("mentions", {}), name: dumped(hits)}
        found["nearest"] = found.get("nearest", []) + await _nearest(tools, name, last)


async def _by_last_part(tools: Tools, names: Sequence[str], found: Located) -> bool:
    """`client.send` where `client` is only a variable: the one definition here that is called `send`."""
    for name in names[:3]:
        parts = re.split(r"\.|::|#|->", name)
        symbols = records(await tools.result("symbol_find", name=parts[-1], limit=6), Symbol) if len(parts) > 1 else []
        own = [each for each in distinct(symbols) if not each.test and each.kind in ("function", "method", "class")]
        if len(own) == 1:
            found["symbols"] = {parts[-1]: dumped(own)}
            return True
    return False


async def _symbols(tools: Tools, names: Sequence[str], paths: Sequence[str]) -> dict[str, list[Symbol]]:
    path = paths[0] if len(paths) == 1 else ""
    rows = await asyncio.gather(*(_definitions(tools, name, path) for name in names))
    return {name: symbols for name, symbols in zip(names, rows, strict=True) if symbols}


async def _definitions(tools: Tools, name: str, path: str) -> list[Symbol]:
    """Definitions of a name; a path narrows them if it leaves any. `APP_NAME` does not mean `app_name`."""
    if _CONSTANT.fullmatch(name):
        found = records(await tools.result("symbol_find", name=name), Symbol)
        return [each for each in found if each.name == name]
    if path and (narrowed := records(await tools.result("symbol_find", name=name, path=path), Symbol)):
        return narrowed
    return records(await tools.result("symbol_find", name=name), Symbol)


async def _files(tools: Tools, paths: Sequence[str]) -> list[str]:
    """The files that paths in a question mean, shallow ones first."""
    found: dict[str, None] = {}
    for path in list(paths)[:6]:
        bare = re.sub(r"[*?\[\]{}!]", "?", path.strip("/").removeprefix("./"))
        for glob in (bare, f"**/{bare}"):
            listed = await tools.result("files_list", glob=glob, limit=20)
            if listed.status == "ok" and listed.value:
                found.update(dict.fromkeys(sorted(listed.value, key=lambda each: (each.count("/"), each))[:5]))
                break
    return list(found)


async def _frames(tools: Tools, trace: str) -> list[Frame]:
    return records(await tools.result("traceback_resolve", traceback=trace), Frame) if trace else []


async def _hits(tools: Tools, asked: Asked) -> list[Hit]:
    """Passages about the question, where its kind calls for them."""
    is_vague = not asked["names"] and not asked["paths"]
    if asked["kind"] == "failure" or not (asked["kind"] in ("topic", "report") or is_vague):
        return []
    text = asked["text"] if asked["kind"] == "report" else asked["phrase"] or asked["text"]
    words = " ".join(widened(keywords(re.sub(r"https?://", " ", text[:6000]))[:120]))
    limit = 30 if asked["kind"] == "report" else HITS
    return records(await tools.result("code_search", query=words, limit=limit), Hit) if words else []


def widened(words: Sequence[str]) -> list[str]:
    """Words, and the forms that code has them in: an index of words knows no grammar."""
    return list(dict.fromkeys([*words, *(stem(word) for word in words if stem(word) != word.lower())]))


async def _outline(tools: Tools, path: str) -> dict[str, Any] | None:
    result = await tools.result("module_outline", path=path)
    return Outline.model_validate(result.value).model_dump(mode="json") if result.status == "ok" else None


async def _nearest(tools: Tools, name: str, last: str) -> list[str]:
    """Names of definitions that are spelt like this one."""
    if len(last) < 3:
        return []
    result = await tools.result("repo_search", pattern=_misspelt(last), limit=200)
    words = {word for hit in records(result, Hit) for word in re.findall(r"[A-Za-z_$][\w$]*", hit.excerpt.text)} - {
        last
    }
    folded = {word.lower().replace("_", ""): word for word in sorted(words, reverse=True)}
    close = difflib.get_close_matches(last.lower().replace("_", ""), list(folded), n=6, cutoff=0.75)
    rows = await asyncio.gather(*(tools.result("symbol_find", name=folded[each], limit=1) for each in close))
    return [folded[each] for each, row in zip(close, rows, strict=True) if row.status == "ok" and row.value][:3]


def _misspelt(name: str) -> str:
    """A pattern for words within about two edits of a name."""
    name = name[:40]
    variants = {rf"{re.escape(name[:at])}\w{{0,2}}{re.escape(name[at + 1 :])}" for at in range(len(name))}
    variants |= {rf"{re.escape(name[:at])}\w{{1,2}}{re.escape(name[at:])}" for at in range(1, len(name))}
    swapped = {name[:at] + name[at + 1] + name[at] + name[at + 2 :] for at in range(len(name) - 1)}
    bare = [part for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", name) if part]
    loose = r"_?".join(map(re.escape, bare))
    return rf"(?i)\b_*(?:{'|'.join(sorted(variants | set(map(re.escape, swapped)) | {loose}))})\b"


def records(result: ToolResult, kind: type[Any]) -> list[Any]:
    """A tool's list of records; nothing where it found none or could not look."""
    if result.status != "ok" or not isinstance(result.value, list):
        return []
    return [kind.model_validate(each) for each in result.value]


def dumped(rows: Sequence[Record]) -> list[dict[str, Any]]:
    """Records as JSON."""
    return [record.model_dump(mode="json") for record in rows]


def dumped_lists(lists: dict[str, list[Symbol]]) -> dict[str, list[dict[str, Any]]]:
    """Lists of records as JSON."""
    return {name: dumped(rows) for name, rows in lists.items()}


def distinct(symbols: Sequence[Symbol]) -> list[Symbol]:
    """Definitions without overloads and further branches of the same one, best first; tests last."""
    found: dict[tuple[str, str], Symbol] = {}
    for symbol in symbols:
        found.setdefault((symbol.path, symbol.qualified), symbol)
    return sorted(found.values(), key=lambda symbol: (symbol.test, standing(symbol.path)))


def standing(path: str) -> int:
    """How far a file is from what a repository is for: its source first, then tests, then examples and documents."""
    return 2 if _ASIDE.search(path) else int(_TEST.search(path) is not None)
