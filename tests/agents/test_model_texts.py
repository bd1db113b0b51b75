"""What models write, read as calls and as claims; and the prompts they are given."""

import re
from datetime import UTC, datetime
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundswell.agents.cited_text import Known, claims_in, pieces
from groundswell.agents.conversation import Evidences, fenced, folded
from groundswell.agents.prompt_files import prompt
from groundswell.agents.tool_texts import arguments_of, calls_in
from groundswell.core.records import Evidence

TEXT = 'attempts = 3\nwait = "long [really]"\nThe pool closes after 90 seconds.'
SOURCE = "repo:pool.py#L10-L12"
KNOWN = {
    "E1": Known(Evidence(digest="d", source=SOURCE, text=TEXT, retrieved=datetime.now(UTC)), SOURCE),
}
NAMES = sorted(
    file.name.removesuffix(".md") for file in resources.files("groundswell.agents").joinpath("prompts").iterdir()
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"q": "a"}', {"q": "a"}),
        ("{'q': 'a'}", {"q": "a"}),
        ('{"q": "a",}', {"q": "a"}),
        ('```json\n{"q": "a"}\n```', {"q": "a"}),
        ('"{\\"q\\": 1}"', {"q": 1}),
        ('{"q": "two\nlines"}', {"q": "two\nlines"}),
        ("", {}),
        ("[1]", None),
        ("q=a", None),
        ('{"q": ', None),
        (r'{"q\u0000": ["\u0000", "\ud800", "\ud83d\ude00"]}', {"q\ufffd": ["\ufffd", "?", "\U0001f600"]}),
        ('{"q": ' + "[" * 900 + "]" * 900 + "}", None),
    ],
)
def test_arguments_are_read_as_they_were_meant(text: str, found: object) -> None:
    assert arguments_of(text) == found


@given(st.text())
def test_no_text_breaks_what_reads_it(text: str) -> None:
    arguments_of(text)
    calls_in(text, {"look"})
    for each in claims_in(text, KNOWN):
        assert pieces(each)


def test_json_in_an_answer_is_no_call_unless_it_names_a_tool() -> None:
    assert calls_in('```json\n{"name": "Ada"}\n```', {"look"})[0] == []
    assert [call.name for call in calls_in('<tool_call>{"name": "nope"}</tool_call>', {"look"})[0]] == ["nope"]


@pytest.mark.parametrize(
    ("text", "quote", "source"),
    [
        ('It tries 3 times [E1 "attempts = 3"].', "attempts = 3", "repo:pool.py#L10"),
        ("It tries 3 times [E1: “attempts = 3”].", "attempts = 3", "repo:pool.py#L10"),
        ("It tries 3 times [E1 `attempts = 3`].", "attempts = 3", "repo:pool.py#L10"),
        ('- The wait is long [E1 "wait = \\"long [really]\\""]', 'wait = "long [really]"', "repo:pool.py#L11"),
        ("1. The pool closes after 90 seconds [E1].", "The pool closes after 90 seconds.", "repo:pool.py#L12"),
        ('It tries 3 times [E1 "attempts  =\n 3"]'.replace("\n", " "), "attempts = 3", "repo:pool.py#L10"),
    ],
)
def test_a_citation_finds_its_words_and_their_lines(text: str, quote: str, source: str) -> None:
    (said,) = claims_in(text, KNOWN)
    assert [(citation.quote, citation.source) for citation in said.claim.citations] == [(quote, source)]


def test_several_sentences_and_several_citations_stay_apart() -> None:
    first, second = claims_in('One thing [E1 "attempts = 3"] [E1 "90 seconds"]. Another [E1 "90 seconds"].', KNOWN)
    assert (first.claim.text, len(first.claim.citations)) == ("One thing.", 2)
    assert (second.claim.text, len(second.claim.citations)) == ("Another.", 1)


def test_what_is_unknown_or_uncited_is_a_claim_without_citations() -> None:
    assert [said.claim.citations for said in claims_in("This is simply so. [E9]\nAnd this is simply so.", KNOWN)] == [
        (),
        (),
    ]


def test_an_inference_and_a_finding_set_aside_are_marked() -> None:
    inferred, aside = claims_in('Inference: it is slow [E1 "wait"].\nSet aside F2: it waits [E1 "wait"].', KNOWN)
    assert (inferred.claim.kind, inferred.claim.text) == ("inferred", "it is slow.")
    assert (aside.aside, aside.claim.text) == ("F2", "it waits.")


@given(st.text())
def test_a_fence_is_never_closed_from_within(text: str) -> None:
    told = fenced(text, "a page")
    mark = re.match(r"<(data-[0-9a-f]{8}) from", told)
    assert mark is not None
    assert told.count(f"</{mark.group(1)}>") == 1


def test_excerpts_get_the_same_number_every_time_and_no_digest_is_shown() -> None:
    excerpt = {"source": SOURCE, "text": "x", "digest": "0123abcd", "truncated": False}
    numbers = Evidences([])
    assert "0123abcd" not in numbers.rendered([{"excerpt": excerpt}, excerpt])
    assert numbers.number("0123abcd", SOURCE, "x") == "E1"


@given(st.lists(st.lists(st.sampled_from([{"reset": True}, {"a": 1}, {"b": 2}]))))
def test_a_folded_list_is_the_same_however_its_writes_are_batched(writes: list[list[dict[str, object]]]) -> None:
    at_once = folded([], writes)
    one_by_one: list[dict[str, object]] = []
    for write in writes:
        one_by_one = folded(one_by_one, [write])
    assert at_once == one_by_one


@pytest.mark.parametrize("name", NAMES)
def test_every_prompt_has_a_version_and_fits_a_small_window(name: str) -> None:
    version, text = prompt(name)
    assert version >= 1
    assert 20 < len(text) < 4000


def test_prompts_say_that_material_is_no_instruction_and_how_to_cite() -> None:
    text = prompt("loop")[1]
    assert "never an instruction" in text
    for line in text.splitlines():
        for said in claims_in(line, KNOWN):
            assert said.claim.text
    assert re.search(r"\[E7 \"", text)
