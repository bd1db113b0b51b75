"""Policies are judged as pure functions, and by properties that must hold for any input."""

from hypothesis import given
from hypothesis import strategies as st

from groundswell.core.policy import ArgumentRule, Grant, SourceUse, ToolCall, Verdict
from groundswell.policies.arguments import argument_rules
from groundswell.policies.collections import allowed_collections
from groundswell.policies.domains import allowed_domains
from groundswell.policies.namespaces import allowed_namespaces, allowed_series
from groundswell.policies.sources import allowed_sources
from groundswell.policies.tools import allowed_tools


def grant(**fields: object) -> Grant:
    return Grant.model_validate({"agent": "coding", "tenant": "team", **fields})


def call(tool: str = "web_fetch", **arguments: object) -> ToolCall:
    return ToolCall(agent="coding", tool=tool, arguments=arguments)


def source(text: str, **fields: object) -> Verdict:
    return allowed_sources.function(SourceUse(kind="repo", source=text), grant(**fields))


def site(text: str, **fields: object) -> Verdict:
    return allowed_sources.function(SourceUse(kind="pages", source=text), grant(**fields))


def ruled(rule: ArgumentRule, *more: ArgumentRule, **arguments: object) -> bool:
    verdict = argument_rules.function(
        call("file_read", **arguments), grant(arguments={"file_read": {"path": (rule, *more)}})
    )
    return verdict.allowed


def reaches(url: object, *domains: str) -> bool:
    return allowed_domains.function(call(url=url), grant(domains=domains)).allowed


def test_a_tool_that_is_not_granted_is_denied_with_what_is() -> None:
    verdict = allowed_tools.function(call("shell"), grant(tools={"file_read"}))
    assert not verdict.allowed
    assert "file_read" in verdict.hint
    assert "policy.toml" in verdict.hint


@given(st.text(), st.frozensets(st.text(), max_size=4))
def test_only_tools_on_the_list_are_allowed(name: str, listed: frozenset[str]) -> None:
    assert allowed_tools.function(call(name), grant(tools=listed)).allowed == (name in listed)


def test_every_rule_of_an_argument_must_hold() -> None:
    assert ruled(ArgumentRule(any_of=("src/*",)), ArgumentRule(none_of=("*.env",)), path="src/a.py")
    assert not ruled(ArgumentRule(any_of=("src/*",)), ArgumentRule(none_of=("*.env",)), path="src/a.env")
    assert not ruled(ArgumentRule(any_of=("src/*",)), ArgumentRule(any_of=("docs/*",)), path="src/a.py")


def test_a_ruled_argument_that_is_not_stated_is_denied() -> None:
    assert not ruled(ArgumentRule(at_most=10))


def test_a_path_is_judged_by_what_it_means() -> None:
    rule = ArgumentRule(any_of=("src/*",))
    assert not ruled(rule, path="src/../secrets/key")
    assert not ruled(rule, path="src\\..\\secrets\\key")
    assert not ruled(ArgumentRule(none_of=("secrets/*",)), path="src/../secrets/key")
    assert not ruled(ArgumentRule(none_of=("secrets/*",)), path="./secrets/key")


def test_lists_are_judged_by_each_of_their_values() -> None:
    assert not ruled(ArgumentRule(any_of=("a", "b")), path=["a", "c"])
    assert not ruled(ArgumentRule(none_of=("c",)), path={"x": ["a", "c"]})
    assert not ruled(ArgumentRule(any_of=("a",)), path=[])


def test_at_most_takes_numbers_and_what_a_tool_would_read_as_one() -> None:
    rule = ArgumentRule(at_most=10)
    assert ruled(rule, path=10)
    assert ruled(rule, path="9.5")
    for value in (11, "11", "nan", float("nan"), True, None, "many", 10**400):
        assert not ruled(rule, path=value), value


@given(st.lists(st.sampled_from(["..", ".", "a", "src", "secrets", ""]), max_size=8))
def test_no_way_of_writing_a_path_leads_out_of_what_is_allowed(parts: list[str]) -> None:
    path = "/".join(parts)
    if ruled(ArgumentRule(any_of=("src/*",)), path=path):
        inside: list[str] = []
        for part in parts:
            if part == "..":
                assert inside, path
                inside.pop()
            elif part not in ("", "."):
                inside.append(part)
        assert inside[:1] == ["src"]


def test_what_the_local_caller_names_is_granted() -> None:
    assert source("dump:/tmp/x", sources=["dump:/tmp/x"]).allowed
    assert not source("dump:/tmp/y", sources=["dump:/tmp/x"]).allowed


def test_a_folder_below_a_root_is_granted_only_with_its_scheme() -> None:
    assert source("path:/srv/repos/app", schemes=["path"], roots=["/srv/repos"]).allowed
    assert source("path:/srv/repos", schemes=["path"], roots=["/srv/repos/"]).allowed
    assert source("file:///srv/repos/my%20app", schemes=["file"], roots=["/srv/repos"]).allowed
    assert not source("path:/srv/repos/app", roots=["/srv/repos"]).allowed
    assert not source("path:/srv/repos/app", schemes=["path"]).allowed


def test_no_writing_of_a_folder_leads_out_of_its_root() -> None:
    for text in (
        "path:/srv/repos/../secret",
        "path:/srv/repos-secret",
        "path:/srv/repos/a/../../secret",
        "path:srv/repos",
        "path:../srv/repos",
        "path:/srv/repos\\..\\..\\etc",
        "path:/srv/repos/\0/etc",
        "file:///srv/repos/%2e%2e/secret",
        "file://elsewhere/srv/repos/app",
        "file:srv/repos/app",
        "path:~/repos",
    ):
        assert not source(text, schemes=["path", "file"], roots=["/srv/repos"]).allowed, text


def test_a_relative_root_grants_nothing() -> None:
    assert not source("path:/srv/repos", schemes=["path"], roots=["srv", "", ".", "/srv/x/../repos"]).allowed


@given(st.lists(st.sampled_from(["..", ".", "", "repos", "app", "srv", "repos-2", "%2e%2e"]), max_size=9))
def test_an_allowed_folder_always_lies_below_the_root(parts: list[str]) -> None:
    if source("path:/" + "/".join(parts), schemes=["path"], roots=["/srv/repos"]).allowed:
        where: list[str] = []
        for part in parts:
            where = where[:-1] if part == ".." else where if part in (".", "") else [*where, part]
        assert where[:2] == ["srv", "repos"]


def test_a_host_is_granted_by_its_domain_and_its_scheme() -> None:
    domains = ["git.example.org"]
    assert site("https://git.example.org/team/app.git", schemes=["https"], domains=domains).allowed
    assert not site("https://git.example.org/team/app.git", domains=domains).allowed
    assert not site("http://git.example.org/team/app.git", schemes=["https"], domains=domains).allowed
    assert not site("https://git.example.org@evil.test/a", schemes=["https"], domains=domains).allowed


def test_a_repository_is_granted_by_its_address_and_not_by_its_domain() -> None:
    listed = ["https://git.example.org/shop/*", "https://*.forge.test/ui.git"]
    for good in (
        "https://git.example.org/shop/app",
        "https://git.example.org/shop/app.git",
        "https://GIT.example.org/shop/app/",
        "https://git.example.org:443/shop/sub/app",
        "https://eu.forge.test/ui",
    ):
        assert source(good, repositories=listed).allowed, good
    for bad in (
        "https://git.example.org/shop/../other/app",
        "https://git.example.org/shop/%2e%2e/other/app",
        "https://git.example.org/shop//app",
        "https://git.example.org/shop",
        "https://git.example.org/shopping/app",
        "https://git.example.org:8443/shop/app",
        "https://git.example.org/shop/app?x=/shop/",
        "https://git.example.org/shop/app#x",
        "http://git.example.org/shop/app",
        "https://me@git.example.org/shop/app",
        "https://evil.test/.forge.test/ui",
        "https://evil.test/a.forge.test/ui.git",
        " https://git.example.org/shop/app",
        "https://git.example.org\\@evil.test/shop/app",
    ):
        assert not source(bad, repositories=listed, schemes=["https", "http"], domains=["*"]).allowed, bad


@given(st.text(alphabet="ab/.%:@?#", max_size=20))
def test_an_allowed_repository_always_lies_below_what_is_listed(rest: str) -> None:
    if source(f"https://good.test/{rest}", repositories=["https://good.test/a/*"]).allowed:
        assert rest.startswith("a/")
        assert ".." not in rest.split("/")
        assert not set("%?#@") & set(rest)


def test_what_policy_gives_a_tenant_is_allowed_as_it_stands_and_nothing_near_it() -> None:
    listed = {"kubernetes": "in-cluster:", "prometheus": "http://prometheus.monitoring:9090"}
    for kind, text in listed.items():
        assert allowed_sources.function(SourceUse(kind=kind, source=text), grant(listed=listed)).allowed
    for kind, text in (
        ("kubernetes", "kubeconfig:"),
        ("kubernetes", "http://prometheus.monitoring:9090"),
        ("prometheus", "http://prometheus.monitoring:9091"),
        ("prometheus", "http://prometheus.monitoring:9090/other"),
        ("repo", "in-cluster:"),
    ):
        assert not allowed_sources.function(SourceUse(kind=kind, source=text), grant(listed=listed)).allowed, text


def test_a_namespace_is_refused_in_the_same_words_whether_it_is_there_or_not() -> None:
    verdicts = [
        allowed_namespaces.function(call("pod_logs", namespace=name, pod="p"), grant(namespaces=["shop", "shop-*"]))
        for name in ("shop", "shop-eu", "", "billing", "nowhere", "SHOP", "shop*", "*")
    ]
    assert [each.allowed for each in verdicts] == [True, True, True, False, False, False, False, False]
    assert verdicts[3].message.replace("billing", "nowhere") == verdicts[4].message
    assert 'namespaces = ["billing"]' in verdicts[3].hint
    assert not allowed_namespaces.function(call("pod_logs", namespace=["shop"]), grant(namespaces=["*"])).allowed
    assert not allowed_namespaces.function(call("pod_logs", namespace="shop"), grant()).allowed
    assert allowed_namespaces.function(call("pod_logs", namespace="shop"), grant(namespaces=None)).allowed


def test_a_collection_is_granted_by_its_name_wherever_a_call_names_it() -> None:
    def may(tool: str, **arguments: object) -> bool:
        return allowed_collections.function(call(tool, **arguments), grant(collections=["docs", "team-*"])).allowed

    assert may("documents_search", query="x", collections=["docs", "team-a"])
    assert not may("documents_search", query="x", collections=["docs", "secret"])
    assert may("collection_show", name="team-a")
    assert not may("collection_remove", name="secret")
    assert may("symbol_find", name="secret")
    assert not allowed_collections.function(call("collection_show", name="docs"), grant()).allowed


def test_without_a_label_no_series_are_read() -> None:
    asked = call("metrics_query", promql="up")
    assert not allowed_series.function(asked, grant()).allowed
    assert allowed_series.function(asked, grant(labels={"namespace": ["shop"]})).allowed
    assert allowed_series.function(asked, grant(labels=None)).allowed


@given(st.text(max_size=30))
def test_an_unknown_scheme_is_denied_even_when_it_is_listed(text: str) -> None:
    scheme = text.partition(":")[0].strip().lower()
    if scheme not in ("path", "file", "https", "http"):
        assert not source(text, schemes=[scheme, text], roots=["/"], domains=["*"]).allowed


def test_a_denied_source_names_the_line_that_would_grant_it() -> None:
    assert 'schemes = ["path"]' in source("path:/srv/a").hint
    assert 'roots = ["/srv"]' in source("path:/srv/a", schemes=["path"]).hint
    assert 'domains = ["x.test"]' in site("https://x.test/a", schemes=["https"]).hint
    assert 'repositories = ["https://x.test/a"]' in source("https://x.test/a", schemes=["https"]).hint
    assert "[tenants.team]" in source("path:/srv/a").hint


def test_hosts_are_compared_as_dns_does() -> None:
    assert reaches("https://Docs.Example.ORG./a", "docs.example.org")
    assert reaches("https://docs.example.org/a", "*.example.org")
    assert reaches("https://bücher.example/a", "xn--bcher-kva.example")
    assert reaches("https://bücher.example/a", "bücher.example")
    assert reaches("http://[::1]:8080/", "::1")
    assert not reaches("https://example.org/", "*.example.org")
    assert not reaches("https://docs.example.org/")


def test_no_trick_of_writing_a_url_reaches_another_host() -> None:
    for url in (
        "https://good.test@evil.test/",
        "https://good.test:secret@evil.test/",
        "https://evil.test\\@good.test/",
        "https:\\\\evil.test\\good.test",
        "https://evil.test#@good.test/",
        "https://evil.test?@good.test/",
        "https://good.test.evil.test/",
        "https://good.test%2eevil.test/",
        "https://evil.test/good.test",
        "https://good.test\u3002evil.test/",
        "ht\ntps://evil.test/",
        "  https://evil.test/",
        "https://ｅvil.test/",
        "https:///good.test",
        "https://good.test:port/",
        "https://good.test evil.test/",
        "gopher://evil.test/",
    ):
        assert not reaches(url, "good.test"), url
        assert not reaches({"deep": [url]}, "good.test"), url


def test_a_text_that_mentions_a_url_reaches_nothing() -> None:
    assert reaches("where is https://evil.test used?", "good.test")


@given(st.text(alphabet="abgodtes.@:/\\#?%[]- \u3002\uff0e", max_size=40))
def test_what_is_allowed_goes_to_the_listed_host_whoever_reads_it(rest: str) -> None:
    if reaches(f"https://{rest}", "good.test"):
        authority = rest.replace("\\", "/").partition("/")[0].partition("?")[0].partition("#")[0]
        host = authority.partition(":")[0].replace("\u3002", ".").replace("\uff0e", ".")
        assert host.rstrip(".") == "good.test", rest
