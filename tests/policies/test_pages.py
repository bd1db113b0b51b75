"""What a run's pages let it reach: what the local caller named itself, and nothing that a page or a model chose."""

import pytest

from groundswell.core.policy import Grant, SourceUse, ToolCall
from groundswell.policies.domains import allowed_domains
from groundswell.policies.sources import allowed_sources

MINE = Grant(agent="web", tenant="local", sources=("wikipedia:de", "https://docs.example:8443/guide/"))


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://de.wikipedia.org/wiki/Tide", True),
        ("https://docs.example/other", True),
        ("https://en.wikipedia.org/wiki/Tide", False),
        ("https://evil.example/", False),
        ("https://docs.example.evil.example/", False),
    ],
)
def test_a_source_that_was_named_grants_its_host_alone(url: str, allowed: bool) -> None:
    assert (
        allowed_domains.function(ToolCall(agent="web", tool="web_fetch", arguments={"url": url}), MINE).allowed
        is allowed
    )


def test_a_search_engine_that_was_named_grants_no_page_that_it_names() -> None:
    grant = Grant(agent="web", tenant="local", sources=("searxng:http://127.0.0.1:8888",))
    call = ToolCall(agent="web", tool="web_fetch", arguments={"url": "http://127.0.0.1:8888/x"})
    assert not allowed_domains.function(call, grant).allowed


@pytest.mark.parametrize(
    ("source", "schemes", "allowed"),
    [
        ("collection:docs", (), True),
        ("collection:docs,other", (), False),
        ("collection:other", ("collection",), False),
        ("wikipedia:", ("wikipedia",), True),
        ("searxng:https://search.example", ("searxng",), True),
        ("searxng:https://other.example", ("searxng",), False),
        ("searxng:http://127.0.0.1:80", ("searxng",), False),
    ],
)
def test_other_tenants_have_the_sources_that_policy_lists(source: str, schemes: tuple[str, ...], allowed: bool) -> None:
    grant = Grant(agent="web", tenant="acme", schemes=schemes, domains=("search.example",), collections=("docs",))
    assert allowed_sources.function(SourceUse(kind="pages", source=source), grant).allowed is allowed
