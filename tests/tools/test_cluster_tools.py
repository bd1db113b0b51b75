"""The tools of a cluster only read, pass on to their port, and say so where a run looks at none."""

from collections.abc import Sequence

import pytest

from groundswell.core.errors import ToolFailed
from groundswell.core.records import ClusterEvidence, Excerpt, Metrics, ObjectRow
from groundswell.core.tool import Tool
from groundswell.runtime.discovery import discover
from groundswell.testing import FakeContext

TOOLS = discover("groundswell.tools", Tool)
NAMES = ("cluster_evidence", "objects_list", "object_get", "pod_logs", "events_list", "metrics_query")
ARGUMENTS: dict[str, dict[str, str]] = {
    "objects_list": {"kind": "pods"},
    "object_get": {"kind": "pod", "name": "a"},
    "pod_logs": {"namespace": "n", "pod": "a"},
    "metrics_query": {"promql": "up"},
}


class Remembering:
    """A cluster and a Prometheus that remember what was asked."""

    origin = "dump:/x"

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    async def evidence(self, about: Sequence[str] = ()) -> ClusterEvidence:
        self.asked.append(("evidence", *about))
        return ClusterEvidence(origin=self.origin, taken="")

    async def objects(self, kind: str, namespace: str = "") -> list[ObjectRow]:
        self.asked.append(("objects", kind, namespace))
        return []

    async def object(self, kind: str, namespace: str, name: str) -> Excerpt:
        self.asked.append(("object", kind, namespace, name))
        return Excerpt(source="k8s:n/Pod/a", text="kind: Pod")

    async def events(self, namespace: str = "", about: str = "") -> list[Excerpt]:
        self.asked.append(("events", namespace, about))
        return []

    async def logs(self, namespace: str, pod: str, container: str = "", *, previous: bool = False) -> Excerpt:
        self.asked.append(("logs", namespace, pod, container, previous))
        return Excerpt(source="k8s:n/Pod/a/c/logs#L1-L1", text="up")

    async def query(self, promql: str, *, minutes: float = 0.0, step_seconds: float = 0.0) -> Metrics:
        self.asked.append(("query", promql, minutes, step_seconds))
        return Metrics(query=promql)


@pytest.mark.parametrize("name", NAMES)
async def test_a_tool_of_a_cluster_reads_and_passes_on_what_is_asked(name: str) -> None:
    assert TOOLS[name].effect == "read"
    assert TOOLS[name].description
    outside = Remembering()
    await TOOLS[name].function(FakeContext(kubernetes=outside, prometheus=outside), **ARGUMENTS.get(name, {}))
    assert len(outside.asked) == 1


@pytest.mark.parametrize("name", NAMES)
async def test_without_a_cluster_a_tool_says_so(name: str) -> None:
    with pytest.raises(ToolFailed, match="looks at no"):
        await TOOLS[name].function(FakeContext(), **ARGUMENTS.get(name, {}))
