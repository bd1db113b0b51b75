"""The coding agent answers on evidence: over tools that a test scripts, and over a real repository."""

import json
import subprocess
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any

import pytest

from groundswell.agents.coding.graph import agent
from groundswell.agents.coding.question import questions
from groundswell.backends.repos.index import Stored
from groundswell.backends.repos.repositories import Repositories
from groundswell.core.records import Answer, Coverage, Excerpt, Reference, Symbol, Turn
from groundswell.core.tool import Tool
from groundswell.runtime.discovery import discover
from groundswell.testing import DirectTools, ExactVectors, FakeContext, FakeTools, run_context

COVERAGE = Coverage(revision="abc", files=2, parsed=2)
GRAPH = agent.graph.compile()


async def ask(tools: FakeTools, question: str, *attachments: str, history: tuple[Turn, ...] = ()) -> Answer:
    context = run_context(tools, question, attachments, history)
    state = await GRAPH.ainvoke({"question": question}, context=context)
    json.dumps(state)  # a checkpoint holds nothing but JSON
    return Answer.model_validate(state["answer"])


def symbol(name: str, path: str, line: int, text: str, **fields: Any) -> Symbol:
    head: dict[str, Any] = {"qualified": name, "kind": "function", "language": "python", "end_line": line + 5}
    excerpt = Excerpt(source=f"repo:{path}#L{line}", text=text)
    return Symbol(**{**head, **fields}, name=name, path=path, line=line, excerpt=excerpt)


async def test_every_definition_of_a_name_is_told_best_first() -> None:
    found = [
        symbol("retry", "src/a.py", 3, "def retry():"),
        symbol("retry", "src/b.py", 9, "def retry(times):"),
    ]
    answer = await ask(FakeTools(repo_index=COVERAGE, symbol_find=found), "where is `retry` defined?")
    assert [claim.citations[0].source for claim in answer.claims] == ["repo:src/a.py#L3", "repo:src/b.py#L9"]
    assert answer.dropped == 0


async def test_a_name_that_is_nowhere_gets_an_abstention_that_says_what_was_searched() -> None:
    answer = await ask(FakeTools(repo_index=COVERAGE), "where is `frobnicate` defined?")
    assert answer.text == ""
    assert answer.claims == ()
    assert any("frobnicate" in each for each in answer.missing)
    assert any("2 files at abc" in each for each in answer.missing)


async def test_what_a_name_alone_suggests_is_set_apart_with_its_confidence() -> None:
    def reference(path: str, line: int, confidence: float) -> Reference:
        excerpt = Excerpt(source=f"repo:{path}#L{line}", text=f"    retry({line})")
        return Reference(
            target="retry",
            kind="call",
            path=path,
            line=line,
            caller="",
            confidence=confidence,
            reason="",
            excerpt=excerpt,
        )

    tools = FakeTools(
        repo_index=COVERAGE,
        symbol_find=[symbol("retry", "src/a.py", 3, "def retry():")],
        references_find=[
            reference("src/b.py", 4, 1.0),
            reference("src/c.py", 7, 0.5),
            reference("src/d.py", 2, 0.2),
        ],
    )
    answer = await ask(tools, "who calls `retry`?")
    assert "src/b.py calls it in line 4." in answer.text
    assert "likely" in answer.text
    assert {claim.text: claim.confidence for claim in answer.claims}["src/c.py calls it in line 7."] == 0.5
    assert "src/d.py" not in answer.text
    assert any("1 more line" in each for each in answer.missing)


async def test_a_partial_index_is_named_in_the_answer() -> None:
    coverage = Coverage(revision="abc", files=9, parsed=2, skipped={"beyond the limit": 7}, complete=False)
    tools = FakeTools(repo_index=coverage, symbol_find=[symbol("retry", "a.py", 3, "def retry():")])
    answer = await ask(tools, "where is `retry` defined?")
    assert any("7 beyond the limit" in each for each in answer.missing)


class MemoryFacts:
    def __init__(self) -> None:
        self.rows: dict[str, Stored] = {}

    async def load(self, tenant: str, repo: str) -> Mapping[str, Stored]:
        return dict(self.rows)

    async def replace(self, tenant: str, repo: str, changed: Mapping[str, Stored], removed: Collection[str]) -> None:
        self.rows.update(changed)


class HereWorkers:
    async def run(self, function: Callable[..., Any], *arguments: Any, seconds: float) -> Any:
        return function(*arguments)


FILES = {
    "README.md": "# Shop\n\nShop keeps carts and sends orders to the warehouse.\n",
    "shop/__init__.py": "",
    "shop/net.py": '''"""Talks to the warehouse over HTTP."""

import time


class Gone(Exception):
    """The warehouse does not answer."""


def retry(function, attempts=3):
    """Call a function again until it works.
    The wait doubles after each attempt.
    """
    for attempt in range(attempts):
        try:
            return function()
        except OSError:
            time.sleep(2**attempt)
    raise Gone("no attempt was answered")
''',
    "examples/again.py": "from shop.net import retry\n\n\ndef again():\n    return retry(len), retry(int)\n",
    "shop/cart.py": '''"""Carts and what they cost."""

from shop.net import retry


class Cart:
    """What somebody wants to buy."""

    def __init__(self, user):
        self.user = user

    def total(self, price):
        """The price with the user's discount."""
        return price * self.user.rate

    def order(self):
        return retry(lambda: self.total(1))


def main():
    Cart(None).order()


if __name__ == "__main__":
    main()
''',
    "tests/test_net.py": "from shop.net import retry\n\n\ndef test_retry():\n    assert retry(lambda: 1) == 1\n",
}


@pytest.fixture(scope="module")
async def tools(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Callable[[], DirectTools]]:
    folder = tmp_path_factory.mktemp("shop")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)  # noqa: ASYNC221  # a moment, in a fixture
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    repositories = Repositories(cache=folder, workers=HereWorkers(), store=MemoryFacts(), vectors=ExactVectors())
    repo = await repositories.open(f"path:{folder}", tenant="local")
    catalogue = discover("groundswell.tools", Tool)
    yield lambda: DirectTools(catalogue, FakeContext(opened=repo, workers=HereWorkers()))
    await repositories.close()


Tools = Callable[[], DirectTools]


async def test_a_definition_is_told_with_its_line_and_its_documentation(tools: Tools) -> None:
    answer = await ask(tools(), "Where is retry defined?")
    assert "`retry` is a function in shop/net.py:10: `def retry(function, attempts=3)`." in answer.text
    assert "“Call a function again until it works.”" in answer.text
    assert answer.claims[0].citations[0].source == "repo:shop/net.py#L10"
    assert answer.dropped == 0


async def test_callers_are_told_by_name_and_tests_apart(tools: Tools) -> None:
    answer = await ask(tools(), "who calls `retry`?")
    assert "- `Cart.order` in shop/cart.py calls it in line 17." in answer.text
    assert answer.text.index("Tests that use") < answer.text.index("tests/test_net.py calls it in line 5.")
    assert answer.dropped == 0


async def test_a_follow_up_is_answered_about_the_same_function(tools: Tools) -> None:
    question = "Where is `retry` defined?"
    past = Turn(run="r", agent="coding", question=question, answer=await ask(tools(), question))
    answer = await ask(tools(), "and who calls it?", history=(past,))
    assert "shop/cart.py calls it in line 17" in answer.text


async def test_a_module_is_told_in_its_own_words_and_by_what_it_defines(tools: Tools) -> None:
    answer = await ask(tools(), "what does shop/net.py do?")
    assert "“Talks to the warehouse over HTTP.”" in answer.text
    assert "- `retry` (line 10): “Call a function again until it works.”" in answer.text
    assert "shop/cart.py imports it in line 3." in answer.text
    assert answer.dropped == 0


async def test_a_function_is_told_with_what_it_raises(tools: Tools) -> None:
    answer = await ask(tools(), "what does retry do?")
    assert "Line 19 raises `Gone`." in answer.text
    assert "“The wait doubles after each attempt.”" in answer.text


async def test_the_members_of_a_class_are_listed(tools: Tools) -> None:
    answer = await ask(tools(), "what methods does Cart have?")
    assert "- `total` (line 12): “The price with the user's discount.”" in answer.text
    assert "- `order` (line 16)" in answer.text


async def test_two_questions_in_one_are_both_answered_about_the_same_thing_in_their_order(tools: Tools) -> None:
    answer = await ask(tools(), "Where is Gone defined, and who uses it?")
    assert answer.text.index("`Gone` is a class in shop/net.py:6") < answer.text.index("`retry` in shop/net.py")
    assert "`Gone` is defined" not in answer.text  # said once
    answer = await ask(tools(), "what does `retry` do and where is it tested?")
    assert answer.text.index("“Call a function") < answer.text.index("tests/test_net.py calls it in line 5.")
    assert answer.dropped == 0


async def test_a_second_verb_asks_about_the_subject_of_the_first(tools: Tools) -> None:
    answer = await ask(tools(), "where is Gone defined and raised?")
    assert "`Gone` is a class in shop/net.py:6" in answer.text
    assert '- shop/net.py:19: `raise Gone("no attempt was answered")`' in answer.text


async def test_places_where_something_is_created_leave_its_definition_out(tools: Tools) -> None:
    answer = await ask(tools(), "where is Cart instantiated?")
    assert "- shop/cart.py:21: `Cart(None).order()`" in answer.text
    assert "class Cart:`" not in answer.text


async def test_what_a_function_calls_is_followed_to_its_definition(tools: Tools) -> None:
    answer = await ask(tools(), "Where is Cart.order implemented and what does it call?")
    assert "Line 17 calls `retry`, defined in shop/net.py:10." in answer.text
    assert "Line 17 calls `self.total`, defined in shop/cart.py:12." in answer.text
    answer = await ask(tools(), "what does retry call?")
    assert "Line 18 calls `time.sleep`." in answer.text


async def test_a_go_struct_that_is_asserted_to_satisfy_an_interface_implements_it() -> None:
    text = "var _ renderer = &nilRenderer{}"
    use = Reference(
        target="renderer",
        kind="use",
        path="nil.go",
        line=12,
        caller="",
        confidence=1.0,
        reason="",
        excerpt=Excerpt(source="repo:nil.go#L12", text=text),
    )
    found = symbol("renderer", "renderer.go", 3, "type renderer interface {", kind="interface", language="go")
    tools = FakeTools(repo_index=COVERAGE, symbol_find=[found], references_find=[use])
    answer = await ask(tools, "what implements the renderer interface?")
    assert "`nilRenderer` implements it, as nil.go:12 asserts." in answer.text


async def test_source_is_told_before_examples(tools: Tools) -> None:
    answer = await ask(tools(), "who calls `retry`?")
    assert answer.text.index("shop/cart.py calls") < answer.text.index("examples/again.py calls")


async def test_a_setting_in_capitals_is_no_name_in_small_letters() -> None:
    tools = FakeTools(repo_index=COVERAGE, symbol_find=[symbol("shop_url", "a.py", 3, "def shop_url():")])
    answer = await ask(tools, "which function reads the SHOP_URL environment variable?")
    assert "shop_url" not in answer.text


async def test_a_method_keeps_the_name_that_the_question_has(tools: Tools) -> None:
    answer = await ask(tools(), "who calls `Cart.order`?")
    assert "`Cart.order` is defined in shop/cart.py:16." in answer.text
    assert answer.dropped == 0


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("where is the Blueprint class defined and who uses it", ["definition", "users"]),
        ("what does `compose` do and who calls it", ["explanation", "users"]),
        ("Where is `send_file` implemented and what does it call?", ["definition", "callees"]),
        ("where is ErrInterrupted defined and returned?", ["definition", "places"]),
        ("Where does Flask decide which session interface to use?", ["topic"]),
        ("Where is HTTPException thrown?", ["places"]),
        ("where is `a_b` defined? who calls it?", ["definition", "users"]),
        ("where is `a_b` defined and where is `c_d` used?", ["definition", "users"]),
        ("who uses salt and pepper", ["users"]),
    ],
)
def test_a_question_is_taken_apart_where_it_asks_again(question: str, kinds: list[str]) -> None:
    assert [asked["kind"] for asked in questions(question)] == kinds


TRACE = """Traceback (most recent call last):
  File "/srv/app/shop/cart.py", line 25, in <module>
    main()
  File "/srv/app/shop/cart.py", line 14, in total
    return price * self.user.rate
AttributeError: 'NoneType' object has no attribute 'rate'
"""


async def test_a_traceback_is_told_from_its_innermost_line_with_a_likely_cause(tools: Tools) -> None:
    answer = await ask(tools(), "what does this mean?", TRACE)
    assert "In `total`, shop/cart.py:14: `return price * self.user.rate`" in answer.text
    guess = next(claim for claim in answer.claims if claim.kind == "inferred")
    assert guess.text == "`self.user` holds no object when `.rate` is read in line 14."
    assert answer.dropped == 0


async def test_a_line_that_is_another_one_here_is_not_explained(tools: Tools) -> None:
    answer = await ask(tools(), "what does this mean?", TRACE.replace("line 14", "line 9"))
    assert "def __init__" not in answer.text
    assert any("another one here" in each for each in answer.missing)


async def test_a_report_ranks_the_files_it_would_touch(tools: Tools) -> None:
    question = "which files would this touch: `retry` should wait no longer than a minute between attempts"
    answer = await ask(tools(), question)
    assert answer.ranked[0].source == "repo:shop/net.py"
    assert answer.ranked[0].score == 1.0
    assert "shop/net.py:10 defines `retry`" in answer.text


async def test_what_is_described_in_words_is_found(tools: Tools) -> None:
    answer = await ask(tools(), "where are discounts computed?")
    assert answer.claims[0].citations[0].source.startswith("repo:shop/cart.py#")


async def test_the_repository_is_told_by_its_readme_and_its_entry_points(tools: Tools) -> None:
    answer = await ask(tools(), "what does this repository do?")
    assert "“Shop keeps carts and sends orders to the warehouse.”" in answer.text
    assert "- shop/cart.py:24:" in answer.text


async def test_a_misspelt_name_gets_a_question_back(tools: Tools) -> None:
    answer = await ask(tools(), "where is `retyr` defined?")
    assert answer.text == ""
    assert "`retry`" in answer.question


async def test_a_change_gets_what_was_found_and_says_that_it_needs_a_model(tools: Tools) -> None:
    answer = await ask(tools(), "Refactor `retry` to use a decorator")
    assert answer.needs_model
    assert "shop/net.py:10" in answer.text


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("Why does `retry` give up?", "the reason"),
        ("Does `retry` wait between two attempts?", "yes or no"),
        ("What does `retry` do when the network is down?", "what happens when it runs"),
        ("where is `retry` defined, and how does it choose how long to wait?", "how it works"),
    ],
)
async def test_what_lines_alone_do_not_answer_is_named_beside_them(tools: Tools, question: str, left: str) -> None:
    answer = await ask(tools(), question)
    assert "shop/net.py:10" in answer.text
    (missing,) = answer.missing
    assert missing.startswith(f"not worked out: {left} (“")
    assert answer.needs_model


@pytest.mark.parametrize("question", ["where is `retry` defined?", "who calls `retry`?", "what does `retry` do?"])
async def test_what_lines_do_answer_lacks_nothing(tools: Tools, question: str) -> None:
    answer = await ask(tools(), question)
    assert (answer.missing, answer.needs_model) == ((), False)


@pytest.mark.parametrize("question", ["", "   ", "?", "hello", "`", "🦆", "where is"])
async def test_what_asks_nothing_gets_no_guess(tools: Tools, question: str) -> None:
    answer = await ask(tools(), question)
    assert answer.claims == ()
    assert answer.missing
