"""Delete a collection of documents."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Collection
from groundswell.core.tool import tool


@tool(effect="write", seconds=60, repeatable=True, direct=True)
async def collection_remove(context: ToolContext, name: str) -> Collection:
    """Delete a collection with everything that is stored of it, for real; what answers quoted stays their evidence."""
    return await context.documents.remove(name)
