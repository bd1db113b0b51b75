"""Find the places a traceback names."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Frame
from groundswell.core.tool import tool


@tool(effect="read", seconds=30)
async def traceback_resolve(context: ToolContext, traceback: str) -> list[Frame]:
    """Map the frames of a traceback to lines of the run's repository, innermost last; other frames have no path."""
    repo = await context.repo()
    return await repo.frames(traceback)
