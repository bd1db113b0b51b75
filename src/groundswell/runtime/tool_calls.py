"""Makes tool calls, for all tools: journal, policy, validation, deadline, retries, breaker, output and evidence."""

import asyncio
import contextlib
import itertools
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import stamina
from pydantic import ValidationError

from groundswell.backends.databases.calls import Cost, Journal, Place, Standing
from groundswell.backends.databases.connections import OUTAGES, EpochOver
from groundswell.backends.databases.evidence import EvidenceStore, Piece
from groundswell.backends.databases.runs import RunStore, Scope
from groundswell.backends.documents.library import Desk
from groundswell.backends.kube import clusters
from groundswell.backends.kube.access_review import Answers, Reviews, Subject
from groundswell.backends.kube.bounds import Bounds
from groundswell.backends.prometheus.client import Prometheus
from groundswell.backends.web.access import WebAccess
from groundswell.core.errors import Denied, GroundswellError, NotFound, ToolFailed, Unavailable
from groundswell.core.policy import Grant, Policy, SourceUse, ToolCall, Verdict, deny
from groundswell.core.ports import Cluster, MetricsStore, Repo, Vectors, Workers, Workspace
from groundswell.core.records import Answered, Ask, ToolResult
from groundswell.core.records.events import Denial
from groundswell.core.tool import Tool
from groundswell.runtime.breaker import Breaker
from groundswell.runtime.grants import asks, judge
from groundswell.runtime.keys import RunToken
from groundswell.runtime.results import STORED_AT_MOST, failure_of, result_of
from groundswell.runtime.run_pages import Pages, allowing
from groundswell.runtime.stoppable import RunStopped, Stoppable
from groundswell.runtime.telemetry import failed_extension, span

PROGRESS_SECONDS = 0.3
RUNS_KEPT = 32  # whose repositories stay opened
BREAKERS_KEPT = 512
DOUBT_SECONDS = 0.05  # between two looks at an effect that may still be under way


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
    opened: "RunRepo" = field(default_factory=lambda: RunRepo())
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
            bounds=Bounds(self.grant.namespaces, self.grant.cluster_objects),
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


class ToolCalls:
    """The one place where tools are called."""

    def __init__(
        self,
        journal: Journal,
        runs: RunStore,
        tools: Mapping[str, Tool],
        policies: Mapping[str, Policy],
        grant: Callable[[RunToken, Scope], Grant],
        outside: Outside,
        *,
        approval_seconds: float = 86_400,
    ) -> None:
        self.journal, self.runs, self.tools, self.policies = journal, runs, tools, policies
        self.approval_seconds, self.stoppable = approval_seconds, Stoppable(runs)
        self.grant, self.outside = grant, outside
        self.flying: dict[tuple[Any, ...], asyncio.Task[Answered]] = {}
        self.opened: OrderedDict[str, RunRepo] = OrderedDict()  # by run
        self.slots = {name: asyncio.Semaphore(tool.concurrency) for name, tool in tools.items()}
        self.breakers: OrderedDict[tuple[str, ...], Breaker] = OrderedDict()

    async def answer(self, token: RunToken, ask: Ask) -> Answered:
        """The reply, or the state that stands in its way. Asked twice at once, it is made once.

        Raises EpochOver, LimitReached and Conflict.
        """
        place = Place(token.tenant, token.run, token.epoch, ask)
        key = (place.key, token.epoch)
        task = self.flying.get(key)
        if task is None:
            task = self.flying[key] = asyncio.create_task(self._answer(token, place))
            task.add_done_callback(lambda _: self.flying.pop(key, None))
        # an asker that goes away does not stop the call: its reply is kept, and asked for again
        return await asyncio.shield(task)

    async def _answer(self, token: RunToken, place: Place) -> Answered:
        tool = self.tools.get(place.ask.kind)
        while True:
            standing = await self.journal.standing(place)
            if standing is not None and standing.state == "unknown" and standing.decision == "happened":
                await self.journal.believe(place, standing)
                continue
            if standing is not None and standing.state not in ("intended", "approved"):
                return Answered(state=standing.state, result=standing.result or _not_approved(place, standing))
            effect = tool is not None and tool.effect == "write"
            if effect and standing is not None and standing.acting and standing.state == "intended":
                await asyncio.sleep(DOUBT_SECONDS)  # its first attempt may still happen: too early to probe
                continue
            scope = await self.runs.scope(place.tenant, place.run)
            grant = self.grant(token, scope)
            if standing is None or standing.state == "approved":  # since it was asked for, policy may have changed
                refusal = self._refusal(tool, place, grant, scope) or await self._astray(tool, place, scope, grant)
                if refusal is not None:
                    await self.journal.refuse(place, *refusal)
                    continue
            assert tool is not None
            if standing is None and asks(tool, grant):
                await self.journal.ask(place, effect=effect, seconds=self.approval_seconds)
                continue
            await self._make(tool, place, scope, standing, grant)

    def _refusal(
        self, tool: Tool | None, place: Place, grant: Grant, scope: Scope
    ) -> tuple[ToolResult, Denial | None] | None:
        """Why a call is not made: policy first, so that nobody learns of tools that are not theirs."""
        name, arguments = place.ask.kind, place.ask.arguments
        call = ToolCall(agent=grant.agent, tool=name, arguments=arguments)
        verdict = judge(self.policies.values(), call, grant)
        if not verdict.allowed:
            return _denied(name, verdict)
        if tool is None:
            hint = "groundswell tools lists them"
            return ToolResult(
                status="error", code="unknown_tool", message=f"there is no tool {name!r}", hint=hint
            ), None
        if tool.direct and not scope.direct:
            message = f"only a caller may ask for {name}, not an agent in the course of its work"
            return _denied(name, deny("only_direct", message, f"groundswell tools call {name}"))
        try:
            tool.arguments.model_validate(arguments)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            message = f"{name} cannot take {where or 'these arguments'}: {first['msg']}"
            return ToolResult(
                status="error", code="bad_arguments", message=message, hint=f"groundswell tools show {name}"
            ), None
        return None

    async def _astray(
        self, tool: Tool | None, place: Place, scope: Scope, grant: Grant
    ) -> tuple[ToolResult, Denial] | None:
        """Why a source that lies where it may leads where it may not: by a link, or to a repository around it.

        One that is to be changed must be writable where it leads to.
        """
        kind = tool.changes if tool else None
        changed = scope.sources.get(kind, "") if kind else ""
        if kind and changed and (refusal := await self._unwritable(place, kind, changed, grant)):
            return refusal
        pages = scope.sources.get("pages", "")
        if pages.startswith("path:") and pages not in scope.granted:
            found = await asyncio.to_thread(lambda: f"path:{Path(pages.removeprefix('path:')).resolve()}")
            if refusal := await self._outside_roots(place, "pages", found, grant):
                return refusal
        source = scope.sources.get("repo", "")
        if not source or source in scope.granted:
            return None
        try:
            found = await self.outside.repos.located(source)
        except GroundswellError:
            return None  # there is nothing to look at: the tool says so
        return await self._outside_roots(place, "repo", found, grant)

    async def _unwritable(self, place: Place, kind: str, source: str, grant: Grant) -> tuple[ToolResult, Denial] | None:
        if kind == "repo":
            try:
                source = await self.outside.repos.located(source)
            except GroundswellError:
                return None  # there is nothing to change: the tool says so
        writable = await asyncio.to_thread(lambda: [str(Path(root).resolve()) for root in grant.writable])
        use = SourceUse(kind=kind, source=source, write=True)
        verdict = judge(self.policies.values(), use, grant.model_copy(update={"writable": tuple(writable)}))
        return None if verdict.allowed else _denied(place.ask.kind, verdict)

    async def _outside_roots(
        self, place: Place, kind: str, found: str, grant: Grant
    ) -> tuple[ToolResult, Denial] | None:
        roots = await asyncio.to_thread(lambda: [str(Path(root).resolve()) for root in grant.roots])
        use = SourceUse(kind=kind, source=found)
        verdict = judge(self.policies.values(), use, grant.model_copy(update={"roots": (*grant.roots, *roots)}))
        return None if verdict.allowed else _denied(place.ask.kind, verdict)

    async def _make(self, tool: Tool, place: Place, scope: Scope, standing: Standing | None, grant: Grant) -> None:
        reserve = Cost(bytes=tool.bytes * STORED_AT_MOST)
        effect = tool.effect == "write"
        attempt = await self.journal.begin(place, before=standing, effect=effect, seconds=tool.seconds, reserve=reserve)
        if attempt is None:
            return  # somebody else was faster
        started = time.monotonic()
        doubtful = effect and standing is not None and standing.state == "intended"
        reporter = _Reporter(self.journal, place, attempt)
        context = CallContext(place.tenant, place.fact, scope, self.outside, started + tool.seconds, reporter.progress)
        context.allows, context.grant = allowing(self.policies.values(), grant, tool.name), grant
        with span(f"execute_tool {tool.name}", "execute_tool", {"gen_ai.tool.name": tool.name}) as trace:
            try:
                work = self._outcome(tool, place, context, doubtful)
                # an effect is not cut off: its outcome would not be known
                result, pieces = await (work if effect else self.stoppable.done(place.run, work))
            except OutcomeUnknown as doubt:
                await self.journal.doubt(place, attempt, str(doubt), reserve)
                return
            except RunStopped:
                result, pieces = ToolResult(status="error", code="cancelled", message="its run was asked to stop"), []
            finally:
                await context.close()
                await reporter.close()
            trace.set("groundswell.tool.status", result.status)
            cost = Cost(bytes=sum(len(piece.text.encode()) for piece in pieces))
            took = time.monotonic() - started
            await self.journal.settle(place, attempt, result, pieces, cost, reserve, took)

    def _repo_of(self, run: str) -> RunRepo:
        opened = self.opened.setdefault(run, RunRepo())
        self.opened.move_to_end(run)
        if len(self.opened) > RUNS_KEPT:
            self.opened.popitem(last=False)
        return opened

    async def _outcome(
        self, tool: Tool, place: Place, context: CallContext, doubtful: bool
    ) -> tuple[ToolResult, list[Piece]]:
        """The result and its evidence. Raises OutcomeUnknown where nobody can say whether an effect happened."""
        arguments = tool.arguments.model_validate(place.ask.arguments)
        values = {name: getattr(arguments, name) for name in type(arguments).model_fields}
        if doubtful and tool.probe is not None:
            found = await _probed(tool, context, values)
            if found is not None:
                return result_of(tool.returns.dump_python(found, mode="json"), tool.bytes, context.origin)
        elif doubtful and not tool.repeatable:
            raise OutcomeUnknown(f"{tool.name} was begun and never answered; look whether it happened: {tool.summary}")
        since = datetime.now(UTC)
        try:
            value = await self._within_limits(tool, context, values)
        except GroundswellError as error:
            if error.code in OUTAGES:
                raise  # no answer of the tool: the call stays intended, and its worker asks again
            return failure_of(error, since), []
        dumped = tool.returns.dump_python(value, mode="json")
        result, pieces = result_of(dumped, tool.bytes, context.origin)
        return result.model_copy(update={"source": context.origin, "since": since, "until": datetime.now(UTC)}), pieces

    def _breaker(self, tool: str, context: CallContext) -> Breaker:
        """That of a tool with what this run looks at: one source that is away must not keep others from theirs."""
        key = (tool, context.tenant, *(f"{kind}={source}" for kind, source in sorted(context.scope.sources.items())))
        breaker = self.breakers.setdefault(key, Breaker(tool))
        self.breakers.move_to_end(key)
        while len(self.breakers) > BREAKERS_KEPT:
            self.breakers.popitem(last=False)
        return breaker

    async def _within_limits(self, tool: Tool, context: CallContext, values: dict[str, Any]) -> Any:
        breaker = self._breaker(tool.name, context)
        breaker.check()
        async with self.slots[tool.name]:
            try:
                async with asyncio.timeout(context.remaining()):
                    async for attempt in stamina.retry_context(
                        on=Unavailable, attempts=1 + tool.retries, wait_initial=0.1, wait_max=2.0, wait_jitter=0.2
                    ):
                        with attempt:
                            value = await tool.function(context, **values)
                            breaker.succeeded()
                            return value
            except TimeoutError as error:
                breaker.failed()
                message = f"{tool.name} did not finish within {tool.seconds:g} s"
                raise Unavailable("tool_deadline", message, "ask for less at once") from error
            except Unavailable as error:
                if error.code not in OUTAGES:
                    breaker.failed()
                raise
            except GroundswellError:
                breaker.succeeded()  # it answers: that it says no is no failure
                raise
            except Exception as error:  # an extension's code; recorded, and the run goes on without it
                failed_extension("tool", tool.name, error)
                message = f"{tool.name} failed: {type(error).__name__}"
                raise ToolFailed("tool_crashed", message, "the platform's log has the traceback") from error
        raise AssertionError


class OutcomeUnknown(Exception):
    """Nobody can say whether an effect happened; the text says what to look at."""


async def _probed(tool: Tool, context: CallContext, values: dict[str, Any]) -> Any:
    """What an effect's probe finds: its value, or None where it did not happen."""
    assert tool.probe is not None
    try:
        async with asyncio.timeout(max(context.remaining(), 0.0)):
            return await tool.probe(context, values)
    except GroundswellError as error:
        if error.code in OUTAGES:
            raise
        raise OutcomeUnknown(error.message) from error
    except TimeoutError as error:
        message = f"{tool.name} was begun and never answered, and looking for what it did took too long"
        raise OutcomeUnknown(message) from error
    except Exception as error:  # an extension's code; recorded, and a person decides
        failed_extension("tool", tool.name, error)
        message = f"{tool.name} was begun and never answered, and looking for what it did failed"
        raise OutcomeUnknown(f"{message}: {type(error).__name__}") from error


def _not_approved(place: Place, standing: Standing) -> ToolResult | None:
    """What an agent is told of a call that a person refused."""
    if standing.state != "denied":
        return None
    message = f"{standing.decided_by} did not approve {place.ask.kind}"
    hint = standing.note or "do without it"
    return ToolResult(status="denied", code="not_approved", message=message, hint=hint)


class _Reporter:
    """Turns a tool's progress into events, a few a second at most, without holding the tool up."""

    def __init__(self, journal: Journal, place: Place, attempt: int) -> None:
        self.journal, self.place, self.attempt = journal, place, attempt
        self.numbers = itertools.count()
        self.last = 0.0
        self.task: asyncio.Task[None] | None = None
        self.closed = False  # work that goes on behind a call tells nobody

    def progress(self, stage: str, done: int, total: int) -> None:
        """Say how far the call is."""
        now = time.monotonic()
        if self.closed or now - self.last < PROGRESS_SECONDS or (self.task and not self.task.done()):
            return
        self.last = now
        self.task = asyncio.create_task(self._store(stage, done, total))

    async def close(self) -> None:
        """Say nothing more, and wait for what is under way."""
        self.closed = True
        if self.task:
            await asyncio.gather(self.task, return_exceptions=True)

    async def _store(self, stage: str, done: int, total: int) -> None:
        with contextlib.suppress(EpochOver, GroundswellError):  # the call itself finds out, and says so
            await self.journal.progress(self.place, self.attempt, next(self.numbers), stage, done, total)


def _denied(name: str, verdict: Verdict) -> tuple[ToolResult, Denial]:
    rule, message, hint = verdict.rule, verdict.message, verdict.hint
    result = ToolResult(status="denied", code=rule, message=message, hint=hint)
    return result, Denial(subject=name, rule=rule, message=message, hint=hint)
