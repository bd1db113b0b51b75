"""Policies are judged as pure functions, and by properties that must hold for any input."""

from hypothesis import given
from hypothesis import strategies as st

from groundswell.core.policy import ArgumentRule, Grant, SourceUse, ToolCall, Verdict
from groundswell.policies.arguments import argument_rules
from groundswell.policies.domains import allowed_domains
from groundswell.policies.sources import allowed_sources
from groundswell.policies.tools import allowed_tools


def grant(**fields: object) -> Grant:
    return Grant.model_validate({"agent": "coding", "tenant": "team", **fields})


def call(tool: str = "web_fetch", **arguments: object) -> ToolCall:
    return ToolCall(agent="coding", tool=tool, arguments=arguments)


def source(text: str, **fields: object) -> Verdict:
    return allowed_sources.function(SourceUse(kind="repo", source=text), grant(**fields))


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
    assert source("https://git.example.org/team/app.git", schemes=["https"], domains=domains).allowed
    assert not source("https://git.example.org/team/app.git", domains=domains).allowed
    assert not source("http://git.example.org/team/app.git", schemes=["https"], domains=domains).allowed
    assert not source("https://git.example.org@evil.test/a", schemes=["https"], domains=domains).allowed


@given(st.text(max_size=30))
def test_an_unknown_scheme_is_denied_even_when_it_is_listed(text: str) -> None:
    scheme = text.partition(":")[0].strip().lower()
    if scheme not in ("path", "file", "https", "http"):
        assert not source(text, schemes=[scheme, text], roots=["/"], domains=["*"]).allowed


def test_a_denied_source_names_the_line_that_would_grant_it() -> None:
    assert 'schemes = ["path"]' in source("path:/srv/a").hint
    assert 'roots = ["/srv"]' in source("path:/srv/a", schemes=["path"]).hint
    assert 'domains = ["x.test"]' in source("https://x.test/a", schemes=["https"]).hint
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
