"""Show a collection of documents."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Shelf
from groundswell.core.tool import tool


@tool(effect="read", bytes=512_000)
async def collection_show(context: ToolContext, name: str) -> Shelf:
    """A collection with its pages, each with its title, size and digest."""
    return await context.documents.shelf(name)
