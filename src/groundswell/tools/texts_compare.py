"""Compare texts with a question by what they mean."""

from groundswell.core.context import ToolContext
from groundswell.core.tool import tool


@tool(effect="read", seconds=30)
async def texts_compare(context: ToolContext, query: str, texts: tuple[str, ...]) -> list[float]:
    """How near each text is to the query in meaning, from -1 to 1; an empty list where nothing here embeds texts."""
    return await context.documents.compare(query, texts)
