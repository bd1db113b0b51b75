"""A package outside the tree adds one of each kind, by being there."""

import importlib
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from groundswell.core.errors import ConfigError
from groundswell.runtime import discovery
from groundswell.runtime.service import Service

FILES = {
    "weather_ext/__init__.py": "",
    "weather_ext/tools.py": '''
from groundswell.core.context import ToolContext
from groundswell.core.tool import tool


@tool(seconds=3)
async def weather_show(context: ToolContext, city: str, days: int = 1) -> str:
    """The weather of a city."""
    return f"{city}: rain for {days} days"
''',
    "weather_ext/agents.py": """
from typing import TypedDict

from langgraph.graph import START, StateGraph

from groundswell.core.agent import Agent
from groundswell.core.context import RunContext


class State(TypedDict):
    question: str


async def ask(state: State) -> dict:
    return {"question": "?"}


weather = Agent("weather", "Tells the weather.", ("will it rain",), frozenset({"weather_show"}),
                StateGraph(State, context_schema=RunContext).add_node(ask).add_edge(START, "ask"))
""",
    "weather_ext/policies.py": '''
from groundswell.core.policy import ALLOW, Grant, ToolCall, Verdict, deny, policy


@policy
def no_atlantis(call: ToolCall, grant: Grant) -> Verdict:
    """There is no weather there."""
    return deny("no_atlantis", "it sank") if call.arguments.get("city") == "Atlantis" else ALLOW
''',
    "weather_ext/checks.py": '''
from groundswell.core.check import check, proved


@check(proves="ext.weather")
async def it_rains(platform):
    """It rains."""
    return proved("it rained", drops=3)
''',
    "weather_ext/services.py": """
import contextlib

from fastapi import APIRouter

from groundswell.runtime.service import Service


@contextlib.asynccontextmanager
async def opened(base):
    yield None


service = Service("clouds", "ai-router", APIRouter(), opened)
""",
    "weather_ext/vectors.py": """
class CloudVectors:
    scheme = "cloud"
    port = "vectors"
""",
    "weather_ext-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: weather-ext\nVersion: 1.0\n",
    "weather_ext-1.0.dist-info/entry_points.txt": "[groundswell.extensions]\nweather = weather_ext\n",
}
CACHED = (discovery.extensions, discovery.tools, discovery.agents, discovery.policies, discovery.checks)


@pytest.fixture
def extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, content in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(discovery, "entry_points", entry_points)  # a platform of this session may have its own
    importlib.invalidate_caches()
    for cached in CACHED:
        cached.cache_clear()
    yield tmp_path
    for cached in CACHED:
        cached.cache_clear()
    for name in [name for name in sys.modules if name.startswith("weather_ext")]:
        del sys.modules[name]


def test_a_package_outside_the_tree_adds_one_of_each_kind(extension: Path):
    tool = discovery.tools()["weather_show"]
    assert tool.schema()["properties"]["days"]["default"] == 1
    assert discovery.agents()["weather"].tools == {"weather_show"}
    assert "no_atlantis" in discovery.policies()
    assert discovery.checks()["it_rains"].proves == ("ext.weather",)
    assert "clouds" in discovery.discover("groundswell.services", Service)
    assert discovery.backend("vectors", "cloud://x").__name__ == "CloudVectors"


def test_our_own_things_stay_there(extension: Path):
    assert {"gateway", "router", "agents", "tools", "models"} <= set(
        discovery.discover("groundswell.services", Service)
    )


def test_two_things_of_one_name_are_refused(extension: Path):
    (extension / "weather_ext/again.py").write_text(FILES["weather_ext/tools.py"])
    with pytest.raises(ConfigError) as caught:
        discovery.tools()
    assert caught.value.code == "defined_twice"
    assert "weather_ext" in caught.value.message


def test_an_extension_that_does_not_import_is_named(extension: Path):
    (extension / "weather_ext/broken.py").write_text("import nothing_of_this_name")
    with pytest.raises(ConfigError, match="weather") as caught:
        discovery.tools()
    assert caught.value.code == "broken_extension"


def test_an_unknown_scheme_names_the_known_ones():
    with pytest.raises(ConfigError) as caught:
        discovery.backend("vectors", "moon:")
    assert "embedded:" in caught.value.hint
