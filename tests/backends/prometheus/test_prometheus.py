"""PromQL is read before it is sent, and what would read too much is not sent."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from groundswell.backends.prometheus.client import Prometheus
from groundswell.backends.prometheus.guard import selectors
from groundswell.core.errors import LimitReached, ToolFailed, Unavailable


class Server(ThreadingHTTPServer):
    """Answers counts with `series`, and all else with one series."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.series = 3
        self.asked: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Server  # type: ignore[assignment]

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)["query"][0]
        self.server.asked.append(query)
        result: list[dict[str, Any]] = [{"metric": {"__name__": "up", "job": "shop"}, "value": [1, "1"]}]
        if query.startswith("count("):
            result = [{"metric": {}, "value": [1, str(self.server.series)]}]
        elif "query_range" in self.path:
            result = [{"metric": {"job": "shop"}, "values": [[1, "2"], [2, "NaN"], [3, "5"]]}]
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


def test_every_selector_of_a_query_is_found_with_how_far_back_it_reads() -> None:
    query = 'sum by (pod) (rate(http_requests_total{ns="a"}[5m])) / max_over_time(up[1h:1m])'
    assert [(each.text, each.seconds) for each in selectors(query)] == [
        ('http_requests_total{ns="a"}', 300.0),
        ("up", 3600.0),
    ]


@pytest.mark.parametrize("query", ["rate(", "", "up{", '{job=~".+"}', 'sum({__name__=~"a.*"})'])
def test_what_is_no_query_or_reads_everything_is_refused(query: str) -> None:
    with pytest.raises(ToolFailed):
        selectors(query)


async def test_a_query_gives_its_series_and_an_excerpt_to_cite(server: Server) -> None:
    store = Prometheus(f"http://127.0.0.1:{server.server_port}")
    now = await store.query("up")
    over = await store.query("sum(up)", minutes=10)
    await store.close()
    assert now.excerpt is not None
    assert now.excerpt.text == 'up{job="shop"} 1'
    assert (over.series[0].points, over.series[0].first, over.series[0].last) == (2, 2.0, 5.0)


async def test_a_query_that_would_read_too_much_is_counted_and_not_sent(server: Server) -> None:
    server.series = 1_000_000
    store = Prometheus(f"http://127.0.0.1:{server.server_port}")
    with pytest.raises(LimitReached, match="samples"):
        await store.query("rate(http_requests_total[1h])", minutes=60)
    with pytest.raises(LimitReached, match="days"):
        await store.query("up", minutes=60 * 24 * 30)
    await store.close()
    assert server.asked == ["count(http_requests_total)"]


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    store = Prometheus("http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="cannot be reached"):
        await store.query("up")
    await store.close()
    with pytest.raises(ToolFailed, match="no address"):
        Prometheus("ftp://example.com")


async def test_whatever_a_tenants_query_makes_the_platform_ask_is_narrowed(server: Server) -> None:
    store = Prometheus(f"http://127.0.0.1:{server.server_port}", labels={"namespace": ("shop", "shop-*")})
    found = await store.query('sum(up) / max_over_time(kube_pod_info{namespace="billing"}[1h:5m])', minutes=10)
    await store.close()
    assert len(server.asked) == 3
    for query in server.asked:
        assert query.count("{") == query.count('namespace=~"shop|shop')
    assert 'namespace=~"shop' in found.query
