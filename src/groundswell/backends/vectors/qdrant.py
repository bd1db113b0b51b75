"""`qdrant:` – vectors on a Qdrant server, or a cluster of them, over REST.

A tenant's collection is an alias, `groundswell.TENANT.COLLECTION`, of a collection with a number behind that name: what
is restored fills one with another number, and moving the alias puts it in place in one step. The shape of points,
word ids and filters are those of the embedded store.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import httpx2
import msgspec

from groundswell.backends.vectors import bm25, export
from groundswell.backends.vectors.checking import (
    BATCH,
    askable,
    batches,
    makeable,
    missing,
    same,
    storable,
    valid_id,
)
from groundswell.backends.vectors.filtering import Wanted, field, tokens, wanted
from groundswell.backends.vectors.folders import folder_name
from groundswell.backends.vectors.fusion import depth, fuse
from groundswell.backends.vectors.qdrant_rest import Gone, Rest, There
from groundswell.backends.vectors.shard import DENSE, EF, PAGE, SPARSE, key
from groundswell.core.errors import GroundswellError, Invalid, Unavailable
from groundswell.core.ports import CollectionInfo, Filter, Found, Point
from groundswell.core.settings import VectorStore
from groundswell.core.texts import valid

PREFIX = "groundswell"
LONGEST = 240  # bytes of a collection's name: the server makes a folder of it
MOST_BYTES = 8 * 2**20  # of a request; the server takes 32 MiB
STORED = ["id", "json"]
# acknowledged is applied and in the write-ahead log, on as many peers as the collection's write consistency says
ACKNOWLEDGED = {"wait": "true", "ordering": "medium"}


class QdrantVectors:
    """The vectors port over a server."""

    scheme: ClassVar[str] = "qdrant"

    def __init__(
        self, url: str, key: str = "", *, transport: httpx2.AsyncBaseTransport | None = None, **patience: Any
    ) -> None:
        self._rest = Rest(url, key, transport=transport, **patience)
        self._known: dict[str, CollectionInfo] = {}  # by alias; forgotten when the server says otherwise

    @classmethod
    def opened(cls, settings: VectorStore, folder: Path) -> "QdrantVectors":
        """The store that settings name; nothing of it lies in the folder."""
        return cls(settings.url, settings.key.get_secret_value() if settings.key else "")

    async def ensure(self, tenant: str, collection: CollectionInfo, *, keywords: Sequence[str] = ()) -> None:
        """Make a collection, or check the one that is there; raises Conflict("embedding_changed") for another model."""
        makeable(collection)
        alias = _alias(tenant, collection.name)
        for _ in range(3):  # another may remove it while we make it
            with contextlib.suppress(Gone):
                there = await self._look(alias)
                same(there[0], collection)
                await self._index(alias, [field(each) for each in dict.fromkeys(keywords)], there[1])
                return
            with contextlib.suppress(Gone):
                await self._make(f"{alias}.1", collection)
                await self._point(alias, f"{alias}.1")
        raise Unavailable("collection_contended", f"{collection.name!r} is removed as often as it is made")

    async def drop(self, tenant: str, collection: str) -> None:
        """Remove a collection and what it stores; nothing happens where there is none."""
        alias = _alias(tenant, collection)
        target = (await self._aliases()).get(alias)
        await self._sweep(alias, keep=target)
        if target:
            await self._remove(target)  # its alias goes with it
        self._known.pop(alias, None)

    async def collections(self, tenant: str) -> list[CollectionInfo]:
        """A tenant's collections."""
        mine = f"{PREFIX}.{folder_name(tenant)}."
        found: list[CollectionInfo] = []
        for alias in await self._aliases():
            if alias.startswith(mine):
                with contextlib.suppress(Gone):  # removed meanwhile
                    found.append((await self._look(alias))[0])
        return sorted(found, key=lambda info: info.name)

    async def upsert(self, tenant: str, collection: str, points: Sequence[Point]) -> None:
        """Store points, in place of those with the same ids; acknowledged by the server when this returns."""
        alias, info = await self._collection(tenant, collection)
        for body in await asyncio.to_thread(_bodies, info, points):
            await self._ask(collection, "PUT", _path(alias, "points"), body, **ACKNOWLEDGED)

    async def search(
        self,
        tenant: str,
        collection: str,
        *,
        dense: Sequence[float] = (),
        text: str = "",
        where: Filter | None = None,
        limit: int = 10,
    ) -> list[Found]:
        """Nearest by cosine, by BM25, or, where both are given, by both (see `fusion`)."""
        alias, info = await self._collection(tenant, collection)
        askable(info, dense, text, limit)
        narrowed = wanted(where)
        queries: list[dict[str, Any]] = (
            [{"query": [float(each) for each in dense], "using": DENSE}] if len(dense) else []
        )
        if text and (words := bm25.query(valid(text))).indices:
            queries.append({"query": {"indices": words.indices, "values": words.values}, "using": SPARSE})
        if not limit or not queries or _nothing(narrowed):
            return []
        fused = bool(len(dense) and text)
        asked = {
            "filter": _filter(narrowed),
            "limit": depth(limit) if fused else limit,
            "params": {"hnsw_ef": max(EF, limit)},
            "with_payload": not fused and STORED,
        }
        body = {"searches": [{**query, **asked} for query in queries]}
        answers = await self._ask(collection, "POST", _path(alias, "points/query/batch"), body)
        lists = [[(hit["id"], hit["score"], hit.get("payload")) for hit in answer["points"]] for answer in answers]
        if not fused:
            return [_found(payload, score) for hits in lists for _, score, payload in hits]
        best = fuse([[(id_, score) for id_, score, _ in hits] for hits in lists], limit)
        stored = await self._fetch(collection, alias, [id_ for id_, _ in best], vectors=False)
        return [_found(stored[id_]["payload"], score) for id_, score in best if id_ in stored]

    async def delete(
        self, tenant: str, collection: str, *, ids: Sequence[str] = (), where: Filter | None = None
    ) -> None:
        """Remove points by id or by filter; an empty filter means all of them."""
        alias, _ = await self._collection(tenant, collection)
        narrowed = wanted(where)
        doomed = [str(key(valid_id(id_))) for id_ in ids]
        bodies: list[dict[str, Any]] = [{"points": list(some)} for some in batches(doomed, PAGE)]
        bodies += [{"filter": _filter(narrowed) or {}}] if where is not None and not _nothing(narrowed) else []
        for body in bodies:
            await self._ask(collection, "POST", _path(alias, "points/delete"), body, **ACKNOWLEDGED)

    async def scroll(
        self, tenant: str, collection: str, *, where: Filter | None = None, batch: int = 1000
    ) -> AsyncIterator[Point]:
        """All points with their payloads and dense vectors, in the order of their ids."""
        alias, info = await self._collection(tenant, collection)
        ids: list[str] = []
        async for page in self._pages(collection, alias, wanted(where), {"with_payload": ["id"]}):
            ids += [row["payload"]["id"] for row in page]
        for some in batches(sorted(ids), max(1, min(batch, BATCH))):
            keys = [str(key(id_)) for id_ in some]
            rows = await self._fetch(collection, alias, keys, vectors=info.dimensions > 0)
            for each in keys:
                if each in rows:  # or removed meanwhile
                    payload, dense = rows[each]["payload"], (rows[each].get("vector") or {}).get(DENSE, ())
                    yield Point(id=payload["id"], payload=json.loads(payload["json"]), dense=tuple(dense))

    async def count(self, tenant: str, collection: str, *, where: Filter | None = None) -> int:
        """How many points there are, exactly."""
        alias, _ = await self._collection(tenant, collection)
        narrowed = wanted(where)
        if _nothing(narrowed):
            return 0
        body = {"filter": _filter(narrowed), "exact": True}
        return int((await self._ask(collection, "POST", _path(alias, "points/count"), body))["count"])

    async def snapshot(self, tenant: str, collection: str, file: Path) -> None:
        """Write all of a collection into one file; what is written meanwhile may be in it or not."""
        alias = _alias(tenant, collection)
        try:
            info, fields = await self._look(alias)
        except Gone as error:
            raise missing(collection) from error
        try:
            writer = await asyncio.to_thread(export.Writer, file, info, fields)
            try:
                more = {"with_payload": True, "with_vector": True}
                async for page in self._pages(collection, alias, {}, more):
                    await asyncio.to_thread(writer.add, page)
                await asyncio.to_thread(writer.finish)
            finally:
                writer.abandon()
        except OSError as error:
            raise Unavailable("snapshot_failed", f"{file} cannot be written: {error.strerror}") from error

    async def restore(self, tenant: str, collection: str, file: Path) -> None:
        """Make a collection what a snapshot says, in place of what is there."""
        alias = _alias(tenant, collection)
        stored = export.read(file, BATCH)
        info, fields = await asyncio.to_thread(next, stored)
        old = (await self._aliases()).get(alias)
        await self._sweep(alias, keep=old)
        new = f"{alias}.{time.time_ns() // 1_000_000}"
        try:
            await self._make(new, info.model_copy(update={"name": collection}))
            await self._index(new, fields, [])
            while page := await asyncio.to_thread(next, stored, None):
                body = {"points": [{name: row[name] for name in ("id", "vector", "payload")} for row in page]}
                await self._ask(collection, "PUT", _path(new, "points"), body, **ACKNOWLEDGED)
            await self._point(alias, new)
        except (GroundswellError, KeyError) as error:
            await self._remove(new)
            if isinstance(error, KeyError):
                raise Invalid("bad_snapshot", f"{file} is not a snapshot of a collection: no {error}") from error
            raise
        self._known.pop(alias, None)
        if old:
            await self._remove(old)

    async def about(self) -> str:
        """What the server calls itself, with its version."""
        return await self._rest.about()

    async def close(self) -> None:
        """Give up connections."""
        await self._rest.close()

    # -- collections

    async def _collection(self, tenant: str, collection: str) -> tuple[str, CollectionInfo]:
        alias = _alias(tenant, collection)
        if alias not in self._known:
            try:
                self._known[alias] = (await self._look(alias))[0]
            except Gone as error:
                raise missing(collection) from error
        return alias, self._known[alias]

    async def _look(self, name: str) -> tuple[CollectionInfo, list[str]]:
        """What a collection is, and its keyword fields. Raises Gone."""
        found = await self._rest.ask("GET", _path(name))
        described = found["config"].get("metadata") or {}
        if PREFIX not in described:
            raise Unavailable(
                "vectors_too_old",
                f"Qdrant at {self._rest.url} does not say what {name!r} is",
                "Qdrant 1.16 or later keeps what a collection is with it; drop what another program made",
            )
        fields = [each.removeprefix("f.") for each in found["payload_schema"]]
        return CollectionInfo.model_validate(described[PREFIX]), sorted(fields)

    async def _make(self, name: str, info: CollectionInfo) -> None:
        body: dict[str, Any] = {"vectors": {}, "metadata": {PREFIX: info.model_dump(mode="json")}}
        if info.dimensions:
            body["vectors"] = {DENSE: {"size": info.dimensions, "distance": "Cosine"}}
        if info.sparse:
            body["sparse_vectors"] = {SPARSE: {"modifier": "idf"}}
        with contextlib.suppress(There):  # by another who asked at the same time: what it is is looked at
            await self._rest.ask("PUT", _path(name), body)

    async def _index(self, name: str, fields: Sequence[str], there: Sequence[str]) -> None:
        for each in fields:
            if each not in there:
                body = {"field_name": f"f.{each}", "field_schema": "keyword"}
                await self._rest.ask("PUT", _path(name, "index"), body, **ACKNOWLEDGED)

    async def _point(self, alias: str, name: str) -> None:
        made = {"create_alias": {"collection_name": name, "alias_name": alias}}
        await self._rest.ask("POST", "/collections/aliases", {"actions": [made]})

    async def _aliases(self) -> dict[str, str]:
        found = await self._rest.ask("GET", "/aliases")
        return {each["alias_name"]: each["collection_name"] for each in found["aliases"]}

    async def _sweep(self, alias: str, *, keep: str | None) -> None:
        """Remove what a crash left of a restore, before what counts is touched."""
        found = await self._rest.ask("GET", "/collections")
        for name in [each["name"] for each in found["collections"]]:
            if name.startswith(f"{alias}.") and name != keep:
                await self._remove(name)

    async def _remove(self, name: str) -> None:
        with contextlib.suppress(Gone):
            await self._rest.ask("DELETE", _path(name))

    # -- points

    async def _fetch(self, collection: str, alias: str, keys: Sequence[str], *, vectors: bool) -> dict[str, Any]:
        body = {"ids": keys, "with_payload": STORED, "with_vector": vectors and [DENSE]}
        rows = await self._ask(collection, "POST", _path(alias, "points"), body) if keys else []
        return {row["id"]: row for row in rows}

    async def _pages(
        self, collection: str, alias: str, where: Wanted, more: dict[str, Any]
    ) -> AsyncIterator[list[dict[str, Any]]]:
        start: Any = None
        while not _nothing(where):
            body = {"filter": _filter(where), "limit": PAGE, "offset": start, "with_vector": False, **more}
            answer = await self._ask(collection, "POST", _path(alias, "points/scroll"), body)
            yield answer["points"]
            start = answer.get("next_page_offset")
            if start is None:
                return

    async def _ask(self, collection: str, method: str, path: str, body: Any, **parameters: str) -> Any:
        try:
            return await self._rest.ask(method, path, body, **parameters)
        except Gone as error:
            self._known.clear()
            raise missing(collection) from error
        except Invalid:
            self._known.clear()  # it may have been made anew, as another
            raise


def _alias(tenant: str, collection: str) -> str:
    name = f"{PREFIX}.{folder_name(tenant)}.{folder_name(collection)}"
    if len(name) > LONGEST - 16:
        raise Invalid("bad_name", f"{collection[:40]!r} is too long a name for a collection", "use 1 to 60 characters")
    return name


def _path(name: str, rest: str = "") -> str:
    return f"/collections/{quote(name, safe='')}" + (f"/{rest}" if rest else "")


def _nothing(where: Wanted) -> bool:
    """Whether a field must be any of no values."""
    return not all(where.values())


def _filter(where: Wanted) -> dict[str, Any] | None:
    conditions = [{"key": f"f.{name}", "match": {"any": words}} for name, words in where.items()]
    return {"must": conditions} if conditions else None


def _bodies(info: CollectionInfo, points: Sequence[Point]) -> list[bytes]:
    """Requests that store points, each within what a server takes; raises Invalid before the first is made."""
    return list(_packed(_point(*each) for each in zip(points, storable(info, points), strict=True)))


def _packed(rows: Iterator[bytes]) -> Iterator[bytes]:
    some: list[bytes] = []
    size = 0
    for row in rows:
        if some and (len(some) == BATCH or size + len(row) > MOST_BYTES):
            yield b'{"points":[' + b",".join(some) + b"]}"
            some, size = [], 0
        some.append(row)
        size += len(row)
    if some:
        yield b'{"points":[' + b",".join(some) + b"]}"


def _point(point: Point, payload: str) -> bytes:
    vectors: dict[str, Any] = {DENSE: [float(each) for each in point.dense]} if point.dense else {}
    if point.text and (words := bm25.document(valid(point.text))).indices:
        vectors[SPARSE] = {"indices": words.indices, "values": words.values}
    stored = {"id": point.id, "json": payload, "f": tokens(json.loads(payload))}
    return msgspec.json.encode({"id": str(key(point.id)), "vector": vectors, "payload": stored})


def _found(payload: dict[str, Any], score: float) -> Found:
    return Found(id=payload["id"], score=score, payload=json.loads(payload["json"]))
