"""Do what goes wrong, on purpose: a node that raises, a run without end. Checks use it, and its grant."""

import asyncio
from typing import Any, NotRequired, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime

from groundswell.core.agent import Agent, Limits, Update
from groundswell.core.context import RunContext
from groundswell.core.errors import NotFound
from groundswell.core.records import Answer, ChatMessage, ChatRequest

ENDLESS = frozenset({"steps", "calls", "seconds", "tokens"})  # each goes on until the limit of that name ends it


class State(TypedDict):
    """What the graph remembers."""

    question: str
    rounds: NotRequired[int]
    answer: NotRequired[dict[str, Any]]


async def act(state: State, runtime: Runtime[RunContext]) -> Update:
    """One round of what was asked."""
    asked, rounds = state["question"].strip(), state.get("rounds", 0) + 1
    if asked == "raise":
        raise RuntimeError("this node raises, as it was asked to")
    if asked == "calls":
        await runtime.context.tools.call("probe_flaky", returns=int, failures=0)
    if asked == "seconds":
        await asyncio.sleep(3600)
    if asked == "tokens":
        await _one_turn(runtime.context)
    return {"rounds": rounds}


async def _one_turn(context: RunContext) -> None:
    if context.models is None or not any(view.role == "planner" for view in await context.models.views()):
        raise NotFound("no_model", "no planner model is set", "set [models.planner]")
    say = (ChatMessage(role="user", content="Count from one to ten, in words."),)
    await context.models.chat("planner", ChatRequest(messages=say, max_tokens=40))


async def end(state: State) -> Update:
    """Say what was asked."""
    return {"answer": Answer(text=f"asked: {state['question']}").model_dump(mode="json")}


def again(state: State) -> str:
    """An endless thing goes on."""
    return "act" if state["question"].strip() in ENDLESS else "end"


graph = StateGraph(State, context_schema=RunContext).add_node(act).add_node(end)
graph = graph.add_edge(START, "act").add_conditional_edges("act", again, ["act", "end"]).add_edge("end", END)
agent = Agent(
    name="probe",
    description="Fails in known ways, so that checks can see what the platform makes of it.",
    intents=(),
    tools=frozenset({"metrics_query", "objects_read", "probe_flaky", "probe_wait"}),
    limits=Limits(steps=60, tool_calls=60, tokens=20_000, money=0.05, seconds=60, bytes=64 * 2**20),
    graph=graph,
    direct=True,
)
