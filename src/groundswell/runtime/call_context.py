"""What a tool reaches of the world: its run's sources, opened for this call alone and closed with it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Protocol

from groundswell.backends.databases.evidence import EvidenceStore
from groundswell.backends.databases.runs import Scope
from groundswell.backends.documents.library import Desk
from groundswell.backends.kube import clusters
from groundswell.backends.kube.access_review import Answers, Reviews, Subject
from groundswell.backends.kube.bounds import Bounds
from groundswell.backends.prometheus.client import Prometheus
from groundswell.backends.web.access import WebAccess
from groundswell.core.errors import Denied, NotFound, ToolFailed
from groundswell.core.policy import Grant
from groundswell.core.ports import Cluster, MetricsStore, Repo, Vectors, Workers, Workspace
from groundswell.runtime.run_pages import Pages


class Repos(Protocol):
    """Opens repositories, and keeps what it knows of them."""

    async def open(self, source: str, *, tenant: str, progress: Callable[[str, int, int], None], granted: bool) -> Repo:
        """A repository by `path:…` or `https://…`; what was `granted` by name may lie on a private address."""
        ...

    async def located(self, source: str) -> str:
        """What a source leads to, links followed."""
        ...

    def workspace(self, source: str, *, tenant: str, granted: bool) -> AbstractAsyncContextManager[Workspace]:
        """The commit of a repository, to change."""
        ...


@dataclass
class Outside:
    """What tools reach through their context."""

    cpu: Workers
    vectors: Vectors
    repos: Repos
    evidence: EvidenceStore
    embeddings: str  # what makes vectors of texts, and why, in a sentence
    pages: Pages
    answers: Answers = field(default_factory=Answers)  # of clusters, on what callers may read
    reviewing: bool = False  # whether clusters are asked


@dataclass
class RunRepo:
    """A repository that one run has opened: all its calls see the same revision, and only the first one lists it."""

    repo: Repo | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def _nowhere(url: str) -> None:
    raise Denied("domain_not_allowed", f"nothing lets this call reach {url}")


@dataclass
class CallContext:
    """One call's ToolContext."""

    tenant: str
    key: str
    scope: Scope
    outside: Outside
    deadline: float
    progress: Callable[[str, int, int], None]
    origin: str = ""
    opened: RunRepo = field(default_factory=RunRepo)
    closers: list[Callable[[], Awaitable[None]]] = field(default_factory=list[Callable[[], Awaitable[None]]])
    allows: Callable[[str], None] = _nowhere
    grant: Grant = field(default_factory=lambda: Grant(agent="", tenant=""))  # which grants nothing

    @property
    def cpu(self) -> Workers:
        """Processes for CPU-bound work."""
        return self.outside.cpu

    @property
    def vectors(self) -> Vectors:
        """The vector store."""
        return self.outside.vectors

    async def repo(self) -> Repo:
        """The run's repository, as it was when the run first looked at it."""
        source = self._repo_source()
        async with self.opened.lock:
            if self.opened.repo is None:
                granted = source in self.scope.granted or self.grant.listed.get("repo") == source
                self.opened.repo = await self.outside.repos.open(
                    source, tenant=self.tenant, progress=self.progress, granted=granted
                )
        self.origin = f"{source}@{self.opened.repo.revision}"
        return self.opened.repo

    def _repo_source(self) -> str:
        if source := self.scope.sources.get("repo", ""):
            return source
        raise ToolFailed("no_source", "this run looks at no repository", "name one: --repo PATH or --source repo=URL")

    @property
    def web(self) -> WebAccess:
        """The web, as policy lets this call see it."""
        return self.outside.pages.access(self.scope, self.allows, self.closers, self.grant.listed.get("pages", ""))

    @property
    def documents(self) -> Desk:
        """The tenant's collections."""
        return self.outside.pages.desk(self.grant, self.scope, self.web, self.progress, self.deadline)

    async def workspace(self) -> Workspace:
        """The commit of the run's repository, to change; what is made on the way is removed when the call is over."""
        source = self._repo_source()
        stack = AsyncExitStack()
        granted = source in self.scope.granted
        opening = self.outside.repos.workspace(source, tenant=self.tenant, granted=granted)
        workspace = await stack.enter_async_context(opening)
        self.closers.append(stack.aclose)
        self.origin = f"{source}@{workspace.base[:12]}"
        return workspace

    async def cluster(self) -> Cluster:
        """The run's cluster; closed when the call is over."""
        source = self.scope.sources.get("kubernetes", "")
        if not source:
            hint = "name one: --source kubernetes=kubeconfig:PATH#CONTEXT, or kubernetes=dump:DIR"
            raise ToolFailed("no_source", "this run looks at no Kubernetes cluster", hint)
        cluster = clusters.opened(
            source,
            self.cpu,
            seconds=self.remaining(),
            progress=self.progress,
            bounds=Bounds(self.grant.namespaces, self.grant.cluster_objects, self.grant.custom_kinds),
            reviews=self._reviews(source),
        )
        self.closers.append(cluster.close)
        self.origin = cluster.origin
        return cluster

    def _reviews(self, source: str) -> Reviews | None:
        """Where the caller is one whom the cluster knows, it is asked what they may read."""
        user, groups = self.scope.subject.get("user", ""), self.scope.subject.get("groups", ())
        if not self.outside.reviewing or not user:
            return None
        return Reviews(Subject(user, tuple(groups)), source, self.outside.answers)

    async def metrics(self) -> MetricsStore:
        """The run's Prometheus; closed when the call is over."""
        source = self.scope.sources.get("prometheus", "")
        if not source:
            raise ToolFailed("no_source", "this run looks at no Prometheus", "name one: --source prometheus=URL")
        store = Prometheus(source, self.outside.pages.operators(source, self.scope, self.grant), self.grant.labels)
        self.closers.append(store.close)
        self.origin = source
        return store

    async def close(self) -> None:
        """Close what was opened for this call alone."""
        while self.closers:
            await self.closers.pop()()

    async def stored(self, digest: str) -> str:
        """The text of a stored value; raises NotFound."""
        text = await self.outside.evidence.text(self.tenant, digest)
        if text is None:
            raise NotFound("no_evidence", f"nothing is stored under {digest[:12]}")
        return text

    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()
