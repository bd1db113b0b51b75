"""Search a repository for a pattern."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Hit
from groundswell.core.tool import tool


@tool(effect="read", seconds=30)
async def repo_search(context: ToolContext, pattern: str, glob: str = "**/*", limit: int = 50) -> list[Hit]:
    """Find the lines that match an RE2 regular expression in the run's repository."""
    repo = await context.repo()
    return await repo.grep(pattern, glob=glob, limit=limit)
