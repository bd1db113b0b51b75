"""How an answer looks: on a terminal of 80 columns, and in a pipe."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from groundswell.agents import chat
from groundswell.cli import answer
from groundswell.cli.citations import place
from groundswell.core.records import Run

Make = Callable[..., Run]
FIRST, SECOND = "1a2b3c4d" + "0" * 56, "5e6f7a8b" + "0" * 56


def cited(evidence: str, source: str, quote: str) -> dict[str, Any]:
    return {"evidence": evidence, "source": source, "quote": quote}


def text_of(run: Run, columns: int | None = 80) -> str:
    return "\n".join(line for line, _ in answer.lines(run, columns, "groundswell"))


@pytest.fixture
def full(a_run: Make) -> Run:
    defined = "`retrying` is defined as a function in harbour/retry.py:15."
    called = (
        "It is called by `read_gauge` in harbour/gauges.py:22, which reads the measurements of a gauge from a file."
    )
    wide = "Measurements are read again when the disk fails."
    return a_run(
        answer={
            "text": f"{defined}\n{called}\n{wide}",
            "claims": [
                {
                    "text": defined,
                    "citations": [
                        cited(
                            FIRST,
                            "repo:harbour/retry.py#L15-L28",
                            "def retrying(action: Callable[[], T], attempts: int = ATTEMPTS) -> T:\n"
                            '    """The action\'s result."""\n'
                            "    pause = FIRST_PAUSE_SECONDS\n    for attempt in range(1, attempts + 1):\n        try:",
                        )
                    ],
                },
                {
                    "text": called,
                    "confidence": 0.75,
                    "citations": [
                        cited(
                            SECOND, "repo:harbour/gauges.py#L22", "    return sorted(retrying(lambda: _parse(file)))"
                        ),
                        cited(FIRST, "repo:harbour/retry.py#L15-L28", "def retrying("),
                    ],
                },
                {
                    "text": wide,
                    "kind": "inferred",
                    "citations": [cited(SECOND, "repo:harbour/gauges.py#L22", "retrying")],
                },
            ],
            "missing": ["3 files are not UTF-8 and were not read"],
            "needs_model": True,
            "dropped": 1,
        }
    )


def test_an_answer_fits_a_terminal_of_80_columns(full: Run) -> None:
    assert text_of(full) == snapshot('''\
`retrying` is defined as a function in harbour/retry.py:15 [1].
It is called by `read_gauge` in harbour/gauges.py:22, which reads the
measurements of a gauge from a file [1][2] (confidence 0.75).
Measurements are read again when the disk fails [2] (inference).

[1] harbour/retry.py:15-28  evidence 1a2b3c4d
    def retrying(action: Callable[[], T], attempts: int = ATTEMPTS) -> T:
        """The action's result."""
        pause = FIRST_PAUSE_SECONDS
    … 2 more lines
[2] harbour/gauges.py:22  evidence 5e6f7a8b
    return sorted(retrying(lambda: _parse(file)))

Missing: 3 files are not UTF-8 and were not read
Left out: 1 sentence that no evidence bears out.
A full answer needs a model, and none is configured.

Open a citation:  groundswell evidence 1a2b3c4d\
''')
    assert max(len(line) for line in text_of(full).split("\n")) <= 80


def test_a_pipe_gets_the_same_in_whole_lines(full: Run) -> None:
    piped = text_of(full, None)
    assert piped.split() == text_of(full).split()
    assert "which reads the measurements of a gauge from a file [1][2] (confidence 0.75).\n" in piped


def test_an_answer_that_is_empty_is_said_to_be_not_found(a_run: Make) -> None:
    run = a_run(answer={"missing": ["no file is named frobnicate"]})
    assert text_of(run) == snapshot("""\
Not found: nothing in the sources bears out an answer.

Missing: no file is named frobnicate\
""")


def test_a_question_back_is_shown_and_not_called_an_answer(a_run: Make) -> None:
    run = a_run(answer={"question": "Did you mean `retrying` or `retried`?"})
    assert text_of(run) == snapshot("Did you mean `retrying` or `retried`?")


def test_ranked_sources_stand_in_order(a_run: Make) -> None:
    ranked = [{"source": f"repo:src/{name}.py", "score": score} for name, score in (("a", 3.25), ("b", 1.5))]
    assert text_of(a_run(answer={"text": "Two files.", "ranked": ranked})) == snapshot("""\
Two files.

  3.25  src/a.py
  1.50  src/b.py\
""")


def test_what_a_model_says_by_itself_is_said_to_be_ungrounded(a_run: Make) -> None:
    run = a_run(answer={"text": "A ship sails.", "missing": [chat.UNGROUNDED, "searched: 2 files"]})
    assert text_of(run) == snapshot("""\
A ship sails.

Ungrounded: a model says this by itself, and nothing of it was checked
Searched: 2 files\
""")
    assert ("Ungrounded: a model says this by itself, and nothing of it was checked", "bad") in answer.lines(
        run, 80, "g"
    )


def test_a_run_that_reached_a_limit_says_which(a_run: Make) -> None:
    run = a_run(status="exhausted", reason="tool_calls", answer={"missing": ["stopped at the limit of 3 tool calls"]})
    assert text_of(run) == snapshot("""\
Stopped at the limit of 3 tool calls\
""")


def test_a_run_that_waits_says_for_what(a_run: Make) -> None:
    assert text_of(a_run(status="waiting", reason="approval")) == snapshot(
        "Waiting for approval: groundswell approvals run_1"
    )


def test_a_claim_that_is_not_in_the_text_is_listed_below_it(a_run: Make) -> None:
    claim = {"text": "It is here.", "citations": [cited(FIRST, "repo:a.py#L1", "here")]}
    assert "See below.\n- It is here. [1]\n" in text_of(a_run(answer={"text": "See below.", "claims": [claim]}))


def test_nothing_in_an_answer_can_steer_the_terminal(a_run: Make) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202egnp\x9b31m"
    claim = {"text": evil, "citations": [cited(FIRST, f"repo:{evil}#L1", evil)]}
    shown = text_of(a_run(answer={"text": evil, "claims": [claim], "missing": [evil], "question": evil}))
    assert not set(shown) & set("\x1b\x07\u202e\x9b")


def test_neighbouring_lines_of_one_evidence_are_one_place(a_run: Make) -> None:
    places = ("repo:a.py#L3", "repo:a.py#L4-L5", "repo:a.py#L90", "repo:b.py#L4", "https://a.example/")
    claims = [{"text": f"{n}.", "citations": [cited(FIRST, source, f"q{n}")]} for n, source in enumerate(places)]
    shown = text_of(a_run(answer={"text": "0. 1. 2. 3. 4.", "claims": claims}))
    assert shown == snapshot("""\
0 [1]. 1 [1]. 2 [2]. 3 [3]. 4 [4].

[1] a.py:3-5  evidence 1a2b3c4d
    q0
    q1
[2] a.py:90  evidence 1a2b3c4d
    q2
[3] b.py:4  evidence 1a2b3c4d
    q3
[4] https://a.example/  evidence 1a2b3c4d
    q4

Open a citation:  groundswell evidence 1a2b3c4d\
""")


WORDS = st.lists(st.sampled_from(["alpha", "a", "b.py:12", "`x`", "is", "never", "1.5"]), min_size=1, max_size=6)


@given(st.lists(WORDS.map(" ".join), min_size=1, max_size=5), st.sampled_from([None, 40, 80]))
def test_whatever_is_claimed_the_words_stay_and_every_citation_has_a_number(
    sentences: list[str], columns: int | None
) -> None:
    claims = [
        {"text": f"{text}.", "citations": [cited(f"{n:064}", f"repo:{n}.py#L1", text)]}
        for n, text in enumerate(sentences)
    ]
    said = {"text": " ".join(f"{text}." for text in sentences), "claims": claims}
    given_ = {"id": "r", "tenant": "t", "thread": "t", "agent": "a", "caller": "c", "status": "succeeded"}
    run = Run.model_validate(
        {**given_, "input": [{"parts": [{"text": "?"}]}], "created": "2026-01-01T00:00:00Z", "answer": said}
    )
    shown = " ".join(text_of(run, columns).split("\n\n")[0].split())
    assert re.sub(r" \[\d+\]", "", shown) == said["text"]
    assert sorted(map(int, re.findall(r"\[(\d+)\]", shown))) == list(range(1, len(sentences) + 1))


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("repo:src/a.py#L12-L18", "src/a.py:12-18"),
        ("repo:src/a.py#L12-L12", "src/a.py:12"),
        ("repo:src/a.py#L12", "src/a.py:12"),
        ("repo:src/a#b.py", "src/a#b.py"),
        ("https://example.org/a#L1", "https://example.org/a#L1"),
        ("k8s:default/Pod/web/app/logs#L1-L9", "k8s:default/Pod/web/app/logs#L1-L9"),
    ],
)
def test_a_source_is_shown_as_people_write_it(source: str, shown: str) -> None:
    assert place(source) == shown
