"""Read a file."""

from groundswell.core.context import ToolContext
from groundswell.core.records import FileSlice
from groundswell.core.tool import tool


@tool(effect="read", seconds=30, bytes=128_000)
async def file_read(context: ToolContext, path: str, start: int = 1, end: int | None = None) -> FileSlice:
    """Read lines of a file in the run's repository, at most 400 at once; lines count from 1."""
    repo = await context.repo()
    return await repo.read(path, start, end)
