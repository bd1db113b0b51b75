"""Agents: a graph, the tools it may use, and the limits it runs under."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from groundswell.core.policy import ArgumentRule
from groundswell.core.records import Limits

if TYPE_CHECKING:
    from langgraph.graph import StateGraph

Update = dict[str, Any]  # what a node changed


@dataclass(frozen=True)
class Agent:
    """An agent, as data. Its graph's state has `question` to begin with and `answer: Answer` at its end."""

    name: str
    description: str
    intents: tuple[str, ...]
    tools: frozenset[str]
    graph: "StateGraph[Any, Any, Any, Any]"
    limits: Limits = Limits()
    effects: frozenset[str] = frozenset()  # tools that change something outside: only where `policy.toml` grants them
    arguments: dict[str, dict[str, ArgumentRule]] = field(default_factory=dict[str, dict[str, ArgumentRule]])
    sources: tuple[str, ...] = ()  # the kinds of source it looks at
    direct: bool = False  # only a caller that names it gets it: it is not listed, and the router never chooses it
