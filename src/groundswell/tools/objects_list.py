"""List the objects of a kind."""

from groundswell.core.context import ToolContext
from groundswell.core.records import ObjectRow
from groundswell.core.tool import tool


@tool(effect="read", seconds=30)
async def objects_list(context: ToolContext, kind: str, namespace: str = "") -> list[ObjectRow]:
    """List Kubernetes objects of a kind (`pods`, `deploy`, `pvc`, …) with a few words on how each is."""
    cluster = await context.cluster()
    return await cluster.objects(kind, namespace)
