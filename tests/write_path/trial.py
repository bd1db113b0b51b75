"""An agent and tools made to be killed: what the write path is tried on. Found as an extension is."""

import asyncio
import contextlib
import json
import os
import random
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import RetryPolicy, Send

from groundswell.agents.drafts import Draft
from groundswell.agents.loop.graph import with_loop
from groundswell.agents.loop.state import LoopState
from groundswell.agents.web.graph import reporting
from groundswell.core.agent import Agent, Update
from groundswell.core.context import RunContext, ToolContext
from groundswell.core.errors import Conflict, Invalid, NotFound, Unavailable
from groundswell.core.records import (
    Answer,
    Branch,
    ChatMessage,
    ChatRequest,
    Citation,
    Claim,
    Diff,
    Excerpt,
    Limits,
    Record,
)
from groundswell.core.tool import tool
from groundswell.testing import Say
from groundswell.tools.patch_branch import patch_branch

LOGS: dict[str, Path] = {}


def write_line(name: str, text: str) -> None:
    """One atomic append to a log of this trial."""
    handle = os.open(LOGS["folder"] / name, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(handle, f"{text}\n".encode())
    os.close(handle)


def lines(name: str) -> list[str]:
    file = LOGS["folder"] / name
    return file.read_text().splitlines() if file.exists() else []


class Looked(Record):
    """What the trial tool says."""

    value: str
    nonce: str
    excerpt: Excerpt


def value_of(q: str) -> str:
    return f"v-{q}"


@tool(seconds=5)
async def trial_look(context: ToolContext, q: str, wait: float = 0.003) -> Looked:
    """A read whose value depends on the request, and whose nonce on the execution."""
    nonce = uuid.uuid4().hex
    write_line("executions.log", f"{context.key} {nonce}")
    await asyncio.sleep(random.uniform(0.0, wait))
    return Looked(value=value_of(q), nonce=nonce, excerpt=Excerpt(source=f"repo:{q}#L1", text=f"line of {q}"))


async def marked(context: ToolContext, arguments: dict[str, Any]) -> str | None:
    """Whether the effect happened."""
    return "marked" if context.key in lines("effects.log") else None


# long enough for a machine under load; after a kill this long is waited before its effect is looked for
@tool(effect="write", seconds=3.0, probe=marked)
async def trial_mark(context: ToolContext, text: str) -> str:
    """An effect: a line with the idempotency key; its target does not look for duplicates."""
    await asyncio.sleep(random.uniform(0.0, 0.004))
    write_line("effects.log", context.key)
    await asyncio.sleep(random.uniform(0.0, 0.004))
    return "marked"


async def sent(context: ToolContext, arguments: dict[str, Any]) -> str | None:
    """Whether it was sent; where the trial has said so, nobody can tell."""
    if (LOGS["folder"] / "doubt").exists():
        raise Conflict("outcome_unknown", f"look for {context.key} in effects.log")
    return "sent" if context.key in lines("effects.log") else None


@tool(effect="write", seconds=1.0, approval=True, probe=sent)
async def trial_send(context: ToolContext, text: str) -> str:
    """An effect that a person is asked about."""
    write_line("effects.log", context.key)
    await asyncio.sleep(random.uniform(0.0, 0.004))
    return "sent"


@tool(seconds=90)
async def trial_wait(context: ToolContext, seconds: float) -> str:
    """A read that takes its time, in a process of its own."""
    return await context.cpu.run(waited, str(LOGS["folder"]), seconds, seconds=context.remaining())


def waited(folder: str, seconds: float) -> str:
    """Says when it began, and, if it gets so far, when it ended."""
    LOGS["folder"] = Path(folder)
    write_line("waits.log", f"began {os.getpid()}")
    time.sleep(seconds)  # a program that gives way to nobody: only the end of its process ends it
    write_line("waits.log", f"ended {os.getpid()}")
    return "waited"


def joined(left: list[str], right: list[str]) -> list[str]:
    return left + right


class State(TypedDict):
    """What the graph remembers."""

    question: str
    topic: NotRequired[str]
    found: NotRequired[Annotated[list[str], joined]]
    rounds: NotRequired[int]
    answer: NotRequired[dict[str, Any]]


async def look(runtime: Runtime[RunContext], q: str) -> str:
    return (await runtime.context.tools.call("trial_look", returns=Looked, q=q)).value


async def gather(state: State, runtime: Runtime[RunContext]) -> Update:
    """Parallel branches of two calls each, which race, and one request made twice."""

    async def branch(name: str) -> list[str]:
        first = await look(runtime, f"{state['question']}/{name}")
        return [first, await look(runtime, first)]

    groups = await asyncio.gather(branch("a"), branch("b"), branch("c"))
    twins = await asyncio.gather(look(runtime, "same"), look(runtime, "same"))
    return {"found": [value for group in groups for value in group] + list(twins), "rounds": 0}


async def plan(state: State, runtime: Runtime[RunContext]) -> Update:
    """States a fact and makes no call."""
    runtime.context.note("plan", topics=3)
    return {}


def topics(state: State) -> list[Send]:
    return [Send("research", {"topic": str(number)}) for number in range(3)]


async def research(state: State, runtime: Runtime[RunContext]) -> Update:
    """One of a fan-out. Its first try fails after the call, and is made again in place."""
    assert runtime.execution_info is not None
    runtime.context.note("topic", number=state["topic"])
    found = await look(runtime, f"topic {state['topic']}")
    if runtime.execution_info.node_attempt == 1:
        raise ConnectionError
    return {"found": [found]}


async def loop(state: State, runtime: Runtime[RunContext]) -> Update:
    """Runs three times."""
    return {"found": [await look(runtime, f"round {state['rounds']}")], "rounds": state["rounds"] + 1}


async def act(state: State, runtime: Runtime[RunContext]) -> Update:
    """Looks, then acts."""
    found = await look(runtime, "before acting")
    return {"found": [found, await runtime.context.tools.call("trial_mark", returns=str, text=state["question"])]}


async def conclude(state: State) -> Update:
    """No calls, no facts."""
    return {"answer": Answer(text=" ".join(sorted(state["found"]))).model_dump(mode="json")}


def expected(question: str) -> str:
    """The answer, from the tools' definition alone."""
    found = []
    for name in "abc":
        first = value_of(f"{question}/{name}")
        found += [first, value_of(first)]
    found += [value_of("same")] * 2 + [value_of(f"topic {n}") for n in range(3)]
    found += [value_of(f"round {n}") for n in range(3)] + [value_of("before acting"), "marked"]
    return " ".join(sorted(found))


again = RetryPolicy(initial_interval=0.001, jitter=False, max_attempts=2)
graph = StateGraph(State, context_schema=RunContext)
for node in (gather, plan, loop, act, conclude):
    graph.add_node(node)
graph.add_node(research, retry_policy=again)
graph.add_edge(START, "gather")
graph.add_edge("gather", "plan")
graph.add_conditional_edges("plan", topics, ["research"])
graph.add_edge("research", "loop")
graph.add_conditional_edges("loop", lambda state: "loop" if state["rounds"] < 3 else "act", ["loop", "act"])
graph.add_edge("act", "conclude")
graph.add_edge("conclude", END)

CALLS = 8 + 3 + 3 + 2
NOTES = 1 + 3
STEPS = 1 + 1 + 1 + 3 + 1 + 1

trial = Agent(
    name="trial",
    description="An agent made to be killed.",
    intents=("try the write path",),
    tools=frozenset({"trial_look", "trial_mark"}),
    limits=Limits(steps=20, tool_calls=60),
    graph=graph,
)


async def crash(state: State) -> Update:
    """Raises what no agent should."""
    raise RuntimeError("boom")


broken = Agent(
    name="broken",
    description="An agent that raises.",
    intents=("raise",),
    tools=frozenset(),
    graph=StateGraph(State, context_schema=RunContext).add_node(crash).add_edge(START, "crash"),
)


UNSTORABLE: dict[str, dict[str, Any]] = {
    "a zero byte": {"text": "\0"},
    "half a character": {"text": "\ud83d"},
    "no number": {"ranked": [{"source": "x", "score": float("nan")}]},
}


async def garble(state: State) -> Update:
    """Says what cannot be stored."""
    return {"answer": UNSTORABLE[state["question"]]}


garbler = Agent(
    name="garbler",
    description="An agent whose answer cannot be stored.",
    intents=("garble",),
    tools=frozenset(),
    graph=StateGraph(State, context_schema=RunContext).add_node(garble).add_edge(START, "garble"),
)


async def spin(state: State, runtime: Runtime[RunContext]) -> Update:
    """Never ends by itself."""
    rounds = state.get("rounds", 0)
    return {"rounds": rounds + 1, "found": [await look(runtime, f"spin {rounds}")]}


endless = Agent(
    name="endless",
    description="An agent that never ends.",
    intents=("spin",),
    tools=frozenset({"trial_look"}),
    limits=Limits(steps=400, tool_calls=400),
    graph=StateGraph(State, context_schema=RunContext)
    .add_node(spin)
    .add_edge(START, "spin")
    .add_conditional_edges("spin", lambda state: "spin", ["spin"]),
)


async def send(state: State, runtime: Runtime[RunContext]) -> Update:
    """Looks, then sends what a person must agree to."""
    runtime.context.note("sending", text=state["question"])
    found = await look(runtime, "before sending")
    result = await runtime.context.tools.result("trial_send", text=state["question"])
    said = result.value or (result.status if result.status == "ok" else f"{result.status}: {result.message}")
    return {"found": [found, said]}


sender = Agent(
    name="sender",
    description="An agent that sends what a person has agreed to.",
    intents=("send",),
    tools=frozenset({"trial_look"}),
    effects=frozenset({"trial_send"}),
    limits=Limits(steps=10, tool_calls=20, seconds=60),
    graph=StateGraph(State, context_schema=RunContext)
    .add_node(send)
    .add_node(conclude)
    .add_edge(START, "send")
    .add_edge("send", "conclude"),
)
SENT = " ".join(sorted(["v-before sending", "sent"]))


trial_branch = replace(patch_branch, name="trial_branch", seconds=8.0)  # else a test waits a minute for its deadline


async def commit(state: State, runtime: Runtime[RunContext]) -> Update:
    """Makes a diff, and commits it on the branch that is asked for."""
    tools, branch = runtime.context.tools, state["question"]
    edits = [{"path": "f.txt", "old": "two", "new": "2"}]
    diff = await tools.call("diff_make", returns=Diff, edits=edits)
    given = {"patch": diff.patch, "base": diff.base, "branch": branch, "message": "Say 2"}
    made = await tools.call("trial_branch", returns=Branch, **given)
    return {"answer": Answer(text=f"{made.branch}: {', '.join(made.files)}").model_dump(mode="json")}


committer = Agent(
    name="committer",
    description="An agent that commits what a person has agreed to.",
    intents=("commit",),
    tools=frozenset({"diff_make"}),
    effects=frozenset({"trial_branch"}),
    graph=StateGraph(State, context_schema=RunContext).add_node(commit).add_edge(START, "commit"),
    sources=("repo",),
)


async def wait(state: State, runtime: Runtime[RunContext]) -> Update:
    """Waits as long as it is asked to."""
    text = await runtime.context.tools.call("trial_wait", returns=str, seconds=float(state["question"]))
    return {"answer": Answer(text=text).model_dump(mode="json")}


waiter = Agent(
    name="waiter",
    description="An agent that takes its time.",
    intents=("wait",),
    tools=frozenset({"trial_wait"}),
    graph=StateGraph(State, context_schema=RunContext).add_node(wait).add_edge(START, "wait"),
)


class Talked(LoopState):
    """What the graph of the talker remembers."""


async def begin(state: Talked, runtime: Runtime[RunContext]) -> Update:
    """A skeleton that finds one line."""
    found = await runtime.context.tools.call("trial_look", returns=Looked, q="first")
    citation = Citation(evidence=found.excerpt.digest, source=found.excerpt.source, quote=found.excerpt.text)
    claim = Claim(text="There is a line of first.", citations=(citation,))
    return {"draft": Draft(claims=[claim.model_dump(mode="json")]), "places": {}}


talker = Agent(
    name="talker",
    description="An agent that asks a model, made to be killed.",
    intents=("ask a model",),
    tools=frozenset({"trial_look"}),
    limits=Limits(steps=30, tool_calls=60),
    graph=with_loop(
        StateGraph(Talked, context_schema=RunContext).add_node(begin).add_edge(START, "begin"),
        after="begin",
        role="planner",
        prompt="coding",
        turns=8,
    ),
)
TALKED = "There is a line of second.\n\nThere is a line of first."


def says(body: dict[str, Any]) -> Say | str:
    """What its model says, from the request alone: two calls, then one, then the answer."""
    results = [message for message in body["messages"] if message["role"] == "tool"]
    if not results:
        return Say(calls=[("trial_look", {"q": "second"}), ("trial_look", {"q": "third"})], reasoning="two at once")
    if len(results) == 2:
        return Say(calls=[("trial_look", {"q": "fourth"})])
    return 'There is a line of second [E2 "line of second"].'


async def looking(state: State, runtime: Runtime[RunContext]) -> Update:
    """A skeleton that finds a line of what it is asked."""
    q = state["question"].rstrip("?").rpartition(" ")[2]
    found = await runtime.context.tools.call("trial_look", returns=Looked, q=q)
    citation = Citation(evidence=found.excerpt.digest, source=found.excerpt.source, quote=found.excerpt.text)
    claim = Claim(text=f"There is a line of {q}.", citations=(citation,))
    return {"draft": Draft(claims=[claim.model_dump(mode="json")]), "places": {}}


reporter = Agent(
    name="reporter",
    description="An agent whose researchers work side by side, made to be killed.",
    intents=("report",),
    tools=frozenset({"trial_look"}),
    limits=Limits(steps=160, tool_calls=200, tokens=10**6),
    graph=reporting([looking]),
)
PARTS = ["Is there a line of north?", "Is there a line of south?", "Is there a line of east?"]


def reports(body: dict[str, Any]) -> Say | str:
    """What a team's model says, from the request alone: a brief, two turns of each researcher, a lead."""
    system, first = (message["content"] for message in body["messages"][:2])
    if "You divide a question" in system:
        return json.dumps({"parts": PARTS})
    if "You write the lead" in system:
        return 'There is a line of norths and a line of souths [E1 "line of norths"] [E3 "line of souths"].'
    q = first.split("\n")[1].rstrip("?").rpartition(" ")[2]
    if any(message["role"] == "tool" for message in body["messages"]):
        return f'There is a line of {q}s [E2 "line of {q}s"].'
    return Say(calls=[("trial_look", {"q": f"{q}s"}), ("trial_look", {"q": q})])


DIVIDES = "You hand a question on to others, who hand their part of it on again."
DEEPEST = 6  # graphs, one within the other


class Found(TypedDict):
    """What a graph below says to the one around it."""

    found: NotRequired[Annotated[list[str], joined]]


class Delegated(Found):
    """What each of them remembers."""

    question: str
    parts: NotRequired[list[str]]
    answer: NotRequired[dict[str, Any]]


async def divide(state: Delegated, runtime: Runtime[RunContext]) -> Update:
    """Gives as many parts away as its model says, and looks at one itself."""
    context, question = runtime.context, state["question"]
    assert context.models is not None
    messages = (ChatMessage(role="system", content=DIVIDES), ChatMessage(role="user", content=question))
    parts: list[str] = []
    with contextlib.suppress(Invalid, NotFound, Unavailable, ValueError, RecursionError, AttributeError, TypeError):
        reply = await context.models.chat("planner", ChatRequest(messages=messages, max_tokens=500))
        parts = [str(part)[:100] for part in json.loads(reply.content).get("parts", [])][:60]
    looked = await context.tools.result("trial_look", q=question)
    return {"found": [looked.status], "parts": parts}


def below(state: Delegated) -> list[Send] | str:
    question = state["question"].partition(" / ")[0]
    parts = [part.replace(" / ", " ") for part in state.get("parts", [])]
    return [Send("below", {"question": f"{question} / {part} {number}"}) for number, part in enumerate(parts)] or "sum"


async def total(state: Delegated) -> Update:
    """Says how much was found."""
    return {"answer": Answer(text=f"found {len(state.get('found', []))}").model_dump(mode="json")}


def delegating(depth: int) -> "StateGraph[Any, RunContext, Any, Any]":
    """A graph whose model may hand on what it is asked to any number of the same, each a graph less deep."""
    graph = StateGraph(Delegated, context_schema=RunContext, output_schema=Delegated if depth == DEEPEST else Found)
    graph.add_node("divide", divide).add_node("sum", total).add_edge(START, "divide").add_edge("sum", END)
    if depth == 1:
        return graph.add_edge("divide", "sum")
    graph.add_node("below", delegating(depth - 1).compile())
    return graph.add_conditional_edges("divide", below, ["below", "sum"]).add_edge("below", "sum")


delegator = Agent(
    name="delegator",
    description="An agent whose agents have agents of their own.",
    intents=("delegate",),
    tools=frozenset({"trial_look"}),
    limits=Limits(steps=160, tool_calls=200, tokens=10**6),
    graph=delegating(DEEPEST),
)
