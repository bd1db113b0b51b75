"""A correct model never makes an agent's answer worse, and a lying one says nothing in it: over the real skeletons."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from groundswell.agents.observability.graph import agent as observability
from groundswell.agents.web.graph import agent as web
from groundswell.backends.kube.clusters import Dump
from groundswell.core.records import Answer, Excerpt, Passage, ToolSpec
from groundswell.core.tool import Tool
from groundswell.runtime.discovery import discover
from groundswell.testing import DirectModels, DirectTools, FakeContext, FakeTools, Say, ScriptedModel, run_context
from incidents.judge import cases

TOOLS = discover("groundswell.tools", Tool)
GRAPHS = {agent.name: agent.graph.compile() for agent in (observability, web)}
OFFERED = {
    agent.name: [
        ToolSpec(name=tool.name, description=tool.description, parameters=tool.schema())
        for name, tool in TOOLS.items()
        if name in agent.tools and tool.effect == "read"
    ]
    for agent in (observability, web)
}
INCIDENTS = {name: (folder, case.question) for name, folder, _, case in cases() if not case.healthy}
SOME = sorted(INCIDENTS)[::9]
FOUND = re.compile(r"^F\d+ \((\w+)\): (.*?)((?: \[E\d+ \"[^\n]*?\"\])+) *$", re.MULTILINE)


class Here:
    """Work of a CPU, done at once."""

    async def run(self, function: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        return function(*arguments)


def findings(body: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What the skeleton found, as the model was told: kind, text, citations."""
    return FOUND.findall(body["messages"][1]["content"])


def looks(body: dict[str, Any]) -> Say | None:
    """Before anything else, the query that could refute it, where one is asked for."""
    names = {tool["function"]["name"] for tool in body.get("tools", [])}
    if "hypothesis" not in names or any(message["role"] == "tool" for message in body["messages"]):
        return None
    suspects = {"cause": "what was found", "refuted_by": "pods that are well"}
    return Say(calls=[("hypothesis", suspects), ("events_list", {})])


def correct(body: dict[str, Any]) -> Say | str:
    """Says what was found, once more."""
    if query := looks(body):
        return query
    marks = [f"{'Inference: ' if kind == 'inferred' else ''}{text}{cites}" for kind, text, cites in findings(body)]
    return "\n".join(marks) or "NOT FOUND"


def lying(body: dict[str, Any]) -> Say | str:
    """Says what was found with another number and another name in it, sets it aside, and makes things up."""
    if query := looks(body):
        return query
    told = [
        f"{re.sub(r'[0-9]+', lambda m: str(int(m.group()) + 1371), text).rstrip('.')} since Zanzibar-9.{cites}"
        for _, text, cites in findings(body)
    ]
    aside = [f"Set aside F{n}: Zanzibar-9 was ready [E1]." for n in range(1, 4)]
    return "\n".join([*told, "All of it began with Zanzibar-9 [E1].", *aside, "Set aside F1: it is not so."])


async def ask(name: str, tools: FakeTools, question: str, script: Any, source: str = "") -> Answer:
    with ScriptedModel(script or []) as model:
        models = DirectModels({"planner": model.url}, window=128_000) if script else None
        sources: Any = {"pages": source} if source else None
        context = run_context(tools, question, models=models, sources=sources, offered=OFFERED[name])
        state = await GRAPHS[name].ainvoke({"question": question}, context=context)
        if models:
            await models.close()
    return Answer.model_validate(state["answer"])


def texts(answer: Answer) -> list[str]:
    return [claim.text for claim in answer.claims]


async def over_a_dump(folder: Path, question: str, script: Any) -> Answer:
    tools = DirectTools(TOOLS, FakeContext(kubernetes=Dump(folder, Here(), 60)))
    return await ask("observability", tools, question, script)


@pytest.mark.parametrize("name", SOME)
async def test_an_incidents_answer_is_no_worse_with_a_correct_model_and_no_lie_is_in_it(name: str) -> None:
    folder, question = INCIDENTS[name]
    alone = await over_a_dump(folder, question, None)
    repeated = await over_a_dump(folder, question, correct)
    assert texts(repeated)[:1] == texts(alone)[:1]
    assert set(texts(alone)) <= set(texts(repeated))
    lied = await over_a_dump(folder, question, lying)
    assert texts(lied) == texts(alone)
    assert "Zanzibar" not in lied.text


async def test_a_rule_is_overruled_by_what_a_query_brought_and_not_by_words_alone() -> None:
    folder, question = INCIDENTS[SOME[0]]
    alone = await over_a_dump(folder, question, None)

    def overruling(body: dict[str, Any], quote: str) -> Say | str:
        if query := looks(body):
            return query
        told = next(m["content"] for m in body["messages"] if m["role"] == "tool" and "k8s:" in m["content"])
        seen = json.loads(told[told.index("[") : told.rindex("]") + 1])[0]
        line = seen["text"].splitlines()[0]
        return f'Set aside F1: the cluster noted “{line}” [{seen["evidence"]} "{quote or line}"].'

    overruled = await over_a_dump(folder, question, lambda body: overruling(body, ""))
    first = texts(alone)[0]
    assert overruled.text.index("Set aside, against what is cited above:") < overruled.text.index(first)
    assert texts(overruled)[0] != first
    refused = await over_a_dump(folder, question, lambda body: overruling(body, "name: zanzibar"))
    assert texts(refused) == texts(alone)


PASSAGES: Sequence[Passage] = (
    Passage(
        page="Pump manual",
        excerpt=Excerpt(
            source="doc:manual/a.md#L1-L9",
            text="The pump runs at a pressure of 3 bar. Clean its filter every two weeks.",
        ),
    ),
)


@pytest.mark.parametrize("question", ["What pressure does the pump run at?", "What colour is the pump?"])
async def test_a_page_says_the_same_with_a_correct_model_and_with_a_lying_one(question: str) -> None:
    async def said(script: Any) -> Answer:
        tools = FakeTools(documents_search=list(PASSAGES), texts_compare=[])
        return await ask("web", tools, question, script, "collection:manual")

    alone = await said(None)
    assert texts(await said(correct)) == texts(alone)
    assert texts(await said(lying)) == texts(alone)
