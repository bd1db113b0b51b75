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
    base: Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")],
    branch: Annotated[str, Field(min_length=1, max_length=200)],
    message: Annotated[str, Field(min_length=1, max_length=4000)],
) -> Branch:
    """Commit a patch on a new branch of the run's repository, from the commit `base`; both as diff_make gives them.

    No work tree is touched, and no branch that is there.
    """
    workspace = await context.workspace()
    return await workspace.branch(patch, base, branch, message, context.key)
