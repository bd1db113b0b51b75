"""Search collections of documents."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Passage
from groundswell.core.tool import tool


@tool(effect="read", seconds=30, bytes=160_000)
async def documents_search(
    context: ToolContext, query: str, collections: tuple[str, ...] = (), limit: int = 12
) -> list[Passage]:
    """Find passages in named collections of this tenant; without names, in those that the run looks at."""
    return await context.documents.search(query, collections=collections, limit=limit)
