"""Dense vectors for the passages of a repository, made in the background; it goes on where it was left."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from groundswell.backends.repos import chunks
from groundswell.backends.repos.index import Index
from groundswell.backends.repos.ranks import rank
from groundswell.core.ports import Embedder, Point, Vectors

_BATCH = 32
ReadLines = Callable[[str], Awaitable[Sequence[str] | None]]
_Row = tuple[dict[str, Any], str, str]  # payload, text that is searched, text that is embedded


@dataclass(slots=True)
class Progress:
    """How many passages have a vector, and how many are to get one."""

    done: int = 0
    to_do: int = 0


class Embedding:
    """Fills the dense vectors of one collection."""

    def __init__(self, vectors: Vectors, embedder: Embedder, tenant: str, collection: str) -> None:
        self.vectors, self.embedder = vectors, embedder
        self.tenant, self.collection = tenant, collection
        self.progress = Progress()

    async def count(self) -> None:
        """Learn from the store how far it is."""
        self.progress.done = await self.vectors.count(self.tenant, self.collection, where={"dense": "done"})
        todo = await self.vectors.count(self.tenant, self.collection, where={"dense": "todo"})
        self.progress.to_do = self.progress.done + todo

    async def run(self, index: Index, read: ReadLines, tell: Callable[[str, int, int], None]) -> None:
        """Give every passage its vector; `read` gives a file's lines as of now, None where it changed."""
        await self.count()
        waiting: list[dict[str, Any]] = [
            point.payload async for point in self.vectors.scroll(self.tenant, self.collection, where={"dense": "todo"})
        ]
        waiting.sort(key=lambda payload: (rank(payload["path"]), payload["path"], payload["start"]))
        for batch in _batches(waiting, _BATCH):
            if rows := await self._rows(index, read, batch):
                await self._store(rows)
            tell("embed", self.progress.done, self.progress.to_do)

    async def _rows(self, index: Index, read: ReadLines, batch: Iterable[dict[str, Any]]) -> list[_Row]:
        rows: list[_Row] = []
        for payload in batch:
            path = payload["path"]
            lines = await read(path)
            if lines is None or not index.has(path):
                continue
            chunk = chunks.Chunk(payload["start"], payload["end"], payload["symbol"])
            with index.lock:
                head = chunks.head_of(path, index.view(path).facts, chunk, lines)
            rows.append((payload, chunks.text_of(path, chunk, lines), head))
        return rows

    async def _store(self, rows: Sequence[_Row]) -> None:
        vectors = await self.embedder.embed([head for _, _, head in rows], kind="document")
        points = [
            Point(
                id=f"{payload['path']}#{payload['start']}",
                dense=tuple(vector),
                text=text,
                payload={**payload, "dense": "done"},
            )
            for (payload, text, _), vector in zip(rows, vectors, strict=True)
        ]
        await self.vectors.upsert(self.tenant, self.collection, points)
        self.progress.done += len(points)


def _batches(rows: Sequence[dict[str, Any]], size: int) -> Iterator[Sequence[dict[str, Any]]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
