"""Say what a module is made of."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Outline
from groundswell.core.tool import tool


@tool(effect="read", seconds=30, bytes=256_000)
async def module_outline(context: ToolContext, path: str) -> Outline:
    """Tell what a file, package or dotted module documents, defines and imports, and who imports it."""
    repo = await context.repo()
    return await repo.outline(path)
