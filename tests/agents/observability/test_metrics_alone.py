"""Where there is a Prometheus and no cluster, the answer is made of metrics, and says what that leaves unknown."""

from collections.abc import Iterator
from typing import Any

import pytest

from agents.observability.test_diagnosis import GRAPH, TOOLS
from backends.prometheus.store import Store
from groundswell.backends.prometheus.client import Prometheus
from groundswell.core.errors import ToolFailed
from groundswell.core.records import Answer
from groundswell.testing import DirectTools, FakeContext, run_context
from small_server import running

ALERT = {"alertname": "CheckoutSlow", "namespace": "shop", "service": "checkout", "severity": "page"}
OTHER = {"alertname": "BackupLate", "namespace": "ops", "severity": "warning"}
ALWAYS = {"alertname": "Watchdog", "severity": "none"}


class Server(Store):
    """Answers a query with the series that a test sets for a part of it."""

    def __init__(self) -> None:
        super().__init__()
        self.has: dict[str, list[tuple[dict[str, str], str]]] = {}

    def result(self, query: str, *, over_time: bool) -> list[dict[str, Any]]:
        rows = next((rows for part, rows in self.has.items() if part in query), [])
        return [{"metric": labels, "value": [1, value]} for labels, value in rows]


@pytest.fixture
def server() -> Iterator[Server]:
    with running(Server()) as store:
        yield store


async def ask(question: str, url: str) -> Answer:
    store = Prometheus(url)
    tools = DirectTools(TOOLS, FakeContext(prometheus=store))
    try:
        context = run_context(tools, question, sources={"prometheus": url})
        state = await GRAPH.ainvoke({"question": question}, context=context)
    finally:
        await store.close()
    return Answer.model_validate(state["answer"])


async def test_what_fires_is_down_restarts_and_is_full_is_said_with_its_series(server: Server) -> None:
    server.has = {
        "ALERTS{": [({"__name__": "ALERTS", **each}, "1") for each in (ALERT, OTHER, ALWAYS)],
        "up == 0": [({"__name__": "up", "job": "node", "instance": "10.0.0.7:9100"}, "0")],
        "restarts_total": [({"namespace": "shop", "pod": "cart-7c9-x"}, "4")],
        "working_set": [({"namespace": "shop", "pod": "cart-7c9-x"}, "0.97")],
        "node_filesystem": [({"instance": "10.0.0.7:9100", "mountpoint": "/var"}, "0.96")],
    }
    answer = await ask("what is wrong in the cluster?", server.url)
    for said in (
        "Alert `CheckoutSlow` fires for namespace `shop`, service `checkout`, severity page.",
        "Alert `BackupLate` fires for namespace `ops`, severity warning.",
        "`10.0.0.7:9100`, a target of job `node`, is down: up is 0.",
        "Pod shop/cart-7c9-x restarted 4 times within the last hour.",
        "Pod shop/cart-7c9-x uses 0.97 of its memory limit.",
        "`10.0.0.7:9100` has used 0.96 of `/var`.",
    ):
        assert said in answer.text, answer.text
    assert "Watchdog" not in answer.text
    assert answer.dropped == 0
    assert all(claim.citations[0].source.startswith("prom:") for claim in answer.claims)
    assert any("looks at no Kubernetes cluster" in each and "were not looked at" in each for each in answer.missing)


async def test_what_the_question_names_comes_first(server: Server) -> None:
    server.has = {
        "ALERTS{": [({"__name__": "ALERTS", **OTHER}, "1")],
        "up == 0": [({"__name__": "up", "job": "node", "instance": "10.0.0.7:9100"}, "0")],
        "working_set": [({"namespace": "shop", "pod": "cart-7c9-x"}, "0.97")],
    }
    answer = await ask("why is cart slow?", server.url)
    assert answer.text.startswith("Pod shop/cart-7c9-x uses 0.97 of its memory limit.")


async def test_where_nothing_shows_trouble_it_says_so_by_what_there_is(server: Server) -> None:
    server.has = {"(up)": [({"job": "node"}, "12")], "vector(0)": [({}, "0")]}
    answer = await ask("is everything all right?", server.url)
    assert answer.text.startswith(
        "No signs of trouble were seen in the metrics: 12 targets of job `node` are up, 0 alerts fire."
    )
    assert answer.claims[0].citations


async def test_series_that_do_not_exist_are_unknown_and_not_well(server: Server) -> None:
    server.series = 0
    answer = await ask("is everything all right?", server.url)
    assert any("there are no series of these" in each and "restarts" in each for each in answer.missing)


async def test_neither_cluster_nor_metrics_is_a_typed_end_that_names_both() -> None:
    with pytest.raises(ToolFailed) as caught:
        await ask("is everything all right?", "http://127.0.0.1:9")
    assert caught.value.code == "metrics_unreachable"
    assert "looks at no Kubernetes cluster" in caught.value.message
    assert caught.value.details == {"transient": True}
