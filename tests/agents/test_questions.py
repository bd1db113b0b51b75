"""Questions in people's own words are read by their kind and by what they are about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundswell.agents.coding.failures import cause, error_of
from groundswell.agents.coding.question import understood
from groundswell.core.records import Answer, Turn

READ = [
    ("Where is `HTTPAdapter` defined?", "definition", "HTTPAdapter"),
    ("where's the Session class?", "definition", "Session"),
    ("where is retry_with_backoff implemented", "definition", "retry_with_backoff"),
    ("In which file is parse_args?", "definition", "parse_args"),
    ("which file defines Context.invoke?", "definition", "Context.invoke"),
    ("find the definition of `Context.invoke()`", "definition", "Context.invoke"),
    ("Can you tell me where Engine.Run is defined?", "definition", "Engine.Run"),
    ("where is `Client::send` defined", "definition", "Client::send"),
    ("show me the implementation of resolve_command", "definition", "resolve_command"),
    ("who calls `make_context`?", "users", "make_context"),
    ("what calls Command.main()?", "users", "Command.main"),
    ("which functions use echo?", "users", "echo"),
    ("find all usages of click.echo", "users", "click.echo"),
    ("list callers of invoke", "users", "invoke"),
    ("is `get_os_args` used anywhere?", "users", "get_os_args"),
    ("what would break if I rename `Context.forward`?", "users", "Context.forward"),
    ("which classes inherit from BaseCommand?", "users", "BaseCommand"),
    ("How many times is `echo` called?", "users", "echo"),
    ("who calls the run method of Runner?", "users", "Runner.run"),
    ("which tests cover `prompt`?", "users", "prompt"),
    ("is CliRunner tested?", "users", "CliRunner"),
    ("What does `Context` do?", "explanation", "Context"),
    ("what does the module click.parser do?", "explanation", "click.parser"),
    ("explain how Command.invoke works", "explanation", "Command.invoke"),
    ("how does the retry function work", "explanation", "retry"),
    ("What arguments does `prompt` take?", "explanation", "prompt"),
    ("getUserById", "explanation", "getUserById"),
    ("what methods does Context have?", "members", "Context"),
    ("list all functions in click.utils", "members", "click.utils"),
    ("what does this repository do?", "overview", ""),
    ("what are the entry points?", "overview", ""),
    ("how many files are there?", "overview", ""),
    ("where do we read environment variables?", "topic", ""),
    ("how are colors stripped from output?", "topic", ""),
    ("the function that retries requests", "topic", ""),
    ("which files would this touch: echo prints garbage when stdout is redirected", "report", ""),
    ("where should I make the change to support zstd?", "report", ""),
]


@pytest.mark.parametrize(("question", "kind", "name"), READ, ids=[row[0] for row in READ])
def test_a_question_is_read_by_its_kind_and_its_name(question: str, kind: str, name: str) -> None:
    asked = understood(question)
    assert asked["kind"] == kind
    assert asked["names"][:1] == ([name] if name else [])
    assert not asked["needs_model"]


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ("what does src/click/core.py do?", "src/click/core.py"),
        ("list the classes in `src/types.ts`", "src/types.ts"),
        ("who imports pkg/server/server.go?", "pkg/server/server.go"),
        ("what is in lib/", "lib"),
    ],
)
def test_a_path_is_read_as_a_path(question: str, path: str) -> None:
    asked = understood(question)
    assert asked["paths"] == [path]
    assert asked["names"] == []


@pytest.mark.parametrize(
    "question",
    [
        "Write a test for `echo`",
        "Refactor Context to use dataclasses",
        "why is Context designed with a stack?",
        "please fix the bug in make_context",
        "how would I add a new parameter type?",
        "what is the best way to extend Group?",
    ],
)
def test_what_asks_for_design_or_a_change_needs_a_model(question: str) -> None:
    assert understood(question)["needs_model"]


def test_uses_are_told_apart_by_their_verb() -> None:
    assert understood("who calls f_x?")["uses"] == ["call"]
    assert understood("who imports f_x?")["uses"] == ["import"]
    assert understood("subclasses of FooBar")["uses"] == ["inherit"]
    assert understood("who uses f_x?")["uses"] == []
    assert understood("which tests cover f_x?")["tests"]


def turn(question: str, text: str = "") -> Turn:
    return Turn(run="r", agent="coding", question=question, answer=Answer(text=text))


@pytest.mark.parametrize(
    ("question", "kind", "name"),
    [
        ("and who calls it?", "users", "Runner.run"),
        ("what about its tests?", "users", "Runner.run"),
        ("what does it do?", "explanation", "Runner.run"),
        ("where is that function defined?", "definition", "Runner.run"),
        ("and `stop`?", "definition", "stop"),
        ("who calls `other_one`?", "users", "other_one"),
    ],
)
def test_a_follow_up_is_about_what_was_asked_before(question: str, kind: str, name: str) -> None:
    asked = understood(question, (), [turn("where is `Runner.run` defined?")])
    assert (asked["kind"], asked["names"][0]) == (kind, name)


def test_a_follow_up_of_a_follow_up_is_about_the_same() -> None:
    past = [turn("where is `Runner.run` defined?"), turn("who calls it?")]
    assert understood("and its tests?", (), past)["names"][0] == "Runner.run"


TRACE = """Traceback (most recent call last):
  File "/app/shop/cart.py", line 12, in total
    return self.user.rate * price
AttributeError: 'NoneType' object has no attribute 'rate'"""


def test_a_traceback_is_a_failure_wherever_it_stands() -> None:
    assert understood(f"what does this mean?\n{TRACE}")["kind"] == "failure"
    asked = understood("what went wrong?", (TRACE,))
    assert (asked["kind"], asked["trace"]) == ("failure", TRACE)
    assert understood("which files would this bug touch?", (TRACE,))["kind"] == "report"


@pytest.mark.parametrize(
    ("trace", "kind", "text"),
    [
        (TRACE, "AttributeError", "'NoneType' object has no attribute 'rate'"),
        ("TypeError: x is not a function\n    at f (/a/b.js:1:2)", "TypeError", "x is not a function"),
        ("panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/a/main.go:3", "panic", "boom"),
        (
            'Exception in thread "main" java.lang.RuntimeException: a\n\tat x.Y.z(Y.java:3)\n'
            "Caused by: java.io.IOException: b\n\tat x.Y.w(Y.java:9)",
            "java.io.IOException",
            "b",
        ),
        (
            "thread 'main' panicked at src/main.rs:4:5:\nindex out of bounds",
            "panicked",
            "index out of bounds",
        ),
        ("nothing of the kind", "", ""),
    ],
)
def test_the_error_that_ended_it_is_found(trace: str, kind: str, text: str) -> None:
    assert error_of(trace) == {"kind": kind, "text": text}


@pytest.mark.parametrize(
    ("trace", "line", "said"),
    [
        (TRACE, "return self.user.rate * price", "`self.user`"),
        ("KeyError: 'a'", "value = table['a']", "`table`"),
        ("ZeroDivisionError: division by zero", "return total / count", "`count`"),
        ("TypeError: Cannot read properties of undefined (reading 'id')", "return user.id;", "`user`"),
        (
            "panic: runtime error: invalid memory address or nil pointer dereference",
            "n := c.next.value",
            "`c",
        ),
        ("ValueError: odd", "return 1", ""),
    ],
)
def test_a_cause_is_named_only_where_the_line_shows_one(trace: str, line: str, said: str) -> None:
    found = cause(error_of(trace), line)
    assert (said in found) if said else found == ""


@given(st.text(max_size=300), st.lists(st.text(max_size=100), max_size=2))
def test_any_text_is_understood_somehow(question: str, attachments: list[str]) -> None:
    assert understood(question, attachments, [turn("who calls `a_b`?")])["kind"]


def test_a_megabyte_is_understood_in_bounded_time() -> None:
    for text in ("where " * 170_000, "(" * 10**6, "a." * 500_000, "/x" * 500_000, "who calls " + "a" * 10**6):
        assert understood(text)["kind"]
