"""Look at a whole cluster once."""

from groundswell.core.context import ToolContext
from groundswell.core.records import ClusterEvidence
from groundswell.core.tool import tool


@tool(effect="read", seconds=90, bytes=3_000_000, retries=1)
async def cluster_evidence(context: ToolContext, about: tuple[str, ...] = ()) -> ClusterEvidence:
    """Gather the cluster's objects, events and the telling lines of its logs; `about` names what matters most."""
    cluster = await context.cluster()
    return await cluster.evidence(about)
