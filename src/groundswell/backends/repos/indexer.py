"""Bring the index of a repository up to date: only what changed is read again."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from groundswell.backends.repos.index import FactStore, Index, Stored
from groundswell.backends.repos.language import language_of
from groundswell.backends.repos.ranks import is_foreign, rank
from groundswell.backends.repos.reading import ReadFile, key_of, left_out, payload, read_batch
from groundswell.backends.repos.trees import Entry, Listing, Tree
from groundswell.core.errors import Conflict, Unavailable
from groundswell.core.ports import CollectionInfo, Point, Vectors, Workers

Progress = Callable[[str, int, int], None]

_BATCH_FILES = 60
_BATCH_BYTES = 600_000
_BATCH_SECONDS = 60.0
_FILE_SECONDS = 10.0
_MOST_SLOW = 20  # files that may be left out as too slow; more mean that something else is wrong
BEYOND = "beyond the limit"
TOO_SLOW = "too slow to read"
KEYWORDS = ("path", "dense")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a repository is read. What is beyond is counted, never silently left out."""

    file_bytes: int = 1 << 20
    files: int = 20_000
    parallel: int = field(default_factory=lambda: max(1, os.cpu_count() or 1))


@dataclass(slots=True)
class Indexed:
    """An index, and what it left out."""

    index: Index
    listing: Listing
    skipped: dict[str, int]
    changed: int  # files that were read now


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexer:
    """Reads repositories with worker processes, into a store of facts and a collection of passages."""

    workers: Workers
    store: FactStore
    vectors: Vectors | None
    limits: Limits = field(default_factory=Limits)

    async def update(
        self,
        tree: Tree,
        listing: Listing,
        tenant: str,
        repo: str,
        collection: CollectionInfo,
        progress: Progress,
    ) -> Indexed:
        """Read what changed since last time; the index is complete for this listing when this returns."""
        skipped = dict(listing.skipped)
        chosen = await asyncio.to_thread(choose, listing.entries, self.limits, skipped)
        known = await self.store.load(tenant, repo)
        if self.vectors is not None and not await self._prepare(tenant, collection, is_known=bool(known)):
            known = {}
        changed = [entry for entry in chosen if _key(known, entry.path) != key_of(entry.blob)]
        removed = known.keys() - {entry.path for entry in chosen}
        facts = {path: stored for path, stored in known.items() if path not in removed}
        if removed:
            await self._forget(tenant, collection.name, sorted(removed))
            await self.store.replace(tenant, repo, {}, removed)
        done = 0
        slow: list[ReadFile] = []
        async for batch in self._read(tree, changed):
            slow += [row for row in batch if row.skipped == TOO_SLOW]
            if len(slow) > _MOST_SLOW:
                message = f"{len(slow)} files could not be read in time"
                raise Unavailable("index_stuck", message, "Try again when the machine is less busy.")
            rows = [row for row in batch if row.skipped != TOO_SLOW]
            await self._keep(tenant, repo, collection.name, rows, known)
            facts.update(_stored(rows))
            done += len(batch)
            progress("index", done, len(changed))
        # remembered last: where most of them are slow it is not the files' fault
        await self._keep(tenant, repo, collection.name, slow, known)
        facts.update(_stored(slow))
        index = await asyncio.to_thread(build, chosen, facts, skipped)
        return Indexed(index, listing, skipped, len(changed))

    async def _keep(
        self, tenant: str, repo: str, collection: str, rows: Sequence[ReadFile], known: Mapping[str, Stored]
    ) -> None:
        """Passages first, then facts: a file whose facts are stored is found by search, whenever we are killed."""
        if not rows:
            return
        if stale := [row.path for row in rows if row.path in known]:
            await self._forget(tenant, collection, stale)
        await self._search_points(tenant, collection, rows)
        await self.store.replace(tenant, repo, _stored(rows), ())

    async def _prepare(self, tenant: str, collection: CollectionInfo, *, is_known: bool) -> bool:
        """Have the collection; whether it holds the passages of what is known."""
        assert self.vectors is not None
        try:
            await self.vectors.ensure(tenant, collection, keywords=KEYWORDS)
        except Conflict:  # vectors of another model say nothing to this one
            await self.vectors.drop(tenant, collection.name)
            await self.vectors.ensure(tenant, collection, keywords=KEYWORDS)
        is_filled = await self.vectors.count(tenant, collection.name) > 0
        if is_filled and not is_known:  # passages of files nobody remembers
            await self.vectors.drop(tenant, collection.name)
            await self.vectors.ensure(tenant, collection, keywords=KEYWORDS)
        return is_filled and is_known

    async def _forget(self, tenant: str, collection: str, paths: Sequence[str]) -> None:
        if self.vectors is not None:
            for start in range(0, len(paths), 500):
                await self.vectors.delete(tenant, collection, where={"path": paths[start : start + 500]})

    async def _search_points(self, tenant: str, collection: str, batch: Iterable[ReadFile]) -> None:
        if self.vectors is None:
            return
        points = [
            Point(id=f"{row.path}#{passage.start}", text=passage.text, payload=payload(row.path, passage))
            for row in batch
            for passage in row.passages
        ]
        if points:
            await self.vectors.upsert(tenant, collection, points)

    async def _read(self, tree: Tree, entries: Sequence[Entry]) -> AsyncIterator[list[ReadFile]]:
        """Batches as workers finish them; as many wait as are worked on, so that no worker waits for the store."""
        total = sum(max(entry.size, 0) for entry in entries)
        waiting = batches(entries, _BATCH_FILES, min(_BATCH_BYTES, total // (2 * self.limits.parallel) + 1))
        running: set[asyncio.Task[list[ReadFile]]] = set()
        try:
            while True:
                while len(running) < 2 * self.limits.parallel and (batch := next(waiting, None)):
                    running.add(asyncio.create_task(self._read_batch(tree, batch)))
                if not running:
                    return
                finished, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in finished:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()

    async def _read_batch(self, tree: Tree, batch: Sequence[Entry]) -> list[ReadFile]:
        limit = self.limits.file_bytes
        seconds = _BATCH_SECONDS if len(batch) > 1 else _FILE_SECONDS
        try:
            return await self.workers.run(read_batch, tree.reader, batch, limit, seconds=seconds)
        except Unavailable as error:
            if not error.code.startswith("cpu"):
                raise
            if len(batch) == 1:
                return [left_out(batch[0].path, key_of(batch[0].blob), TOO_SLOW)]
            alone = [await self._read_batch(tree, [entry]) for entry in batch]
            return [row for rows in alone for row in rows]


def choose(entries: Sequence[Entry], limits: Limits, skipped: dict[str, int]) -> list[Entry]:
    """The files to read, those that matter most first where there are too many; the rest is counted by reason."""
    wanted: list[Entry] = []
    for entry in entries:
        reason = "too large" if entry.size > limits.file_bytes else ""
        reason = "installed packages" if is_foreign(entry.path) else reason
        if reason:
            skipped[reason] = skipped.get(reason, 0) + 1
        else:
            wanted.append(entry)
    if len(wanted) > limits.files:
        skipped[BEYOND] = len(wanted) - limits.files
        wanted.sort(key=lambda entry: (_weight(entry.path), entry.path.count("/"), entry.path))
        wanted = wanted[: limits.files]
    return sorted(wanted)


def build(entries: Iterable[Entry], facts: Mapping[str, Stored], skipped: dict[str, int]) -> Index:
    """The tables over the facts of these files."""
    index = Index()
    for entry in entries:
        if reason := index.add(entry.path, entry.blob, facts[entry.path].data):
            skipped[reason] = skipped.get(reason, 0) + 1
    return index


def _weight(path: str) -> int:
    language = language_of(path)
    return rank(path) if language is not None and language.deep else rank(path) + (1 if language else 2)


def _stored(rows: Iterable[ReadFile]) -> dict[str, Stored]:
    return {row.path: Stored(row.key, row.facts) for row in rows}


def _key(known: Mapping[str, Stored], path: str) -> str:
    stored = known.get(path)
    return stored.key if stored is not None else ""


def batches(entries: Sequence[Entry], files: int, bytes: int) -> Iterator[list[Entry]]:
    """Entries together, until they are so many files or so large."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        batch.append(entry)
        size += max(entry.size, 0)
        if len(batch) >= files or size >= bytes:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
