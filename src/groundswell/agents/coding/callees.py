"""What a function calls: the calls in its body, with the definitions that they lead to."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, TypedDict

from groundswell.agents.coding.definitions import named
from groundswell.agents.coding.explanations import NOT_CALLS, body
from groundswell.agents.coding.locating import Located, distinct, dumped, records
from groundswell.agents.coding.question import Asked
from groundswell.agents.coding.sheet import Sheet
from groundswell.core.context import Tools
from groundswell.core.records import FileSlice, Symbol

_LOOKED_UP = 16
_SHOWN = 16
_LONGEST = 400  # lines of a body
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
    names = [name for _, _, name in _calls(best, slice_)]
    wanted = list(dict.fromkeys(names))[:_LOOKED_UP]
    rows = await asyncio.gather(*(tools.result("symbol_find", name=name, limit=4) for name in wanted))
    heads = {name: _resolved(name, records(row, Symbol), best) for name, row in zip(wanted, rows, strict=True)}
    defined = {name: dumped([symbol])[0] for name, symbol in heads.items() if symbol is not None}
    return Called(body=slice_.model_dump(mode="json"), defined=defined)


def _calls(symbol: Symbol, slice_: FileSlice) -> list[tuple[int, str, str]]:
    """The calls of a body: their line, what stands before the name, and the name."""
    return [
        (line, before, name)
        for line, text in body(symbol, slice_)
        for before, name in _CALL.findall(re.sub(r"\"[^\"\n]*\"|'[^'\n]*'", '""', text))
        if before or name not in NOT_CALLS
    ]


def _resolved(name: str, symbols: Sequence[Symbol], around: Symbol) -> Symbol | None:
    """The one definition that a call can mean: the only one here, or the only one in the same file."""
    own = [each for each in distinct(symbols) if not each.test and each.name == name]
    near = [each for each in own if each.path == around.path and each.qualified != around.qualified]
    return own[0] if len(own) == 1 else near[0] if len(near) == 1 else None


def answer(asked: Asked, located: Located, called: Called, sheet: Sheet) -> None:
    """Each name once, at the line where it is called first; those defined here before others."""
    found = named(located)
    if not found:
        return
    best = found[0][1][0]
    row = called.get("body")
    slice_ = FileSlice.model_validate(row) if row else None
    heads = {name: Symbol.model_validate(each) for name, each in called.get("defined", {}).items()}
    if slice_ is None or not (calls := _calls(best, slice_)):
        sheet.missing.append(f"no call was found in the body of {best.name}")
        return
    first = {(before, name): line for line, before, name in reversed(calls)}
    order = sorted(first.items(), key=lambda each: each[1])
    where = f"{best.path}:{best.line}"
    sheet.block(f"`{best.name}` ({where}) calls, of what is defined here:", bullets=True)
    for (before, name), line in [each for each in order if each[0][1] in heads][:_SHOWN]:
        head = heads[name]
        cited = (sheet.cite(slice_.excerpt, line=line), sheet.cite(head.excerpt))
        sheet.say(f"Line {line} calls `{before}{name}`: {head.path}:{head.line}.", *cited)
    others = [each for each in order if each[0][1] not in heads]
    sheet.block(f"`{best.name}` also calls, from libraries or not resolved:", bullets=True)
    for (before, name), line in others[:_SHOWN]:
        sheet.say(f"Line {line} calls `{before}{name}`.", sheet.cite(slice_.excerpt, line=line))
    if len(others) > _SHOWN:
        sheet.missing.append(f"{len(others) - _SHOWN} more calls in {best.name}")
