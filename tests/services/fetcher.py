"""An agent that fetches each address of its question, found as an extension is."""

import asyncio
import json
from typing import Any

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from groundswell.core.agent import Agent, Update
from groundswell.core.context import RunContext
from groundswell.core.errors import GroundswellError
from groundswell.core.records import Answer, Limits

AT_ONCE = 8


class State(TypedDict, total=False):
    """What the graph remembers."""

    question: str
    answer: dict[str, Any]


async def fetch(state: State, runtime: Runtime[RunContext]) -> Update:
    """What each address came to, in order: `ok`, or the code of its refusal."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(url: str) -> str:
        async with slots:
            try:
                result = await runtime.context.tools.result("web_fetch", url=url)
            except GroundswellError as error:
                return error.code
            return result.status if result.status == "ok" else result.code

    found = await asyncio.gather(*(one(url) for url in json.loads(state["question"])))
    return {"answer": Answer(text=json.dumps(found)).model_dump(mode="json")}


fetcher = Agent(
    name="fetcher",
    description="An agent that fetches.",
    intents=("fetch",),
    tools=frozenset({"web_fetch"}),
    limits=Limits(steps=10, tool_calls=2000, bytes=10**10),
    graph=StateGraph(State, context_schema=RunContext).add_node(fetch).add_edge(START, "fetch"),
)
