"""Opens repositories, keeps their indexes up to date, and fills in dense vectors in the background."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from groundswell.backends.repos.embedding import Embedding, Progress
from groundswell.backends.repos.index import FactStore
from groundswell.backends.repos.indexer import Indexed, Indexer, Limits
from groundswell.backends.repos.indexer import Progress as Tell
from groundswell.backends.repos.repository import IndexedRepo
from groundswell.backends.repos.searching import Searcher
from groundswell.backends.repos.source import CloneLimits, drop_clones, located, open_tree
from groundswell.backends.repos.trees import Tree
from groundswell.backends.repos.workspace import GitWorkspace, workspace
from groundswell.core.ports import CollectionInfo, Embedder, Vectors, Workers

_KEPT = 6  # indexes in memory
_NOTICED_SECONDS = 600.0  # between two notes that an index is in use
Used = Callable[[str, str], Awaitable[None]]  # of a tenant's repository


async def _unnoticed(tenant: str, repo: str) -> None:
    """Nobody keeps account of which indexes are in use."""


@dataclass(slots=True)
class _Known:
    """An index in memory, and the work that fills it."""

    indexed: Indexed
    seconds: float
    embedding: Embedding | None = None
    filling: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class _Opening:
    """An update that runs; who waits for it is told how far it is."""

    task: "asyncio.Task[IndexedRepo]"
    listeners: list[Tell] = field(default_factory=list[Tell])


class Repositories:
    """The repositories of this process, by tenant and source: `path:/folder` or `https://host/name`."""

    schemes: ClassVar[tuple[str, ...]] = ("path", "https")

    def __init__(
        self,
        *,
        cache: Path,
        workers: Workers,
        store: FactStore,
        vectors: Vectors | None = None,
        embedder: Embedder | None = None,
        limits: Limits | None = None,
        clone: CloneLimits | None = None,
        used: Used = _unnoticed,
    ) -> None:
        self._cache, self._workers, self._store = cache, workers, store
        self._vectors, self._embedder = vectors, embedder
        self._clone = clone or CloneLimits()
        self._indexer = Indexer(workers=workers, store=store, vectors=vectors, limits=limits or Limits())
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._opening: dict[tuple[str, str, bool], _Opening] = {}
        self._ids: dict[tuple[str, str], str] = {}  # tenant and source → the repository's name in stores
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}
        self._used, self._noticed = used, dict[tuple[str, str], float]()  # when its use was last told

    async def open(
        self, source: str, *, tenant: str, progress: Tell | None = None, granted: bool = False
    ) -> IndexedRepo:
        """A repository as it is now. Symbols and BM25 are there when this returns; dense vectors follow.

        An update goes on when its caller gives up: the next one finds it further on. An address that the caller was
        `granted` by name may be a private one.
        """
        key = (tenant, source, granted)
        opening = self._opening.get(key)
        if opening is None:
            listeners: list[Tell] = []
            task = asyncio.create_task(self._open(key, listeners))
            opening = self._opening[key] = _Opening(task, listeners)
            task.add_done_callback(lambda done: self._opened(key, done))
        if progress is not None:
            opening.listeners.append(progress)
        return await asyncio.shield(opening.task)

    def _opened(self, key: tuple[str, str, bool], task: "asyncio.Task[IndexedRepo]") -> None:
        self._opening.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever still waits has it

    async def located(self, source: str) -> str:
        """What a source leads to: of a folder, the repository that it lies in, links followed. Raises NotFound."""
        return await asyncio.to_thread(located, source)

    def workspace(
        self, source: str, *, tenant: str, granted: bool = False
    ) -> AbstractAsyncContextManager[GitWorkspace]:
        """The commit of a repository, to change."""
        return workspace(source, self._clones(tenant), self._clone, granted=granted)

    async def embedded(self, source: str, *, tenant: str) -> None:
        """Wait until a repository that was opened has all its dense vectors."""
        known = self._known.get((tenant, self._ids.get((tenant, source), "")))
        if known is not None and known.filling is not None:
            await asyncio.shield(known.filling)

    async def drop_clones(self, seconds: float) -> int:
        """Delete the clones that nobody has opened for so long; how many there were."""
        return await drop_clones(self._cache, seconds)

    async def forget(self, tenant: str, repo: str, forget: Used) -> None:
        """Drop a repository's index: its vectors, then by `forget` its facts; it is made anew when it is opened."""
        async with self._locks.setdefault((tenant, repo), asyncio.Lock()):
            self._noticed.pop((tenant, repo), None)
            if (known := self._known.pop((tenant, repo), None)) is not None:
                await _stopped(known)
            if self._vectors is not None:
                await self._vectors.drop(tenant, collection_of(repo))
            await forget(tenant, repo)

    async def close(self) -> None:
        """Stop what runs in the background."""
        opening = [one.task for one in self._opening.values()]
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        for known in self._known.values():
            await _stopped(known)
        self._known.clear()

    def _clones(self, tenant: str) -> Path:
        """A clone is its tenant's own: that it is there already tells nobody else that somebody has it."""
        return self._cache / "clones" / tenant

    async def _open(self, key: tuple[str, str, bool], listeners: Sequence[Tell]) -> IndexedRepo:
        tenant, source, granted = key

        def tell(stage: str, done: int, total: int) -> None:
            for listener in listeners:
                listener(stage, done, total)

        tree = await open_tree(source, self._clones(tenant), self._clone, granted=granted)
        repo = self._ids[tenant, source] = identity(tree)
        async with self._locks.setdefault((tenant, repo), asyncio.Lock()):
            known = await self._current(tree, tenant, repo, tell)
            if time.monotonic() - self._noticed.get((tenant, repo), -_NOTICED_SECONDS) >= _NOTICED_SECONDS:
                await self._used(tenant, repo)
                self._noticed[tenant, repo] = time.monotonic()
        return self._repository(tree, known, tenant, repo)

    async def _current(self, tree: Tree, tenant: str, repo: str, tell: Tell) -> _Known:
        """The index of a repository's files as they are now: the one in memory where nothing changed."""
        started = time.monotonic()
        listing = await tree.files()
        before = self._known.get((tenant, repo))
        if before is not None and before.indexed.listing.entries == listing.entries:
            before.indexed.listing = listing
            self._known.move_to_end((tenant, repo))
            return before
        if before is not None:
            await _stopped(before)
        indexed = await self._indexer.update(tree, listing, tenant, repo, self._info(repo), tell)
        known = _Known(indexed, time.monotonic() - started)
        await self._fill(known, tree, tenant, repo, tell)
        self._known[tenant, repo] = known
        while len(self._known) > _KEPT:
            _, oldest = self._known.popitem(last=False)
            await _stopped(oldest)
        return known

    def _info(self, repo: str) -> CollectionInfo:
        name = collection_of(repo)
        if self._embedder is None:
            return CollectionInfo(name=name)
        return CollectionInfo(name=name, embedding=self._embedder.name, dimensions=self._embedder.dimensions)

    def _repository(self, tree: Tree, known: _Known, tenant: str, repo: str) -> IndexedRepo:
        searcher = None
        if self._vectors is not None:
            searcher = Searcher(self._vectors, self._embedder, tenant, collection_of(repo))
        return IndexedRepo(
            tree,
            known.indexed,
            workers=self._workers,
            searcher=searcher,
            embedded=known.embedding.progress if known.embedding else Progress(),
            seconds=known.seconds,
        )

    async def _fill(self, known: _Known, tree: Tree, tenant: str, repo: str, tell: Tell) -> None:
        """Start giving passages their dense vectors."""
        if self._vectors is None or self._embedder is None:
            return
        embedding = Embedding(self._vectors, self._embedder, tenant, collection_of(repo))
        await embedding.count()
        known.embedding = embedding
        if embedding.progress.done < embedding.progress.to_do:
            opened = self._repository(tree, known, tenant, repo)
            known.filling = asyncio.create_task(embedding.run(known.indexed.index, opened.unchanged_lines, tell))


def identity(tree: Tree) -> str:
    """What names a repository in stores: the same for every folder of one work tree."""
    return hashlib.sha256(tree.origin.encode()).hexdigest()[:20]


def collection_of(repo: str) -> str:
    """The collection of a repository's passages."""
    return f"repo-{repo}"


async def _stopped(known: _Known) -> None:
    if known.filling is not None:
        known.filling.cancel()
        await asyncio.gather(known.filling, return_exceptions=True)
