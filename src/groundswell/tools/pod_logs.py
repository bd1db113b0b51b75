"""Read the log of a container."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Excerpt
from groundswell.core.tool import tool


@tool(effect="read", seconds=30, bytes=128_000)
async def pod_logs(
    context: ToolContext, namespace: str, pod: str, container: str = "", previous: bool = False
) -> Excerpt:
    """Read the end of a container's log; `previous` is its run before the last restart."""
    cluster = await context.cluster()
    return await cluster.logs(namespace, pod, container, previous=previous)
