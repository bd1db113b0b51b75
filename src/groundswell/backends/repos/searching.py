"""Passages about something: BM25 over names, text and paths, fused with dense vectors once they are there."""

import re
from collections.abc import Callable, Sequence

from groundswell.backends.repos.index import Index
from groundswell.backends.repos.ranks import rank
from groundswell.backends.repos.words import widened
from groundswell.core.ports import Embedder, Filter, Found, Vectors

_RANKS = (1.0, 0.9, 0.75, 0.5)  # what a score counts, by `ranks.rank`
_IDENTIFIER = re.compile(r"[A-Za-z_]\w{2,}")
_QUERY_LIMIT = 2000  # characters
_PATHS = 300  # more than these are told apart after the search, not by the store
_DEPTH = 6  # times the limit that is asked for before ranks are applied


class Searcher:
    """Searches one repository's collection."""

    def __init__(self, vectors: Vectors, embedder: Embedder | None, tenant: str, collection: str) -> None:
        self.vectors, self.embedder = vectors, embedder
        self.tenant, self.collection = tenant, collection

    async def search(
        self, index: Index, query: str, *, fits: Callable[[str], bool] | None, limit: int, use_dense: bool
    ) -> list[Found]:
        """The best passages, best first."""
        query = query[:_QUERY_LIMIT].strip()
        if not query or limit < 1:
            return []
        where: Filter | None = None
        depth = limit * _DEPTH + 10
        if fits is not None:
            paths = [path for path in index.paths if fits(path)]
            if not paths:
                return []
            where = {"path": paths} if len(paths) <= _PATHS else None
            depth = depth if where else depth * 4
        dense: Sequence[float] = ()
        if use_dense and self.embedder is not None:
            dense = (await self.embedder.embed([query], kind="query"))[0]
        found = await self.vectors.search(
            self.tenant, self.collection, text=widened(query), dense=dense, where=where, limit=depth
        )
        if fits is not None and where is None:
            found = [one for one in found if fits(str(one.payload["path"]))]
        return _weighed(index, query, found)[:limit]


def _weighed(index: Index, query: str, found: Sequence[Found]) -> list[Found]:
    """Source first, and definitions of what the query names."""
    named = set(_IDENTIFIER.findall(query))
    weighed = [
        one.model_copy(update={"score": one.score * _weight(one, named)})
        for one in found
        if index.has(str(one.payload["path"]))
    ]
    return sorted(weighed, key=lambda one: (-one.score, one.id))


def _weight(found: Found, named: set[str]) -> float:
    weight = _RANKS[rank(str(found.payload["path"]))]
    symbol = str(found.payload.get("symbol", ""))
    if symbol and symbol.rpartition(".")[2] in named:
        weight *= 1.5
    return weight
