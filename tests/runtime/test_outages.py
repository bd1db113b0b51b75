"""An outage of the platform's own database is no answer of a tool."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from groundswell.backends.databases.calls import Place
from groundswell.backends.databases.connections import OUTAGES
from groundswell.backends.databases.runs import Scope
from groundswell.core.context import ToolContext
from groundswell.core.errors import Unavailable
from groundswell.core.policy import Grant
from groundswell.core.records import Ask
from groundswell.core.tool import Tool, tool
from groundswell.runtime.call_context import CallContext
from groundswell.runtime.tool_calls import ToolCalls

CODES: list[str] = []


@tool(seconds=20, retries=0)
async def weather_show(context: ToolContext) -> str:
    """A tool whose store is away."""
    raise Unavailable(CODES[0], "away")


def calls(named: Tool) -> Any:
    unused: Any = None
    return ToolCalls(unused, unused, {named.name: named}, {}, lambda token, scope: Grant(agent="a", tenant="t"), unused)


def place() -> tuple[Place, Any]:
    ask = Ask(task="t", checkpoint="c", kind="weather_show", arguments={}, n=0)
    unused: Any = None
    deadline = asyncio.get_running_loop().time() + 20
    context = CallContext("t", "k", Scope({}, (), "ana"), unused, deadline, lambda stage, done, total: None)
    return Place("t", "run_1", 1, ask), context


@pytest.mark.parametrize("code", sorted(OUTAGES))
async def test_an_outage_of_our_database_is_not_stored_as_the_tools_answer(code: str, tmp_path: Path):
    CODES[:] = [code]
    made, (where, context) = calls(weather_show), place()
    for _ in range(6):
        with pytest.raises(Unavailable):
            await made._outcome(weather_show, where, context, False)
    (breaker,) = made.breakers.values()
    breaker.check()  # nor held against the tool


async def test_what_a_tool_needs_and_does_not_get_is_its_answer():
    CODES[:] = ["host_away"]
    made, (where, context) = calls(weather_show), place()
    result, _ = await made._outcome(weather_show, where, context, False)
    assert (result.status, result.code) == ("error", "host_away")
