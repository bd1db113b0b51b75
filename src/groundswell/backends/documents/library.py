"""Collections of documents: pages in PostgreSQL, passages in the vector store, both under their tenant."""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from groundswell.backends.databases.collections import CollectionStore, Kept
from groundswell.backends.documents.supply import Account, Folder, Fresh, Site, Supply
from groundswell.backends.web.access import WebAccess
from groundswell.core.errors import Conflict, Denied, Invalid, NotFound, ToolFailed
from groundswell.core.ports import CollectionInfo, Embedder, Found, Point, Vectors, Workers
from groundswell.core.records import Collection, Excerpt, Filled, Passage, Shelf

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
SPARE_SECONDS = 20.0  # of a call's time, left for storing what was read
BATCH = 16  # passages embedded at once
EMBEDDED = 1600  # characters of a passage
QUERY = 1000  # characters
Tell = Callable[[str, int, int], None]


class Library:
    """All collections of this process' platform."""

    def __init__(
        self,
        store: CollectionStore,
        vectors: Vectors,
        embedder: Embedder | None,
        workers: Workers,
        pause_seconds: float = 0.5,
    ) -> None:
        self.store, self.vectors, self.embedder, self.workers = store, vectors, embedder, workers
        self.pause_seconds = pause_seconds
        self.locks: dict[tuple[str, str], asyncio.Lock] = {}
        self.filling: dict[tuple[str, str], asyncio.Task[None]] = {}
        self.complete: set[tuple[str, str]] = set()  # whose passages all have their dense vectors

    def embed_later(self, tenant: str, name: str) -> None:
        """Give passages their dense vectors in the background; until then words alone find them."""
        key = (tenant, name)
        if self.embedder is None or key in self.complete or key in self.filling:
            return
        task = self.filling[key] = asyncio.create_task(self._embed(key, self.embedder))
        task.add_done_callback(lambda done: self._embedded(key, done))

    async def settled(self) -> None:
        """Wait until no passage waits for its vector."""
        while self.filling:
            await asyncio.wait(list(self.filling.values()))

    async def close(self) -> None:
        """Stop what runs in the background; it goes on where it was left."""
        tasks = list(self.filling.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _embedded(self, key: tuple[str, str], task: "asyncio.Task[None]") -> None:
        self.filling.pop(key, None)
        if not task.cancelled() and task.exception() is None:
            self.complete.add(key)

    async def _embed(self, key: tuple[str, str], embedder: Embedder) -> None:
        tenant, shelf = key[0], shelf_of(key[1])
        waiting = [p async for p in self.vectors.scroll(tenant, shelf, where={"dense": "todo"})]
        for start in range(0, len(waiting), BATCH):
            points = waiting[start : start + BATCH]
            dense = await embedder.embed([searched(p.payload)[:EMBEDDED] for p in points], kind="document")
            async with self.lock(key):
                there = {p.id async for p in self.vectors.scroll(tenant, shelf, where={"dense": "todo"})}
                done = [
                    Point(
                        id=point.id,
                        dense=tuple(vector),
                        text=searched(point.payload),
                        payload={**point.payload, "dense": "done"},
                    )
                    for point, vector in zip(points, dense, strict=True)
                    if point.id in there
                ]
                await self.vectors.upsert(tenant, shelf, done)

    def lock(self, key: tuple[str, str]) -> asyncio.Lock:
        """One at a time changes a collection."""
        return self.locks.setdefault(key, asyncio.Lock())

    def desk(
        self,
        tenant: str,
        source: str,
        access: WebAccess,
        tell: Tell,
        until: float,
        patterns: tuple[str, ...] | None = None,
    ) -> "Desk":
        """What one call may do; of the collections it sees those whose names fit (None: all of its tenant)."""
        return Desk(self, tenant, source, access, tell, until, patterns)


class Desk:
    """One call's view of a tenant's collections."""

    def __init__(
        self,
        library: Library,
        tenant: str,
        source: str,
        access: WebAccess,
        tell: Tell,
        until: float,
        patterns: tuple[str, ...] | None = None,
    ) -> None:
        self.library, self.tenant, self.source = library, tenant, source
        self.access, self.tell, self.until, self.patterns = access, tell, until, patterns

    def may_use(self, name: str) -> bool:
        """Whether a collection is one that this call may see."""
        return self.patterns is None or any(fnmatchcase(name, pattern) for pattern in self.patterns)

    async def search(self, query: str, *, collections: Sequence[str] = (), limit: int = 12) -> list[Passage]:
        """Passages about something: BM25 and dense vectors, fused."""
        wanted = list(collections) or named_in(self.source)
        if not wanted:
            hint = "name one: --source pages=collection:NAME (groundswell collections list shows them)"
            what = f"{self.source!r} names no collection" if self.source else "this run looks at no collection"
            raise ToolFailed("no_source", what, hint)
        query = query[:QUERY].strip()
        there = {each.name for each in await self.collections()}
        for name in wanted:
            if name not in there:
                known = ", ".join(sorted(there)) or "none yet"
                hint = f"there are: {known}; make one with: groundswell collections add {name} DIR"
                raise NotFound("no_collection", f"there is no collection {name!r}", hint)
        dense: Sequence[float] = ()
        if query and self.library.embedder is not None:
            dense = (await self.library.embedder.embed([query], kind="query"))[0]
        found: list[tuple[str, Found]] = []
        for name in wanted:
            self.library.embed_later(self.tenant, name)  # where a restart left some without
            hits = await self.library.vectors.search(
                self.tenant, shelf_of(name), text=query, dense=dense, limit=max(1, min(limit, 50))
            )
            found.extend((name, hit) for hit in hits)
        found.sort(key=lambda each: -each[1].score)
        return [_passage(hit) for _, hit in found[:limit]]

    async def compare(self, queries: Sequence[str], texts: Sequence[str]) -> list[list[float]]:
        """How near each text is to each query."""
        embedder = self.library.embedder
        if embedder is None or not texts or not queries:
            return []
        asked = await embedder.embed([query[:QUERY] for query in queries], kind="query")
        others = await embedder.embed([text[:QUERY] for text in texts], kind="document")
        return [[round(sum(a * b for a, b in zip(one, other, strict=True)), 5) for other in others] for one in asked]

    async def collections(self) -> list[Collection]:
        """What there is, as far as this call may see it."""
        return [each for each in await self.library.store.listed(self.tenant) if self.may_use(each.name)]

    async def shelf(self, name: str) -> Shelf:
        """One collection with its pages."""
        collection = await self._named(name)
        return Shelf(collection=collection, documents=tuple(await self.library.store.documents(self.tenant, name)))

    async def remove(self, name: str) -> Collection:
        """Delete vectors first: rows that are left can be removed again, passages without rows would be forgotten."""
        async with self._lock(name):
            collection = await self._named(name)
            await self.library.vectors.drop(self.tenant, shelf_of(name))
            await self.library.store.remove(self.tenant, name)
        return collection

    async def fill(self, name: str, *, pages: int = 500) -> Filled:
        """Make a collection what its source says now."""
        if not self.may_use(name):
            hint = "`collections` of the tenant in policy.toml lists what it may use"
            raise Denied("collection_not_allowed", f"the collection {name!r} is not granted", hint)
        if not NAME.fullmatch(name):
            raise Invalid("bad_name", f"{name!r} is no name of a collection", "use a-z, 0-9, `.`, `_` and `-`")
        supply = self._supply(max(1, pages))
        async with self._lock(name):
            filled = await self._fill(name, supply)
        self.library.complete.discard((self.tenant, name))
        self.library.embed_later(self.tenant, name)
        return filled

    def _supply(self, pages: int) -> Supply:
        scheme, _, rest = self.source.partition(":")
        until = self.until - SPARE_SECONDS
        if scheme == "path":
            return Folder(rest, self.library.workers, pages, until)
        if scheme in ("http", "https"):
            pause = self.library.pause_seconds
            return Site(self.source, self.access, self.library.workers, pages, until, pause)
        hint = "fill it from a folder or an address: groundswell collections add NAME DIR|URL"
        raise ToolFailed("no_source", "this run names nothing to fill a collection from", hint)

    async def _fill(self, name: str, supply: Supply) -> Filled:
        began, store = time.monotonic(), self.library.store
        kept = await self._prepared(name)
        account = Account()
        added = changed = 0
        async for fresh in supply.pages(kept, account, self.tell):
            is_new = fresh.page.path not in kept
            await self._shelve(name, fresh, is_new=is_new)
            added, changed = added + is_new, changed + (not is_new)
        gone = [path for path in kept if path not in account.seen]
        for path in gone:
            await self.library.vectors.delete(self.tenant, shelf_of(name), where={"page": path})
        await store.forget(self.tenant, name, gone)
        pages = await store.kept(self.tenant, name)
        return Filled(
            name=name,
            source=self.source,
            pages=len(pages),
            passages=sum(page.passages for page in pages.values()),
            added=added,
            changed=changed,
            removed=len(gone),
            unchanged=len(account.unchanged),
            skipped=account.skipped,
            examples=tuple(account.examples),
            complete=account.complete,
            seconds=round(time.monotonic() - began, 2),
        )

    async def _prepared(self, name: str) -> dict[str, Kept]:
        """What is kept of the collection; nothing where another model made its vectors, or another source its pages."""
        embedder, vectors, store = self.library.embedder, self.library.vectors, self.library.store
        info = CollectionInfo(name=shelf_of(name))
        if embedder is not None:
            info = CollectionInfo(name=shelf_of(name), embedding=embedder.name, dimensions=embedder.dimensions)
        known = await store.listed(self.tenant, name)
        kept = await store.kept(self.tenant, name)
        try:
            await vectors.ensure(self.tenant, info, keywords=["page", "dense"])
        except Conflict:
            await vectors.drop(self.tenant, shelf_of(name))
            await vectors.ensure(self.tenant, info, keywords=["page", "dense"])
        is_another = bool(known) and known[0].source != self.source
        # nothing: dropped just now, or by one that was killed before it came to the rows
        if kept and (is_another or not await vectors.count(self.tenant, shelf_of(name))):
            await vectors.delete(self.tenant, shelf_of(name), where={"page": list(kept)})
            await store.forget(self.tenant, name, list(kept))
            kept = {}
        await store.make(self.tenant, name, self.source, info.embedding)
        return kept

    async def _shelve(self, name: str, fresh: Fresh, *, is_new: bool) -> None:
        """Passages first, then the page's row: a page whose row is old is read again."""
        page, vectors = fresh.page, self.library.vectors
        if not is_new:
            await vectors.delete(self.tenant, shelf_of(name), where={"page": page.path})
        base = fresh.url or f"doc:{name}/{page.path}"
        payloads = [
            {
                "page": page.path,
                "title": page.title,
                "updated": page.updated,
                "headings": list(piece.headings),
                "columns": piece.columns,
                "source": f"{base}#L{piece.start}-L{piece.end}" if page.is_verbatim and not fresh.url else base,
                "text": piece.text,
                "dense": "todo",
            }
            for piece in page.pieces
        ]
        points = [
            Point(id=f"{page.digest[:12]}-{number}-{page.path}", text=searched(payload), payload=payload)
            for number, payload in enumerate(payloads)
        ]
        await vectors.upsert(self.tenant, shelf_of(name), points)
        row = Kept(
            page.path,
            base,
            page.title,
            page.digest,
            page.bytes,
            len(page.pieces),
            fresh.etag,
            fresh.modified,
            page.links,
        )
        await self.library.store.keep(self.tenant, name, [row])

    async def _named(self, name: str) -> Collection:
        found = await self.library.store.listed(self.tenant, name) if name and self.may_use(name) else []
        if not found:
            raise NotFound(
                "no_collection", f"there is no collection {name!r}", "groundswell collections list shows them"
            )
        return found[0]

    def _lock(self, name: str) -> asyncio.Lock:
        return self.library.lock((self.tenant, name))


def named_in(source: str) -> list[str]:
    """The collections that a source names: `collection:a,b`."""
    scheme, _, rest = source.partition(":")
    return [name.strip() for name in rest.split(",") if name.strip()] if scheme == "collection" else []


def searched(payload: dict[str, Any]) -> str:
    """What of a passage is searched: its page and headings, too."""
    head = " › ".join(dict.fromkeys([payload["title"], *payload["headings"]]))
    return "\n".join(part for part in (head, payload["columns"], payload["text"]) if part)


def shelf_of(name: str) -> str:
    """The vector store's name for a collection."""
    return f"docs-{name}"


def _passage(hit: Found) -> Passage:
    payload = hit.payload
    return Passage(
        page=payload["title"],
        headings=tuple(payload["headings"]),
        columns=payload["columns"],
        updated=payload["updated"],
        score=round(hit.score, 6),
        excerpt=Excerpt(source=payload["source"], text=payload["text"]),
    )
