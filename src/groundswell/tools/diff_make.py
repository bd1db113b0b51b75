"""Make a diff of edits."""

from typing import Annotated

from pydantic import Field

from groundswell.core.context import ToolContext
from groundswell.core.records import Diff, Edit
from groundswell.core.tool import tool


@tool(effect="read", seconds=60, bytes=1_200_000)
async def diff_make(context: ToolContext, edits: Annotated[list[Edit], Field(min_length=1, max_length=100)]) -> Diff:
    """Make a unified diff of edits to the run's repository, against its commit; nothing is changed.

    An edit names a `path` and `old` with `new`, or all its `contents`, or `rename`, `executable`, `delete`.
    """
    workspace = await context.workspace()
    return await workspace.diff(edits)
