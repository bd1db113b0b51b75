"""Bring the index of a repository up to date."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Coverage
from groundswell.core.tool import tool


@tool(effect="read", seconds=580, retries=0, concurrency=4)
async def repo_index(context: ToolContext) -> Coverage:
    """Index the run's repository as it is now, and tell what the index covers and what it left out."""
    repo = await context.repo()
    return await repo.coverage()
