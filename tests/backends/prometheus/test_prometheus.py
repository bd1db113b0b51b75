"""PromQL is read before it is sent, and what would read too much is not sent."""

from collections.abc import Iterator
from typing import Any

import pytest

from backends.prometheus.store import Store
from groundswell.backends.prometheus.client import Prometheus
from groundswell.backends.prometheus.guard import selectors
from groundswell.core.errors import LimitReached, ToolFailed, Unavailable
from small_server import running


class Server(Store):
    """Answers all with one series."""

    def result(self, query: str, *, over_time: bool) -> list[dict[str, Any]]:
        if over_time:
            return [{"metric": {"job": "shop"}, "values": [[1, "2"], [2, "NaN"], [3, "5"]]}]
        return [{"metric": {"__name__": "up", "job": "shop"}, "value": [1, "1"]}]


@pytest.fixture
def server() -> Iterator[Server]:
    with running(Server()) as store:
        yield store


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
    store = Prometheus(server.url)
    now = await store.query("up")
    over = await store.query("sum(up)", minutes=10)
    await store.close()
    assert now.excerpt is not None
    assert now.excerpt.text == 'up{job="shop"} 1'
    assert (over.series[0].points, over.series[0].first, over.series[0].last) == (2, 2.0, 5.0)


async def test_a_query_that_would_read_too_much_is_counted_and_not_sent(server: Server) -> None:
    server.series = 1_000_000
    store = Prometheus(server.url)
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
    store = Prometheus(server.url, labels={"namespace": ("shop", "shop-*")})
    found = await store.query('sum(up) / max_over_time(kube_pod_info{namespace="billing"}[1h:5m])', minutes=10)
    await store.close()
    assert len(server.asked) == 3
    for query in server.asked:
        assert query.count("{") == query.count('namespace=~"shop|shop')
    assert 'namespace=~"shop' in found.query
