"""Find where a name is defined."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Symbol
from groundswell.core.tool import tool


@tool(effect="read", seconds=30)
async def symbol_find(context: ToolContext, name: str, kind: str = "", path: str = "", limit: int = 20) -> list[Symbol]:
    """Find the definitions of a name in the run's repository, best first.

    The name may be plain or qualified in any language's way of writing: `run`, `Runner.run`, `pkg::Runner::run`.
    `kind` and `path` (a file or folder) narrow the search.
    """
    repo = await context.repo()
    return await repo.definitions(name, kind=kind, path=path, limit=limit)
