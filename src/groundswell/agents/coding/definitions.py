"""Where something is defined, and what its head says."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, TypedDict

from groundswell.agents.coding.locating import MENTIONS, Located, distinct, dumped, records, standing
from groundswell.agents.coding.question import Asked
from groundswell.agents.coding.sheet import Sheet, code, counted, sentence
from groundswell.core.context import Tools
from groundswell.core.records import FileSlice, Hit, Symbol

SHOWN = 8  # definitions of one name
READ = 3  # of them whose text is read
_BEFORE, _AFTER = 14, 80  # lines


class Defined(TypedDict, total=False):
    """Definitions with their text, and the classes that methods stand in; as JSON."""

    slices: dict[str, dict[str, Any]]  # by `path:line`
    owners: dict[str, dict[str, Any]]


def named(located: Located) -> list[tuple[str, list[Symbol]]]:
    """The definitions that were found, by the name asked for."""
    pairs = ((name, [Symbol.model_validate(row) for row in rows]) for name, rows in located.get("symbols", {}).items())
    return [(name, distinct(symbols)) for name, symbols in pairs if symbols]


def key(symbol: Symbol) -> str:
    """What tells one definition from another."""
    return f"{symbol.path}:{symbol.line}"


async def read(asked: Asked, located: Located, tools: Tools, *, most: int = READ) -> Defined:
    """The text of the best definitions, with the comment above, and the heads of the classes around them."""
    wanted = [symbol for _, symbols in named(located)[:4] for symbol in symbols[:most]]
    slices, owners = await asyncio.gather(
        asyncio.gather(*(_slice(tools, symbol) for symbol in wanted)),
        asyncio.gather(*(owner_of(tools, symbol) for symbol in wanted)),
    )
    return Defined(
        slices={key(symbol): row for symbol, row in zip(wanted, slices, strict=True) if row},
        owners={key(symbol): row for symbol, row in zip(wanted, owners, strict=True) if row},
    )


async def _slice(tools: Tools, symbol: Symbol) -> dict[str, Any] | None:
    start = max(1, symbol.line - _BEFORE)
    end = min(symbol.end_line, symbol.line + _AFTER)
    result = await tools.result("file_read", path=symbol.path, start=start, end=max(end, symbol.line))
    return FileSlice.model_validate(result.value).model_dump(mode="json") if result.status == "ok" else None


async def owner_of(tools: Tools, symbol: Symbol) -> dict[str, Any] | None:
    """The class or type that a method stands in."""
    container = re.split(r"\.|::|#", symbol.qualified)[-2:-1]
    if symbol.kind != "method" or not container:
        return None
    found = records(await tools.result("symbol_find", name=container[0], path=symbol.path, limit=1), Symbol)
    if not found:
        folder = symbol.path.rpartition("/")[0]
        found = records(await tools.result("symbol_find", name=container[0], path=folder, limit=1), Symbol)
    return dumped(found)[0] if found else None


def say(sheet: Sheet, symbol: Symbol, defined: Defined, *, doc: bool = True) -> None:
    """Claim where a definition stands, and what its documentation begins with."""
    owner_row = defined.get("owners", {}).get(key(symbol))
    owner = Symbol.model_validate(owner_row) if owner_row else None
    head = sheet.cite(symbol.excerpt)
    sheet.told.add(key(symbol))
    kind = _kind(symbol)
    if owner is not None:
        text = f"`{symbol.name}` is a {kind} of `{owner.name}` in {symbol.path}:{symbol.line}"
        sheet.say(f"{text}: {signature(symbol)}.", head, sheet.cite(owner.excerpt))
    else:
        article = "an" if kind[0] in "aeiou" else "a"
        sheet.say(f"`{symbol.name}` is {article} {kind} in {symbol.path}:{symbol.line}: {signature(symbol)}.", head)
    if doc:
        say_doc(sheet, symbol, defined)


def say_doc(sheet: Sheet, symbol: Symbol, defined: Defined, sentences: int = 1) -> bool:
    """Quote the beginning of a definition's documentation; False where it has none that can be quoted."""
    row = defined.get("slices", {}).get(key(symbol))
    excerpts = [symbol.excerpt, *([FileSlice.model_validate(row).excerpt] if row else [])]
    rest = symbol.doc
    said = False
    for _ in range(sentences):
        if not (text := sentence(rest)) or text.endswith(":"):
            break
        cited = next((found for excerpt in excerpts if (found := sheet.cite(excerpt, text))), None)
        if cited is None:
            break
        lead = "Its documentation says" if not said else "It goes on"
        sheet.say(f"{lead}: “{text.replace('“', '').replace('”', '')}”", cited)
        said = True
        rest = " ".join(rest.split())[len(text) :].strip()
    return said


def signature(symbol: Symbol) -> str:
    """The head of a definition, without what follows it."""
    text = symbol.excerpt.text
    if symbol.kind in ("variable", "constant"):
        return code(text.split("\n")[0])
    head = re.match(r"[^({\n]*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)[^\n{]*", text)
    line = head.group() if head else text.split("\n")[0]
    return code(line.strip().rstrip("{: ").strip() or text.split("\n")[0].strip())


def _kind(symbol: Symbol) -> str:
    return {"type": "type", "variable": "variable"}.get(symbol.kind, symbol.kind)


def answer(asked: Asked, located: Located, defined: Defined, sheet: Sheet) -> None:
    """All definitions of each name, best first."""
    for name, symbols in named(located):
        best, others = symbols[0], symbols[1:SHOWN]
        sheet.block()
        say(sheet, best, defined)
        if others:
            where = counted(len(symbols), "definition")
            sheet.block(f"Also called `{name}` ({where} in all):", bullets=True)
            for symbol in others:
                say(sheet, symbol, defined, doc=False)
        if len(symbols) > SHOWN:
            sheet.missing.append(
                f"{len(symbols) - SHOWN} more definitions of {name}: name its class or file to see them"
            )


def answer_mentions(name: str, located: Located, sheet: Sheet) -> None:
    """A name that nothing here defines, but that the text has: a setting, a key, something from a library."""
    hits = [Hit.model_validate(row) for row in located.get("mentions", {}).get(name, [])]
    word = re.escape(re.split(r"\.|::|#|->", name)[-1])
    hits = [hit for hit in hits if re.search(rf"\b{word}\b", hit.excerpt.text)]
    whole = [hit for hit in hits if name in hit.excerpt.text]
    hits = whole or hits
    hits.sort(key=lambda hit: (standing(hit.path), _weight(hit, word), hit.path.count("/"), hit.path, hit.start))
    if not hits:
        return
    sheet.block(
        f"No definition of `{name}` is indexed; the text has it in {_count(hits)}:",
        bullets=True,
    )
    for hit in hits[:6]:
        sheet.say(f"{hit.path}:{hit.start}: {code(hit.excerpt.text)}", sheet.cite(hit.excerpt))


def _count(hits: Sequence[Hit]) -> str:
    count = counted(len(hits), "line")
    return f"{count} and more" if len(hits) >= MENTIONS else count


def _weight(hit: Hit, word: str) -> int:
    """Assignments and imports say most about a name that is defined elsewhere."""
    if re.search(rf"^\s*[\"']?{word}[\"']?\s*[:=]|(?:import|require|from|use)\b.*\b{word}\b", hit.excerpt.text):
        return 0
    is_aside = re.search(r"\.(?:md|rst|txt|lock|json)$", hit.path) or re.match(r"\s*(?:#|//|\*)", hit.excerpt.text)
    return 2 if is_aside else 1
