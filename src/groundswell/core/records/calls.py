"""Calls: what was asked of a tool or a model, and what came back."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from groundswell.core.records.base import Record

CallState = Literal["asked", "approved", "denied", "intended", "done", "unknown"]
ResultStatus = Literal["ok", "error", "no_data", "denied", "approval_required"]


class ToolResult(Record):
    """What a tool call came to. `value` is the tool's return value as JSON, with secrets removed."""

    status: ResultStatus
    value: Any = None
    source: str = ""  # where it looked
    since: datetime | None = None  # the time window it looked at
    until: datetime | None = None
    truncated: bool = False
    handle: str = ""  # reads on: `tools call result_read handle=…`
    digest: str = ""  # of the stored value
    code: str = ""
    message: str = ""
    hint: str = ""
    transient: bool = False  # of an error: what was asked was not there, and may be later


class Ask(Record):
    """One call, as a worker asks a service for it. Who asks stands in the run token."""

    task: str  # LangGraph's id of the node's execution, the same when it runs again
    checkpoint: str
    checkpoint_ns: str = ""
    kind: str  # the tool's name, or `model:ROLE`
    arguments: dict[str, Any]
    n: int  # how often this node made it before (for an effect: how many of its tool)


class Answered(Record):
    """The state of a call's row, and the reply once it is done."""

    state: CallState
    result: ToolResult | None = None


Choice = Literal["approve", "deny", "happened", "did_not_happen"]


class PendingCall(Record):
    """A call that waits, or waited, for a person: may it be made, or did it happen?"""

    run: str
    agent: str
    call: str
    tool: str
    arguments: dict[str, Any]
    digest: str  # of the arguments; a decision names it, so that nobody decides about what they did not see
    state: CallState
    waits_for: Literal["approval", "outcome", ""] = ""  # "": it is decided
    note: str = ""  # of an outcome: what to look at; of a denial: why
    asked: datetime
    expires: datetime | None = None
    decided_by: str = ""


class Decision(Record):
    """What a person says about one call of a run."""

    call: str = Field(max_length=300)
    digest: str = Field(min_length=64, max_length=64, description="Of the arguments, as they were shown.")
    choice: Choice
    reason: str = Field(default="", max_length=500, description="The agent is told, where a call is denied.")


class Call(Record):
    """One row of the journal."""

    run: str
    task: str
    kind: str
    request_digest: str
    n: int
    effect: bool
    state: CallState
    attempt: int
    arguments: dict[str, Any] = {}
    reply_digest: str = ""
    done_at: datetime | None = None


class Recorded(Record):
    """A call as a run's file has it: which one it was, what was asked, and what came back."""

    task: str
    checkpoint_ns: str
    kind: str
    request_digest: str
    n: int
    effect: bool
    state: CallState
    arguments: dict[str, Any] = {}
    result: ToolResult | None = None

    @property
    def path(self) -> tuple[str, ...]:
        """The node that made it, below the graphs that it lies in."""
        return path_of(self.checkpoint_ns)


def path_of(checkpoint_ns: str) -> tuple[str, ...]:
    """The names in a namespace of LangGraph, `graph:ID|node:ID`."""
    return tuple(part.partition(":")[0] for part in checkpoint_ns.split("|"))


def parted(checkpoint_ns: str) -> tuple[str, str]:
    """The namespace around a node, and its name: `research:4f|think:9a` is `think` in `research:4f`."""
    around, _, own = checkpoint_ns.rpartition("|")
    return around, own.partition(":")[0] or "graph"
