"""Answer a question from pages, in their own words, or say that they do not answer it.

Without a model that is the skeleton alone. With one, a brief names the parts, researchers work on them side by side,
and the report has a section a part; every claim is checked as the skeleton's own are.
"""

from collections.abc import Sequence
from typing import Annotated, Any, NotRequired

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from groundswell.agents.grounding import ground
from groundswell.agents.loop.graph import views_of
from groundswell.agents.web import brief as briefs
from groundswell.agents.web import report as reports
from groundswell.agents.web import research
from groundswell.agents.web.research import Section
from groundswell.agents.web.skeleton import State, gather, quote, rank, understand
from groundswell.core.agent import Agent, Limits, Update
from groundswell.core.context import RunContext


class Reported(State):
    """What the graph remembers: the skeleton's state, the brief and the sections."""

    parts: NotRequired[list[str]]
    sections: NotRequired[Annotated[list[Section], research.joined]]


async def brief(state: Reported, runtime: Runtime[RunContext]) -> Update:
    """Divide the question, where there is a model that researches it."""
    context = runtime.context
    if not await views_of(context):
        return {"mode": "L3"}
    parts, why = await briefs.divided(state["question"], context)
    context.note("brief", parts=parts, **({"why": why} if why else {}))
    return {"parts": parts, "share": briefs.share(context.run.budget, len(parts))}


def researchers(state: Reported) -> list[Send] | str:
    """To a researcher for each part; without a model, to the end."""
    parts = state.get("parts", [])
    return research.sent(parts, state) if parts else "ground"


async def report(state: Reported, runtime: Runtime[RunContext]) -> Update:
    """Make one draft of the sections."""
    sections = state.get("sections", [])
    if len(state.get("parts", [])) == 1:
        only = sections[0]
        return {"draft": only["draft"], "places": only["places"], "mode": only["mode"]}
    draft, places = reports.together(state["question"], state.get("draft", {}), state.get("places", {}), sections)
    if sum(bool(section["stands"]) for section in sections) > 1:
        draft = await reports.led(state["question"], draft, places, runtime.context)
    return {"draft": draft, "places": places, "mode": reports.mode(sections)}


async def checked(state: Reported, runtime: Runtime[RunContext]) -> Update:
    """Keep what its evidence bears."""
    return await ground(state, runtime)


def reporting(looking: Sequence[research.Node]) -> "StateGraph[Any, RunContext, Any, Any]":
    """The whole graph; `looking` are the skeleton's nodes behind `understand`, for the question and for each part."""
    graph = StateGraph(Reported, context_schema=RunContext).add_sequence([understand, *looking, brief])
    graph.add_node("research", research.graph(looking))
    graph.add_node("report", report)
    graph.add_node("ground", checked)
    graph.add_edge(START, "understand")
    graph.add_conditional_edges("brief", researchers, ["research", "ground"])
    graph.add_edge("research", "report")
    graph.add_edge("report", "ground")
    graph.add_edge("ground", END)
    return graph


agent = Agent(
    name="web",
    description="Answers questions from web pages and collections of documents, in quotes.",
    intents=(
        "what a page or a manual says about something",
        "a fact: when, how many, who, which version",
        "how to do something by the documentation",
        "what a policy, price list or release note says",
        "look something up",
    ),
    tools=frozenset(
        {
            "collection_fill",
            "collection_remove",
            "collection_show",
            "collections_list",
            "documents_search",
            "result_read",
            "texts_compare",
            "web_fetch",
            "web_search",
        }
    ),
    limits=Limits(steps=160, tool_calls=200, tokens=1_000_000, money=2.0, seconds=600),
    graph=reporting([gather, rank, quote]),
    sources=("pages",),
)
