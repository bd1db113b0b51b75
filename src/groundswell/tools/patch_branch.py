"""Commit a patch on a new branch."""

from typing import Annotated, Any

from pydantic import Field

from groundswell.core.context import ToolContext
from groundswell.core.records import Branch
from groundswell.core.tool import tool


async def branched(context: ToolContext, arguments: dict[str, Any]) -> Branch | None:
    """Whether the commit was made."""
    workspace = await context.workspace()
    return await workspace.branched(arguments["branch"], context.key)


@tool(effect="write", seconds=60, approval=True, changes="repo", probe=branched)
async def patch_branch(
    context: ToolContext,
    patch: Annotated[str, Field(min_length=1)],
    branch: Annotated[str, Field(min_length=1, max_length=200)],
    message: Annotated[str, Field(min_length=1, max_length=4000)],
) -> Branch:
    """Commit a patch, as diff_make writes it, on a new branch of the run's repository; no work tree is touched."""
    workspace = await context.workspace()
    return await workspace.branch(patch, branch, message, context.key)
