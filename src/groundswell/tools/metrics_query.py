"""Ask Prometheus."""

from groundswell.core.context import ToolContext
from groundswell.core.records import Metrics
from groundswell.core.tool import tool


@tool(effect="read", seconds=45)
async def metrics_query(context: ToolContext, promql: str, minutes: float = 0.0, step_seconds: float = 0.0) -> Metrics:
    """Evaluate PromQL now, or over the last `minutes`; a query that would read too much is refused before it is sent.

    Give `minutes` to see how a value went.
    """
    store = await context.metrics()
    return await store.query(promql, minutes=minutes, step_seconds=step_seconds)
