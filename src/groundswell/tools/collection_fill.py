"""Fill a collection of documents."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Filled
from groundswell.core.tool import tool


@tool(effect="write", seconds=580, repeatable=True, direct=True)
async def collection_fill(context: ToolContext, name: str, pages: int = 500) -> Filled:
    """Make a collection what the run's `pages` source says now, a folder or a site: only what changed is read."""
    return await context.documents.fill(name, pages=pages)
