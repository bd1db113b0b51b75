"""Read on in a result that was too long."""

from groundswell.core.context import ToolContext
from groundswell.core.errors import ToolFailed
from groundswell.core.records import Record
from groundswell.core.tool import tool


class Part(Record):
    """A stretch of a stored result, as JSON text; an empty `handle` says that it is the last."""

    text: str
    offset: int
    characters: int  # in the whole result
    handle: str = ""


@tool(effect="read", bytes=96_000)
async def result_read(context: ToolContext, handle: str, offset: int = -1, limit: int = 16_000) -> Part:
    """Read on behind the handle of a truncated result; without an offset, from where the handle points."""
    digest, _, place = handle.partition(":")
    if not digest or not (place or "0").isdecimal():
        raise ToolFailed("bad_handle", f"{handle!r} is no handle", "take `handle` from a truncated result")
    start = int(place or 0) if offset < 0 else offset
    text = await context.stored(digest)
    end = min(len(text), start + max(1, min(limit, 16_000)))
    return Part(
        text=text[start:end],
        offset=start,
        characters=len(text),
        handle=f"{digest}:{end}" if end < len(text) else "",
    )
