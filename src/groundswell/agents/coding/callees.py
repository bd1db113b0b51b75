"""What a function calls: the calls in its body, with the definitions that they lead to."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

from groundswell.agents.coding.definitions import named
from groundswell.agents.coding.locating import Located, distinct, dumped, records
from groundswell.agents.coding.question import Asked
from groundswell.agents.coding.sheet import Sheet
from groundswell.core.context import Tools
from groundswell.core.records import FileSlice, Reference, Symbol

_LOOKED_UP = 14
LIKELY = 0.45  # a confidence that more than the name speaks for
_SHOWN = 16
_REFERENCES = 400
_LONGEST = 400  # lines of a body
_NOT_CALLS = frozenset(
    """if for while switch return catch with not and or in elif assert def func fn function print len str int float bool
    list dict set tuple isinstance range super type getattr setattr hasattr make append new typeof await async except
    raise sizeof defer go panic string error""".split()  # noqa: SIM905
)
_CALL = re.compile(r"(?<![\w.$])((?:[A-Za-z_$][\w$]*(?:\.|::|->))*)([A-Za-z_$][\w$]*)\(")


class Called(TypedDict, total=False):
    """A body, and what its calls lead to; as JSON."""

    body: dict[str, Any] | None
    defined: dict[str, dict[str, Any]]  # by the name that is called


async def read(asked: Asked, located: Located, tools: Tools) -> Called:
    """Read the whole body, and look up the names that it calls."""
    found = named(located)
    if not found:
        return Called()
    best = found[0][1][0]
    end = min(best.end_line, best.line + _LONGEST)
    result = await tools.result("file_read", path=best.path, start=best.line, end=end)
    if result.status != "ok":
        return Called()
    slice_ = FileSlice.model_validate(result.value)
    return Called(body=slice_.model_dump(mode="json"), defined=await followed(best, slice_, tools))


async def followed(
    symbol: Symbol, slice_: FileSlice, tools: Tools, *, most: int = _LOOKED_UP
) -> dict[str, dict[str, Any]]:
    """The definitions that the calls of a body lead to, as the graph of references has it; as JSON, by the call."""
    calls = list(first_lines(symbol, slice_))[: 2 * most]
    rows = await asyncio.gather(*(tools.result("symbol_find", name=_last(call), limit=8) for call in calls))
    near = [_nearest(_last(call), records(row, Symbol), symbol) for call, row in zip(calls, rows, strict=True)]
    pairs = [(call, each) for call, candidates in zip(calls, near, strict=True) for each in candidates][: 2 * most]
    sure = await asyncio.gather(*(_confidence(tools, symbol, each) for _, each in pairs))
    found: dict[str, tuple[float, Symbol]] = {}
    for (call, candidate), confidence in zip(pairs, sure, strict=True):
        if confidence > found.get(call, (0.0, candidate))[0]:
            found[call] = (confidence, candidate)
    return {call: dumped([candidate])[0] for call, (_, candidate) in found.items()}


def _last(call: str) -> str:
    return re.split(r"\.|::|->", call)[-1]


def _nearest(name: str, symbols: Sequence[Symbol], around: Symbol) -> list[Symbol]:
    """The two definitions of a name that are most likely meant."""
    own = [each for each in distinct(symbols) if not each.test and each.name == name]
    return sorted(own, key=lambda each: each.path != around.path)[:2]


async def _confidence(tools: Tools, caller: Symbol, callee: Symbol) -> float:
    """How sure it is that one definition calls the other; 0 where only the name says so."""
    result = await tools.result(
        "references_find", symbol=callee.qualified, path=callee.path, kinds=("call",), limit=_REFERENCES
    )
    inside = [
        each.confidence
        for each in records(result, Reference)
        if each.path == caller.path and caller.line < each.line <= caller.end_line
    ]
    return max((each for each in inside if each >= LIKELY), default=0.0)


def first_lines(symbol: Symbol, slice_: FileSlice) -> dict[str, int]:
    """What a body calls, as it is written there, and the line where it does so first."""
    calls = (
        (line, f"{before}{name}")
        for line, text in body(symbol, slice_)
        for before, name in _CALL.findall(re.sub(r"\"[^\"\n]*\"|'[^'\n]*'", '""', text))
        if before or name not in _NOT_CALLS
    )
    found: dict[str, int] = {}
    for line, call in calls:
        found.setdefault(call, line)
    return found


def body(symbol: Symbol, slice_: FileSlice) -> Iterator[tuple[int, str]]:
    """The lines of a body with their numbers; comments and documentation left out as far as is easily seen."""
    is_quoted = False
    for line, text in enumerate(slice_.excerpt.text.split("\n"), slice_.start):
        if line < symbol.line:
            continue  # it may begin in the middle of another one's documentation
        marks = len(re.findall(r'"""|\'\'\'', text))
        if line > symbol.line and not is_quoted and not marks and not re.match(r"\s*(?:#|//|\*|/\*)", text):
            yield line, text
        is_quoted = is_quoted != (marks % 2 == 1)


def answer(asked: Asked, located: Located, called: Called, sheet: Sheet) -> None:
    """Each name once, at the line where it is called first; those defined here before others."""
    found = named(located)
    if not found:
        return
    best = found[0][1][0]
    row = called.get("body")
    slice_ = FileSlice.model_validate(row) if row else None
    heads = {call: Symbol.model_validate(each) for call, each in called.get("defined", {}).items()}
    calls = first_lines(best, slice_) if slice_ else {}
    if slice_ is None or not calls:
        sheet.missing.append(f"no call was found in the body of {best.name}")
        return
    sheet.block(f"`{best.name}` ({best.path}:{best.line}) calls, of what is defined here:", bullets=True)
    for call, line in calls.items():
        if head := heads.get(call):
            cited = (sheet.cite(slice_.excerpt, line=line), sheet.cite(head.excerpt))
            sheet.say(f"Line {line} calls `{call}`, defined in {head.path}:{head.line}.", *cited)
    others = [(call, line) for call, line in calls.items() if call not in heads]
    sheet.block(f"`{best.name}` also calls, from libraries or not resolved:", bullets=True)
    for call, line in others[:_SHOWN]:
        sheet.say(f"Line {line} calls `{call}`.", sheet.cite(slice_.excerpt, line=line))
    if len(others) > _SHOWN:
        sheet.missing.append(f"{len(others) - _SHOWN} more calls in {best.name}")
