"""Asks the observability agent about a dump in this process: real graph, real tools, no platform around."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundswell.agents.observability.graph import agent
from groundswell.backends.kube.clusters import opened
from groundswell.core.records import Answer
from groundswell.core.tool import Tool
from groundswell.runtime.discovery import discover
from groundswell.testing import DirectTools, FakeContext, run_context

GRAPH = agent.graph.compile()
TOOLS = discover("groundswell.tools", Tool)


class HereWorkers:
    """Runs work in this process: the dumps are ours."""

    async def run(self, function: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        return function(*arguments)


async def answered(folder: Path, question: str) -> Answer:
    cluster = opened(f"dump:{folder}", HereWorkers(), seconds=60, progress=lambda stage, done, total: None)
    context = run_context(DirectTools(TOOLS, FakeContext(kubernetes=cluster)), question)
    state = await GRAPH.ainvoke({"question": question}, context=context)
    return Answer.model_validate(state["answer"])
