"""A researcher: the whole way from one part of the brief to its claims, in a subgraph with counters of its own."""

from collections.abc import Sequence
from typing import Annotated, Any, NotRequired, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send

from groundswell.agents.drafts import Draft
from groundswell.agents.grounding import standing
from groundswell.agents.loop.graph import with_loop
from groundswell.agents.web import brief
from groundswell.agents.web.question import asked
from groundswell.agents.web.skeleton import State
from groundswell.core.agent import Update
from groundswell.core.context import RunContext

Node = Any  # an async function of (state, runtime)


class Section(TypedDict):
    """What a researcher hands in."""

    part: int  # from 0
    question: str
    draft: Draft
    places: dict[str, list[str]]
    mode: str
    stands: list[int]  # the claims of the draft that its evidence bears
    fell: str  # why a model was left


def joined(left: list[Section], right: list[Section]) -> list[Section]:
    """Sections in the order of the brief, whoever is ready first."""
    return sorted([*left, *right], key=lambda section: section["part"])


class Handed(TypedDict):
    """What comes out of a researcher."""

    sections: Annotated[list[Section], joined]


class Research(State):
    """What a researcher remembers."""

    part: NotRequired[int]
    parts: NotRequired[int]
    sections: NotRequired[Annotated[list[Section], joined]]


def sent(parts: list[str], state: State) -> list[Send]:
    """One researcher a part; a question that is one part goes on from what was found for it already."""
    each = {"share": state.get("share"), "parts": len(parts)}
    if len(parts) == 1:
        found = {"draft": state.get("draft", {}), "places": state.get("places", {})}
        return [Send("research", {"question": state["question"], "part": 0, **found, **each})]
    return [Send("research", {"question": part, "part": number, **each}) for number, part in enumerate(parts)]


async def understand(state: Research, runtime: Runtime[RunContext]) -> Update:
    """Begin: the part is read as any question is; it stands for itself."""
    number, of = state.get("part", 0) + 1, state.get("parts", 1)
    runtime.context.note("research", part=number, of=of, question=state["question"])
    return {"asked": asked(state["question"])}


async def hand_in(state: Research, runtime: Runtime[RunContext]) -> Update:
    """End: what was found, and how much of it stands."""
    draft, places = state.get("draft", {}), state.get("places", {})
    kept = await standing(draft, places, runtime.context.evidence)
    section = Section(
        part=state.get("part", 0),
        question=state["question"],
        draft=draft,
        places=places,
        mode=state.get("mode", "L3"),
        stands=sorted(kept),
        fell=state.get("loop", {}).get("fell", ""),
    )
    if (of := state.get("parts", 1)) > 1:
        ended = {"part": section["part"] + 1, "of": of, "claims": len(kept), "mode": section["mode"]}
        runtime.context.note("researched", **ended, fell=section["fell"])
    return {"sections": [section]}


def _begin(state: Research) -> str:
    return "prepare" if "draft" in state else "understand"


def graph(looking: Sequence[Node]) -> Any:
    """The subgraph; its checkpoints are the run's, under a name of its own for each researcher.

    `looking` are the skeleton's nodes behind `understand`; the last leaves `draft` and `places`.
    """
    builder = StateGraph(Research, context_schema=RunContext, output_schema=Handed)
    builder.add_sequence([understand, *looking])
    builder.add_node("hand_in", hand_in)
    after = looking[-1].__name__
    with_loop(builder, after=after, role="planner", prompt="web", turns=brief.TURNS, before="hand_in")
    builder.add_conditional_edges(START, _begin, ["prepare", "understand"])
    builder.add_edge("hand_in", END)
    return builder.compile(name="research")
