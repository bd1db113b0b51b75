"""One qdrant-edge shard: what a collection can do, synchronously. Runs in the shard host only.

The engine keeps Python's interpreter lock in every call (measured: an `optimize` of 19 s stops all other threads for
19 s), so none of this may run in a process that serves anything else.
"""

import json
import uuid
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from groundswell.backends.vectors import bm25
from groundswell.backends.vectors.filtering import Wanted, tokens
from groundswell.backends.vectors.fusion import depth, fuse

IDS = uuid.UUID("6d0f6c0e-8a55-5d0e-9a53-8f2f3b1f4c11")  # the namespace our ids live in
DENSE, SPARSE = "dense", "bm25"
EF = 384  # at 100k × 384 the default of 100 gives recall@10 of 0.93, and 256 only just 0.97
PAGE = 2000


class EngineFailed(Exception):
    """The engine refused; its text says why."""


@contextmanager
def engine() -> Generator[None]:
    """Give what the engine raises a name of ours."""
    try:
        yield
    except Exception as error:  # the engine raises nothing narrower
        raise EngineFailed(str(error)) from error


def config(dimensions: int, sparse: bool, index_after: int) -> edge.EdgeConfig:
    """A shard's shape: an HNSW index is built for segments of at least `index_after` points."""
    kilobytes = max(1, index_after * max(dimensions, 1) * 4 // 1024)
    return edge.EdgeConfig(
        vectors={DENSE: edge.EdgeVectorParams(size=dimensions, distance=edge.Distance.Cosine)} if dimensions else None,
        sparse_vectors={SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)} if sparse else None,
        hnsw_config=edge.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10_000),
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=kilobytes, default_segment_number=1),
    )


class Shard:
    """An open shard. `changed` holds the ids written since `watch`, while a copy of the shard is being indexed."""

    def __init__(self, shard: edge.EdgeShard) -> None:
        self._shard = shard
        self.changed: dict[uuid.UUID, None] | None = None

    @classmethod
    def create(cls, path: Path, shape: edge.EdgeConfig) -> "Shard":
        """A new, empty shard."""
        with engine():
            return cls(edge.EdgeShard.create(str(path), shape))

    @classmethod
    def load(cls, path: Path) -> "Shard":
        """The shard a folder holds."""
        with engine():
            return cls(edge.EdgeShard.load(str(path)))

    def index(self, fields: Iterable[str]) -> None:
        """Index filter fields."""
        self._update(
            edge.UpdateOperation.create_field_index(f"f.{name}", edge.PayloadSchemaType.Keyword) for name in fields
        )
        self.flush()

    def upsert(self, ids: Sequence[str], texts: Sequence[str], payloads: Sequence[str], dense: Sequence[Any]) -> None:
        """Store points; a payload is its JSON, a dense vector may be None."""
        points = [
            self._point(id_, text, payload, vector)
            for id_, text, payload, vector in zip(ids, texts, payloads, dense, strict=True)
        ]
        self._update([edge.UpdateOperation.upsert_points(points)])
        self._note(points[number].id for number in range(len(points)))

    def search(self, dense: list[float], text: str, where: Wanted, limit: int) -> list[tuple[str, float, str]]:
        """The best points as (id, score, payload's JSON)."""
        narrowed = _filter(where)
        queries: list[Any] = []
        if dense:
            queries.append(edge.Query.Nearest(dense, using=DENSE))
        if text and (words := bm25.query(text)).indices:
            queries.append(edge.Query.Nearest(words, using=SPARSE))
        if dense and text:
            lists = [[(p.id, p.score) for p in self._query(q, narrowed, depth(limit), False)] for q in queries]
            best = fuse(lists, limit)
            found = self._records([id_ for id_, _ in best], vectors=False)
            hits = [(found[id_], score) for id_, score in best if id_ in found]
        else:
            hits = [(p.payload, p.score) for query in queries for p in self._query(query, narrowed, limit, True)]
        return [(payload["id"], score, payload["json"]) for payload, score in hits if payload]

    def delete(self, ids: Sequence[str], where: Wanted | None) -> int:
        """Remove points by id and, unless it is None, by filter; says how many were there."""
        gone = [key(id_) for id_ in ids]
        present = set(self._records(gone, vectors=False)) if gone else set[Any]()
        if where is not None:
            present.update(record.id for page in self._pages(where, False) for record in page)
        doomed = list(present)
        self._update(
            edge.UpdateOperation.delete_points(doomed[start : start + PAGE]) for start in range(0, len(doomed), PAGE)
        )
        self._note(doomed)
        self.flush()
        return len(doomed)

    def ids(self, where: Wanted) -> list[str]:
        """The ids of all points, in order."""
        return sorted(record.payload["id"] for page in self._pages(where, ["id"]) for record in page)

    def fetch(self, ids: Sequence[str]) -> list[tuple[str, str, list[float] | None]]:
        """Points that are there, as (id, payload's JSON, dense vector), in the order asked for."""
        keys = [key(id_) for id_ in ids]
        found = self._records(keys, vectors=True)
        return [(found[k]["id"], found[k]["json"], found[k]["dense"]) for k in keys if k in found]

    def count(self, where: Wanted) -> int:
        """How many points there are."""
        with engine():
            return self._shard.count(edge.CountRequest(exact=True, filter=_filter(where)))

    def segments(self) -> int:
        """How many parts the engine keeps it in."""
        with engine():
            return self._shard.info().segments_count

    def watch(self) -> None:
        """Begin to note what is written, and put all that was written before on disk."""
        self.flush()
        self.changed = {}

    def carry(self, target: "Shard", at_most: int) -> int:
        """Bring some of what was written since `watch` to another shard; says how much remains."""
        changed = self.changed
        if changed is None:
            raise EngineFailed("nothing was watched: the host has been started again")
        batch: list[Any] = list(changed)[:at_most]
        for id_ in batch:
            del changed[id_]
        with engine():
            records = self._shard.retrieve(batch, with_payload=True, with_vector=True)
        missing = set(batch) - {record.id for record in records}
        target._take(records)
        if missing:
            target._update([edge.UpdateOperation.delete_points(list(missing))])
        return len(changed)

    def pour(self, target: "Shard") -> None:
        """Bring every point to another shard."""
        for page in self._pages({}, True, vectors=True):
            target._take(page)

    def optimize(self) -> None:
        """Merge segments, drop what was deleted, build indexes. Takes long."""
        with engine():
            self._shard.optimize()

    def flush(self) -> None:
        """Put everything on disk."""
        with engine():
            self._shard.flush()

    def close(self) -> None:
        """Flush, and give up files and memory."""
        with engine():
            self._shard.flush()
            self._shard.close()

    def _point(self, id_: str, text: str, payload: str, dense: list[float] | None) -> edge.Point:
        vectors: dict[str, Any] = {} if dense is None else {DENSE: dense}
        if text and (words := bm25.document(text)).indices:
            vectors[SPARSE] = words
        stored = {"id": id_, "json": payload, "f": tokens(json.loads(payload))}
        with engine():
            return edge.Point(key(id_), vectors, stored)

    def _query(self, query: Any, narrowed: edge.Filter | None, limit: int, payload: bool) -> list[edge.ScoredPoint]:
        params = edge.SearchParams(hnsw_ef=max(EF, limit))
        request = edge.QueryRequest(
            limit=limit, query=query, filter=narrowed, params=params, with_payload=["id", "json"] if payload else False
        )
        with engine():
            return self._shard.query(request)

    def _records(self, ids: Sequence[Any], *, vectors: bool) -> dict[Any, dict[str, Any]]:
        wanted = [DENSE] if vectors else False
        found: dict[Any, dict[str, Any]] = {}
        with engine():
            records = self._shard.retrieve(list(ids), with_payload=["id", "json"], with_vector=wanted)
        for record in records:
            stored: Any = record.vector or {}
            found[record.id] = {**(record.payload or {}), "dense": stored.get(DENSE)}
        return found

    def _take(self, records: Sequence[Any]) -> None:
        points = [edge.Point(record.id, record.vector or {}, record.payload) for record in records]
        if points:
            self._update([edge.UpdateOperation.upsert_points(points)])

    def _pages(self, where: Wanted, payload: Any, *, vectors: bool = False) -> Iterator[list[Any]]:
        start: Any = None
        while True:
            request = edge.ScrollRequest(
                offset=start, limit=PAGE, filter=_filter(where), with_payload=payload, with_vector=vectors
            )
            with engine():
                records, start = self._shard.scroll(request)
            yield records
            if start is None:
                return

    def _update(self, operations: Iterable[edge.UpdateOperation]) -> None:
        for operation in operations:
            with engine():
                self._shard.update(operation)

    def _note(self, ids: Iterable[Any]) -> None:
        if self.changed is not None:
            self.changed.update(dict.fromkeys(ids))


def key(id_: str) -> uuid.UUID:
    """The engine's id for one of ours."""
    return uuid.uuid5(IDS, id_)


def _filter(where: Wanted) -> edge.Filter | None:
    if not where:
        return None
    if not all(where.values()):
        return edge.Filter(must=[edge.HasIdCondition(set())])  # any of nothing: no point
    return edge.Filter(
        must=[edge.FieldCondition(key=f"f.{name}", match=edge.MatchAny(words)) for name, words in where.items()]
    )
