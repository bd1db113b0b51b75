"""A claim stands only on evidence: mutants of true claims fall, and true claims stay."""

import importlib.util
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundswell.agents.grounding import ground, grounded, refused
from groundswell.core.records import Citation, Claim, Evidence, Excerpt
from groundswell.testing import FakeTools, run_context, runtime_of


def beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TRUE = beside("true_claims").TRUE
mutants = beside("mutants")
EVIDENCE = {
    source: Evidence(digest=source, source=source, text=text, retrieved=datetime(2026, 11, 24, tzinfo=UTC))
    for source, text, _ in TRUE
}
CLAIMS = [(claim, source, quote) for source, _, claims in TRUE for claim, quote in claims]


def why_not(text: str, source: str, quote: str, *, cited: str = "", evidence: str = "") -> str:
    citation = Citation(evidence=evidence or source, source=cited or source, quote=quote)
    return refused(Claim(text=text, citations=(citation,)), EVIDENCE, {})


def on(evidence: str, claim: str, quote: str = "", source: str = "https://x.test/a") -> bool:
    """Whether a claim stands on a text."""
    known = {"d": Evidence(digest="d", source=source, text=evidence, retrieved=datetime.now(UTC))}
    citation = Citation(evidence="d", source=source, quote=quote or evidence)
    return not refused(Claim(text=claim, citations=(citation,)), known, {})


@pytest.mark.parametrize(("claim", "source", "quote"), CLAIMS, ids=[claim for claim, _, _ in CLAIMS])
def test_a_true_claim_stands(claim: str, source: str, quote: str) -> None:
    assert why_not(claim, source, quote) == ""


def survivors(mutate: Callable[[str], Iterator[str]]) -> tuple[int, list[str]]:
    made = {(text, source, quote) for claim, source, quote in CLAIMS for text in mutate(claim) if text != claim}
    return len(made), sorted(text for text, source, quote in made if not why_not(text, source, quote))


@pytest.mark.parametrize(("kind", "least"), [("numbers", 150), ("names", 150), ("dates", 50), ("negations", 50)])
def test_mutants_of_true_claims_fall(kind: str, least: int) -> None:
    count, left = survivors(getattr(mutants, kind))
    assert count >= least
    assert len(left) <= count / 100, left


def test_a_claim_falls_with_any_other_evidence_or_source() -> None:
    for claim, source, quote in CLAIMS:
        for other in EVIDENCE:
            if other != source:
                assert why_not(claim, source, quote, evidence=other), (claim, other)
                assert why_not(claim, source, quote, cited=other), (claim, other)


@given(st.sampled_from(CLAIMS), st.integers(0, 400), st.sampled_from("xq7#"))
def test_a_quote_with_another_letter_does_not_stand(claim: tuple[str, str, str], at: int, letter: str) -> None:
    text, source, quote = claim
    at %= len(quote)
    changed = quote[:at] + letter + quote[at + 1 :]
    if " ".join(changed.split()) not in " ".join(EVIDENCE[source].text.split()):
        assert why_not(text, source, changed)


@given(st.sampled_from(CLAIMS), st.sampled_from([" ", "\n", "\n    ", "\t"]))
def test_white_space_in_a_quote_does_not_matter(claim: tuple[str, str, str], blank: str) -> None:
    text, source, quote = claim
    assert why_not(text, source, blank.join(quote.split())) == ""


@given(st.integers(2, 10**9), st.integers(2, 10**9), st.sampled_from([",", "_", "\u202f", ""]))
def test_a_number_stands_however_its_thousands_are_set(number: int, other: int, mark: str) -> None:
    written = f"{number:,}".replace(",", mark)
    assert on(f"The table has {written} rows.", f"The table has {number} rows.")
    assert on(f"The table has {number} rows.", f"The table has {number:,} rows.")
    if other != number:
        assert not on(f"The table has {written} rows.", f"The table has {other} rows.")


@given(st.integers(1, 59), st.integers(1, 59))
def test_units_are_converted_and_not_exchanged(number: int, other: int) -> None:
    assert on(f"The timeout is {number}s.", f"The timeout is {number} seconds.")
    assert on(f"The timeout is {number * 1000} ms.", f"The timeout is {number} s.")
    assert not on(f"The timeout is {number} s.", f"The timeout is {number} ms.")
    assert on(f"The limit is {number}Gi.", f"The limit is {number * 1024} MiB.")
    if other != number:
        assert not on(f"The timeout is {number} s.", f"The timeout is {other} s.")


DAYS = st.dates(min_value=date(1000, 1, 1))


def written(day: date) -> list[str]:
    formats = ("%Y-%m-%d", "%d.%m.%Y", "%d %B %Y", "%B %d, %Y", "%b %d %Y", "%Y/%m/%d")
    return [day.strftime(each) for each in formats]


@given(DAYS, DAYS)
def test_a_date_stands_in_any_format(day: date, other: date) -> None:
    for text in written(day):
        assert on(f"Released on {text} at last.", f"It was released on {day}."), text
        if (other.year, {other.day, other.month}) != (day.year, {day.day, day.month}):  # `01.02.` is read either way
            assert not on(f"Released on {text} at last.", f"It was released on {other}."), text


@pytest.mark.parametrize(
    ("evidence", "claim"),
    [
        ("The cache is used.", "The cache is not used."),
        ("The cache is not used.", "The cache is used."),
        ("The cache is no longer used.", "The cache is used."),
        ("The client fails to connect.", "The client connects."),
        ("The client connects.", "The client fails to connect."),
        ("The job runs without a lock.", "The job runs with a lock."),
        ("It isn't safe for concurrent use.", "It is safe for concurrent use."),
        ("The endpoint is available.", "The endpoint is unavailable."),
        ("TLS is enabled by default.", "TLS is disabled by default."),
        ("Nothing was deleted from the store.", "The store was deleted."),
    ],
)
def test_a_claim_falls_where_the_evidence_says_the_opposite(evidence: str, claim: str) -> None:
    assert on(evidence, evidence)
    assert not on(evidence, claim)


def test_a_quote_cannot_leave_out_the_negation_around_it() -> None:
    assert not on("The client does not\nretry requests.", "The client does retry requests.", "retry requests")
    assert not on("We never retry requests twice.", "Requests are retried.", "retry requests")


def test_a_whole_sentence_of_the_evidence_is_never_its_opposite() -> None:
    option = "`--no-compress` disables compression. By default, Zstandard and Gzip compression are enabled."
    first = "`--no-compress` disables compression."
    cache = "**The data directory must not be treated as a cache.** Its contents are **not** ephemeral, and stay."
    assert on(option, first, first)
    assert not on(option, "`--no-compress` enables compression.", first)
    assert on(cache, "The data directory must not be treated as a cache.", cache[:52])
    assert on(cache, "Its contents are not ephemeral, and stay.", "Its contents are **not** ephemeral, and stay.")
    assert not on(cache, "The data directory must be treated as a cache.", cache[:52])
    assert not on("Nobody says that the pods are ready.", "the pods are ready.", "the pods are ready.")


def test_a_negation_of_something_else_does_no_harm() -> None:
    assert on("The cache is not used, and requests are retried.", "Requests are retried.")
    assert on("if not retry(x):\n    stop()", "`retry` is called in line 3.", "if not retry(x):", "repo:a.py#L3-L4")


def test_lines_stand_in_the_source() -> None:
    text = "def a():\n    pass\n\ndef b():"
    assert on(text, "`a` is in line 3.", "def a():", "repo:a.py#L3-L6")
    assert on(text, "`a` is in a.py:3.", "def a():", "repo:a.py#L3-L6")
    assert on(text, "Lines 3-6 define `a` and `b`.", text, "repo:a.py#L3-L6")
    assert not on(text, "`a` is in line 4.", "def a():", "repo:a.py#L3-L6")
    assert not on(text, "`a` is in b.py:3.", "def a():", "repo:a.py#L3-L6")
    assert not on(text, "`b` is in line 3.", "def b():", "repo:a.py#L4-L6")


def test_a_name_is_not_a_part_of_a_name() -> None:
    assert not on("call retry_all() now", "It calls `retry`.")
    assert not on("pod web-7d9f8-abcde is up", "Pod web-7d9f8 is up.")
    assert on("module pkg.net.retry has it", "`pkg.net.retry` has it.")
    assert not on("module pkg.net.retry has it", "`pkg.web.retry` has it.")


def claim(text: str, quote: str, kind: str = "observed", digest: str = "d") -> Claim:
    citation = Citation(evidence=digest, source=f"repo:{digest}.py#L1-L2", quote=quote)
    return Claim.model_validate({"text": text, "kind": kind, "citations": [citation.model_dump()]})


def known(**texts: str) -> dict[str, Evidence]:
    return {
        digest: Evidence(digest=digest, source=f"repo:{digest}.py#L1-L2", text=text, retrieved=datetime.now(UTC))
        for digest, text in texts.items()
    }


def test_an_inference_needs_an_observation_of_the_same_evidence() -> None:
    evidence = known(d="user = find()\nuser.name", e="x = 1\ny = 2")
    seen = claim("Line 2 reads `user.name`.", "user.name")
    guess = claim("`user` holds no object in line 2.", "user.name", "inferred")
    assert grounded([seen, guess], evidence)[0] == {0, 1}
    assert grounded([guess], evidence)[0] == set()
    assert grounded([claim("Line 9 reads `user.name`.", "user.name"), guess], evidence)[0] == set()
    other = claim("Line 1 sets `x`.", "x = 1", digest="e")
    assert grounded([other, guess], evidence)[0] == {0}


def test_an_inference_names_only_what_it_cites() -> None:
    evidence = known(d="user = find()\nuser.name")
    seen = claim("Line 2 reads `user.name`.", "user.name")
    assert grounded([seen, claim("`account` holds no object.", "user.name", "inferred")], evidence)[0] == {0}
    assert grounded([seen, claim("`user` is 7.", "user.name", "inferred")], evidence)[0] == {0}


def test_a_name_in_capitals_stands_where_many_of_it_do() -> None:
    evidence = known(d="URLs and HTML files can be given.")
    assert grounded([claim("URLs can be given.", "URLs and HTML files can be given.")], evidence)[0] == {0}
    assert grounded([claim("PDFs can be given.", "URLs and HTML files can be given.")], evidence)[0] == set()


def test_a_claim_that_cites_nothing_falls() -> None:
    assert grounded([Claim(text="It works.")], {})[0] == set()
    assert not on("abc", "It works.", "   ")


async def test_the_node_keeps_what_stands_and_counts_what_does_not() -> None:
    excerpt = Excerpt(source="repo:a.py#L7", text="def retry(times):")
    tools = FakeTools(file_read=excerpt)
    context = run_context(tools, "where is retry?")
    stored = await tools.call("file_read", returns=Excerpt)
    cited = [{"evidence": stored.digest, "source": stored.source, "quote": "def retry(times):"}]
    draft = {
        "claims": [
            {"text": "`retry` is defined in a.py:7.", "citations": cited},
            {"text": "`retry` is defined in a.py:8.", "citations": cited},
        ],
        "blocks": [
            {"title": "Found:", "claims": [0, 1], "bullets": True},
            {"title": "Also:", "claims": [1]},
        ],
    }
    update = await ground({"draft": draft}, runtime_of(context))
    assert update["answer"]["text"] == "Found:\n- `retry` is defined in a.py:7."
    assert update["answer"]["dropped"] == 1
    assert [each["text"] for each in update["answer"]["claims"]] == ["`retry` is defined in a.py:7."]
    assert tools.notes[0][1]["dropped"][0]["claim"] == "`retry` is defined in a.py:8."


async def test_the_same_words_in_two_places_ground_a_claim_about_either() -> None:
    first = Excerpt(source="repo:a.py#L7", text="import os")
    second = Excerpt(source="repo:b.py#L9", text="import os")
    tools = FakeTools(file_read=[first, second])
    context = run_context(tools)
    _, stored = await tools.call("file_read", returns=list[Excerpt])
    cited = [{"evidence": stored.digest, "source": "repo:b.py#L9", "quote": "import os"}]
    draft = {"claims": [{"text": "b.py imports `os` in line 9.", "citations": cited}]}
    places = {stored.digest: ["repo:a.py#L7", "repo:b.py#L9"]}
    assert (await ground({"draft": draft, "places": places}, runtime_of(context)))["answer"]["dropped"] == 0
    assert (await ground({"draft": draft}, runtime_of(context)))["answer"]["dropped"] == 1
