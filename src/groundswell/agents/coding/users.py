"""Who calls, uses, imports or inherits from something; and which tests do."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypedDict

from groundswell.agents.coding.definitions import key, named, owner_of
from groundswell.agents.coding.locating import Located, dumped, records, standing
from groundswell.agents.coding.question import Asked
from groundswell.agents.coding.sheet import Sheet, code, counted, listed
from groundswell.core.context import Tools
from groundswell.core.records import Citation, Hit, Reference, Symbol

CERTAIN, LIKELY = (
    0.75,
    0.45,
)  # a confidence that is said without, and with, a warning; what is below is counted
_ASKED = 400
_KEPT = 120  # references that are kept
_CALLERS = 16  # whose heads are looked up
_CLASSES = 8  # whose heads are looked up
_FILES = 12
_VERBS = {"call": "calls", "import": "imports", "inherit": "inherits from", "use": "uses"}
_NOUNS = {"call": "call", "import": "import", "inherit": "subclass", "use": "use"}

_ASSERTED = re.compile(r"^\s*(?:var\s+)?_\s+[\w.]+\s*=\s*(?:&|\(\*)?(?P<type>\w+)")  # Go's `var _ I = &T{}`


class Used(TypedDict, total=False):
    """References to one definition, and the heads of the callers; as JSON."""

    references: list[dict[str, Any]]
    sure: int  # of all, kept or not
    doubtful: int
    maybe: list[dict[str, Any]]  # the likeliest of the doubtful ones, where none is sure
    heads: dict[str, dict[str, Any]]  # by qualified name
    owner: dict[str, Any] | None  # the class that the definition stands in, where the question names it
    of: str  # the definition's name as it is asked for
    importers: list[dict[str, Any]]  # lines that import a module, where a module was asked for
    imported_by: int


async def read(asked: Asked, located: Located, tools: Tools) -> Used:
    """Look for the uses of what was found, and for the heads of the functions around them."""
    found = named(located)
    if not found:
        return await _of_module(located, tools)
    name, symbols = found[0]
    best = symbols[0]
    is_one = len({symbol.path for symbol in symbols if not symbol.test}) <= 1 or asked["paths"]
    where = {"path": best.path} if is_one else {}
    result = await tools.result(
        "references_find", symbol=_spelt(name, best, is_one=bool(is_one)), limit=_ASKED, **where
    )
    references = [each for each in records(result, Reference) if not asked["tests"] or each.test]
    wanted = asked["uses"]
    kept = [each for each in references if not wanted or each.kind in wanted]
    if wanted == ["inherit"]:
        kept += [each for each in references if each.kind == "use" and _ASSERTED.search(each.excerpt.text)]
    kept = kept or references
    sure = [each for each in kept if each.confidence >= LIKELY]
    kept = sure[:_KEPT]
    nearest = sorted(kept, key=lambda each: standing(each.path))
    callers = dict.fromkeys(each.caller for each in nearest if not each.test and each.kind != "import")
    heads = await _heads(tools, [each for each in callers if each][:_CALLERS], kept)
    doubtful = sum(each.confidence < LIKELY for each in references)
    maybe = [] if sure else sorted(references, key=lambda each: -each.confidence)[:6]
    return Used(
        references=dumped(kept),
        maybe=dumped(maybe),
        sure=len(sure),
        doubtful=doubtful,
        heads=heads,
        owner=await owner_of(tools, best) if _is_qualified(name) else None,
        of=name if _is_qualified(name) and best.kind == "method" else best.name,
    )


def _last(name: str) -> str:
    return re.split(r"\.|::|#|->", name)[-1]


def _is_qualified(name: str) -> bool:
    return re.search(r"\.|::|#|->", name) is not None


def _spelt(name: str, best: Symbol, *, is_one: bool) -> str:
    """How the definition is asked for: by its whole name where one is meant, else as the question has it."""
    if is_one and best.kind == "method":
        return best.qualified
    return name


async def _of_module(located: Located, tools: Tools) -> Used:
    """Lines that import a module."""
    outline = located.get("outline")
    if not outline:
        return Used(references=[], heads={}, of="")
    importers: list[str] = list(outline["imported_by"])
    return Used(
        references=[],
        heads={},
        of=outline["path"],
        imported_by=len(importers),
        importers=await import_lines(tools, outline["path"], importers),
    )


async def import_lines(tools: Tools, path: str, importers: Sequence[str]) -> list[dict[str, Any]]:
    """The line of each file that imports a module."""
    if not importers:
        return []
    parts = [part for part in re.sub(r"\.\w+$", "", path).split("/") if part not in ("index", "__init__", "mod", "src")]
    word = re.escape(parts[-1]) if parts else r"\w"
    if path.endswith(".go"):
        word = re.escape(path.split("/")[-2]) if "/" in path else r"\w"
    quoted = rf"^\s*(?:\w+ )?\"[\w./-]*\b{word}\"|^\s+{word},?\s*$"
    pattern = rf"(?:import|from|require|use|include|mod|export)\b.*\b{word}\b|{quoted}"
    hits = records(await tools.result("repo_search", pattern=pattern, limit=400), Hit)
    first: dict[str, Hit] = {}
    for hit in hits:
        if hit.path in importers:
            first.setdefault(hit.path, hit)
    return dumped(list(first.values())[:40])


async def _heads(tools: Tools, callers: Sequence[str], references: Sequence[Reference]) -> dict[str, dict[str, Any]]:
    """The definitions of the functions that the uses stand in."""
    paths = {each.caller: each.path for each in reversed(references)}
    rows = await asyncio.gather(
        *(tools.result("symbol_find", name=caller, path=paths[caller], limit=1) for caller in callers)
    )
    found = {caller: symbols[0] for caller, row in zip(callers, rows, strict=True) if (symbols := records(row, Symbol))}
    classes = {(_owner(symbol), symbol.path) for symbol in found.values() if symbol.kind == "method"}
    wanted = sorted(each for each in classes if each[0])[:_CLASSES]
    owners = await asyncio.gather(
        *(tools.result("symbol_find", name=name, path=path, limit=1) for name, path in wanted)
    )
    heads = {caller: dumped([symbol])[0] for caller, symbol in found.items()}
    for (name, path), row in zip(wanted, owners, strict=True):
        if symbols := records(row, Symbol):
            heads[f"{path}:{name}"] = dumped(symbols)[0]
    return heads


def _owner(symbol: Symbol) -> str:
    """The name of the class that a method stands in."""
    return "".join(re.split(r"\.|::|#", symbol.qualified)[-2:-1])


def answer(asked: Asked, located: Located, used: Used, sheet: Sheet) -> None:
    """Uses by file, surest first, tests apart."""
    if not named(located):
        _answer_module(used, sheet)
        return
    references = [Reference.model_validate(row) for row in used.get("references", [])]
    name = used.get("of", "")
    _say_definition(asked, located, used, sheet)
    if not references:
        sheet.missing.append(f"no {_noun(asked)} of {name} was found in this repository")
    own = [each for each in references if not each.test]
    tests = [each for each in references if each.test]
    for is_certain in (True, False):
        part = [each for each in own if (each.confidence >= CERTAIN) == is_certain]
        _say_users(part, used, name, sheet, is_certain=is_certain)
    _say_tests(tests, name, sheet)
    if maybe := [Reference.model_validate(row) for row in used.get("maybe", [])]:
        sheet.block("These may use it; only the name says so:", bullets=True)
        for each in maybe:
            sheet.say(
                f"{each.path}:{each.line}: {code(each.excerpt.text)}",
                sheet.cite(each.excerpt),
                confidence=each.confidence,
            )
    if doubtful := used.get("doubtful", 0) - len(used.get("maybe", [])):
        sheet.missing.append(
            f"{counted(doubtful, 'more line')} may use it or another {_last(name)}: only the name says so"
        )
    if (more := used.get("sure", 0) - len(references)) > 0:
        sheet.missing.append(f"{counted(more, 'more use')}: name a class or a file to narrow them")


def _noun(asked: Asked) -> str:
    return "test" if asked["tests"] else _NOUNS[asked["uses"][0]] if len(asked["uses"]) == 1 else "use"


def _say_definition(asked: Asked, located: Located, used: Used, sheet: Sheet) -> None:
    """Which definition is meant, since uses of another one would be another answer."""
    _, symbols = named(located)[0]
    best = symbols[0]
    if key(best) in sheet.told:
        return
    sheet.told.add(key(best))
    sheet.block()
    row = used.get("owner")
    owner = Symbol.model_validate(row).excerpt if row else None
    text = f"`{used.get('of') if owner else best.name}` is defined in {best.path}:{best.line}"
    others = [symbol for symbol in symbols[1:] if not symbol.test]
    sheet.say(f"{text}.", sheet.cite(best.excerpt), sheet.cite(owner))
    if others and not asked["paths"]:
        where = listed(f"`{symbol.name}` in {symbol.path}:{symbol.line}" for symbol in others[:3])
        sheet.say(f"There is also {where}.", *(sheet.cite(symbol.excerpt) for symbol in others[:3]))


def _say_users(references: Sequence[Reference], used: Used, name: str, sheet: Sheet, *, is_certain: bool) -> None:
    by_file: dict[str, list[Reference]] = defaultdict(list)
    for each in references:
        by_file[each.path].append(each)
    if not by_file:
        return
    where = f"{counted(len(references), 'use')} in {counted(len(by_file), 'file')}"
    likely = "" if is_certain else ", likely: by name or type, not resolved"
    sheet.block(f"{_title(references, name)} ({where}{likely}):", bullets=True)
    order = sorted(
        by_file.items(),
        key=lambda row: (standing(row[0]), all(each.kind == "import" for each in row[1]), -len(row[1]), row[0]),
    )
    for path, rows in order[:_FILES]:
        _say_file(path, rows, used, sheet)
    if len(order) > _FILES:
        more = sum(len(rows) for _, rows in order[_FILES:])
        sheet.missing.append(f"{counted(more, 'more use')} in {counted(len(order) - _FILES, 'more file')}")


def _title(references: Sequence[Reference], name: str) -> str:
    kinds = {each.kind for each in references}
    if all(_ASSERTED.search(each.excerpt.text) for each in references):
        return f"Implementations of `{name}`"
    if kinds == {"inherit"}:
        return f"Subclasses of `{name}`"
    if "call" in kinds and kinds <= {"call", "import"}:
        return f"Callers of `{name}`"
    return f"Importers of `{name}`" if kinds == {"import"} else f"Users of `{name}`"


def _say_file(path: str, rows: Sequence[Reference], used: Used, sheet: Sheet) -> None:
    """A line for each caller that could be looked up, and one for the rest of the file."""
    rows = [each for each in rows if each.kind != "import"] or list(rows)
    heads = used.get("heads", {})
    by_caller: dict[tuple[str, str], list[Reference]] = defaultdict(list)
    for each in rows:
        by_caller[each.caller if each.caller in heads else "", each.kind].append(each)
    for (caller, kind), uses in by_caller.items():
        uses = sorted(uses, key=lambda each: each.line)
        shown = list({each.line: each for each in uses}.values())[:6]
        verb, confidence = _VERBS[kind], min(each.confidence for each in uses)
        cited: list[Citation | None] = [sheet.cite(each.excerpt) for each in shown]
        lines = _lines([each.line for each in shown], more=len(uses) > len(shown))
        if match := _ASSERTED.search(shown[0].excerpt.text):
            _say_asserted(match.group("type"), shown[0], sheet)
        elif caller:
            head = Symbol.model_validate(heads[caller])
            owner = heads.get(f"{head.path}:{_owner(head)}") if head.kind == "method" else None
            cited.append(sheet.cite(head.excerpt))
            if owner:
                cited.append(sheet.cite(Symbol.model_validate(owner).excerpt))
            who = f"`{_owner(head)}.{head.name}`" if owner else f"`{head.name}`"
            sheet.say(f"{who} in {path} {verb} it in {lines}.", *cited, confidence=confidence)
        elif kind == "inherit":
            _say_subclasses(path, uses, sheet)
        else:
            sheet.say(f"{path} {verb} it in {lines}.", *cited, confidence=confidence)


def _say_asserted(name: str, use: Reference, sheet: Sheet) -> None:
    text = f"`{name}` implements it, as {use.path}:{use.line} asserts."
    sheet.say(text, sheet.cite(use.excerpt), confidence=use.confidence)


def _say_subclasses(path: str, uses: Sequence[Reference], sheet: Sheet) -> None:
    """Each by the name that stands in its line."""
    for each in uses[:20]:
        name = re.search(r"\b(?:class|interface|type|struct|trait|impl|enum)\s+([A-Za-z_$][\w$]*)", each.excerpt.text)
        who = f"`{name.group(1)}` in {path}:{each.line}" if name else f"{path}:{each.line}"
        sheet.say(f"{who} inherits from it.", sheet.cite(each.excerpt), confidence=each.confidence)
    if len(uses) > 20:
        sheet.missing.append(f"{len(uses) - 20} more subclasses in {path}")


def _lines(lines: Sequence[int], *, more: bool) -> str:
    if len(lines) == 1:
        return f"line {lines[0]}"
    text = listed(f"line {line}" for line in lines)
    return f"{text} and others" if more else text


def _say_tests(tests: Sequence[Reference], name: str, sheet: Sheet) -> None:
    by_file: dict[str, list[Reference]] = defaultdict(list)
    for each in tests:
        by_file[each.path].append(each)
    if not by_file:
        return
    sheet.block(
        f"Tests that use `{name}` ({counted(len(tests), 'use')} in {counted(len(by_file), 'file')}):",
        bullets=True,
    )
    for path, rows in sorted(by_file.items(), key=lambda row: (-len(row[1]), row[0]))[:6]:
        uses = sorted((each for each in rows if each.kind != "import"), key=lambda each: each.line) or rows
        shown = list({each.line: each for each in uses}.values())[:3]
        verb = _VERBS[shown[0].kind]
        lines = _lines([each.line for each in shown], more=len(uses) > len(shown))
        cited = [sheet.cite(each.excerpt) for each in shown]
        sheet.say(f"{path} {verb} it in {lines}.", *cited, confidence=min(each.confidence for each in shown))


def _answer_module(used: Used, sheet: Sheet) -> None:
    """Who imports a module."""
    count = used.get("imported_by", 0)
    sheet.block(f"Imported by {counted(count, 'file')}:", bullets=True)
    say_importers(sheet, used.get("importers", []), 12)
    shown = min(12, len(used.get("importers", [])))
    if count > shown and shown:
        sheet.missing.append(f"{counted(count - shown, 'more file')} that import {used.get('of', '')}")


def say_importers(sheet: Sheet, rows: Sequence[dict[str, Any]], most: int) -> None:
    """The lines that import a module."""
    hits = sorted((Hit.model_validate(row) for row in rows), key=lambda hit: (standing(hit.path), hit.path))
    for hit in hits[:most]:
        sheet.say(f"{hit.path} imports it in line {hit.start}.", sheet.cite(hit.excerpt))
