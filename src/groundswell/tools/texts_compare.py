"""Compare texts with a question by what they mean."""

from groundswell.core.context import ToolContext
from groundswell.core.errors import ToolFailed
from groundswell.core.tool import tool


@tool(effect="read", seconds=30)
async def texts_compare(context: ToolContext, queries: tuple[str, ...], texts: tuple[str, ...]) -> list[list[float]]:
    """For each query how near each text is to it in meaning, from -1 to 1; empty where nothing here embeds texts."""
    if len(queries) > 32 or len(texts) > 512:
        raise ToolFailed("too_many_texts", "at most 32 queries and 512 texts are compared at once", "send fewer")
    return await context.documents.compare(queries, texts)
