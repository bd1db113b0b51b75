"""`embedded:` – vectors in the data directory, through qdrant-edge.

All native calls happen in a process of their own (`shard_host`), because the engine keeps Python's interpreter lock in
every one of them. That process starts with the first use and ends after an idle time, and with it goes its memory.
"""

import asyncio
import contextlib
import itertools
import json
import logging
import sys
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from groundswell.backends.vectors import archive, folders
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
from groundswell.backends.vectors.filtering import field, wanted
from groundswell.backends.vectors.folders import Manifest, folder_name, generation
from groundswell.backends.vectors.host_connection import EngineRefused, HostConnection, HostDied
from groundswell.backends.vectors.wire import floats, vectors
from groundswell.core.errors import GroundswellError, Unavailable
from groundswell.core.ports import CollectionInfo, Filter, Found, Point
from groundswell.core.settings import VectorStore
from groundswell.core.texts import valid

log = logging.getLogger(__name__)

INDEX_AFTER = 20_000  # points; below that a plain scan is fast enough
QUIET_SECONDS = 2.0  # without writes before an index is built
CARRY = 500  # points brought to a new index at a time
BUILDER = "groundswell.backends.vectors.index_builder"


class _Collection:
    """What the store knows of a collection while it is open."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.become(manifest)
        self.writing = asyncio.Lock()
        self.written = 0  # points written or removed since the index was built
        self.timer: asyncio.TimerHandle | None = None
        self.building: asyncio.Task[None] | None = None

    def become(self, manifest: Manifest) -> None:
        """Take what a manifest says."""
        self.manifest, self.shard = manifest, str(generation(self.folder, manifest.generation))

    @property
    def info(self) -> CollectionInfo:
        return self.manifest.info


class EmbeddedVectors:
    """The vectors port over a folder."""

    scheme: ClassVar[str] = "embedded"

    def __init__(
        self,
        folder: Path,
        *,
        index_after: int = INDEX_AFTER,
        quiet_seconds: float = QUIET_SECONDS,
        idle_seconds: float = 300.0,
        call_seconds: float = 120.0,
        lock_seconds: float = 5.0,
    ) -> None:
        self._folder, self._index_after, self._quiet = folder, index_after, quiet_seconds
        self._host = HostConnection(
            folder, idle_seconds=idle_seconds, call_seconds=call_seconds, lock_seconds=lock_seconds
        )
        self._open: dict[Path, _Collection] = {}
        self._making: weakref.WeakValueDictionary[Path, asyncio.Lock] = weakref.WeakValueDictionary()
        self._numbers = itertools.count(1)

    @classmethod
    def opened(cls, settings: VectorStore, folder: Path) -> "EmbeddedVectors":
        """The store in the data directory's own folder."""
        return cls(folder)

    @property
    def running(self) -> bool:
        """Whether the shard host is there; it is not before the first use, nor after an idle time."""
        return self._host.running

    async def ensure(self, tenant: str, collection: CollectionInfo, *, keywords: Sequence[str] = ()) -> None:
        """Make a collection, or check the one that is there; raises Conflict("embedding_changed") for another model."""
        makeable(collection)
        folder = self._place(tenant, collection.name)
        async with self._alone(folder):
            there = await self._find(folder)
            if there is None:
                await self._create(folder, collection, keywords)
                return
            same(there.info, collection)
            await self._index(there, keywords)

    async def drop(self, tenant: str, collection: str) -> None:
        """Remove a collection and what it stores; nothing happens where there is none."""
        folder = self._place(tenant, collection)
        async with self._alone(folder):
            if not folder.exists():
                return
            await self._host.start()
            there = self._open.pop(folder, None)
            if there is not None:
                await self._stop_building(there)
            async with there.writing if there is not None else contextlib.nullcontext():
                if there is not None:
                    await self._ask(there, "close")
                await asyncio.to_thread(folders.remove, folder)

    async def collections(self, tenant: str) -> list[CollectionInfo]:
        """A tenant's collections."""
        return await asyncio.to_thread(_listed, self._folder / folder_name(tenant))

    async def upsert(self, tenant: str, collection: str, points: Sequence[Point]) -> None:
        """Store points, in place of those with the same ids; durable when this returns."""
        async with self._writing(tenant, collection) as there:
            for start in range(0, len(points), BATCH):
                batch = points[start : start + BATCH]
                last = start + BATCH >= len(points)
                arguments = {"dimensions": there.info.dimensions, "flush": last, **_columns(there.info, batch)}
                await self._ask(there, "upsert", arguments, floats(p.dense for p in batch if p.dense))
        self._wrote(there, len(points))

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
        there = await self._collection(tenant, collection)
        askable(there.info, dense, text, limit)
        arguments = {"text": valid(text), "where": wanted(where), "limit": limit}
        if not limit or not (len(dense) or text):
            return []
        hits, _ = await self._ask(there, "search", arguments, floats([dense]))
        return [Found(id=id_, score=score, payload=payload) for id_, score, payload in hits]

    async def delete(
        self, tenant: str, collection: str, *, ids: Sequence[str] = (), where: Filter | None = None
    ) -> None:
        """Remove points by id or by filter; an empty filter means all of them."""
        arguments = {"ids": [valid_id(id_) for id_ in ids], "where": None if where is None else wanted(where)}
        async with self._writing(tenant, collection) as there:
            removed, _ = await self._ask(there, "delete", arguments)
        self._wrote(there, removed)

    async def scroll(
        self, tenant: str, collection: str, *, where: Filter | None = None, batch: int = 1000
    ) -> AsyncIterator[Point]:
        """All points with their payloads and dense vectors, in the order of their ids."""
        there = await self._collection(tenant, collection)
        ids, _ = await self._ask(there, "ids", {"where": wanted(where)})
        for some in batches(ids, max(1, min(batch, BATCH))):
            rows, blob = await self._ask(there, "fetch", {"ids": some})
            dense = iter(vectors(blob, there.info.dimensions))
            for id_, payload, has_dense in rows:
                yield Point(id=id_, payload=payload, dense=tuple(next(dense)) if has_dense else ())

    async def count(self, tenant: str, collection: str, *, where: Filter | None = None) -> int:
        """How many points there are, exactly."""
        there = await self._collection(tenant, collection)
        number, _ = await self._ask(there, "count", {"where": wanted(where)})
        return int(number)

    async def snapshot(self, tenant: str, collection: str, file: Path) -> None:
        """Write all of a collection into one file: a gzipped tar."""
        with self._host.hold():
            staged = self._place(tenant, collection) / f"snapshot-{next(self._numbers)}"
            try:
                async with self._writing(tenant, collection) as there:
                    await self._ask(there, "flush")
                    await asyncio.to_thread(folders.copy, Path(there.shard), staged / "shard")
                    await asyncio.to_thread(folders.write, staged, there.manifest)
                await asyncio.to_thread(archive.pack, staged, file)
            except OSError as error:
                raise Unavailable("snapshot_failed", f"{file} cannot be written: {error.strerror}") from error
            finally:
                await asyncio.to_thread(folders.discard, staged)

    async def restore(self, tenant: str, collection: str, file: Path) -> None:
        """Make a collection what a snapshot says, in place of what is there."""
        folder = self._place(tenant, collection)
        async with self._alone(folder):
            await self._host.start()
            try:
                old = await self._find(folder)
            except Unavailable:  # damaged: what a snapshot is for
                old = None
            async with old.writing if old is not None else contextlib.nullcontext():
                if old is not None:
                    await self._stop_building(old)
                there = await self._unpack(folder, collection, file)
                await self._switch(old, there)

    async def optimize(self, tenant: str, collection: str) -> None:
        """Build the index now: merges segments and drops what was deleted. Reads and writes go on meanwhile."""
        there = await self._collection(tenant, collection)
        if there.building is not None:
            await asyncio.wait([there.building])
        there.building = asyncio.create_task(self._build(there))
        await asyncio.shield(there.building)

    async def about(self) -> str:
        """What stores them."""
        return f"embedded, qdrant-edge {version('qdrant-edge-py')}"

    async def close(self) -> None:
        """Stop building, flush, and end the shard host."""
        for there in self._open.values():
            await self._stop_building(there)
        self._open.clear()
        await self._host.close()

    # -- collections

    def _place(self, tenant: str, collection: str) -> Path:
        return _place(self._folder, tenant, collection)

    def _alone(self, folder: Path) -> asyncio.Lock:
        """One at a time makes, replaces or removes a collection."""
        return self._making.setdefault(folder, asyncio.Lock())

    @asynccontextmanager
    async def _writing(self, tenant: str, collection: str) -> AsyncGenerator[_Collection]:
        """The collection, for one writer at a time; not one that was replaced while we waited."""
        while True:
            there = await self._collection(tenant, collection)
            async with there.writing:
                if self._open.get(there.folder) is there:
                    yield there
                    return

    async def _collection(self, tenant: str, collection: str) -> _Collection:
        folder = self._place(tenant, collection)
        if (there := self._open.get(folder)) is None:
            async with self._alone(folder):
                there = await self._find(folder)
        if there is None:
            raise missing(collection)
        return there

    async def _find(self, folder: Path) -> _Collection | None:
        """The collection in a folder; on first sight what a crash left there is swept away."""
        if there := self._open.get(folder):
            return there
        manifest = await asyncio.to_thread(folders.read, folder)
        if manifest is None:
            return None
        await self._host.start()  # the folder's lock: what is swept belongs to nobody else
        await asyncio.to_thread(folders.tidy, folder, manifest.generation)
        there = self._open[folder] = _Collection(folder, manifest)
        self._later(there)
        return there

    async def _create(self, folder: Path, info: CollectionInfo, keywords: Sequence[str]) -> None:
        await self._host.start()
        await asyncio.to_thread(folders.tidy, folder, None)
        manifest = Manifest(info=info, keywords=tuple(dict.fromkeys(keywords)))
        there = _Collection(folder, manifest)
        await self._ask(there, "create", self._shape(manifest))
        await asyncio.to_thread(folders.write, folder, manifest)
        self._open[folder] = there

    def _shape(self, manifest: Manifest) -> dict[str, Any]:
        return {
            "dimensions": manifest.info.dimensions,
            "sparse": manifest.info.sparse,
            "index_after": self._index_after,
            "fields": [field(key) for key in manifest.keywords],
        }

    async def _index(self, there: _Collection, keywords: Sequence[str]) -> None:
        new = [key for key in dict.fromkeys(keywords) if key not in there.manifest.keywords]
        if new:
            async with there.writing:
                await self._ask(there, "index", {"fields": [field(key) for key in new]})
                wider = there.manifest.model_copy(update={"keywords": (*there.manifest.keywords, *new)})
                await asyncio.to_thread(folders.write, there.folder, wider)
                there.become(wider)

    async def _unpack(self, folder: Path, name: str, file: Path) -> _Collection:
        number = folders.fresh(folder)
        target = generation(folder, number)
        try:
            stored = await asyncio.to_thread(archive.unpack, file, target)
            info = stored.info.model_copy(update={"name": name})
            there = _Collection(folder, stored.model_copy(update={"info": info, "generation": number}))
            await self._ask(there, "open")  # only what can be opened takes the place of what is there
        except GroundswellError:
            await asyncio.to_thread(folders.discard, target)
            raise
        return there

    async def _switch(self, old: _Collection | None, new: _Collection) -> None:
        """Make a new generation the collection, then forget the old one."""
        await asyncio.to_thread(folders.write, new.folder, new.manifest)
        self._open[new.folder] = new
        if old is not None:
            await self._ask(old, "close")
        await asyncio.to_thread(folders.sweep, new.folder, new.manifest.generation)

    async def _ask(
        self, there: _Collection, operation: str, arguments: dict[str, Any] | None = None, blob: bytes = b""
    ) -> tuple[Any, bytes]:
        shard = there.shard
        try:
            return await self._host.ask(operation, {"path": shard, **(arguments or {})}, blob)
        except EngineRefused as error:
            now = self._open.get(there.folder)
            if now is not None and now.shard != shard:  # replaced while the host was starting
                return await self._ask(now, operation, arguments, blob)
            raise folders.damaged(there.folder, str(error)) from error
        except HostDied as error:
            raise folders.damaged(there.folder, "the engine broke down on it") from error

    # -- building indexes

    def _wrote(self, there: _Collection, points: int) -> None:
        there.written += points
        self._later(there)

    def _later(self, there: _Collection) -> None:
        """Think about the index once writes have paused."""
        if there.timer is not None:
            there.timer.cancel()
        there.timer = asyncio.get_running_loop().call_later(self._quiet, self._consider, there)

    def _consider(self, there: _Collection) -> None:
        there.timer = None
        if there.building is None or there.building.done():
            there.building = asyncio.create_task(self._build_if_due(there))

    async def _build_if_due(self, there: _Collection) -> None:
        try:
            points, _ = await self._ask(there, "count", {"where": {}})
            indexed = there.manifest.indexed
            waste = indexed - points if indexed > points else 0
            due = points >= self._index_after and max(there.written, points - indexed) >= self._index_after
            if due or waste * 5 > max(indexed, self._index_after):
                await self._build(there)
        except GroundswellError as error:
            log.warning("no index for %s: %s", there.folder, error.message)

    async def _build(self, there: _Collection) -> None:
        number = folders.fresh(there.folder)
        target = generation(there.folder, number)
        with self._host.hold():
            try:
                await self._build_copy(there, target)
                await self._adopt(there, number)
            except BaseException:
                with contextlib.suppress(GroundswellError):
                    await self._ask(there, "unwatch")
                    await self._host.ask("close", {"path": str(target)})
                for left in (target, folders.building(target)):
                    await asyncio.to_thread(folders.discard, left)
                raise

    async def _build_copy(self, there: _Collection, target: Path) -> None:
        """Build from a copy; writes wait only while it is copied, and are noted after that."""
        builder: asyncio.subprocess.Process | None = None
        try:
            async with self._still(there):
                await self._ask(there, "watch")
                starts, written = self._host.starts, there.written
                shape = json.dumps(self._shape(there.manifest))
                builder = await asyncio.create_subprocess_exec(
                    sys.executable, "-P", "-m", BUILDER, there.shard, str(target), shape,
                    stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, start_new_session=True,
                )  # fmt: skip
                assert builder.stdout is not None
                copied = await builder.stdout.readline()
            code = await builder.wait()
        except asyncio.CancelledError:
            if builder is not None:
                with contextlib.suppress(ProcessLookupError):
                    builder.kill()
                await builder.wait()
            raise
        if not copied or code or self._host.starts != starts:
            raise Unavailable("index_failed", f"the index of {there.info.name!r} was not built ({code})")
        there.written -= written

    @asynccontextmanager
    async def _still(self, there: _Collection) -> AsyncGenerator[None]:
        """Alone with a collection, unless it was dropped or replaced meanwhile."""
        async with there.writing:
            if self._open.get(there.folder) is not there:
                raise Unavailable("index_failed", f"{there.info.name!r} was replaced while its index was built")
            yield

    async def _adopt(self, there: _Collection, number: int) -> None:
        """Bring over what was written meanwhile, and put the indexed copy in place."""
        arguments = {"target": str(generation(there.folder, number)), "at_most": CARRY}
        while (await self._ask(there, "carry", arguments))[0] > CARRY:
            pass  # each round leaves less, as long as carrying is faster than writing
        async with self._still(there):
            while (await self._ask(there, "carry", arguments))[0]:
                pass
            points, _ = await self._ask(there, "count", {"where": {}})
            old = _Collection(there.folder, there.manifest)
            manifest = there.manifest.model_copy(update={"generation": number, "indexed": points})
            await asyncio.to_thread(folders.write, there.folder, manifest)
            there.become(manifest)
            await self._ask(old, "close")
        await asyncio.to_thread(folders.sweep, there.folder, number)

    async def _stop_building(self, there: _Collection) -> None:
        if there.timer is not None:
            there.timer.cancel()
            there.timer = None
        if there.building is not None:
            there.building.cancel()
            with contextlib.suppress(asyncio.CancelledError, GroundswellError):
                await there.building
            there.building = None


@lru_cache(maxsize=1024)
def _place(root: Path, tenant: str, collection: str) -> Path:
    return root / folder_name(tenant) / folder_name(collection)


def _listed(tenant: Path) -> list[CollectionInfo]:
    manifests = [folders.read(folder) for folder in folders.all_of(tenant)]
    return sorted((manifest.info for manifest in manifests if manifest), key=lambda info: info.name)


def _columns(info: CollectionInfo, points: Sequence[Point]) -> dict[str, Any]:
    """Points as the host takes them; raises Invalid for what cannot be stored."""
    payloads = storable(info, points)
    return {
        "ids": [point.id for point in points],
        "texts": [valid(point.text) for point in points],
        "payloads": payloads,
        "has_dense": [bool(point.dense) for point in points],
    }
