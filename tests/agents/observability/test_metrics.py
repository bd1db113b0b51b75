"""Where a run has a Prometheus, the skeleton asks it a few things about what the question names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.observability.dumps import deployment, log, node, pod, replica_set, write
from agents.observability.test_diagnosis import GRAPH, TOOLS, Here
from backends.prometheus.store import Store
from groundswell.backends.kube.clusters import Dump
from groundswell.backends.prometheus.client import Prometheus
from groundswell.core.records import Answer
from groundswell.testing import DirectTools, FakeContext, run_context
from small_server import running

NAME = "shop-5d4f-x"


class Server(Store):
    """Answers each metric's ratio with what a test sets for it; all else with nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}

    def result(self, query: str, *, over_time: bool) -> list[dict[str, Any]]:
        value = next((value for name, value in self.values.items() if name in query), "")
        return [{"metric": {"pod": NAME}, "value": [1, value]}] if value else []


@pytest.fixture
def server() -> Iterator[Server]:
    with running(Server()) as store:
        yield store


async def ask(folder: Path, question: str, url: str) -> Answer:
    store = Prometheus(url)
    tools = DirectTools(TOOLS, FakeContext(kubernetes=Dump(folder, Here(), 60), prometheus=store))
    state = await GRAPH.ainvoke(
        {"question": question}, context=run_context(tools, question, sources={"prometheus": url})
    )
    await store.close()
    return Answer.model_validate(state["answer"])


def healthy(folder: Path) -> Path:
    logs = {f"{NAME}/logs.txt": log("INFO served\nINFO served")}
    return write(
        folder, logs, pods=[pod(NAME)], deployments=[deployment()], replicasets=[replica_set()], nodes=[node()]
    )


async def test_a_workload_that_is_throttled_is_said_to_be_with_the_figure(server: Server, tmp_path: Path) -> None:
    server.values = {"throttled": "0.62", "working_set": "0.55"}
    answer = await ask(healthy(tmp_path), "why is shop slow?", server.url)
    assert answer.text.startswith(
        "Deployment demo/shop: its pod `shop-5d4f-x` is throttled in 0.62 of its scheduling periods"
    )
    assert "memory limit" not in answer.text
    assert all('namespace="demo"' in each for each in server.asked if "pod" in each)
    assert all(claim.citations for claim in answer.claims)


async def test_figures_that_are_as_they_should_be_raise_no_alarm(server: Server, tmp_path: Path) -> None:
    server.values = {"throttled": "0.02", "working_set": "0.85", "restarts": "0"}
    answer = await ask(healthy(tmp_path), "is shop healthy?", server.url)
    assert answer.text.startswith("Nothing is wrong here")
    assert "Pod `shop-5d4f-x` uses 0.85 of its memory limit." in answer.text


async def test_a_prometheus_that_is_away_is_named_as_missing(tmp_path: Path) -> None:
    answer = await ask(healthy(tmp_path), "is shop healthy?", "http://127.0.0.1:9")
    assert answer.text.startswith("Nothing is wrong here")
    assert any(each.startswith("metrics: ") and "cannot be reached" in each for each in answer.missing)


async def test_a_neighbour_in_worse_trouble_does_not_stand_before_what_was_asked_about(
    server: Server, tmp_path: Path
) -> None:
    """It is of the same namespace and on the same node, and dies; the question names a workload that is only slow."""
    server.values = {"throttled": "0.62"}
    killed = {"exitCode": 137, "reason": "OOMKilled"}
    limits = {"resources": {"limits": {"memory": "64Mi"}}}
    backs_off = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}}
    cart = pod("cart-5d4f-y", "cart", ready=False, restarts=7, state=backs_off, last=killed, container=limits)
    folder = write(
        tmp_path,
        pods=[pod(NAME), cart],
        deployments=[deployment(), deployment("cart", ready=0)],
        replicasets=[replica_set(), replica_set("cart")],
        nodes=[node()],
    )
    answer = await ask(folder, "Why is the deployment shop in namespace demo slow?", server.url)
    assert answer.text.startswith("Deployment demo/shop: its pod `shop-5d4f-x` is throttled in 0.62")
    assert "Deployment demo/cart is killed for want of memory" in answer.text
    answer = await ask(folder, "Is anything wrong with the deployment shop in namespace demo?", server.url)
    assert answer.text.startswith("Deployment demo/shop: its pod `shop-5d4f-x` is throttled in 0.62")
