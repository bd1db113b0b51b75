"""List what the cluster noted."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Excerpt
from groundswell.core.tool import tool


@tool(effect="read", seconds=30, bytes=128_000)
async def events_list(context: ToolContext, namespace: str = "", about: str = "") -> list[Excerpt]:
    """List Kubernetes events, oldest first, of a namespace or of all; `about` is a word each must have."""
    cluster = await context.cluster()
    return await cluster.events(namespace, about)
