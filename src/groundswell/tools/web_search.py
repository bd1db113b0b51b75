"""Search the web."""

from groundswell.core.context import ToolContext
from groundswell.core.records import PageHit
from groundswell.core.tool import tool


@tool(effect="read", seconds=20, retries=1)
async def web_search(context: ToolContext, query: str, limit: int = 8) -> list[PageHit]:
    """Find pages with the run's search engine. Its snippets are no evidence: fetch what looks right."""
    return await context.web.search(query, limit=limit)
