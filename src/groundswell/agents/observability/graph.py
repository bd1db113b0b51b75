"""Say what is wrong with a Kubernetes cluster, on what stands in it."""

import asyncio
from collections.abc import Sequence
from typing import Any, NotRequired

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime

from groundswell.agents.loop.graph import with_loop
from groundswell.agents.loop.state import LoopState
from groundswell.agents.observability import diagnosis, metrics, metrics_alone, report
from groundswell.agents.observability.findings import Finding
from groundswell.agents.observability.metrics import Measured, measured
from groundswell.agents.observability.question import Focus, focus_of, in_thread, names_in
from groundswell.agents.observability.world import World
from groundswell.core.agent import Agent, Limits, Update
from groundswell.core.context import RunContext
from groundswell.core.errors import Denied, NotFound, ToolFailed
from groundswell.core.records import ClusterEvidence


class State(LoopState):
    """What the graph remembers between nodes; all of it is JSON. `report` has the ranked hypotheses."""

    report: NotRequired[dict[str, Any]]


async def diagnose(state: State, runtime: Runtime[RunContext]) -> Update:
    """Look at the cluster once, run the rules over it, and rank what they find; without one, at its metrics.

    The pack is not kept in the state: it is large, and a step that runs again gets the same one from the journal.
    """
    context = runtime.context
    question = state["question"]
    earlier = [turn.question for turn in context.history if turn.agent == "observability"]
    about = names_in(question) or names_in(in_thread(question, earlier))
    try:
        pack = await context.tools.call("cluster_evidence", about=about, returns=ClusterEvidence)
    except (Denied, NotFound, ToolFailed) as error:
        if "prometheus" not in context.run.sources:
            raise
        update, signs = await metrics_alone.diagnosed(context, question, error)
        context.note("understood", kind="incident", metrics=context.run.sources["prometheus"], findings=signs)
        return update
    world, focus, found = await asyncio.to_thread(_looked_at, question, pack, earlier)
    concerned = [*sorted(focus.objects), *(each.about for each in found if each.is_broken)]
    numbers, unmeasured = await measured(context, concerned)
    update, understood = await asyncio.to_thread(_diagnosed, world, focus, found, numbers, unmeasured)
    context.note("understood", **understood)
    return update


def _looked_at(question: str, pack: ClusterEvidence, earlier: Sequence[str]) -> tuple[World, Focus, list[Finding]]:
    world = World(pack)
    focus = focus_of(question, world, earlier)
    world.named = focus.objects
    return world, focus, diagnosis.findings(world)


def _diagnosed(
    world: World, focus: Focus, found: list[Finding], numbers: Sequence[Measured], unmeasured: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    found = [*found, *metrics.findings(world, numbers)]
    ranked = diagnosis.hypotheses(world, found, focus)
    understood = {
        "kind": "incident",
        "names": [str(each) for each in sorted(focus.objects)[:5]],
        "paths": sorted(focus.namespaces)[:5],
        "cluster": world.pack.origin,
        "findings": len(found),
    }
    measures = list(metrics.statements(numbers))
    if focus.objects and focus.of_speed and not numbers:
        source = "" if unmeasured else " (--source prometheus=URL names some)"
        unmeasured = [*unmeasured, f"how fast {focus.named()} is: that takes metrics, and there are none{source}"]
    return report.written(world, ranked, found, focus, measures, unmeasured), understood


skeleton = StateGraph(State, context_schema=RunContext).add_node(diagnose).add_edge(START, "diagnose")
graph = with_loop(
    skeleton,
    after="diagnose",
    role="planner",
    prompt="observability",
    turns=40,
    may_overrule=True,
    must_doubt=True,
)
agent = Agent(
    name="observability",
    description="Says what is wrong with a Kubernetes cluster, with the objects, events and log lines that show it.",
    intents=(
        "why a pod, deployment or service is failing",
        "what is wrong in a cluster or namespace",
        "why a pod is pending, restarting or crash-looping",
        "what an incident's root cause is",
        "whether everything is healthy",
    ),
    tools=frozenset(
        {
            "cluster_evidence",
            "events_list",
            "metrics_query",
            "object_get",
            "objects_list",
            "pod_logs",
            "result_read",
        }
    ),
    limits=Limits(steps=90, tool_calls=200, tokens=1_000_000, money=2.0, seconds=600),
    graph=graph,
    sources=("kubernetes", "prometheus"),
)
