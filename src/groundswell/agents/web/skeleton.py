"""What answers without a model: read the question, search and fetch, rank what was found, and quote it."""

from collections.abc import Sequence
from typing import Any, NotRequired

from langgraph.runtime import Runtime

from groundswell.agents.loop.state import LoopState
from groundswell.agents.web import answers, gathering
from groundswell.agents.web.question import Asked, asked
from groundswell.agents.web.ranking import Unit, compared, ranked
from groundswell.core.agent import Update
from groundswell.core.context import RunContext
from groundswell.core.records import Passage


class State(LoopState):
    """What the graph remembers between nodes; all of it is JSON."""

    asked: NotRequired[Asked]
    passages: NotRequired[list[dict[str, Any]]]
    searched: NotRequired[list[str]]
    units: NotRequired[list[Unit]]


async def understand(state: State, runtime: Runtime[RunContext]) -> Update:
    """Read what kind of answer is asked for, about what, under which constraints; make queries of it."""
    read = asked(state["question"], runtime.context.history)
    runtime.context.note("understood", kind=read["kind"], queries=read["queries"])
    return {"asked": read}


async def gather(state: State, runtime: Runtime[RunContext]) -> Update:
    """Search and fetch: passages of collections, or pages that a search engine names."""
    context = runtime.context
    source = context.run.sources.get("pages", "")
    passages, searched = await gathering.gathered(_asked(state), source, context.tools)
    return {"passages": [passage.model_dump(mode="json") for passage in passages], "searched": searched}


async def rank(state: State, runtime: Runtime[RunContext]) -> Update:
    """Look for the sentence, row or line that answers, best first."""
    question = _asked(state)
    passages = [Passage.model_validate(each) for each in state.get("passages", [])]
    kin = await gathering.kinship(question, ranked(question, passages), runtime.context.tools)
    units = ranked(question, passages, kin)
    nearness = await gathering.nearness(question, units, runtime.context.tools)
    return {"units": compared(question, units, nearness)}


async def quote(state: State, runtime: Runtime[RunContext]) -> Update:
    """Make claims of quotes where one answers; else say what was searched."""
    passages = [Passage.model_validate(each) for each in state.get("passages", [])]
    question, searched = _asked(state), state.get("searched", [])
    draft = answers.draft(question, state.get("units", []), passages, searched)
    return {"draft": draft, "places": _places(passages)}


def _asked(state: State) -> Asked:
    found = state.get("asked")
    return found if found is not None else asked(state["question"], ())


def _places(passages: Sequence[Passage]) -> dict[str, list[str]]:
    """Digest → the sources that have these very words."""
    found: dict[str, list[str]] = {}
    for passage in passages:
        found.setdefault(passage.excerpt.digest, []).append(passage.excerpt.source)
    return found
