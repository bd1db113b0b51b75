"""Be away for the first tries, to show that a read is tried again."""

from collections import OrderedDict

from groundswell.core.context import ToolContext
from groundswell.core.errors import Unavailable
from groundswell.core.tool import tool

RETRIES = 2
KEPT = 256
_TRIES: OrderedDict[str, int] = OrderedDict()  # by call: the runtime makes all tries of one in one process


@tool(effect="read", seconds=5, retries=RETRIES, bytes=2_000)
async def probe_flaky(context: ToolContext, failures: int = 0) -> int:
    """Fail as if a service were away, so many times, then say which try this is. It touches nothing: checks use it."""
    tries = _TRIES[context.key] = _TRIES.pop(context.key, 0) + 1
    while len(_TRIES) > KEPT:
        _TRIES.popitem(last=False)
    if tries <= failures:
        raise Unavailable("probe_away", f"try {tries} finds it away, as it was asked to")
    return tries
