"""Where a run has a Prometheus, the skeleton asks it a few things about what the question names."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from agents.observability.dumps import deployment, log, node, pod, replica_set, write
from agents.observability.test_diagnosis import GRAPH, TOOLS, Here
from groundswell.backends.kube.clusters import Dump
from groundswell.backends.prometheus.client import Prometheus
from groundswell.core.records import Answer
from groundswell.testing import DirectTools, FakeContext, run_context

NAME = "shop-5d4f-x"


class Server(ThreadingHTTPServer):
    """Answers each metric's ratio with what a test sets for it; all else with nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.values: dict[str, str] = {}
        self.asked: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Server  # type: ignore[assignment]

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)["query"][0]
        self.server.asked.append(query)
        value = next((value for name, value in self.server.values.items() if name in query), "")
        result: list[dict[str, Any]] = [{"metric": {"pod": NAME}, "value": [1, value]}] if value else []
        if query.startswith("count("):
            result = [{"metric": {}, "value": [1, "3"]}]
        body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


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
    answer = await ask(healthy(tmp_path), "why is shop slow?", f"http://127.0.0.1:{server.server_port}")
    assert answer.text.startswith(
        "Deployment demo/shop: its pod `shop-5d4f-x` is throttled in 0.62 of its scheduling periods"
    )
    assert "memory limit" not in answer.text
    assert all('namespace="demo"' in each for each in server.asked if "pod" in each)
    assert all(claim.citations for claim in answer.claims)


async def test_figures_that_are_as_they_should_be_raise_no_alarm(server: Server, tmp_path: Path) -> None:
    server.values = {"throttled": "0.02", "working_set": "0.85", "restarts": "0"}
    answer = await ask(healthy(tmp_path), "is shop healthy?", f"http://127.0.0.1:{server.server_port}")
    assert answer.text.startswith("Nothing is wrong here")
    assert "Pod `shop-5d4f-x` uses 0.85 of its memory limit." in answer.text


async def test_a_prometheus_that_is_away_is_named_as_missing(tmp_path: Path) -> None:
    answer = await ask(healthy(tmp_path), "is shop healthy?", "http://127.0.0.1:9")
    assert answer.text.startswith("Nothing is wrong here")
    assert any(each.startswith("metrics: ") and "cannot be reached" in each for each in answer.missing)
