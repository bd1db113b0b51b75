"""The router's service: creates, shows, streams and cancels runs; signs run tokens."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from groundswell.backends.databases.calls import Journal
from groundswell.backends.databases.connections import Database
from groundswell.backends.databases.decisions import Decisions
from groundswell.backends.databases.events import EventLog
from groundswell.backends.databases.evidence import EvidenceStore
from groundswell.backends.databases.retention import RetentionStore
from groundswell.backends.databases.runs import Accepted, RunStore
from groundswell.core.agent import Agent
from groundswell.core.errors import Conflict, Invalid, NotFound
from groundswell.core.policy import Grant, SourceUse
from groundswell.core.records import (
    Answer,
    Event,
    Evidence,
    Limits,
    Message,
    NewRun,
    Part,
    Prune,
    Pruning,
    Record,
    Route,
    Run,
    SourceKind,
    Thread,
    Tombstone,
    ToolSpec,
)
from groundswell.core.records.events import Answered, Denial
from groundswell.core.records.runs import Source
from groundswell.core.redaction import redact, redact_value
from groundswell.core.settings import TenantPolicy
from groundswell.core.tool import Tool
from groundswell.runtime import discovery
from groundswell.runtime.base import Base
from groundswell.runtime.grants import grant_for, judge, narrowed, offered
from groundswell.runtime.keys import CallerToken, RunToken
from groundswell.runtime.retention import ASKED_SECONDS, DAY, Pruner
from groundswell.runtime.run_export import exported
from groundswell.runtime.run_file import lines
from groundswell.runtime.service import Caller, PruningCaller, Service, WorkerCaller, opened_of
from groundswell.runtime.sse import stream
from groundswell.services.router import approvals, relays
from groundswell.services.router.choice import BEYOND, Chooser
from groundswell.services.router.meanings import Meanings
from groundswell.services.router.requests import routed

routes = APIRouter(prefix="/v1", tags=["runs"])
internal = APIRouter(prefix="/internal", include_in_schema=False)
HELD_TRIES = 5  # half a second each
CHAT = "chat"  # the agent that talks without evidence


@dataclass
class Router:
    """What the routes work with."""

    base: Base
    database: Database
    runs: RunStore
    events: EventLog
    evidence: EvidenceStore
    journal: Journal
    agents: dict[str, Agent]
    tools: dict[str, Tool]
    chooser: Chooser
    pruner: Pruner
    decisions: Decisions

    def grant(self, agent: Agent, caller: CallerToken, granted: tuple[str, ...] = ()) -> Grant:
        """What an agent may do for a caller."""
        return grant_for(
            agent,
            caller.tenant,
            self.base.policy,
            caller=caller.caller,
            granted=granted,
            unbounded=caller.local,
        )

    def offered(self, run: Run) -> list[ToolSpec]:
        """The tools that a model was told of in a run, as policy has it now."""
        agent = self.agents.get(run.agent)
        return offered(agent, run.tenant, self.base.policy, self.tools) if agent else []

    async def routed(self, request: NewRun, caller: CallerToken) -> tuple[NewRun, Route]:
        """Which agent answers, and the request as that agent gets it: without the mention, without secrets.

        An explicit agent wins, then a mention; else the words decide, and a follow-up stays with its thread's agent.
        """
        request = request.model_copy(update={"input": tuple(_without_secrets(m) for m in request.input)})
        if request.agent:
            self.agent(request.agent)
            return request, Route(agent=request.agent, confidence=1.0, reason="named by the caller")
        thread = request.thread
        earlier = (await self.runs.listed(caller.tenant, thread=thread, limit=1))[0] if thread else []
        last, configured = earlier[0] if earlier else None, self._configured(caller)
        request, route = await routed(request, last, self.chooser, self.agents, configured)
        return request, self._or_chat(route)

    def _or_chat(self, route: Route) -> Route:
        """What is out of scope may be plain chat, where the settings say so and there is a model for it."""
        settings = self.base.settings
        chats = settings.router.fallback == "llm:planner" and "planner" in settings.models and CHAT in self.agents
        if route.agent or not chats or route.confidence < BEYOND:
            return route
        why = route.reason.partition(": ")[2]
        reason = "answers what no other agent looks up, as [router] fallback says" + (f" ({why})" if why else "")
        return route.model_copy(update={"agent": CHAT, "reason": reason, "question": ""})

    def agent(self, name: str) -> Agent:
        """An agent by name; raises NotFound."""
        if name not in self.agents:
            known = ", ".join(self.agents)
            raise NotFound("no_agent", f"there is no agent {name!r}", f"there are: {known}")
        return self.agents[name]

    async def accept(self, request: NewRun, caller: CallerToken, key: str, call: dict[str, Any] | None = None) -> Run:
        """Store a run, or store that policy refuses it, or that no agent is for it and what is asked back."""
        request, route = await self.routed(request, caller)
        request = self._with_defaults(request, self.agents.get(route.agent), caller)
        granted = tuple(request.sources.values()) if caller.local else ()
        grant = self.grant(self.agents[route.agent], caller, granted) if route.agent else None
        new = Accepted(
            id=f"run_{secrets.token_hex(10)}",
            tenant=caller.tenant,
            caller=caller.caller,
            request=request,
            route=route,
            budget=narrowed(grant.limits if grant else Limits(), request.limits),
            thread=request.thread or f"thread_{secrets.token_hex(8)}",
            granted=granted,
            call=call,
            idempotency_key=key,
            queued_at_most=self.base.settings.runs.queued_per_tenant,
            subject=caller.subject,
        )
        if grant is None:  # no source is opened, and no worker is needed
            return await self.runs.create(new, Answered(status="succeeded", answer=Answer(question=route.question)))
        for kind, source in request.sources.items():
            verdict = judge(discovery.policies().values(), SourceUse(kind=kind, source=source), grant)
            if not verdict.allowed:
                denial = Denial(subject=source, rule=verdict.rule, message=verdict.message, hint=verdict.hint)
                return await self.runs.create(new, denial=denial)
        return await self.runs.create(new)

    def _with_defaults(self, request: NewRun, agent: Agent | None, caller: CallerToken) -> NewRun:
        """What `policy.toml` gives the tenant, of the kinds that its agent looks at and the caller named none of.

        For the local caller also what the settings name; for a cluster that is at last its current kubectl context.
        """
        if agent is None:
            return request
        known = self._configured(caller)
        if caller.local:
            known = {"kubernetes": "kubeconfig:"} | known
        missing = {kind: known[kind] for kind in agent.sources if kind not in request.sources and known.get(kind)}
        return request.model_copy(update={"sources": {**request.sources, **missing}})

    def _configured(self, caller: CallerToken) -> dict[str, str]:
        """The sources that somebody named for this caller: policy, and for the local caller the settings."""
        ruled = self.base.policy.tenants.get(caller.tenant, TenantPolicy())
        named: dict[str, str] = self.base.settings.sources.model_dump() if caller.local else {}
        every = named | {str(kind): source for kind, source in ruled.sources.items()}
        return {kind: source for kind, source in every.items() if source}


def _without_secrets(message: Message) -> Message:
    parts = tuple(part.model_copy(update={"text": redact(part.text)}) for part in message.parts)
    return message.model_copy(update={"parts": parts})


@contextlib.asynccontextmanager
async def opened(base: Base) -> AsyncGenerator[Router]:
    """Connect to the database, and be ready to choose."""
    database = base.database("router")
    await database.open()
    agents = discovery.agents()
    # one without tools looks at nothing
    looking = {name: agent for name, agent in agents.items() if agent.tools and not agent.direct}
    meanings = Meanings(base.embedder.taken(base.settings, base.data).embedder)
    pruner = Pruner(RetentionStore(database), base.settings.retention)
    pruning = asyncio.create_task(pruner.serve(), name="retention")
    decisions = Decisions(database)
    expiring = asyncio.create_task(approvals.expired(decisions), name="expire approvals")
    try:
        yield Router(
            base,
            database,
            RunStore(database),
            EventLog(database),
            EvidenceStore(database),
            Journal(database),
            agents,
            discovery.tools(),
            Chooser(
                looking,
                meanings.of if meanings.there else None,
                base.settings.router.threshold,
            ),
            pruner,
            decisions,
        )
    finally:
        for task in (expiring, pruning):
            task.cancel()
        await asyncio.gather(expiring, pruning, return_exceptions=True)
        await base.embedder.given_back()
        await database.close()


RouterDep = Annotated[Router, Depends(opened_of)]


async def _run(run_id: str, router: RouterDep, caller: Caller) -> Run:
    """The run of the path; 404 also for another tenant's, before any stream begins."""
    return await router.runs.get(caller.tenant, run_id)


RunDep = Annotated[Run, Depends(_run)]


class Page(Record):
    """Some runs, and where the next ones begin."""

    runs: tuple[Run, ...]
    next: str = ""


class AgentView(Record):
    """An agent as this caller may use it."""

    name: str
    description: str
    intents: tuple[str, ...]
    sources: tuple[str, ...]
    tools: tuple[str, ...]
    grant: Grant


class ToolView(Record):
    """A tool."""

    name: str
    description: str
    effect: str
    seconds: float
    arguments: dict[str, Any]
    agents: tuple[str, ...]


class NewCall(Record):
    """A request for a run of one tool call, under an agent's policies."""

    agent: str
    arguments: dict[str, Any] = {}
    sources: dict[SourceKind, Source] = {}


class CallView(Record):
    """A call of a run, with its result."""

    call: str
    tool: str
    arguments: dict[str, Any]
    state: str
    attempt: int
    result: dict[str, Any] | None


EXPORTED: dict[int | str, dict[str, Any]] = {200: {"content": {"application/x-ndjson": {}}}}
FOLLOWED: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}, "model": Event}}
STREAMED: dict[int | str, dict[str, Any]] = {201: {"content": {"text/event-stream": {}}, "model": Run}}


@routes.post("/runs", status_code=201, response_model=None, responses=STREAMED, summary="Start a run")
async def start(
    body: NewRun,
    request: Request,
    router: RouterDep,
    caller: Caller,
    idempotency_key: Annotated[str, Header(max_length=200, description="The same key gives the first run again.")] = "",
) -> Response:
    """Accept a run; it is durable when this returns. With `Accept: text/event-stream` its events follow at once.

    A client that leaves the stream does not end the run.
    """
    run = await router.accept(body, caller, idempotency_key)
    location = {"Location": f"/v1/runs/{run.id}"}
    if "text/event-stream" in request.headers.get("accept", ""):
        return stream(router.events.follow(caller.tenant, run.id), 201, location)
    return JSONResponse(run.model_dump(mode="json"), 201, location)


@routes.get("/runs", summary="List runs, newest first")
async def listed(
    router: RouterDep,
    caller: Caller,
    cursor: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    thread: Annotated[str, Query(max_length=64)] = "",
    status: Annotated[str, Query(max_length=16)] = "",
) -> Page:
    """Runs of this caller's tenant; `next` is the cursor of the page that follows."""
    runs, following = await router.runs.listed(caller.tenant, cursor=cursor, limit=limit, thread=thread, status=status)
    return Page(runs=tuple(runs), next=following)


@routes.get("/runs/{run_id}", summary="Show a run")
async def show(run: RunDep) -> Run:
    """A run as it stands: with its answer, once it has one."""
    return run


@routes.get("/runs/{run_id}/events", response_model=None, responses=FOLLOWED, summary="Follow a run's events")
async def events(
    run: RunDep, router: RouterDep, last_event_id: Annotated[int, Header(ge=0, le=2**31 - 1)] = 0
) -> Response:
    """What happened in a run, then what happens, until it ends; after `Last-Event-ID`, exactly."""
    return stream(router.events.follow(run.tenant, run.id, after=last_event_id))


@routes.get("/runs/{run_id}/calls", summary="The calls of a run")
async def calls(run: RunDep, router: RouterDep) -> list[CallView]:
    """Every tool call of a run with its result, in the order in which they were begun."""
    return [CallView.model_validate(row) for row in await router.journal.of_run(run.tenant, run.id)]


@routes.post("/runs/{run_id}/cancel", summary="Cancel a run")
async def cancel(run: RunDep, router: RouterDep) -> Run:
    """Ask a run to stop; its last event says when it did."""
    return await router.runs.cancel(run.tenant, run.id)


@routes.get("/runs/{run_id}/export", response_model=None, responses=EXPORTED, summary="Export a run")
async def export(run: RunDep, router: RouterDep) -> Response:
    """A run that has ended as one file of JSON lines, from which `groundswell runs replay` recomputes it."""
    file = await exported(run, router.runs, router.events, router.journal, router.evidence, router.offered(run))
    return StreamingResponse(lines(file), media_type="application/x-ndjson")


@routes.delete("/runs/{run_id}", summary="Delete a run")
async def delete(run: RunDep, router: RouterDep, _: PruningCaller) -> Pruning:
    """Delete an ended run with all that is its own: events, calls, checkpoints, and what no other run rests on."""
    for _try in range(HELD_TRIES):
        if await router.pruner.store.delete(run.tenant, run.id):
            return Pruning(runs=1)
    raise Conflict("run_busy", f"something else works on run {run.id}", "try again in a moment")


@routes.post("/prune", summary="Prune now")
async def prune(body: Prune, router: RouterDep, caller: PruningCaller) -> Pruning:
    """Prune what is due in this caller's tenant: bodies give way to tombstones, and the runs stay readable."""
    age = None if body.older_than_days is None else body.older_than_days * DAY
    if body.runs and age is None:
        raise Invalid("no_age", "which runs are to be deleted? Only those of an age", "say older_than_days")
    if body.dry_run:
        return await router.pruner.counted(caller.tenant, age, runs=body.runs)
    if age is None:
        return await router.pruner.prune(caller.tenant, seconds=ASKED_SECONDS)
    return await router.pruner.prune_older(caller.tenant, age, runs=body.runs, by=caller.caller)


@routes.get("/evidence/{digest}", summary="Read evidence")
async def evidence(
    router: RouterDep,
    caller: Caller,
    digest: Annotated[str, Path(pattern=r"^[0-9a-f]{8,64}$")],
    run: Annotated[str, Query(max_length=64)] = "",
    source: Annotated[str, Query(max_length=2000)] = "",
) -> Evidence:
    """The stored bytes behind a citation; 8 characters of the digest are enough."""
    found = await router.evidence.get(caller.tenant, digest, run=run, source=source)
    if found is None and run and (gone := await _pruned(router, caller.tenant, run)):
        message = f"the evidence of run {run} was pruned on {gone.at:%Y-%m-%d}: {gone.reason}"
        raise NotFound("evidence_pruned", message, "ask again: a new run reads its sources anew")
    if found is None:
        raise NotFound("no_evidence", f"there is no evidence {digest}", "a run's answer names its evidence")
    return found


async def _pruned(router: Router, tenant: str, run: str) -> Tombstone | None:
    """The tombstone of a run's evidence."""
    with contextlib.suppress(NotFound):
        return (await router.runs.get(tenant, run)).pruned.get("evidence")
    return None


@routes.get("/threads", tags=["threads"], summary="List threads, latest first")
async def threads(router: RouterDep, caller: Caller, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> list[Thread]:
    """Conversations of this caller's tenant."""
    return await router.runs.threads(caller.tenant, limit)


@routes.get("/threads/{thread_id}", tags=["threads"], summary="Show a thread")
async def thread(router: RouterDep, caller: Caller, thread_id: Annotated[str, Path(max_length=64)]) -> Thread:
    """One conversation; its runs are at `/v1/runs?thread=`."""
    return await router.runs.thread(caller.tenant, thread_id)


@routes.get("/agents", tags=["catalogue"], summary="List agents")
async def agents(router: RouterDep, caller: Caller) -> list[AgentView]:
    """The agents, as this caller may use them."""
    return [_agent_view(router, agent, caller) for agent in router.agents.values() if not agent.direct]


@routes.get("/agents/{name}", tags=["catalogue"], summary="Show an agent")
async def agent(router: RouterDep, caller: Caller, name: Annotated[str, Path(max_length=64)]) -> AgentView:
    """What an agent may do for this caller: what it declares, narrowed by `policy.toml`."""
    return _agent_view(router, router.agent(name), caller)


@routes.get("/tools", tags=["catalogue"], summary="List tools")
async def tools(router: RouterDep, caller: Caller) -> list[ToolView]:
    """The tools, and which agents this caller's tenant lets use them."""
    granted = {name: router.grant(agent, caller).tools for name, agent in router.agents.items()}
    return [
        ToolView(
            name=tool.name,
            description=tool.description,
            effect=tool.effect,
            seconds=tool.seconds,
            arguments=tool.schema(),
            agents=tuple(name for name, names in granted.items() if tool.name in names),
        )
        for tool in router.tools.values()
    ]


@routes.post("/tools/{name}/calls", status_code=201, tags=["catalogue"], summary="Call one tool")
async def call(
    body: NewCall,
    router: RouterDep,
    caller: Caller,
    name: Annotated[str, Path(max_length=64)],
    idempotency_key: Annotated[str, Header(max_length=200)] = "",
) -> Run:
    """A run of one call, under an agent's policies: same token, journal, budget and events as every run."""
    if name not in router.tools:
        raise NotFound("no_tool", f"there is no tool {name!r}", "GET /v1/tools lists them")
    said = Message(parts=(Part(text=f"call {name}"),))
    request = NewRun(input=(said,), agent=body.agent, sources=body.sources)
    asked = {"tool": name, "arguments": redact_value(body.arguments)}
    return await router.accept(request, caller, idempotency_key, asked)


@routes.post("/route", tags=["catalogue"], summary="Choose an agent, without a run")
async def route(body: NewRun, router: RouterDep, caller: Caller) -> Route:
    """Which agent would answer a request, how sure that is, who else could, and why; nothing is stored or run."""
    return (await router.routed(body, caller))[1]


class Lease(Record):
    """Which lease a worker wants a token for."""

    run: str
    epoch: int


class SignedToken(Record):
    """A run token, and how long it is good for."""

    token: str
    seconds: float


@internal.post("/token")
async def token(body: Lease, router: RouterDep, worker: WorkerCaller) -> SignedToken:
    """A token for a worker that holds the lease."""
    holder = await router.runs.leased(body.run, body.epoch, worker.worker)
    if holder is None:
        raise Conflict("epoch_over", f"worker {worker.worker} does not hold run {body.run} in epoch {body.epoch}")
    seconds = router.base.settings.runs.token_seconds
    claims = RunToken(body.run, body.epoch, holder.agent, holder.caller, holder.tenant)
    return SignedToken(token=router.base.keys.sign("router", claims, seconds), seconds=seconds)


def _agent_view(router: Router, agent: Agent, caller: CallerToken) -> AgentView:
    grant = router.grant(agent, caller)
    return AgentView(
        name=agent.name,
        description=agent.description,
        intents=agent.intents,
        sources=agent.sources,
        tools=tuple(sorted(grant.tools)),
        grant=grant,
    )


async def ready(router: Router) -> dict[str, str]:
    """Whether the database answers."""
    row = await router.database.row("SELECT max(number) AS schema FROM schema_migrations")
    return {
        "database": "embedded" if router.base.settings.database.url == "embedded:" else "external",
        "schema": str(row["schema"] if row else 0),
    }


service = Service(
    name="router",
    namespace="ai-router",
    routes=routes,
    more=(approvals.routes, internal, relays.internal),
    opened=opened,
    check=ready,
)
