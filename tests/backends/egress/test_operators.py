"""Endpoints of the operator are trusted exactly, by host and port; where they redirect to, nobody goes."""

from collections.abc import AsyncIterator

import pytest

from backends.web.sites import Site, site
from groundswell.backends.databases.runs import Scope
from groundswell.backends.models.chat import ChatModel, Endpoint
from groundswell.backends.models.embeddings_endpoint import EndpointEmbedder
from groundswell.backends.prometheus.client import Prometheus
from groundswell.backends.web.access import WebAccess
from groundswell.backends.web.searxng import SearxNG
from groundswell.core.errors import Denied, GroundswellError
from groundswell.core.policy import Grant
from groundswell.core.settings import EgressSettings, Sources, WebSettings
from groundswell.runtime.egress import egress, operators
from groundswell.runtime.run_pages import Pages


@pytest.fixture
async def there() -> AsyncIterator[Site]:
    async with site() as served:
        yield served


@pytest.fixture
async def canary() -> AsyncIterator[Site]:
    async with site() as served:
        yield served


WAY = EgressSettings()


def pages(configured: str = "") -> Pages:
    return Pages(WebSettings(), None, None, egress(WAY), Sources(prometheus=configured, pages=configured))  # type: ignore[arg-type]


async def test_where_an_operators_endpoint_redirects_to_nobody_goes(there: Site, canary: Site) -> None:
    for path in ("/api/v1/query", "/v1/models", "/v1/embeddings", "/search"):
        there.page(path, b"", "text/html", "302 Found", f"Location: {canary.url}{path}")
        canary.page(path, b"{}", "application/json")
    store = Prometheus(there.url, operators(WAY, there.url))
    with pytest.raises(GroundswellError):
        await store.query("up")
    await store.close()
    model = ChatModel(Endpoint(f"{there.url}/v1"), transport=operators(WAY, there.url))
    with pytest.raises(GroundswellError):
        await model.ready()
    embedder = EndpointEmbedder(f"{there.url}/v1", model="m", transport=operators(WAY, there.url))
    with pytest.raises(GroundswellError):
        await embedder.embed(["x"], kind="query")
    await embedder.close()
    assert len(there.asked) >= 3
    assert canary.asked == []


async def test_only_the_port_that_was_named_is_trusted(there: Site, canary: Site) -> None:
    store = Prometheus(canary.url, operators(WAY, there.url))
    with pytest.raises(Denied):
        await store.query("up")
    await store.close()
    assert canary.asked == []


async def test_a_prometheus_that_another_tenant_names_may_not_be_private(there: Site) -> None:
    answer = '{"status":"success","data":{"resultType":"vector","result":[]}}'
    there.page("/api/v1/query", answer, "application/json")
    nobody, ana = Grant(agent="observability", tenant="b"), {"prometheus": there.url}
    listed = Grant(agent="observability", tenant="b", listed=ana)
    for granted, configured, grant, allowed in (
        ((), "", nobody, False),
        ((there.url,), "", nobody, True),
        ((), there.url, nobody, True),
        ((), "", listed, True),
    ):
        scope = Scope(ana, granted, "ana", False)
        store = Prometheus(there.url, pages(configured).operators(there.url, scope, grant))
        if allowed:
            assert (await store.query("up")).series == ()
        else:
            with pytest.raises(Denied):
                await store.query("up")
        await store.close()


async def test_trusting_a_search_engine_opens_it_to_searches_and_not_to_pages(there: Site) -> None:
    there.page("/search", '{"results":[]}', "application/json")
    source = f"searxng:{there.url}"
    closers: list = []
    access = pages(source).access(Scope({"pages": source}, (), "ana", False), lambda url: None, closers)
    assert isinstance(access, WebAccess)
    assert isinstance(access.engine, SearxNG)
    assert await access.search("tides") == []
    with pytest.raises(Denied):
        await access.fetch(f"{there.url}/search")
    for close in closers:
        await close()
