"""What every store refuses, before anything of it is written."""

import json
import math
from collections.abc import Iterator, Sequence

from groundswell.core.errors import Conflict, Invalid, NotFound
from groundswell.core.ports import CollectionInfo, Point
from groundswell.core.texts import valid

BATCH = 200  # points in one message: some 10 ms of an engine's time
DEEPEST = 10_000  # results of one search


def makeable(info: CollectionInfo) -> None:
    """Raises Invalid for what cannot be a collection."""
    if info.dimensions < 0 or not (info.dimensions or info.sparse):
        raise Invalid("bad_collection", "a collection needs dense vectors, a text index, or both")


def same(there: CollectionInfo, wanted: CollectionInfo) -> None:
    """Raises Conflict where a collection is there that is another."""
    if there != wanted:
        raise Conflict(
            "embedding_changed",
            f"{wanted.name!r} holds {_described(there)}, not {_described(wanted)}",
            "drop the collection and index again",
        )


def askable(info: CollectionInfo, dense: Sequence[float], text: str, limit: int) -> None:
    """Raises Invalid for a search that cannot be."""
    if not 0 <= limit <= DEEPEST:
        raise Invalid("bad_limit", f"a search gives 0 to {DEEPEST} results, not {limit}")
    if len(dense):
        _dense(info, dense)
    _text(info, text)


def storable(info: CollectionInfo, points: Sequence[Point]) -> list[str]:
    """The payloads as JSON; raises Invalid for what cannot be stored."""
    for point in points:
        if point.dense:
            _dense(info, point.dense)
        _text(info, point.text)
        valid_id(point.id)
    try:
        return [json.dumps(point.payload, allow_nan=False) for point in points]
    except (TypeError, ValueError) as error:
        raise Invalid("bad_payload", f"a payload cannot be written as JSON: {error}") from error


def valid_id(id_: str) -> str:
    """An id as it is; raises Invalid for one that no engine takes."""
    if id_ != valid(id_):
        raise Invalid("bad_id", f"{id_!r} is not valid Unicode")
    return id_


def missing(collection: str) -> NotFound:
    """The error for a collection that is not there."""
    return NotFound("no_collection", f"there is no collection {collection!r}", "index something first")


def batches(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Some at a time."""
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _text(info: CollectionInfo, text: str) -> None:
    if text and not info.sparse:
        raise Invalid("no_text_index", f"{info.name!r} has no text index")


def _dense(info: CollectionInfo, dense: Sequence[float]) -> None:
    if len(dense) != info.dimensions:
        raise Invalid(
            "wrong_dimensions", f"{info.name!r} holds vectors of {info.dimensions} dimensions, not {len(dense)}"
        )
    if not math.isfinite(math.fsum(dense)):
        raise Invalid("bad_vector", "a vector holds a number that is not finite")


def _described(info: CollectionInfo) -> str:
    text = " and a text index" if info.sparse else ""
    return f"{info.dimensions}-dimensional vectors of {info.embedding or 'no model'}{text}"
