"""Search a repository for what passages are about."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Hit
from groundswell.core.tool import tool


@tool(effect="read", seconds=30, bytes=128_000)
async def code_search(context: ToolContext, query: str, glob: str = "**/*", limit: int = 10) -> list[Hit]:
    """Find the passages of code and documentation that a description in plain words fits best, best first."""
    repo = await context.repo()
    return await repo.search(query, glob=glob, limit=limit)
