"""Read all objects of a kind."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Excerpt
from groundswell.core.tool import tool


@tool(effect="read", seconds=45, bytes=2_000_000)
async def objects_read(context: ToolContext, kind: str, namespace: str = "") -> list[Excerpt]:
    """Read every Kubernetes object of a kind, each whole: what it wants and how it is."""
    cluster = await context.cluster()
    return await cluster.manifests(kind, namespace)
