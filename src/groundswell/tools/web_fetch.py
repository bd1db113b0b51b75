"""Read a page of the web."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Page
from groundswell.core.tool import tool


@tool(effect="read", seconds=45, retries=1, bytes=256_000)
async def web_fetch(context: ToolContext, url: str) -> Page:
    """Read a page and split it into passages: HTML, Markdown or text. The site's robots.txt is kept to."""
    return await context.web.fetch(url)
