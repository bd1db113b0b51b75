"""Take longer than allowed, to show that a deadline holds."""

import asyncio

from groundswell.core.context import ToolContext
from groundswell.core.tool import tool

SECONDS = 0.5


@tool(effect="read", seconds=SECONDS, bytes=2_000)
async def probe_wait(context: ToolContext, seconds: float) -> float:
    """Wait, and say for how long; at most half a second is allowed. It touches nothing: checks use it."""
    await asyncio.sleep(seconds)
    return seconds
