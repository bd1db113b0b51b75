"""What the outside must be able to do for us. Backends implement these; tools and the runtime know nothing else."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from groundswell.core.records.base import Record
from groundswell.core.records.changes import Branch, Diff, Edit
from groundswell.core.records.cluster import ClusterEvidence, Metrics, ObjectRow
from groundswell.core.records.code import Coverage, FileSlice, Frame, Hit, Outline, Reference, Symbol
from groundswell.core.records.evidence import Excerpt
from groundswell.core.records.pages import Collection, Filled, Page, PageHit, Passage, Shelf


class Workers(Protocol):
    """Processes for CPU-bound work: never on the event loop, and killed when their time is up."""

    async def run(self, function: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        """`function(*arguments)` in another process; importable function, picklable values.

        Raises `Unavailable("cpu_deadline")` after `seconds`; the process is killed then.
        """
        ...


@runtime_checkable
class Repo(Protocol):
    """One repository as it was when it was opened."""

    name: str
    revision: str

    async def definitions(self, name: str, *, kind: str = "", path: str = "", limit: int = 20) -> list[Symbol]:
        """Definitions of a name, plain or qualified (`run`, `Runner.run`, `pkg.mod.Runner.run`), best first."""
        ...

    async def references(
        self, symbol: str, *, path: str = "", kinds: Sequence[str] = (), limit: int = 200
    ) -> list[Reference]:
        """Who uses the definitions a name means, each use once, surest first."""
        ...

    async def outline(self, path: str) -> Outline:
        """What a file, package or module (`pkg.mod`) defines, imports, and who imports it."""
        ...

    async def read(self, path: str, start: int = 1, end: int | None = None) -> FileSlice:
        """Lines of a file; at most 400 at once."""
        ...

    async def grep(self, pattern: str, *, glob: str = "**/*", limit: int = 50) -> list[Hit]:
        """Lines that match an RE2 pattern; raises ToolFailed("bad_pattern")."""
        ...

    async def search(self, query: str, *, glob: str = "**/*", limit: int = 10) -> list[Hit]:
        """Passages about something: BM25 over names, text and paths, fused with dense vectors once they are there."""
        ...

    async def frames(self, traceback: str) -> list[Frame]:
        """The frames of a traceback in any of our languages, innermost last, mapped to files here."""
        ...

    async def files(self, *, glob: str = "**/*", limit: int = 200) -> list[str]:
        """Paths that match."""
        ...

    async def coverage(self) -> Coverage:
        """What the index covers now."""
        ...


class Workspace(Protocol):
    """The commit of a repository, and what can be made of it."""

    base: str  # the commit

    async def diff(self, edits: Sequence[Edit]) -> Diff:
        """A unified diff of edits against the commit; raises ToolFailed for one that Git would not apply exactly."""
        ...

    async def branch(self, patch: str, base: str, branch: str, message: str, key: str) -> Branch:
        """Commit a patch to the commit `base` on a new branch; under the same key once. Raises ToolFailed."""
        ...

    async def branched(self, branch: str, key: str) -> Branch | None:
        """The branch that was made under a key, or None. Raises Conflict where only a person can tell."""
        ...


class Web(Protocol):
    """Pages of the web, as one run may see them: by its sources, its grant and its policies."""

    async def search(self, query: str, *, limit: int = 8) -> list[PageHit]:
        """Pages that the run's search engine names; raises Unavailable, ToolFailed("no_source")."""
        ...

    async def fetch(self, url: str) -> Page:
        """A page in passages. Raises Denied, NotFound, ToolFailed, LimitReached and Unavailable, each with a hint."""
        ...


class Documents(Protocol):
    """A tenant's collections of documents, and what of the outside they may be filled from."""

    async def search(self, query: str, *, collections: Sequence[str] = (), limit: int = 12) -> list[Passage]:
        """Passages about something, best first; without names, from the collections that the run looks at."""
        ...

    async def compare(self, queries: Sequence[str], texts: Sequence[str]) -> list[list[float]]:
        """For each query how near each text is to it, from -1 to 1; nothing where there is no embedder."""
        ...

    async def fill(self, name: str, *, pages: int = 500) -> Filled:
        """Make a collection what the run's `pages` source says now: only what changed is read again."""
        ...

    async def collections(self) -> list[Collection]:
        """What there is."""
        ...

    async def shelf(self, name: str) -> Shelf:
        """One collection; raises NotFound."""
        ...

    async def remove(self, name: str) -> Collection:
        """Delete a collection with everything that is stored of it; raises NotFound."""
        ...


class Cluster(Protocol):
    """A Kubernetes cluster, or a dump of one; it is only read, and Secrets lose their values before anybody sees them.

    What was not listed is unknown, never absent. Each method raises Unavailable, Denied, NotFound and ToolFailed.
    """

    origin: str  # which one, as the answer names it

    async def evidence(self, about: Sequence[str] = ()) -> ClusterEvidence:
        """Objects, events and logs as one pack; where not all fits, what `about` names comes first."""
        ...

    async def objects(self, kind: str, namespace: str = "") -> list[ObjectRow]:
        """The objects of a kind."""
        ...

    async def object(self, kind: str, namespace: str, name: str) -> Excerpt:
        """One object."""
        ...

    async def manifests(self, kind: str, namespace: str = "") -> list[Excerpt]:
        """The objects of a kind, each whole."""
        ...

    async def events(self, namespace: str = "", about: str = "") -> list[Excerpt]:
        """Events that say a word, oldest first."""
        ...

    async def logs(self, namespace: str, pod: str, container: str = "", *, previous: bool = False) -> Excerpt:
        """The end of a container's log, of its run now or of the one before."""
        ...


class MetricsStore(Protocol):
    """A Prometheus."""

    async def query(self, promql: str, *, minutes: float = 0.0, step_seconds: float = 0.0) -> Metrics:
        """A query's value now, or over the last minutes; one that reads too much raises LimitReached."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors of unit length."""

    name: str  # `minilm-l6-v2-int8`: a collection remembers it
    dimensions: int

    async def embed(self, texts: Sequence[str], *, kind: Literal["document", "query"]) -> list[list[float]]:
        """One vector a text, in order."""
        ...


class Point(Record):
    """One thing in a collection. `id` is any text; `payload` is what filters and results see."""

    id: str
    dense: tuple[float, ...] = ()
    text: str = ""  # becomes the sparse BM25 vector; not stored
    payload: dict[str, Any] = {}


class Found(Record):
    """One result of a search, best first; scores compare only within one search."""

    id: str
    score: float
    payload: dict[str, Any] = {}


class CollectionInfo(Record):
    """What a collection is: it names the model its vectors came from."""

    name: str
    embedding: str = ""  # "" where it has no dense vectors
    dimensions: int = 0
    sparse: bool = True


Filter = Mapping[str, str | int | bool | Sequence[str | int]]  # all must hold; a sequence means any of these


class Vectors(Protocol):
    """A vector store. Collections belong to a tenant: the store prefixes their names."""

    async def ensure(self, tenant: str, collection: CollectionInfo, *, keywords: Sequence[str] = ()) -> None:
        """Make a collection, or check the one that is there; raises Conflict("embedding_changed") for another model."""
        ...

    async def drop(self, tenant: str, collection: str) -> None:
        """Remove a collection and what it stores; nothing happens where there is none."""
        ...

    async def collections(self, tenant: str) -> list[CollectionInfo]:
        """A tenant's collections."""
        ...

    async def upsert(self, tenant: str, collection: str, points: Sequence[Point]) -> None:
        """Store points, in place of those with the same ids; durable when this returns."""
        ...

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
        """Nearest by cosine, by BM25, or by both where both are given: rank fusion over hits above zero."""
        ...

    async def delete(
        self, tenant: str, collection: str, *, ids: Sequence[str] = (), where: Filter | None = None
    ) -> None:
        """Remove points by id or by filter, for real."""
        ...

    def scroll(
        self, tenant: str, collection: str, *, where: Filter | None = None, batch: int = 1000
    ) -> AsyncIterator[Point]:
        """All points with their payloads and dense vectors, in the order of their ids."""
        ...

    async def count(self, tenant: str, collection: str, *, where: Filter | None = None) -> int:
        """How many points there are, exactly."""
        ...

    async def snapshot(self, tenant: str, collection: str, file: Path) -> None:
        """Write all of a collection into one file."""
        ...

    async def restore(self, tenant: str, collection: str, file: Path) -> None:
        """Make a collection what a snapshot says, in place of what is there."""
        ...

    async def about(self) -> str:
        """What stores them, for people and proofs; asks once, and says so where nothing answers."""
        ...

    async def close(self) -> None:
        """Flush, and give up files and connections."""
        ...
