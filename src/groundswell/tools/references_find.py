"""Find who uses a name."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Reference
from groundswell.core.tool import tool


@tool(effect="read", seconds=30, bytes=256_000)
async def references_find(
    context: ToolContext, symbol: str, path: str = "", kinds: tuple[str, ...] = (), limit: int = 200
) -> list[Reference]:
    """Find who calls, imports, inherits from or otherwise uses a definition, surest first.

    `path` is the file or folder of the definition; `kinds` are of `call`, `import`, `use`, `inherit`. A confidence
    of 1.0 was resolved through scopes and imports, a low one goes by the name alone.
    """
    repo = await context.repo()
    return await repo.references(symbol, path=path, kinds=kinds, limit=limit)
