"""Find the modules that others rest on."""

from groundswell.core.context import ToolContext
from groundswell.core.errors import NotFound
from groundswell.core.records import Outline, Symbol
from groundswell.core.tool import tool

_LOOKED_AT = 200  # files
_HEADS = 6  # definitions of each module
_SPARE = 5.0  # seconds that are left for the reply
_SOURCE = "**/*.{py,ts,tsx,js,jsx,go,rs,java,kt,rb,php,c,cc,cpp,h,hpp,cs,swift,scala,lua,ex}"


@tool(effect="read", seconds=30, bytes=128_000)
async def modules_rank(context: ToolContext, limit: int = 10) -> list[Outline]:
    """Outline the modules that most other files import, the most imported first, with their first symbols."""
    repo = await context.repo()
    paths = await repo.files(glob=_SOURCE, limit=20_000)
    found: list[Outline] = []
    for path in sorted(paths, key=lambda each: (each.count("/"), each))[:_LOOKED_AT]:
        if context.remaining() < _SPARE:
            break
        try:
            outline = await repo.outline(path)
        except NotFound:
            continue
        if outline.symbols and outline.symbols[0].test:
            continue
        heads = sorted(outline.symbols, key=_weight)[:_HEADS]
        found.append(outline.model_copy(update={"symbols": tuple(heads)}))
    return sorted(found, key=lambda each: (-len(each.imported_by), each.path))[:limit]


def _weight(symbol: Symbol) -> tuple[bool, bool]:
    """Classes say most about a module, values least."""
    return symbol.kind != "class", symbol.kind in ("variable", "constant")
