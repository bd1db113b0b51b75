"""A worker: takes runs, moves them step by step, and proves that it lives (architecture §5)."""

import asyncio
import contextlib
import itertools
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from langgraph.errors import GraphRecursionError
from langgraph.graph import START, StateGraph
from langgraph.runtime import ExecutionInfo, Runtime, get_runtime
from langgraph.types import interrupt
from typing_extensions import TypedDict

from groundswell.backends.databases.calls import Journal, digest_of
from groundswell.backends.databases.connections import Database, EpochOver
from groundswell.backends.databases.evidence import EvidenceStore
from groundswell.backends.databases.leases import Lease, Leases
from groundswell.backends.databases.runs import HISTORY, RunStore
from groundswell.backends.databases.saver import RunSaver, Supersteps
from groundswell.backends.peers import Peer
from groundswell.core.agent import Agent
from groundswell.core.context import RunContext
from groundswell.core.errors import Conflict, GroundswellError, Invalid, NotFound, Unauthenticated, Unavailable
from groundswell.core.records import Answer, Answered, Ask, Evidence, Run, ToolResult, ToolSpec, Turn
from groundswell.core.records.events import Answered as Ending
from groundswell.core.settings import PolicyFile
from groundswell.core.tool import Tool
from groundswell.runtime import telemetry
from groundswell.runtime.base import VERSION
from groundswell.runtime.builds import build_of
from groundswell.runtime.endings import ending_by, ending_of, exhausted, failed
from groundswell.runtime.grants import offered
from groundswell.runtime.keys import RENEWED, Keys, WorkerToken
from groundswell.runtime.results import value_in
from groundswell.runtime.run_models import RunModels

T = TypeVar("T")
LOOK_SECONDS = 1.0  # for what nobody told us of
RENEW_BEFORE = 0.5  # of a token's life
REFUSED_TOKENS = 3  # new ones in a row: then a clock is off, and more of them would not help
ASK_AGAIN = (0.02, 0.05, 0.1, 0.2, 0.5)  # seconds between two tries of a service that is away; the last repeats


@dataclass
class Token:
    """A run's token, renewed in time."""

    router: Peer
    keys: Keys
    worker: str
    run: Run
    text: str = ""
    renew_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def headers(self) -> dict[str, str]:
        """The authorisation of a call. Raises EpochOver where the lease is lost."""
        async with self.lock:
            if time.monotonic() >= self.renew_at:
                own = self.keys.sign("agents", WorkerToken(self.worker), 60)
                ask = {"run": self.run.id, "epoch": self.run.epoch}
                try:
                    reply = await self.router.post("/internal/token", ask, {"Authorization": f"Bearer {own}"})
                except Conflict as error:
                    raise EpochOver(self.run.id) from error
                self.text = reply["token"]
                self.renew_at = time.monotonic() + reply["seconds"] * RENEW_BEFORE
        return {"Authorization": f"Bearer {self.text}"}

    async def post(self, peer: Peer, path: str, body: Any) -> Any:
        """What a service answers; a token that it refuses for its time or its key gives way to a new one.

        Raises EpochOver, also where the service says so.
        """
        for refused in itertools.count(1):
            try:
                return await peer.post(path, body, await self.headers() | telemetry.headers())
            except Unauthenticated as error:
                if error.code not in RENEWED or refused > REFUSED_TOKENS:
                    raise
                self.renew_at = 0.0
                await asyncio.sleep(ASK_AGAIN[0])
            except Conflict as error:
                if error.code == "epoch_over":
                    raise EpochOver(self.run.id) from error
                raise
        raise AssertionError


@dataclass
class Execution:
    """One execution of one node: counts its calls, so that the same call is the same when the node runs again."""

    made: defaultdict[Any, Iterator[int]] = field(default_factory=lambda: defaultdict(itertools.count))
    stored: asyncio.Task[dict[tuple[str, str, int], ToolResult]] | None = None


@dataclass
class Work:
    """A leased run, as its nodes see it through their RunContext: calls, notes and evidence."""

    lease: Lease
    saver: RunSaver
    token: Token
    services: "Services"
    journal: Journal
    store: EvidenceStore
    catalogue: Mapping[str, Tool]
    offered: Sequence[ToolSpec] = ()
    began: float = field(default_factory=time.monotonic)
    executions: dict[tuple[str, int, float | None], Execution] = field(
        default_factory=dict[tuple[str, int, float | None], Execution]
    )

    @property
    def run(self) -> Run:
        """The run."""
        return self.lease.run

    def context(self, history: Sequence[Turn]) -> RunContext:
        """What a node gets."""
        ends = self.began + self.lease.seconds_left
        models = RunModels(self.services.models, self._turn, self.token, self.note, ends)
        return RunContext(self.run, self, self.evidence, self.note, history, models, self.offered)

    async def evidence(self, digest: str) -> Evidence | None:
        """Stored evidence of this tenant."""
        return await self.store.get(self.run.tenant, digest, run=self.run.id)

    def note(self, name: str, **data: Any) -> None:
        """State a fact that becomes an event together with what the node returns."""
        info = self._begun()
        self.saver.state(info.task_id, info.checkpoint_id, info.checkpoint_ns, name, data)

    async def call(self, name: str, /, *, returns: type[T], **arguments: Any) -> T:
        """A tool's value; what is not `ok` raises."""
        return value_in(await self.result(name, **arguments), name, returns)

    async def result(self, name: str, /, **arguments: Any) -> ToolResult:
        """A tool's result. A read is known by its request and how often this node made it; an effect by its place."""
        tool = self.catalogue.get(name)
        effect = tool is not None and tool.effect == "write"
        return await self._journalled(self.services.tools, "/calls", name, arguments, arguments, effect=effect)

    async def _turn(self, kind: str, arguments: dict[str, Any], outline: dict[str, Any]) -> ToolResult:
        """A model's turn: the journal knows it by its outline."""
        return await self._journalled(self.services.models, "/internal/chat", kind, arguments, outline)

    async def _journalled(
        self, peer: Peer, path: str, kind: str, arguments: dict[str, Any], known_by: Any, *, effect: bool = False
    ) -> ToolResult:
        info = self._begun()
        execution = self.executions[execution_of(info)]
        digest = digest_of(known_by)
        n = next(execution.made[kind if effect else (kind, digest)])
        if self.lease.epoch > 1:  # this may be a step that ran before: its replies need no asking
            execution.stored = execution.stored or asyncio.create_task(
                patiently(lambda: self.journal.replies(self.run.tenant, self.run.id, info.task_id))
            )
            # shared by all calls of this node: one that is given up must not take it from the others
            if (known := (await asyncio.shield(execution.stored)).get((kind, digest, n))) is not None:
                return known
        ask = Ask(
            task=info.task_id,
            checkpoint=info.checkpoint_id,
            checkpoint_ns=info.checkpoint_ns,
            kind=kind,
            arguments=arguments,
            n=n,
        )
        said = await self._asked(peer, path, ask)
        if said.result is not None:
            return said.result
        if said.state in ("asked", "unknown"):
            interrupt({"waits_for": said.state, "tool": kind})  # resumed with None: the call's row is the answer
        return ToolResult(status="denied", code="not_approved", message=f"{kind} was not approved")

    async def _asked(self, peer: Peer, path: str, ask: Ask) -> Answered:
        body = ask.model_dump()
        return Answered.model_validate(await patiently(lambda: self.token.post(peer, path, body)))

    def _begun(self) -> ExecutionInfo:
        """The execution under way; what a failed try of the same node stated is forgotten."""
        info = get_runtime().execution_info
        assert info is not None
        if execution_of(info) not in self.executions:
            self.saver.forget(info.task_id)
            self.executions[execution_of(info)] = Execution()
        return info


async def patiently(act: Callable[[], Awaitable[T]]) -> T:
    """What an act comes to; where what it needs is away, or its database is, it is tried again and again."""
    for pause in itertools.chain(ASK_AGAIN, itertools.repeat(ASK_AGAIN[-1])):
        try:
            return await act()
        except Unavailable:
            await asyncio.sleep(pause)
    raise AssertionError


def execution_of(info: ExecutionInfo) -> tuple[str, int, float | None]:
    """Which try of which task this is: each counts its calls by itself."""
    return info.task_id, info.node_attempt, info.node_first_attempt_time


class OneCall(TypedDict, total=False):
    """The state of a run of one call."""

    question: str
    tool: str
    arguments: dict[str, Any]
    result: dict[str, Any]


async def call(state: OneCall, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Make the one call."""
    result = await runtime.context.tools.result(state.get("tool", ""), **state.get("arguments", {}))
    return {"result": result.model_dump(mode="json")}


def one_call_graph() -> Any:
    """A run of one call goes the way of every run: same token, journal, budget and events."""
    return StateGraph(OneCall, context_schema=RunContext).add_node(call).add_edge(START, "call").compile()


@dataclass
class Services:
    """Whom a worker asks."""

    router: Peer
    tools: Peer
    models: Peer


class Worker:
    """Moves runs."""

    def __init__(
        self,
        name: str,
        database: Database,
        services: Services,
        keys: Keys,
        agents: Mapping[str, Agent],
        catalogue: Mapping[str, Tool],
        *,
        policy: PolicyFile | None = None,
        lease_seconds: float = 10.0,
        at_once: int = 8,
    ) -> None:
        self.name, self.database, self.services, self.keys = name, database, services, keys
        self.agents, self.catalogue, self.policy = agents, catalogue, policy or PolicyFile()
        self.lease_seconds, self.at_once = lease_seconds, at_once
        self.leases = Leases(database, name, lease_seconds, self._build)
        self.journal, self.evidence, self.runs = Journal(database), EvidenceStore(database), RunStore(database)
        self.graphs: dict[str, Any] = {}
        self.builds: dict[str, str] = {}
        self.held: dict[str, asyncio.Task[None]] = {}
        self.cancelling: set[str] = set()  # runs held here that their caller has asked to stop
        self.draining = False
        self.task: asyncio.Task[None] | None = None

    def _build(self, name: str) -> str:
        agent = self.agents.get(name)
        if agent is None:
            return VERSION
        if name not in self.builds:  # looked up with every claim, and it reads files
            self.builds[name] = build_of(agent)
        return self.builds[name]

    async def serve(self) -> None:
        """Work until cancelled; then what is held is left to others at once."""
        beating = asyncio.create_task(self._beat())
        try:
            while True:
                try:
                    await self._take()
                    await self._stop_what_was_cancelled()
                except GroundswellError as error:
                    telemetry.log.warning("worker.database", worker=self.name, error=str(error))
                    await asyncio.sleep(0.2)
                await self._wait()
        finally:
            beating.cancel()
            for task in self.held.values():
                task.cancel()
            await asyncio.gather(beating, *self.held.values(), return_exceptions=True)
            with contextlib.suppress(GroundswellError):
                await self.leases.leave()

    async def _beat(self) -> None:
        while True:
            with contextlib.suppress(GroundswellError):  # the lease itself is the alarm
                await self.leases.beat()
            await asyncio.sleep(self.lease_seconds / 4)

    async def _take(self) -> None:
        if not self.draining:
            for lease in await self.leases.claim(self.at_once - len(self.held), list(self.held)):
                task = asyncio.create_task(self.work(lease))
                self.held[lease.run.id] = task
                task.add_done_callback(lambda _, run=lease.run.id: self._let_go(run))

    def _let_go(self, run: str) -> None:
        self.held.pop(run, None)
        self.cancelling.discard(run)

    async def _stop_what_was_cancelled(self) -> None:
        if self.held:
            for run in await self.leases.cancelled():
                if run in self.held and run not in self.cancelling:  # once: its end must not be cut off
                    self.cancelling.add(run)
                    self.held[run].cancel()

    async def _wait(self) -> None:
        """Until there is news, or a place has come free."""
        news = asyncio.create_task(self.database.ear.wait(min(LOOK_SECONDS, self.lease_seconds / 2)))
        try:
            await asyncio.wait([news, *self.held.values()], return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            await asyncio.gather(news, return_exceptions=True)

    async def work(self, lease: Lease) -> None:
        """Move one run from its latest checkpoint to its end, or to where it must wait."""
        run = lease.run
        attributes = {"gen_ai.agent.name": run.agent, "gen_ai.conversation.id": run.thread, "groundswell.run": run.id}
        with telemetry.span(f"invoke_agent {run.agent}", "invoke_agent", attributes):
            try:
                await self._end(lease, await self._outcome(lease))
            except EpochOver:
                telemetry.log.info("run.lost", run=run.id, epoch=run.epoch)
            except Unavailable as error:  # claimed again, in a new epoch
                telemetry.log.warning("run.dropped", run=run.id, epoch=run.epoch, error=str(error))

    async def _outcome(self, lease: Lease) -> Ending | None:
        """How the run ended; None where it waits."""
        if lease.cancelling:
            self.cancelling.add(lease.run.id)
            return Ending(status="cancelled")
        if lease.call and "model" in lease.call:
            message = "the gateway that passed this call through has gone"
            return failed("relay_lost", Unavailable("relay_lost", message, "ask again"))
        if lease.seconds_left <= 0:
            return exhausted("seconds", lease.run)
        try:
            async with asyncio.timeout(lease.seconds_left):
                return await self._moved(lease)
        except TimeoutError:
            return exhausted("seconds", lease.run)
        except asyncio.CancelledError:
            if lease.run.id in self.cancelling:
                return Ending(status="cancelled")
            raise  # the worker stops: its runs go to others
        except (EpochOver, Unavailable):
            raise
        except (GraphRecursionError, GroundswellError) as error:
            return ending_by(error, lease.run)
        except Exception as error:  # noqa: BLE001  # an agent's code: whatever it raises, its run ends and says so
            telemetry.failed_extension("agent", lease.run.agent, error)
            return ending_by(error, lease.run)

    async def _moved(self, lease: Lease) -> Ending | None:
        run = lease.run
        saver = RunSaver(self.database, run.id, run.tenant, run.epoch)
        token = Token(self.services.router, self.keys, self.name, run)
        work = Work(lease, saver, token, self.services, self.journal, self.evidence, self.catalogue, self._offered(run))
        history = [] if lease.call else [*await self.runs.history(run.tenant, run.thread, run), *said_before(run)]
        config: Any = {"configurable": {"thread_id": run.id}}
        latest = await saver.aget_tuple(config)
        taken = max(latest.metadata.get("step", 0), 0) if latest else 0
        below = await saver.recall() if latest and run.epoch > 1 else []
        config["recursion_limit"] = max(run.budget.steps - taken, 1)
        saver.supersteps = Supersteps(run.budget.steps - run.spent.steps)
        for checkpoint in [latest.checkpoint, *below] if latest else []:  # what had begun is gone on with
            saver.supersteps.follow(checkpoint)
        graph = self._graph(run, lease).copy({"checkpointer": saver})
        given = {"question": run.question, **(lease.call or {})}
        # the latest checkpoint decides: an input that is given twice starts over
        context = work.context(history)
        state = await graph.ainvoke(None if latest else given, config, context=context, durability="sync")
        return None if "__interrupt__" in state else ending_of(state, direct=lease.call is not None)

    def _offered(self, run: Run) -> list[ToolSpec]:
        agent = self.agents.get(run.agent)
        return offered(agent, run.tenant, self.policy, self.catalogue) if agent else []

    def _graph(self, run: Run, lease: Lease) -> Any:
        name = "" if lease.call else run.agent
        if name not in self.graphs:
            agent = self.agents.get(name)
            if name and agent is None:
                raise NotFound("no_agent", f"there is no agent {name!r}", "groundswell agents list")
            self.graphs[name] = agent.graph.compile(name=name) if agent else one_call_graph()
        return self.graphs[name]

    async def _end(self, lease: Lease, ending: Ending | None) -> None:
        if ending is None:
            await self.leases.park(lease.run)
            return
        try:
            await self.leases.end(lease.run, ending)
        except (Invalid, ValueError) as error:  # an answer that cannot be stored must not be made for ever
            telemetry.failed_extension("agent", lease.run.agent, error)
            await self.leases.end(lease.run, ending_by(error, lease.run))


def said_before(run: Run) -> list[Turn]:
    """What a client that keeps no thread sent along: earlier questions with their answers."""
    turns: list[Turn] = []
    for message in run.input[:-1]:
        text = "\n".join(part.text for part in message.parts if part.kind == "text")
        if message.role == "user":
            turns.append(Turn(run="", agent=run.agent, question=text, answer=Answer()))
        elif turns:
            turns[-1] = turns[-1].model_copy(update={"answer": Answer(text=text)})
    return turns[-HISTORY:]
