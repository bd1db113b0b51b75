"""Answer questions about a repository, on what stands in it."""

from typing import Any, NotRequired

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

from groundswell.agents.coding import (
    behaviour,
    callees,
    definitions,
    explanations,
    failures,
    locating,
    overviews,
    places,
    reports,
    topics,
    users,
)
from groundswell.agents.coding.locating import Located
from groundswell.agents.coding.question import Asked, questions
from groundswell.agents.coding.sheet import Sheet, counted
from groundswell.agents.loop.graph import with_loop
from groundswell.agents.loop.state import LoopState
from groundswell.core.agent import Agent, Limits, Update
from groundswell.core.context import RunContext
from groundswell.core.records import Coverage

_READERS = {
    "definition": definitions.read,
    "users": users.read,
    "callees": callees.read,
    "places": places.read,
    "explanation": explanations.read,
    "members": explanations.read,
    "failure": failures.read,
    "report": reports.read,
    "overview": overviews.read,
    "topic": topics.read,
}
_WRITERS = {
    "definition": definitions.answer,
    "users": users.answer,
    "callees": callees.answer,
    "places": places.answer,
    "explanation": explanations.answer,
    "members": explanations.answer,
    "failure": failures.answer,
    "report": reports.answer,
    "topic": topics.answer,
}


class State(LoopState):
    """What the graph remembers between nodes; all of it is JSON. A question may ask several things, in order."""

    asked: NotRequired[list[Asked]]
    coverage: NotRequired[dict[str, Any]]
    located: NotRequired[list[Located]]
    read: NotRequired[list[dict[str, Any]]]


async def understand(state: State, runtime: Runtime[RunContext]) -> Update:
    """Read the question, and bring the repository's index up to date."""
    context = runtime.context
    asked = questions(state["question"], context.run.attachments, context.history)
    coverage = await context.tools.call("repo_index", returns=Coverage)
    for each in asked:
        context.note("understood", kind=each["kind"], names=each["names"][:5], paths=each["paths"][:5])
    return {"asked": asked, "coverage": coverage.model_dump(mode="json")}


async def locate(state: State, runtime: Runtime[RunContext]) -> Update:
    """Find what the question names; what cannot be found under its kind is looked for as a topic."""
    asked = state.get("asked", [])
    found = [await locating.located(each, runtime.context.tools) for each in asked]
    return {
        "located": found,
        "asked": [_kind_that_fits(each, there) for each, there in zip(asked, found, strict=True)],
    }


def _kind_that_fits(asked: Asked, found: Located) -> Asked:
    """A name that is a module is explained as one; words that name nothing are a topic."""
    kind = asked["kind"]
    has_symbols, has_module = any(found.get("symbols", {}).values()), bool(found.get("outline"))
    if kind in ("failure", "report", "overview"):
        return asked
    if kind == "definition" and not has_symbols and has_module:
        kind = "explanation"
    if kind == "topic" and (has_symbols or has_module) and asked["is_named"]:
        kind = "explanation"
    if kind != "topic" and not has_symbols and not has_module and not asked["is_named"]:
        kind = "topic"
    return Asked({**asked, "kind": kind})


async def read(state: State, runtime: Runtime[RunContext]) -> Update:
    """Read what the answer will cite."""
    tools = runtime.context.tools
    pairs = zip(state.get("asked", []), state.get("located", []), strict=True)
    return {"read": [await _READERS[asked["kind"]](asked, found, tools) for asked, found in pairs]}


async def answer(state: State, runtime: Runtime[RunContext]) -> Update:
    """Make claims of what was read, for one question after the other."""
    coverage = Coverage.model_validate(state.get("coverage"))
    sheet = Sheet()
    parts = zip(state.get("asked", []), state.get("located", []), state.get("read", []), strict=True)
    for asked, found, texts in parts:
        _answer_one(asked, found, texts, sheet, coverage)
    _say_what_was_not_read(sheet, coverage)
    return sheet.update()


def _answer_one(asked: Asked, found: Located, texts: Any, sheet: Sheet, coverage: Coverage) -> None:
    sheet.needs_model = sheet.needs_model or asked["needs_model"]
    if asked["kind"] == "overview":
        overviews.answer(asked, found, texts, sheet, coverage)
    else:
        _WRITERS[asked["kind"]](asked, found, texts, sheet)
    if not sheet:
        _say_nothing_found(asked, found, sheet)
    elif left := behaviour.unfollowed(asked):
        sheet.missing.append(left)
        sheet.needs_model = True


def _say_nothing_found(asked: Asked, found: Located, sheet: Sheet) -> None:
    """Lines that have a name which nothing defines; names that are spelt like it; else what was looked through."""
    for name in asked["names"][:3]:
        definitions.answer_mentions(name, found, sheet)
    nearest = list(dict.fromkeys(found.get("nearest", [])))[:3]
    if not sheet and nearest:
        choices = " or ".join(
            [", ".join(f"`{name}`" for name in nearest[:-1]), f"`{nearest[-1]}`"][len(nearest) == 1 :]
        )
        sheet.question = f"Nothing here is called `{asked['names'][0]}`. Did you mean {choices}?"
    wanted = [*asked["names"], *asked["paths"]]
    if not sheet and wanted and asked["kind"] not in ("failure", "report"):
        sheet.missing.append(f"no definition, module or line of text with the name {', '.join(wanted[:3])}")


def _say_what_was_not_read(sheet: Sheet, coverage: Coverage) -> None:
    """An answer is only as good as what the index covers."""
    if not sheet:
        sheet.missing.append(f"searched: {counted(coverage.parsed, 'file')} at {coverage.revision}")
    if not coverage.complete:
        left = ", ".join(f"{count:,} {reason}" for reason, count in coverage.skipped.items())
        sheet.missing.append(f"files that the index does not cover: {left}")
    if coverage.stale:
        sheet.missing.append(coverage.stale)


skeleton = StateGraph(State, context_schema=RunContext).add_sequence([understand, locate, read, answer])
graph = with_loop(skeleton.add_edge(START, "understand"), after="answer", role="code", prompt="coding", turns=150)
agent = Agent(
    name="coding",
    description="Answers questions about a Git repository with file and line.",
    intents=(
        "where something is defined in the code",
        "who calls or uses a function",
        "what a module, class or function does",
        "what a traceback means",
        "which files a bug report or feature request would touch",
    ),
    tools=frozenset(
        {
            "code_search",
            "diff_make",
            "file_read",
            "files_list",
            "module_outline",
            "modules_rank",
            "references_find",
            "repo_index",
            "repo_search",
            "result_read",
            "symbol_find",
            "traceback_resolve",
        }
    ),
    effects=frozenset({"patch_branch"}),
    limits=Limits(steps=320, tool_calls=300, tokens=2_000_000, money=5.0, seconds=900),
    graph=graph,
    sources=("repo",),
)
