"""What becomes of a tool's value: secrets out, excerpts into evidence, and no more than its budget."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter

from groundswell.backends.databases.calls import SEEN
from groundswell.backends.databases.evidence import Piece
from groundswell.core.errors import Denied, GroundswellError, NotFound, ToolFailed, Unavailable
from groundswell.core.records import Excerpt, ToolResult
from groundswell.core.redaction import redact, redact_value
from groundswell.core.texts import storable, storable_value

T = TypeVar("T")
EXCERPT = frozenset(Excerpt.model_fields)
STORED_AT_MOST = 16  # times a tool's reply budget: what is kept behind its handle


def value_in(result: ToolResult, name: str, returns: type[T]) -> T:
    """A tool's value, as a node asks for it; what is not `ok` raises."""
    adapter: TypeAdapter[T] = TypeAdapter(returns)
    if result.status == "no_data" and result.value is None:
        raise NotFound(result.code or "no_data", result.message or f"{name} found nothing", result.hint)
    if result.status == "denied":
        raise Denied(result.code, result.message, result.hint)
    if result.status not in ("ok", "no_data"):
        raise ToolFailed(result.code, result.message, result.hint, transient=result.transient)
    if result.code == SEEN:
        raise ToolFailed("no_value", f"{name}: {result.message}; what it returned is not known")
    return adapter.validate_python(result.value)


def failure_of(error: GroundswellError, since: datetime | None = None) -> ToolResult:
    """What a call came to that failed; the words of an error may be those of a page or an endpoint."""
    status = "no_data" if isinstance(error, NotFound) else "error"
    message, hint = redact(storable(error.message)), redact(storable(error.hint))
    passing = isinstance(error, Unavailable)
    return ToolResult(status=status, since=since, code=error.code, message=message, hint=hint, transient=passing)


def result_of(value: Any, budget: int, origin: str) -> tuple[ToolResult, list[Piece]]:
    """A reply, and the evidence that belongs to it. `value` is JSON-like; `budget` is in bytes of JSON.

    The evidence is `budget * STORED_AT_MOST` bytes at most: what the call has reserved.
    """
    value = redact_value(storable_value(value))
    pieces = list(_pieces(value, origin))
    text = json.dumps(value, ensure_ascii=False).encode()
    if len(text) <= budget:
        return ToolResult(status="no_data" if _empty(value) else "ok", value=value), pieces
    room = budget * STORED_AT_MOST
    pieces = list(_first(pieces, room // 2))  # the other half is the reply's as a whole, which holds them all again
    room -= sum(len(piece.text.encode()) for piece in pieces)
    kept = text[:room].decode(errors="ignore")  # a letter that is cut in two is left out
    whole = Piece(text=kept, source="tool:whole", truncated=len(text) > room)
    result = ToolResult(status="ok", value=fitted(value, budget), truncated=True, handle=f"{whole.digest}:0")
    if len(json.dumps(result.value, ensure_ascii=False).encode()) > budget:
        message = f"it returned {len(text):,} bytes, which cannot be cut to the {budget:,} it may return"
        told = {"code": "reply_too_large", "message": message, "hint": "ask for less at once"}
        result = result.model_copy(update={"status": "error", "value": None, **told})
    return result, [*pieces, whole]


def _first(pieces: Iterable[Piece], room: int) -> Iterator[Piece]:
    """As many as there is room for, in bytes."""
    for piece in pieces:
        room -= len(piece.text.encode())
        if room < 0:
            return
        yield piece


def fitted(value: Any, budget: int) -> Any:
    """The value with its longest lists and texts halved until it fits: still of the same type."""
    root = [value]
    while len(json.dumps(root[0], ensure_ascii=False).encode()) > budget:
        longest = max(_places(root), key=lambda place: _weight(place[0][place[1]]), default=None)
        if longest is None or len(longest[0][longest[1]]) < 2:
            break
        holder, key = longest
        holder[key] = holder[key][: len(holder[key]) // 2]
    return root[0]


def _places(root: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Every list and long text, by what holds it."""
    pending: list[Any] = [root]
    while pending:
        holder = pending.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            held = holder[key]
            if isinstance(held, list) or (isinstance(held, str) and key == "text"):
                yield holder, key
            if isinstance(held, dict | list):
                pending.append(held)


def _weight(held: Any) -> int:
    return len(held) if isinstance(held, str) else len(json.dumps(held, ensure_ascii=False))


def _pieces(value: Any, origin: str) -> Iterator[Piece]:
    """Make evidence of each excerpt, and write its digest into it."""
    if isinstance(value, dict):
        if value.keys() == EXCERPT:
            piece = Piece(text=value["text"], source=value["source"], origin=origin, truncated=value["truncated"])
            value["digest"] = piece.digest
            yield piece
            return
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _pieces(each, origin)


def _empty(value: Any) -> bool:
    return value is None or value == [] or value == {}
