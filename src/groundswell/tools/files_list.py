"""List files."""

from groundswell.core.context import ToolContext
from groundswell.core.tool import tool


@tool(effect="read", seconds=30)
async def files_list(context: ToolContext, glob: str = "**/*", limit: int = 200) -> list[str]:
    """List the paths in the run's repository that match a glob; `**/` means any folder."""
    repo = await context.repo()
    return await repo.files(glob=glob, limit=limit)
