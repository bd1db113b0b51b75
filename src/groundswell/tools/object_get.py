"""Read one object."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Excerpt
from groundswell.core.tool import tool


@tool(effect="read", seconds=30)
async def object_get(context: ToolContext, kind: str, name: str, namespace: str = "") -> Excerpt:
    """Read a Kubernetes object: what it wants, how it is, and what its containers last came to."""
    cluster = await context.cluster()
    return await cluster.object(kind, namespace, name)
