"""What a module, class or function does, as far as its own text says it; and what it is made of."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, TypedDict

from groundswell.agents.coding import callees, definitions, users
from groundswell.agents.coding.definitions import Defined, key, named
from groundswell.agents.coding.locating import Located, dumped, records
from groundswell.agents.coding.question import Asked
from groundswell.agents.coding.sheet import Sheet, code, counted, sentence
from groundswell.core.context import Tools
from groundswell.core.records import FileSlice, Outline, Reference, Symbol

_SHOWN = 12  # members
_LISTED = 40
_KEPT = 80
_CALLED = 6
_KINDS = {
    "method": ("method",),
    "function": ("function",),
    "class": ("class", "interface", "type"),
    "exception": ("class",),
    "interface": ("interface", "type", "class"),
    "struct": ("class", "type"),
    "enum": ("class", "type"),
    "type": ("type", "interface", "class"),
    "constant": ("constant", "variable"),
    "variable": ("variable", "constant"),
    "attribute": ("variable", "constant"),
    "field": ("variable", "constant"),
    "propertie": ("variable", "constant", "method"),
}
_RAISE = re.compile(r"\b(?:raise|throw(?: new)?)\s+([A-Za-z_$][\w$.]*)")
_IMPORT = re.compile(
    r"\s*(?:import|from|use|#include|require|export\s.*\sfrom|\w+ \"|\"[\w./-]+\"$|(?:const|var|let)\s.*require\()"
)


class Explained(TypedDict, total=False):
    """What the explanation rests on; as JSON."""

    defined: Defined
    outline: dict[str, Any] | None
    head: dict[str, Any] | None  # the first lines of the module
    importers: list[dict[str, Any]]
    members: list[dict[str, Any]]  # of a class
    called: dict[str, dict[str, Any]]  # definitions, by what calls them
    references: list[dict[str, Any]]


async def read(asked: Asked, located: Located, tools: Tools) -> Explained:
    """Read the text of what is asked about, and what stands around it."""
    found = named(located)
    if found:
        return await _read_symbol(asked, located, found[0][1][0], tools)
    if not (outline := located.get("outline")):
        return Explained()
    head, importers = await asyncio.gather(
        tools.result("file_read", path=outline["path"], start=1, end=400),
        users.import_lines(tools, outline["path"], list(outline["imported_by"])),
    )
    return Explained(outline=outline, head=head.value if head.status == "ok" else None, importers=importers)


async def _read_symbol(asked: Asked, located: Located, best: Symbol, tools: Tools) -> Explained:
    defined, outline, used = await asyncio.gather(
        definitions.read(asked, located, tools, most=1),
        _outline_of(best, tools),
        tools.result("references_find", symbol=best.qualified, path=best.path, limit=200),
    )
    references = [
        each for each in records(used, Reference) if each.confidence >= users.LIKELY and each.kind != "import"
    ]
    slice_ = defined.get("slices", {}).get(key(best))
    called = await callees.followed(best, FileSlice.model_validate(slice_), tools, most=_CALLED) if slice_ else {}
    return Explained(defined=defined, members=outline, references=dumped(references[:60]), called=called)


async def _outline_of(symbol: Symbol, tools: Tools) -> list[dict[str, Any]]:
    """The members of a class."""
    if symbol.kind not in ("class", "interface", "type"):
        return []
    result = await tools.result("module_outline", path=symbol.path)
    if result.status != "ok":
        return []
    members = [each for each in Outline.model_validate(result.value).symbols if _is_member(each, symbol)]
    return dumped(_ordered(members)[:_KEPT])


def _ordered(symbols: Sequence[Symbol]) -> list[Symbol]:
    """Each definition once, what is called before what is held."""
    once = list({(each.qualified, each.kind): each for each in reversed(symbols)}.values())[::-1]
    return sorted(once, key=lambda each: (each.kind in ("variable", "constant"), each.line))


def _is_member(symbol: Symbol, of: Symbol) -> bool:
    return re.split(r"\.|::|#", symbol.qualified)[-2:-1] == [of.name] and symbol.qualified != of.qualified


def answer(asked: Asked, located: Located, explained: Explained, sheet: Sheet) -> None:
    """Explain a definition, else a module."""
    if found := named(located):
        _answer_symbol(asked, found[0][0], found[0][1], explained, sheet)
    elif outline := explained.get("outline"):
        _answer_module(asked, Outline.model_validate(outline), explained, sheet)


def _answer_symbol(asked: Asked, name: str, symbols: Sequence[Symbol], explained: Explained, sheet: Sheet) -> None:
    best = symbols[0]
    defined = explained.get("defined", Defined())
    sheet.block()
    definitions.say(sheet, best, defined, doc=False)
    has_doc = definitions.say_doc(sheet, best, defined, sentences=3)
    if not has_doc and best.kind in ("function", "method", "class"):
        sheet.missing.append(f"{best.name} has no documentation of its own")
    row = defined.get("slices", {}).get(key(best))
    if row:
        _say_body(best, FileSlice.model_validate(row), explained, sheet)
    _say_members(best, [Symbol.model_validate(each) for each in explained.get("members", [])], asked, sheet)
    _say_use(best, [Reference.model_validate(each) for each in explained.get("references", [])], sheet)
    others = [symbol for symbol in symbols[1:6] if not symbol.test]
    if others:
        sheet.block(f"Other definitions of `{name}`:", bullets=True)
        for symbol in others:
            definitions.say(sheet, symbol, defined, doc=False)


def _say_body(symbol: Symbol, slice_: FileSlice, explained: Explained, sheet: Sheet) -> None:
    """What a function returns, raises and calls, line by line."""
    if symbol.kind not in ("function", "method"):
        return
    rows = list(callees.body(symbol, slice_))
    sheet.block("In its body:", bullets=True)
    heads = {call: Symbol.model_validate(row) for call, row in explained.get("called", {}).items()}
    for call, line in list(callees.first_lines(symbol, slice_).items()):
        if callee := heads.get(call):
            cited = (sheet.cite(slice_.excerpt, line=line), sheet.cite(callee.excerpt))
            sheet.say(f"Line {line} calls `{callee.name}`, defined in {callee.path}:{callee.line}.", *cited)
    raised: set[str] = set()
    for line, text in rows:
        for name in _RAISE.findall(text):
            if name not in raised and len(raised) < 4:
                raised.add(name)
                sheet.say(f"Line {line} raises `{name}`.", sheet.cite(slice_.excerpt, line=line))
    returned = [(line, text) for line, text in rows if re.match(r"\s*return\b\s*\S", text)]
    for line, text in returned[-2:]:
        sheet.say(f"Line {line}: {code(text)}", sheet.cite(slice_.excerpt, line=line))


def _say_members(symbol: Symbol, members: Sequence[Symbol], asked: Asked, sheet: Sheet) -> None:
    if not members:
        return
    wanted = _wanted(members, asked["member"])
    public = [each for each in wanted if not each.name.startswith("_")] or list(wanted)
    shown = (wanted if asked["kind"] == "members" else public)[: _LISTED if asked["kind"] == "members" else _SHOWN]
    title = f"{_label(asked)} of `{symbol.name}` ({len(wanted)}):"
    sheet.block(title, bullets=True)
    for each in shown:
        _say_member(each, sheet)
    if len(wanted) > len(shown):
        sheet.missing.append(f"{len(wanted) - len(shown)} more members of {symbol.name}")


def _label(asked: Asked) -> str:
    return asked["member"].capitalize() if asked["kind"] == "members" and _kinds(asked["member"]) else "Members"


def _say_member(symbol: Symbol, sheet: Sheet, around: FileSlice | None = None) -> None:
    text = sentence(symbol.doc, 90)
    documented = sheet.cite(symbol.excerpt, text) if text else None
    if text and documented is None and around is not None:
        documented = sheet.cite(around.excerpt, text)  # a comment above the definition
    head = sheet.cite(symbol.excerpt)
    if documented:
        sheet.say(
            f"`{symbol.name}` (line {symbol.line}): “{text.replace('“', '').replace('”', '')}”",
            head,
            documented,
        )
    else:
        sheet.say(f"`{symbol.name}` (line {symbol.line}): {definitions.signature(symbol)}", head)


def _kinds(member: str) -> tuple[str, ...]:
    singular = member.removesuffix("es") if member.endswith("sses") else member.removesuffix("s")
    return _KINDS.get(singular, ())


def _wanted(symbols: Sequence[Symbol], member: str) -> list[Symbol]:
    kinds = _kinds(member)
    if kinds == ("function",) and not any(each.kind == "function" for each in symbols):
        kinds = ("method",)
    return [each for each in symbols if each.kind in kinds] if kinds else list(symbols)


def _say_use(symbol: Symbol, references: Sequence[Reference], sheet: Sheet) -> None:
    own = [each for each in references if not each.test and each.path != symbol.path] or [
        each for each in references if not each.test
    ]
    if not own:
        return
    files = dict.fromkeys(each.path for each in own)
    sheet.block(f"Used in {counted(len(files), 'file')}, for example:", bullets=True)
    seen: set[str] = set()
    for each in own:
        if each.path not in seen and len(seen) < 3:
            seen.add(each.path)
            sheet.say(
                f"{each.path}:{each.line}: {code(each.excerpt.text)}",
                sheet.cite(each.excerpt),
                confidence=each.confidence,
            )


def _answer_module(asked: Asked, outline: Outline, explained: Explained, sheet: Sheet) -> None:
    head = explained.get("head")
    slice_ = FileSlice.model_validate(head) if head else None
    sheet.block()
    _say_module_doc(outline, slice_, sheet)
    if asked["kind"] == "members" and re.match(r"import|dependenc|depend", asked["member"]):
        _say_imports(outline, slice_, sheet)
        return
    is_list = asked["kind"] == "members"
    symbols = _ordered(outline.symbols)
    tops = [each for each in symbols if not each.excerpt.text[:1].isspace()]
    named = _wanted(symbols if asked["member"].startswith("method") else tops, asked["member"])
    wanted = named if is_list else tops
    limit = _LISTED if is_list else _SHOWN
    order = wanted if is_list else sorted(wanted, key=_weight)
    sheet.block(f"{outline.path} defines {_tally(wanted)}:", bullets=True)
    for each in order[:limit]:
        _say_member(each, sheet, slice_)
    if len(wanted) > len(order[:limit]):
        sheet.missing.append(f"{len(wanted) - len(order[:limit])} more definitions in {outline.path}")
    if is_list:
        return
    _say_imports(outline, slice_, sheet)
    if importers := explained.get("importers", []):
        sheet.block(f"Imported by {counted(len(outline.imported_by), 'file')}, for example:", bullets=True)
        users.say_importers(sheet, importers, 4)


def _weight(symbol: Symbol) -> tuple[bool, bool, int]:
    """What a module is for comes before what it holds, and what it offers before what it keeps to itself."""
    return symbol.kind in ("variable", "constant"), symbol.name.startswith("_"), symbol.line


def _tally(symbols: Sequence[Symbol]) -> str:
    counts: dict[str, int] = {}
    for each in symbols:
        kind = "value" if each.kind in ("variable", "constant") else each.kind
        counts[kind] = counts.get(kind, 0) + 1
    plurals = {"class": "classes"}
    return ", ".join(counted(count, kind, plurals.get(kind, "")) for kind, count in counts.items()) or "nothing"


def _say_module_doc(outline: Outline, slice_: FileSlice | None, sheet: Sheet) -> None:
    if outline.doc is None:
        return
    text = re.sub(r"^[\s\"'rub]*(?:\"\"\"|''')|(?:\"\"\"|''')\s*$", "", outline.doc.text)
    text = re.sub(r"(?m)^[ \t]*(?://+!?|/?\*+/?|#+!?|--|<!--)[ \t]?", " ", text)
    words = " ".join(text.split())
    for _ in range(2):
        said = sentence(words, 240).strip()
        cited = sheet.cite(outline.doc, said) if len(said) > 3 else None
        if cited is None:
            break
        sheet.say(
            f"The documentation of {outline.path} says: “{said.replace('“', '').replace('”', '').replace('`', '')}”",
            cited,
        )
        words = words[len(said) :].strip()
        break


def _say_imports(outline: Outline, slice_: FileSlice | None, sheet: Sheet) -> None:
    """The lines that import from this repository, then those that import from outside."""
    if slice_ is None:
        return
    lines = [
        (line, text)
        for line, text in enumerate(slice_.excerpt.text.split("\n"), slice_.start)
        if _IMPORT.match(text) and not re.fullmatch(r"\s*(?:import|use)\s*[({]?\s*", text)
    ]
    stems = {re.sub(r"\.\w+$", "", path).split("/")[-1] for path in outline.imports if "/" in path or "." in path}
    own = [(line, text) for line, text in lines if any(re.search(rf"\b{re.escape(stem)}\b", text) for stem in stems)]
    chosen = (own or lines)[:5] if outline.imports else []
    if chosen:
        sheet.block(f"It imports {counted(len(outline.imports), 'module')}, among them:", bullets=True)
        for line, text in chosen:
            sheet.say(f"Line {line}: {code(text)}", sheet.cite(slice_.excerpt, line=line))
