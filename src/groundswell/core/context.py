"""What a node and a tool may reach. They live in different processes, and are different things."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from groundswell.core.ports import Cluster, Documents, MetricsStore, Repo, Vectors, Web, Workers, Workspace
from groundswell.core.records import ChatReply, ChatRequest, Evidence, ModelView, Role, Run, ToolResult, ToolSpec, Turn

T = TypeVar("T")


class Tools(Protocol):
    """The tools a node may call; each call is journalled, so a step that runs again gets the same replies."""

    async def call(self, name: str, /, *, returns: type[T], **arguments: Any) -> T:
        """A tool's value. Raises ToolFailed, Denied or LimitReached where its status is not `ok`.

        `no_data` is an empty `returns()` for lists, else NotFound.
        """
        ...

    async def result(self, name: str, /, **arguments: Any) -> ToolResult:
        """A tool's result, whatever its status; for a node that can go on without it."""
        ...


class Models(Protocol):
    """The models a node may ask; each turn is journalled, so that a reply that was there is not asked for again."""

    async def views(self) -> Sequence[ModelView]:
        """The roles that have a model; none where nothing is configured, or where the models service is away."""
        ...

    async def chat(self, role: Role, request: ChatRequest) -> ChatReply:
        """One turn. Raises Unavailable, Invalid (ask otherwise), NotFound (no such role) and LimitReached."""
        ...

    def seconds_left(self) -> float:
        """Of the run's budget."""
        ...


class ReadEvidence(Protocol):
    """Reads stored evidence of the run's tenant."""

    async def __call__(self, digest: str) -> Evidence | None:
        """The evidence under a digest, if there is any."""
        ...


class Note(Protocol):
    """States a fact; it becomes an event together with what the node returns."""

    def __call__(self, name: str, **data: Any) -> None:
        """State it."""
        ...


@dataclass(frozen=True)
class RunContext:
    """What a node reaches: its run, the tools its agent was granted, evidence, and its thread's past (oldest first)."""

    run: Run
    tools: Tools
    evidence: ReadEvidence
    note: Note
    history: Sequence[Turn] = ()
    models: Models | None = None  # None: there is no models service
    offered: Sequence[ToolSpec] = ()  # the tools its agent was granted, as a model is told of them


class ToolContext(Protocol):
    """What a tool reaches. A port whose source this run does not have raises ToolFailed("no_source")."""

    @property
    def tenant(self) -> str:
        """Whose call this is."""
        ...

    @property
    def key(self) -> str:
        """The call's idempotency key, the same on every attempt."""
        ...

    @property
    def cpu(self) -> Workers:
        """Processes for CPU-bound work."""
        ...

    @property
    def vectors(self) -> Vectors:
        """The vector store."""
        ...

    @property
    def progress(self) -> Callable[[str, int, int], None]:
        """Say how far this call is: stage, done, total."""
        ...

    @property
    def web(self) -> Web:
        """Pages of the web."""
        ...

    @property
    def documents(self) -> Documents:
        """The tenant's collections of documents."""
        ...

    async def repo(self) -> Repo:
        """The run's repository, opened and indexed as far as it is by now."""
        ...

    async def workspace(self) -> Workspace:
        """The commit of the run's repository, to change."""
        ...

    async def cluster(self) -> Cluster:
        """The run's cluster."""
        ...

    async def metrics(self) -> MetricsStore:
        """The run's Prometheus."""
        ...

    async def stored(self, digest: str) -> str:
        """The text of a stored value of this tenant; raises NotFound."""
        ...

    def remaining(self) -> float:
        """Seconds until this call's deadline."""
        ...
