"""Recomputes a run from its file: its agent's graph over its recorded calls, without a platform and without a network.

A node's execution in a replay stands for the recorded one of the same node that made its first call; from then on only
that one's replies answer it. What is asked and was not recorded is the first difference.
"""

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config
from langgraph.runtime import get_runtime

from groundswell.backends.databases.calls import digest_of
from groundswell.backends.databases.saver import Supersteps
from groundswell.core.agent import Agent
from groundswell.core.context import RunContext
from groundswell.core.errors import Invalid, NotFound, Unavailable
from groundswell.core.records import (
    ChatReply,
    ChatRequest,
    Evidence,
    ModelView,
    Record,
    Recorded,
    Role,
    Run,
    Spent,
    ToolResult,
)
from groundswell.core.records.calls import path_of
from groundswell.core.records.events import Answered
from groundswell.runtime.builds import build_of
from groundswell.runtime.endings import ending_by, ending_of
from groundswell.runtime.model_calls import KIND
from groundswell.runtime.results import value_in
from groundswell.runtime.run_file import RunFile
from groundswell.runtime.run_models import VIEWS, reply_in
from groundswell.runtime.worker import execution_of, one_call_graph, said_before

T = TypeVar("T")
ENDED_FROM_OUTSIDE = frozenset({"cancelled", "exhausted", "failed"})  # such a run may end in the midst of anything


class Asked(Record):
    """A call, as it was asked."""

    tool: str
    arguments: dict[str, Any]


class Difference(Record):
    """Where a replay leaves its recording: a call, or how it ended."""

    what: str
    step: int = 0
    node: str = ""
    asked: Asked | None = None
    recorded: Asked | None = None
    ended: dict[str, Any] = {}  # field → (recorded, replayed)


class Replay(Record):
    """What a replay came to. `complete`: it went as far as the run did, to the same end."""

    run: str
    agent: str
    status: str
    same: bool
    complete: bool
    calls: int  # answered from the recording
    recorded_calls: int
    recorded_with: str
    replayed_with: str
    difference: Difference | None = None
    missing: str = ""  # why it could not go on


class CountingSaver(InMemorySaver):
    """Checkpoints in memory, with a run's limit on its supersteps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.supersteps = Supersteps(steps)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint. Raises LimitReached where a superstep follows, and none is left."""
        stored = await super().aput(config, checkpoint, metadata, new_versions)
        self.supersteps.follow(checkpoint)
        return stored


class _Stopped(BaseException):
    """The replay ends here; no node may take it for an error of a tool."""


@dataclass
class _Playback:
    """The recording, as the nodes see it through their RunContext."""

    file: RunFile
    run: Run
    tasks: dict[str, list[Recorded]]
    bound: dict[str, str] = field(default_factory=dict[str, str])  # task of the replay → recorded task
    made: dict[Any, defaultdict[Any, Iterator[int]]] = field(default_factory=dict[Any, Any])
    told: set[tuple[str, str, str, int]] = field(default_factory=set[tuple[str, str, str, int]])
    views_told: Counter[str] = field(default_factory=Counter[str])
    difference: Difference | None = None
    missing: str = ""

    async def call(self, name: str, /, *, returns: type[T], **arguments: Any) -> T:
        """A tool's value, from the recording."""
        return value_in(await self.result(name, **arguments), name, returns)

    async def result(self, name: str, /, **arguments: Any) -> ToolResult:
        """A tool's result, from the recording."""
        effect = any(call.effect for call in self.file.calls if call.kind == name)
        return self._replied(name, arguments, effect=effect)

    async def views(self) -> Sequence[ModelView]:
        """The models that the run saw at this place."""
        node = _path()[-1]
        noted = [e.body for e in self.file.events if e.body.kind == "note" and e.body.name == VIEWS]
        here = [body.data["roles"] for body in noted if body.node == node]
        number = self.views_told[node]
        self.views_told[node] += 1
        return [ModelView.model_validate(view) for view in here[number]] if number < len(here) else ()

    async def chat(self, role: Role, request: ChatRequest) -> ChatReply:
        """A model's turn, from the recording."""
        return reply_in(self._replied(f"{KIND}{role}", request.outline(), effect=False))

    def seconds_left(self) -> float:
        """A replay is never pressed for time."""
        return self.run.budget.seconds

    async def evidence(self, digest: str) -> Evidence | None:
        """Evidence that the run could see."""
        return next((each for each in self.file.evidence if each.digest.startswith(digest)), None)

    def note(self, name: str, **data: Any) -> None:
        """What a node states changes nothing."""

    def _replied(self, kind: str, arguments: dict[str, Any], *, effect: bool) -> ToolResult:
        if self.difference or self.missing:
            raise _Stopped
        info = get_runtime().execution_info
        assert info is not None
        digest = digest_of(arguments)
        made = self.made.setdefault(execution_of(info), defaultdict(itertools.count))
        n = next(made[kind if effect else (kind, digest)])
        path = path_of(info.checkpoint_ns)
        call = self._recorded(info.task_id, path, (kind, digest, n))
        if call is None:
            self._differs(info.task_id, path, Asked(tool=kind, arguments=arguments))
        elif call.state == "denied":
            self.told.add((call.task, kind, digest, n))
            message = f"{kind} was not approved"
            return ToolResult(status="denied", code="not_approved", message=message, hint="a person said no")
        elif call.result is None:
            self.missing = f"{kind} was asked and had not replied when the run ended"
        else:
            self.told.add((call.task, kind, digest, n))
            return call.result
        raise _Stopped

    def _recorded(self, task: str, path: tuple[str, ...], key: tuple[str, str, int]) -> Recorded | None:
        def known(recorded: str) -> Recorded | None:
            calls = self.tasks[recorded]
            return next((c for c in calls if (c.kind, c.request_digest, c.n) == key), None)

        if task in self.bound:
            return known(self.bound[task])
        taken = set(self.bound.values())
        for recorded, calls in self.tasks.items():
            if recorded not in taken and calls[0].path == path and (found := known(recorded)) is not None:
                self.bound[task] = recorded
                return found
        return None

    def _differs(self, task: str, path: tuple[str, ...], asked: Asked) -> None:
        here = self.bound.get(task)
        untold = [call for call in self.file.calls if call.path == path and not self._was_told(call)]
        mine = [call for call in untold if call.task == here] if here else untold
        if not mine and self.file.head.run.status in ENDED_FROM_OUTSIDE:
            self.missing = f"the run ended before {asked.tool} was asked"
            return
        recorded = Asked(tool=mine[0].kind, arguments=mine[0].arguments) if mine else None
        what = f"{asked.tool} was asked; " + (
            "nothing more was recorded here"
            if recorded is None
            else f"{recorded.tool} was recorded"
            if recorded.tool != asked.tool
            else "other arguments were recorded"
        )
        step = get_config().get("metadata", {}).get("langgraph_step", 0)
        self.difference = Difference(what=what, step=step, node="/".join(path), asked=asked, recorded=recorded)

    def _was_told(self, call: Recorded) -> bool:
        return (call.task, call.kind, call.request_digest, call.n) in self.told

    def untold(self) -> list[Recorded]:
        """Recorded calls that the replay did not make; what came back from them."""
        return [call for call in self.file.calls if call.state in ("done", "denied") and not self._was_told(call)]


async def replayed(file: RunFile, agents: Mapping[str, Agent]) -> Replay:
    """Recompute a run. Raises Invalid where there is nothing to recompute, NotFound where its agent is not here."""
    recorded, call = file.head.run, file.head.call
    if call is not None and "model" in call:
        raise Invalid("nothing_to_replay", "this run passed one model call through: no graph made it")
    if not recorded.agent or not any(event.kind == "run" and event.body.status == "running" for event in file.events):  # type: ignore[union-attr]
        raise Invalid("nothing_to_replay", "this run ended before any agent took it")
    agent = agents.get(recorded.agent)
    if agent is None:
        raise NotFound("no_agent", f"there is no agent {recorded.agent!r} here", "install what brings it")
    running = {"status": "running", "reason": "", "answer": None, "error": None, "ended": None, "spent": Spent()}
    run = recorded.model_copy(update=running)
    tasks: dict[str, list[Recorded]] = defaultdict(list)
    for each in file.calls:
        tasks[each.task].append(each)
    playback = _Playback(file, run, dict(tasks))
    history = [] if call is not None else [*file.head.history, *said_before(run)]
    context = RunContext(run, playback, playback.evidence, playback.note, history, playback, file.head.offered)
    graph = one_call_graph() if call is not None else agent.graph.compile(name=agent.name)
    ending = await _ended(graph, context, call)
    difference, missing = playback.difference, playback.missing
    untold = playback.untold()
    if difference is None and ending is not None and not missing:
        cut_off = recorded.status == "cancelled" or (recorded.status == "exhausted" and recorded.reason == "seconds")
        if cut_off:
            missing = f"the run was {recorded.status} from outside; the recording has no more"
        elif untold:
            asked = Asked(tool=untold[0].kind, arguments=untold[0].arguments)
            difference = Difference(what=f"{asked.tool} was recorded and not asked", recorded=asked)
        else:
            difference = _compared(file, ending)
    return Replay(
        run=recorded.id,
        agent=recorded.agent,
        status=recorded.status,
        same=difference is None,
        complete=difference is None and not missing,
        calls=len(playback.told),
        recorded_calls=len(file.calls),
        recorded_with=file.build,
        replayed_with=build_of(agent),
        difference=difference,
        missing=missing,
    )


async def _ended(graph: Any, context: RunContext, call: dict[str, Any] | None) -> Answered | None:
    """How the graph ended over the recording; None where the recording stopped it."""
    run = context.run
    config: Any = {"configurable": {"thread_id": run.id}, "recursion_limit": max(run.budget.steps, 1)}
    given = {"question": run.question, **(call or {})}
    try:
        moved = graph.copy({"checkpointer": CountingSaver(run.budget.steps)})
        # a task of its own: what stops it is no Exception, and must not be taken for the end of the program
        state = await asyncio.create_task(_moved(moved, given, config, context))
    except Unavailable:
        return None
    except Exception as error:  # noqa: BLE001  # an agent's code, as in a worker
        return ending_by(error, run)
    if state is None or "__interrupt__" in state:
        return None
    return ending_of(state, direct=call is not None)


async def _moved(graph: Any, given: Any, config: Any, context: RunContext) -> Any:
    try:
        return await graph.ainvoke(given, config, context=context, durability="sync")
    except _Stopped:
        return None


def _compared(file: RunFile, ending: Answered) -> Difference | None:
    run = file.head.run
    before = {
        "status": run.status,
        "reason": run.reason,
        "mode": run.mode,
        "answer": run.answer.model_dump(mode="json") if run.answer else None,
        "error": run.error.code if run.error else None,
    }
    after = {
        "status": ending.status,
        "reason": ending.reason,
        "mode": ending.mode,
        "answer": ending.answer.model_dump(mode="json"),
        "error": ending.error.code if ending.error else None,
    }
    ended: dict[str, Any] = {name: [was, after[name]] for name, was in before.items() if was != after[name]}
    return Difference(what=f"it ended otherwise: {', '.join(ended)}", ended=ended) if ended else None


def _path() -> tuple[str, ...]:
    info = get_runtime().execution_info
    assert info is not None
    return path_of(info.checkpoint_ns)
