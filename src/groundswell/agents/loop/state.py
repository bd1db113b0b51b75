"""What the loop remembers, and the rungs it goes down."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NotRequired, TypedDict

from langgraph.channels import DeltaChannel
from langgraph.managed import RemainingSteps

from groundswell.agents.conversation import folded
from groundswell.agents.drafts import Draft
from groundswell.core.records import ChatMessage, Role

OVER = 10**6  # turns: the next one is the last


class Share(TypedDict):
    """What one loop of several may use: they do not take each other's."""

    turns: int
    calls: int
    tokens: int


class Progress(TypedDict, total=False):
    """How far a loop is; all of it is JSON."""

    role: Role
    roles: list[Role]  # the rungs below
    native: bool
    window: int
    turns: int
    calls: int
    tokens: int
    seconds: float  # of the run, when the loop began
    share: Share
    ratio: float  # tokens as an engine counts them, to our estimate
    repairs: int
    nudges: int
    acted: bool
    stated: bool  # a cause was named
    doubted: bool  # and a query made since that could refute it
    refusals: int  # answers that were not taken, for want of that query
    plan: list[str]
    seen: dict[str, list[Any]]  # a call's digest → how often, the digest of its result
    pending: list[dict[str, Any]]
    results: list[str]  # digests of results, by handle
    last: bool
    done: bool
    heard: bool  # a small model has chosen
    final: str
    fell: str  # why a rung was left
    undone: list[list[str]]  # effects that were asked for and not had: the tool, and what is said of it


class LoopState(TypedDict):
    """What an agent's state has for the loop; its own state extends it."""

    question: str
    share: NotRequired[Share]
    draft: NotRequired[Draft]
    places: NotRequired[dict[str, list[str]]]
    answer: NotRequired[dict[str, Any]]
    mode: NotRequired[str]
    loop: NotRequired[Progress]
    talk: NotRequired[Annotated[list[dict[str, Any]], DeltaChannel(folded)]]
    shown: NotRequired[Annotated[list[dict[str, Any]], DeltaChannel(folded)]]
    remaining: RemainingSteps


def rungs_of(role: Role) -> list[Role]:
    """Who answers in place of whom."""
    other: Role = "code" if role == "planner" else "planner"
    return [role, other, "small"]


def mode_of(wanted: Role, role: Role) -> str:
    """How an answer of this role's model is called where another one was wanted."""
    return "L2" if role == "small" else "L0" if role == wanted else "L1"


def lower(loop: Progress, why: str) -> bool:
    """One rung lower: another model stands in, with all that was said so far. False where none is left."""
    loop["fell"] = why
    rungs = loop.get("roles", [])
    if not rungs:
        return False
    loop.update(role=rungs[0], roles=rungs[1:], repairs=0, refusals=0, seen={})
    return True


def kept(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Messages as the state holds them: LangGraph would make its own messages of anything that has a role."""
    return [{"said": message.model_dump(mode="json")} for message in messages]


def told(state: LoopState) -> list[ChatMessage]:
    """The conversation so far."""
    talk: Sequence[Mapping[str, Any]] = state.get("talk", [])
    return [ChatMessage.model_validate(each["said"]) for each in talk]
