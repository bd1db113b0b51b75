"""Events: facts that happened in a run, numbered and append-only (architecture §3, §5.5)."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from groundswell.core.records.base import Record
from groundswell.core.records.calls import CallState, ResultStatus
from groundswell.core.records.runs import Answer, Mode, Problem, Route, Status


class RunChanged(Record):
    """The run's status: it was accepted, taken by a worker, asked to stop, or ended."""

    kind: Literal["run"] = "run"
    version: Literal[1] = 1
    status: Status
    reason: str = ""
    epoch: int = 0
    build: str = ""  # which version of the platform and of the agent took it


class Routed(Record):
    """Which agent was chosen."""

    kind: Literal["route"] = "route"
    version: Literal[1] = 1
    route: Route


class Stepped(Record):
    """A superstep is over and its checkpoint is stored."""

    kind: Literal["step"] = "step"
    version: Literal[1] = 1
    step: int
    nodes: tuple[str, ...] = ()
    ns: str = ""


class StepStarted(Record):
    """A superstep begins, and these nodes with it: stored with the checkpoint that they run on."""

    kind: Literal["step.started"] = "step.started"
    version: Literal[1] = 1
    step: int
    nodes: tuple[str, ...] = ()
    ns: str = ""


class Noted(Record):
    """What a node states, together with what it returns."""

    kind: Literal["note"] = "note"
    version: Literal[1] = 1
    node: str
    name: str
    data: dict[str, Any] = {}
    ns: str = ""  # the graph that it lies in, as a step says it; empty for the run's own


class CallStarted(Record):
    """A call was begun. A second attempt voids what the first one showed."""

    kind: Literal["call.started"] = "call.started"
    version: Literal[1] = 1
    call: str
    tool: str
    attempt: int
    arguments: dict[str, Any] = {}
    ns: str = ""


class CallProgressed(Record):
    """How far a long call is."""

    kind: Literal["call.progress"] = "call.progress"
    version: Literal[1] = 1
    call: str
    tool: str
    stage: str
    done: int
    total: int


class CallFinished(Record):
    """A call was settled."""

    kind: Literal["call.finished"] = "call.finished"
    version: Literal[1] = 1
    call: str
    tool: str
    state: CallState
    status: ResultStatus
    attempt: int
    digest: str = ""
    bytes: int = 0
    seconds: float = 0.0
    message: str = ""


class Told(Record):
    """Some text of a model while it speaks, secrets removed. A later attempt of the same call voids it."""

    kind: Literal["text"] = "text"
    version: Literal[1] = 1
    call: str
    tool: str
    attempt: int
    text: str = ""
    reasoning: str = ""


class Denial(Record):
    """Policy refused something."""

    kind: Literal["denial"] = "denial"
    version: Literal[1] = 1
    subject: str  # the tool, or the source
    rule: str
    message: str
    hint: str = ""


class Approval(Record):
    """A person is asked whether a call may be made, or has said what is to become of one."""

    kind: Literal["approval"] = "approval"
    version: Literal[1] = 1
    call: str
    tool: str
    state: CallState  # `asked`; after a decision `approved`, `denied`, or `done` (it happened)
    by: str = ""
    digest: str = ""  # of the arguments: what is approved is this call and no other
    expires: datetime | None = None
    reason: str = ""


class Pruned(Record):
    """Stands where an event was whose content is no longer kept; the run says when and why it went."""

    kind: Literal["pruned"] = "pruned"
    version: Literal[1] = 1
    was: str  # the kind of event


class Answered(Record):
    """The run's end: the last event of every run."""

    kind: Literal["answer"] = "answer"
    version: Literal[1] = 1
    status: Status
    reason: str = ""
    mode: Mode = "L3"
    answer: Answer = Answer()
    error: Problem | None = None


Body = Annotated[
    RunChanged
    | Routed
    | StepStarted
    | Stepped
    | Noted
    | CallStarted
    | CallProgressed
    | CallFinished
    | Told
    | Denial
    | Approval
    | Pruned
    | Answered,
    Field(discriminator="kind"),
]


class Event(Record):
    """One fact, with its number in its run."""

    run: str
    number: int
    at: datetime
    body: Body

    @property
    def kind(self) -> str:
        """Which fact it is."""
        return self.body.kind


class Fact(Record):
    """An event before it has a number. `key` makes it the same fact: it is unique in its run."""

    key: str
    body: Body
