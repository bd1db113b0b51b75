"""Events as a Server-Sent Events stream (WHATWG HTML §9.2): numbered, so that a reader resumes exactly where it was."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from groundswell.core.errors import Unavailable
from groundswell.core.records import Event

PING_SECONDS = 15.0  # proxies cut streams that say nothing
PING = b": ping\n\n"


def stream(
    events: AsyncIterator[Event], status: int = 200, headers: Mapping[str, str] | None = None
) -> StreamingResponse:
    """A response that tells events as they are stored."""
    fresh = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(headers or {})}
    return StreamingResponse(encoded(events), status, fresh, media_type="text/event-stream")


async def encoded(events: AsyncIterator[Event]) -> AsyncGenerator[bytes]:
    """Events as the bytes of a stream."""
    following = events.__aiter__()
    yield b": stream of a run's events; resume with Last-Event-ID\n\n"
    pending: asyncio.Task[Event] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(following.__anext__())
            done, _ = await asyncio.wait([pending], timeout=PING_SECONDS)
            if not done:
                yield PING
                continue
            try:
                event = pending.result()
            except (StopAsyncIteration, Unavailable):  # ended; or away, and the reader comes back with its number
                return
            pending = None
            yield format_sse_event(data_str=event.model_dump_json(), event=event.kind, id=str(event.number))
    finally:
        if pending is not None:
            pending.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, Unavailable):
                await pending
