"""Which agent answers: by the highest door for runs, and by the chooser itself for what depends on who is installed."""

import asyncio
import dataclasses
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundswell.agents import chat
from groundswell.core.agent import Agent
from groundswell.core.errors import Unavailable
from groundswell.core.records import NewRun
from groundswell.core.settings import load
from groundswell.runtime import discovery
from groundswell.runtime.keys import CallerToken
from groundswell.runtime.platform import Running
from groundswell.scripted_model import ScriptedModel
from groundswell.services.router import features, service
from groundswell.services.router.choice import Asked, Chooser, mentioned
from groundswell.services.router.classifier import NONE, VECTORS, trained
from groundswell.services.router.meanings import Meanings
from groundswell.testing import DirectModels, DirectTools, FakeContext, run_context

ROOT = Path(__file__).parents[2]
OURS = ("coding", "observability", "web")
PODS = "why is the checkout pod crash looping in namespace prod"
HERE = CallerToken("local", "local", local=True)
CODE = "which functions call parse_invoice() in src/billing.py"


def installed(*names: str) -> dict[str, Agent]:
    return {name: agent for name, agent in discovery.agents().items() if name in names}


def other(name: str, *intents: str) -> Agent:
    graph = installed("coding")["coding"].graph
    return Agent(name=name, description="Of a third party.", intents=intents, tools=frozenset(), graph=graph)


async def route(http: httpx2.AsyncClient, text: str, **more: Any) -> dict[str, Any]:
    response = await http.post("/v1/route", json={"input": text, **more})
    assert response.status_code == 200, response.text
    return response.json()


async def ended(http: httpx2.AsyncClient, text: str, **more: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    made = await http.post("/v1/runs", json={"input": text, **more})
    assert made.status_code == 201, made.text
    stream = await http.get(f"/v1/runs/{made.json()['id']}/events")
    told = [json.loads(line[6:])["body"] for line in stream.text.splitlines() if line.startswith("data: ")]
    return (await http.get(f"/v1/runs/{made.json()['id']}")).json(), told


@pytest.fixture(scope="module")
def bench() -> Any:
    """The benchmark's module, as it is run."""
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        import router  # noqa: PLC0415 - it lies beside the package, not in it

        yield router
    finally:
        sys.path.remove(str(ROOT / "bench"))


async def test_a_choice_names_alternatives_and_a_reason_and_makes_no_run(http: httpx2.AsyncClient):
    before = (await http.get("/v1/runs", params={"limit": 1})).json()["runs"][:1]
    said = await route(http, PODS)
    assert said["agent"] == "observability"
    assert said["confidence"] > 0.9
    assert {"coding", "web"} <= {each["agent"] for each in said["alternatives"]}
    assert "mentions" in said["reason"]
    assert (await http.get("/v1/runs", params={"limit": 1})).json()["runs"][:1] == before


async def test_what_no_agent_does_is_asked_back_about_at_once(http: httpx2.AsyncClient):
    run, told = await ended(http, "book me a table for two tonight")
    assert (run["status"], run["agent"], run["answer"]["text"]) == ("succeeded", "", "")
    assert [body["kind"] for body in told] == ["run", "route", "answer"]
    assert all(f"@{name}" in run["answer"]["question"] for name in OURS)
    assert told[1]["route"]["reason"]
    assert run["epoch"] == 0  # no worker took it


async def test_a_mention_wins_and_is_no_part_of_the_question(http: httpx2.AsyncClient):
    run, _ = await ended(http, f"@trial, {PODS}")
    assert (run["agent"], run["input"][0]["parts"][0]["text"]) == ("trial", PODS)
    assert (await route(http, "@app.route is used where in our code"))["agent"] == "coding"


async def test_an_agent_that_the_caller_names_wins_over_a_mention(http: httpx2.AsyncClient):
    assert (await route(http, f"@coding {PODS}", agent="trial"))["agent"] == "trial"


async def test_a_mention_alone_needs_a_question_before_it(http: httpx2.AsyncClient):
    response = await http.post("/v1/route", json={"input": "@coding"})
    assert (response.status_code, response.json()["code"]) == (422, "empty_question")


async def test_a_reply_that_names_an_agent_asks_it_the_earlier_question(http: httpx2.AsyncClient):
    first, _ = await ended(http, "it doesn't work")
    assert first["agent"] == ""
    second, _ = await ended(http, "the trial one please", thread=first["thread"])
    assert (second["agent"], second["input"]) == ("trial", first["input"])


async def test_a_reply_to_a_question_back_is_read_with_the_earlier_question(http: httpx2.AsyncClient):
    first, _ = await ended(http, "it is slow")
    assert first["agent"] == ""
    assert (await route(http, "the pods of the api in prod", thread=first["thread"]))["agent"] == "observability"


async def test_a_follow_up_stays_with_its_thread_unless_it_clearly_leaves():
    chooser = Chooser(installed(*OURS))
    for text in ("and why?", "who wrote it", "what about the second one", "thanks", "is it tested"):
        assert (await chooser.choose(Asked(text, current="coding"))).agent == "coding", text
    assert (await chooser.choose(Asked(PODS, current="coding"))).agent == "observability"
    assert (await chooser.choose(Asked(CODE, current="observability"))).agent == "coding"


async def test_what_is_said_to_a_question_back_takes_no_time_however_long_it_is(http: httpx2.AsyncClient):
    """It may be the name of an agent alone."""
    thread = (await ended(http, "tell me a joke"))[0]["thread"]
    assert (await route(http, "the web agent, please", thread=thread))["agent"] == "web"
    await route(http, f"a{'-' * 100_000} b c", thread=thread)


@pytest.mark.parametrize("current", OURS)
async def test_a_follow_up_that_clearly_is_for_no_agent_is_asked_back_about(current: str):
    chooser = Chooser(installed(*OURS))
    for text in (
        "tell me a joke about cats please",
        "write a poem about the sea for my mother",
        "order two pizzas to my home",
        "remind me to water the plants at six",
        "what should I cook for dinner tonight",
    ):
        route = await chooser.choose(Asked(text, current=current))
        assert (route.agent, bool(route.question)) == ("", True), text


async def test_a_follow_up_that_refers_to_what_was_said_stays_however_odd_it_sounds():
    chooser = Chooser(installed(*OURS))
    for current, text in (
        ("observability", "what should I look at next"),
        ("coding", "tell me more about the retry part"),
        ("coding", "so who would break if I change it"),
        ("web", "and what if I miss the date"),
        ("web", "and where do I find that"),
        ("observability", "show me the logs before that"),
    ):
        assert (await chooser.choose(Asked(text, current=current))).agent == current, text
    attached = Asked("write a poem about the sea for my mother", attached="ERROR: no such table", current="coding")
    assert (await chooser.choose(attached)).agent == "coding"


async def test_a_source_speaks_for_its_agent_but_not_against_a_clear_text():
    chooser = Chooser(installed(*OURS))
    vague = "what is slow since yesterday"
    bare = (await chooser.weighed(Asked(vague))).confidences
    for kind, agent in (("repo", "coding"), ("kubernetes", "observability"), ("pages", "web")):
        assert (await chooser.weighed(Asked(vague, sources=(kind,)))).confidences[agent] > bare[agent]
    assert (await chooser.choose(Asked(PODS, sources=("repo",)))).agent == "observability"
    assert (await chooser.choose(Asked(CODE, sources=("pages",)))).agent == "coding"
    assert (await chooser.choose(Asked("tell me a joke", sources=("repo",)))).agent == ""


async def test_a_question_that_seems_to_be_for_nobody_is_one_for_the_documents_that_a_person_named():
    chooser = Chooser(installed(*OURS))
    for text in (
        "How do I make the sidebar use only a third of the width?",
        "how do I exclude a folder from the backup?",
        "how do I get my laptop repaired?",
    ):
        assert (await chooser.choose(Asked(text))).agent == "", text
        named, also = Asked(text, sources=("pages",)), Asked(text, sources=("repo",), configured=("repo", "pages"))
        for asked in (named, Asked(text, configured=("pages",)), also):
            assert (await chooser.choose(asked)).agent == "web", text
    for text in (
        "tell me a joke",
        "write a poem about the sea",
        "order two pizzas to my home",
        "thanks!",
        "where did I put the blue umbrella",  # nobody wrote that down
        "what is my locker number",
        "what shall we play tonight",
    ):
        assert (await chooser.choose(Asked(text, sources=("pages",)))).agent == "", text
    assert (await chooser.choose(Asked(CODE, configured=("pages",)))).agent == "coding"


async def test_sources_of_the_settings_count_for_the_person_here_and_not_for_others(platform: Running):
    more = {"sources.pages": "collection:manuals"}
    base = dataclasses.replace(platform.base, loaded=load(Path("nowhere"), more, {"HOME": "/nowhere"}))
    question = NewRun.model_validate({"input": "How do I make the sidebar use only a third of the width?"})
    async with service.opened(base) as router:
        assert (await router.routed(question, HERE))[1].agent == "web"
        assert (await router.routed(question, CallerToken("else", "else")))[1].agent == ""


async def test_what_is_piped_in_is_read_too():
    trace = 'Traceback (most recent call last):\n  File "app/a.py", line 3, in run\nKeyError: 1'
    assert (await Chooser(installed(*OURS)).choose(Asked("what does this mean", trace))).agent == "coding"


async def test_with_one_agent_there_is_nothing_to_choose():
    said = await Chooser(installed("coding")).choose(Asked("tell me a joke"))
    assert (said.agent, said.confidence) == ("coding", 1.0)


async def test_what_is_for_an_agent_that_is_not_installed_is_asked_back_about():
    said = await Chooser(installed("coding", "web")).choose(Asked(PODS))
    assert said.agent == ""
    assert "@observability" not in said.question


async def test_an_agent_of_a_third_party_is_found_by_its_intents_alone():
    agents = installed(*OURS) | {"tickets": other("tickets", "search support tickets", "who opened a ticket")}
    chooser = Chooser(agents)
    assert (await chooser.choose(Asked("search the support tickets for refunds"))).agent == "tickets"
    assert (await chooser.choose(Asked(PODS))).agent == "observability"
    assert (await chooser.choose(Asked(CODE))).agent == "coding"


async def test_a_vector_is_asked_for_only_where_words_leave_it_open():
    asked: list[str] = []

    async def vector(text: str) -> Sequence[float] | None:
        asked.append(text)
        return None

    chooser = Chooser(installed(*OURS), vector)
    await chooser.choose(Asked(PODS))
    assert asked == []
    await chooser.choose(Asked("what is slow since yesterday"))
    assert asked == ["what is slow since yesterday"]


class Embedder:
    """The trained one's name; what it does is the test's."""

    scheme, name, dimensions = "test", VECTORS, 384

    def __init__(self, answer: Callable[[], Awaitable[list[float]]]) -> None:
        self.answer = answer

    async def embed(self, texts: Sequence[str], *, kind: str) -> list[list[float]]:
        return [await self.answer() for _ in texts]

    async def close(self) -> None: ...


def test_an_embedder_that_is_slow_is_waited_for_so_that_load_does_not_decide_who_answers():
    asyncio.run(_waited_for_an_hour())  # in a loop of its own: its clock is turned on


async def _waited_for_an_hour() -> None:
    loop, go_on = asyncio.get_running_loop(), asyncio.Event()
    clock = loop.time

    async def answer() -> list[float]:
        await go_on.wait()
        return [0.05] * 384

    meanings = Meanings(Embedder(answer))
    asked = asyncio.create_task(meanings.of("what is slow since yesterday"))
    await asyncio.sleep(0)
    loop.time = lambda: clock() + 3600
    for _ in range(5):
        await asyncio.sleep(0)
    assert not asked.done()
    go_on.set()
    assert await asked == [0.05] * 384


async def test_the_words_decide_where_the_embedder_cannot_run():
    async def answer() -> list[float]:
        raise Unavailable("minilm_missing", "there is no MiniLM model here", "")

    text = Asked("what is slow since yesterday")
    chosen = [await Chooser(installed(*OURS), Meanings(Embedder(answer)).of).choose(text) for _ in range(2)]
    assert chosen == [await Chooser(installed(*OURS)).choose(text)] * 2


async def test_a_threshold_of_the_settings_is_kept():
    text = "what is slow since yesterday"
    assert (await Chooser(installed(*OURS), threshold=1.0).choose(Asked(text))).agent == ""


@settings(max_examples=60)
@given(st.text(max_size=3000))
async def test_any_text_gets_a_choice_whose_confidences_are_shares(text: str):
    weighed = await Chooser(installed(*OURS)).weighed(Asked(text))
    assert sum(weighed.confidences.values()) == pytest.approx(1.0)
    assert all(-1e-9 <= share <= 1 for share in weighed.confidences.values())
    assert mentioned(text, {})[0] == ""


@pytest.mark.parametrize(
    ("more", "agent"),
    [
        ({}, ""),
        ({"router.fallback": "llm:planner"}, ""),  # no model has that role
        ({"router.fallback": "llm:planner", "models.planner.url": "http://127.0.0.1:9/v1"}, "chat"),
    ],
)
async def test_what_is_out_of_scope_is_plain_chat_only_where_settings_and_a_model_say_so(
    platform: Running, more: dict[str, Any], agent: str
):
    base = dataclasses.replace(platform.base, loaded=load(Path("nowhere"), more, {"HOME": "/nowhere"}))
    async with service.opened(base) as router:
        _, said = await router.routed(NewRun.model_validate({"input": "tell me a joke"}), HERE)
        assert said.agent == agent
        _, said = await router.routed(NewRun.model_validate({"input": PODS}), HERE)
        assert said.agent == "observability"


async def test_plain_chat_says_that_nothing_of_it_was_checked():
    graph = chat.agent.graph.compile()
    with ScriptedModel(["A joke."]) as model:
        models = DirectModels({"planner": model.url})
        context = run_context(DirectTools({}, FakeContext()), "tell me a joke", models=models)
        ended = await graph.ainvoke({"question": "tell me a joke"}, context=context)
        await models.close()
    assert ended["answer"]["text"] == "A joke."
    assert ended["answer"]["missing"] == [chat.UNGROUNDED]
    assert ended["answer"]["claims"] == []


async def test_plain_chat_without_its_model_is_no_answer():
    ended = await chat.agent.graph.compile().ainvoke(
        {"question": "tell me a joke"}, context=run_context(DirectTools({}, FakeContext()), "tell me a joke")
    )
    assert (ended["answer"]["text"], ended["answer"]["needs_model"]) == ("", True)


def test_a_long_text_is_read_at_its_ends_only():
    text = "x" * 100_000 + "KeyError: 'total'"
    assert len(features.read(text)) <= features.HEAD + features.TAIL + 1
    assert features.read(text).endswith("'total'")


def test_the_weights_are_those_of_the_committed_examples(bench: Any):
    import router_weights  # noqa: PLC0415 - beside the benchmark

    assert trained().examples == router_weights.digest(), "run: python bench/router_weights.py"
    assert router_weights.WEIGHTS.stat().st_size <= 300_000


def test_no_topic_stands_in_two_parts_and_there_are_enough_of_them(bench: Any):
    import router_weights  # noqa: PLC0415 - beside the benchmark

    every = router_weights.examples("train", "calibrate", "test")
    assert len({each.text.lower() for each in every}) == len(every)
    for label in router_weights.LABELS:
        own = [each for each in every if each.label == label]
        topics = {each.topic for each in own}
        assert len({(each.topic, each.split) for each in own}) == len(topics)
        assert len(own) >= (400 if label == NONE else 150)
        assert len(topics) >= (40 if label == NONE else 20)
    tested = {each.text for each in router_weights.blind()}
    assert len(tested) >= 120
    assert not tested & {each.text for each in every}


async def test_words_alone_choose_well_on_topics_never_seen(bench: Any):
    for given_, f1, recall in ((bench.examples("test"), 0.86, 0.9), (bench.blind(), 0.86, 0.9)):
        asked = [await bench.chosen(given_, None) for _ in range(2)]
        assert asked[0] == asked[1]
        score = bench.scored([each.label for each in given_], bench.names(asked[0]))
        assert score["macro_f1"] >= f1
        assert score["out_of_scope_recall"] >= recall


def test_the_committed_figures_keep_what_was_promised(bench: Any):
    figures = json.loads((ROOT / "bench" / "results" / "router.json").read_text())["figures"]
    assert bench.kept(figures) == []
    assert {"majority", "keywords", "words", "minilm"} <= figures["test"].keys()
    assert all(figures[part][way]["same_each_time"] for part in ("test", "blind") for way in ("words", "minilm"))
