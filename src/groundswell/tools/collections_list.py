"""List collections of documents."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Collection
from groundswell.core.tool import tool


@tool(effect="read")
async def collections_list(context: ToolContext) -> list[Collection]:
    """The collections of this tenant: what each was filled from, and how much it holds."""
    return await context.documents.collections()
