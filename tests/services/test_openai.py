"""Any OpenAI client talks to the agents, and to the models: tried with the official one, over a whole platform."""

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from groundswell.backends.databases.relays import Relays
from groundswell.backends.databases.runs import Accepted
from groundswell.client import Client
from groundswell.core.errors import GroundswellError
from groundswell.core.records import Limits, Message, NewRun, Part, Route
from groundswell.core.settings import load
from groundswell.runtime.platform import Running
from groundswell.testing import Say, ScriptedModel
from services.serving import served

pytestmark = pytest.mark.timeout(120)
AWAY = """
apiVersion: v1
kind: Config
current-context: away
clusters: [{name: away, cluster: {server: "http://127.0.0.1:9"}}]
contexts: [{name: away, context: {cluster: away, user: nobody}}]
users: [{name: nobody, user: {}}]
"""


class Mouth:
    """What the planner says; each test sets it."""

    says: Callable[[dict[str, Any]], Say | str] = staticmethod(lambda body: "NOT FOUND")

    def __call__(self, body: dict[str, Any]) -> Say | str:
        return self.says(body)


@pytest.fixture(scope="module")
def mouth() -> Mouth:
    return Mouth()


@pytest.fixture(scope="module")
def scripted(mouth: Mouth) -> Iterator[ScriptedModel]:
    with ScriptedModel(mouth) as model:
        yield model


@pytest.fixture(scope="module")
async def modelled(tmp_path_factory: pytest.TempPathFactory, scripted: ScriptedModel) -> AsyncIterator[Running]:
    """A platform whose planner is scripted."""
    folder = tmp_path_factory.mktemp("openai")
    overrides = {
        "data": str(folder / "data"),
        "gateway.port": 0,
        "models.planner.url": scripted.url,
        "models.planner.price.output": 10.0,
        "embeddings.url": "none:",
    }
    loaded = load(folder, overrides, {"HOME": str(folder)})
    async with served(loaded) as running:
        yield running


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The sample, as a repository."""
    folder = tmp_path_factory.mktemp("harbour")
    with resources.as_file(resources.files("groundswell").joinpath("data/sample")) as sample:
        shutil.copytree(sample, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return f"path:{Path(folder).resolve()}"


@pytest.fixture
async def client(modelled: Running) -> AsyncIterator[openai.AsyncOpenAI]:
    assert modelled.instance is not None
    key = modelled.base.local_key
    async with openai.AsyncOpenAI(base_url=f"{modelled.instance.url}/v1", api_key=key, max_retries=0) as made:
        yield made


@pytest.fixture
async def http(modelled: Running) -> AsyncIterator[httpx2.AsyncClient]:
    assert modelled.instance is not None
    async with httpx2.AsyncClient(base_url=modelled.instance.url, timeout=20) as made:
        yield made


def asking(repo: str, question: str = "where is `entry_window` defined?", **more: Any) -> dict[str, Any]:
    extension = {"groundswell": {"sources": {"repo": repo}}}
    messages = [{"role": "user", "content": question}]
    return {"model": "agent:coding", "messages": messages, "extra_body": extension, **more}


async def ended(http: httpx2.AsyncClient, run: str) -> dict[str, Any]:
    """A run once it has ended."""
    async with http.stream("GET", f"/v1/runs/{run}/events") as response:
        async for _ in response.aiter_lines():
            pass
    return (await http.get(f"/v1/runs/{run}")).json()


async def settled(http: httpx2.AsyncClient, run: str) -> None:
    """Until a run's calls are settled: nobody waits for the model any more."""
    for _ in range(400):
        if all(call["state"] == "done" for call in (await http.get(f"/v1/runs/{run}/calls")).json()):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the model is still asked")


async def latest(http: httpx2.AsyncClient) -> dict[str, Any]:
    return (await http.get("/v1/runs?limit=1")).json()["runs"][0]


async def test_the_models_are_the_agents_and_the_roles(client: openai.AsyncOpenAI) -> None:
    names = [model.id async for model in client.models.list()]
    assert {"agent:coding", "agent:chat", "llm:planner"} <= set(names)
    assert "llm:code" not in names


async def test_an_agents_answer_comes_with_citations_in_text_and_as_a_field(
    client: openai.AsyncOpenAI, repo: str, mouth: Mouth
) -> None:
    mouth.says = lambda body: "NOT FOUND"
    said = await client.chat.completions.create(**asking(repo, "where is the class Measurement defined?"))
    text = said.choices[0].message.content
    assert text is not None
    assert "[1]" in text
    extension = said.model_extra["groundswell"]
    assert extension["status"] == "succeeded"
    assert all(claim["citations"][0]["evidence"] for claim in extension["claims"])
    assert said.choices[0].finish_reason == "stop"


async def test_an_agent_uses_its_model_and_its_answer_streams_with_usage(
    client: openai.AsyncOpenAI, http: httpx2.AsyncClient, repo: str, mouth: Mouth
) -> None:
    def says(body: dict[str, Any]) -> Say | str:
        if len(body["messages"]) == 2:
            return Say(calls=[("repo_search", {"pattern": "def "})])
        return 'Nothing here is called nonsense. Trust me [E1 "no such words anywhere"].'

    mouth.says = says
    stream = await client.chat.completions.create(
        **asking(repo, "where is the class Measurement defined?", stream=True, stream_options={"include_usage": True})
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "no such words" not in text
    assert "Measurement" in text, "the findings stand"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0
    run = await ended(http, chunks[0].id.removeprefix("chatcmpl-"))
    assert run["spent"]["tokens"] == chunks[-1].usage.total_tokens
    assert run["spent"]["money"] > 0
    calls = (await http.get(f"/v1/runs/{run['id']}/calls")).json()
    assert {"model:planner", "repo_search"} <= {call["tool"] for call in calls}
    told = [call["arguments"] for call in calls if call["tool"] == "model:planner"]
    assert all(set(each) == {"prompt", "messages", "tools", "max_tokens"} for each in told), "no prompt is kept twice"


async def test_what_a_model_says_is_told_as_events_without_secrets(
    client: openai.AsyncOpenAI, http: httpx2.AsyncClient, repo: str, mouth: Mouth
) -> None:
    mouth.says = lambda body: Say("The key is AKIAIOSFODNN7EXAMPLE, I say.\n", reasoning="let me think")
    said = await client.chat.completions.create(**asking(repo))
    async with http.stream("GET", f"/v1/runs/{said.id.removeprefix('chatcmpl-')}/events") as response:
        told = (await response.aread()).decode()
    assert '"kind":"text"' in told
    assert "".join(re.findall(r'"reasoning":"(.*?)"', told)) == "let me think"  # told in pieces
    assert "AKIAIOSFODNN7EXAMPLE" not in told
    assert "[secret:" in told


async def test_a_follow_up_sees_earlier_messages_or_its_thread(
    client: openai.AsyncOpenAI, http: httpx2.AsyncClient, repo: str, mouth: Mouth
) -> None:
    mouth.says = lambda body: "NOT FOUND"
    first = await client.chat.completions.create(**asking(repo))
    thread = first.model_extra["groundswell"]["thread"]
    body = asking(repo)
    body["extra_body"]["groundswell"]["thread"] = thread
    second = await client.chat.completions.create(**body)
    assert second.model_extra["groundswell"]["thread"] == thread
    messages = [
        {"role": "user", "content": "where is `entry_window` defined?"},
        {"role": "assistant", "content": "In entry.py."},
        {"role": "user", "content": "who calls it?"},
    ]
    third = await client.chat.completions.create(**asking(repo, messages=messages) | {"messages": messages})
    run = await ended(http, third.id.removeprefix("chatcmpl-"))
    assert [message["role"] for message in run["input"]] == ["user", "assistant", "user"]


async def test_closing_the_connection_cancels_the_run(
    client: openai.AsyncOpenAI, http: httpx2.AsyncClient, repo: str, mouth: Mouth
) -> None:
    mouth.says = lambda body: Say("half of what I", fault="hang")
    stream = await client.chat.completions.create(**asking(repo, stream=True))
    chunk = await anext(aiter(stream))
    await stream.close()
    run = await ended(http, chunk.id.removeprefix("chatcmpl-"))
    assert run["status"] == "cancelled"


async def test_leaving_without_a_stream_cancels_too(
    client: openai.AsyncOpenAI, http: httpx2.AsyncClient, repo: str, mouth: Mouth, scripted: ScriptedModel
) -> None:
    mouth.says = lambda body: Say("half of what I", fault="hang")
    count = len(scripted.requests)
    task = asyncio.create_task(client.chat.completions.create(**asking(repo)))
    assert await asyncio.to_thread(scripted.wait_for, count + 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await ended(http, (await latest(http))["id"]))["status"] == "cancelled"


async def test_a_model_is_passed_through_and_its_text_is_nowhere(
    client: openai.AsyncOpenAI, http: httpx2.AsyncClient, mouth: Mouth, modelled: Running
) -> None:
    words = "the moon is made of basalt"
    mouth.says = lambda body: Say(words, reasoning="hm")
    messages: Any = [{"role": "user", "content": "a question that nobody keeps"}]
    stream = await client.chat.completions.create(model="llm:planner", messages=messages, stream=True)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == words
    assert "".join((chunk.choices[0].delta.model_extra or {}).get("reasoning", "") for chunk in chunks) == "hm"
    whole = await client.chat.completions.create(model="llm:planner", messages=messages)
    assert whole.choices[0].message.content == words
    run = await ended(http, (await latest(http))["id"])
    assert (run["status"], run["agent"]) == ("succeeded", "llm:planner")
    assert run["spent"]["tokens"] > 0
    database = modelled.base.database("router")
    await database.open()
    for sql in (
        "SELECT body::text AS t FROM evidence",
        "SELECT body::text AS t FROM events",
        "SELECT input::text AS t FROM runs",
    ):
        assert not [row for row in await database.rows(sql) if words in row["t"] or "nobody keeps" in row["t"]]
    await database.close()


async def test_a_passed_through_stream_that_is_left_ends_its_run(
    client: openai.AsyncOpenAI, http: httpx2.AsyncClient, mouth: Mouth
) -> None:
    mouth.says = lambda body: Say("x", fault="endless")
    messages: Any = [{"role": "user", "content": "go on"}]
    stream = await client.chat.completions.create(model="llm:planner", messages=messages, stream=True)
    await anext(aiter(stream))
    await stream.close()
    assert (await ended(http, (await latest(http))["id"]))["status"] == "cancelled"


@pytest.mark.parametrize("fault", ["endless", "hang"])
async def test_cancelling_the_run_stops_a_stream_that_is_passed_through(
    client: openai.AsyncOpenAI, http: httpx2.AsyncClient, mouth: Mouth, scripted: ScriptedModel, fault: Any
) -> None:
    mouth.says = lambda body: Say("one word and then another one", fault=fault)
    messages: Any = [{"role": "user", "content": "go on"}]
    stream = await client.chat.completions.create(model="llm:planner", messages=messages, stream=True)
    await anext(aiter(stream))
    run = (await latest(http))["id"]
    assert (await http.post(f"/v1/runs/{run}/cancel")).status_code == 200
    with pytest.raises(openai.APIError, match="cancelled"):
        async for _ in stream:
            pass
    ended_run = await ended(http, run)
    assert (ended_run["status"], ended_run["error"]) == ("cancelled", None)


async def test_cancelling_the_run_ends_a_whole_reply_that_is_waited_for(
    client: openai.AsyncOpenAI, http: httpx2.AsyncClient, mouth: Mouth, scripted: ScriptedModel
) -> None:
    mouth.says = lambda body: Say("one word and then another one", fault="hang")
    messages: Any = [{"role": "user", "content": "go on"}]
    count = len(scripted.requests)
    asked = asyncio.create_task(client.chat.completions.create(model="llm:planner", messages=messages))
    assert await asyncio.to_thread(scripted.wait_for, count + 1)
    run = (await latest(http))["id"]
    assert (await http.post(f"/v1/runs/{run}/cancel")).status_code == 200
    with pytest.raises(openai.APIError, match="cancelled"):
        await asked
    ended_run = await ended(http, run)
    assert (ended_run["status"], ended_run["error"]) == ("cancelled", None)
    await settled(http, run)


@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_before_the_first_word_of_a_model_ends_the_run_and_the_call(
    client: openai.AsyncOpenAI, http: httpx2.AsyncClient, mouth: Mouth, scripted: ScriptedModel, stream: bool
) -> None:
    mouth.says = lambda body: Say("", fault="hang")
    messages: Any = [{"role": "user", "content": "go on"}]
    count = len(scripted.requests)
    create: Any = client.chat.completions.create
    asked = asyncio.create_task(create(model="llm:planner", messages=messages, stream=stream))
    assert await asyncio.to_thread(scripted.wait_for, count + 1)
    run = (await latest(http))["id"]
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    if stream and not asked.cancelled():
        await asked.result().close()
    assert (await ended(http, run))["status"] == "cancelled"
    await settled(http, run)


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        ({"model": "agent:nobody"}, openai.NotFoundError, "no_agent"),
        ({"model": "llm:code"}, openai.NotFoundError, "no_model"),
        ({"model": "llm:nothing"}, openai.UnprocessableEntityError, "unknown_role"),
        ({"model": "agent:coding", "n": 2}, openai.UnprocessableEntityError, "one_choice"),
        (
            {"model": "agent:coding", "messages": [{"role": "system", "content": "x"}]},
            openai.UnprocessableEntityError,
            "no_question",
        ),
    ],
)
async def test_errors_have_openais_shape(
    client: openai.AsyncOpenAI, body: dict[str, Any], kind: type[openai.APIStatusError], code: str
) -> None:
    request: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}], **body}
    with pytest.raises(kind) as caught:
        await client.chat.completions.create(**request)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("agent", "sources", "kind", "code"),
    [
        ("observability", {"kubernetes": "dump:{}/gone"}, openai.UnprocessableEntityError, "no_such_dump"),
        ("web", {}, openai.UnprocessableEntityError, "no_source"),
        ("observability", {"kubernetes": "kubeconfig:{}/away"}, openai.InternalServerError, "cluster_unreachable"),
    ],
)
async def test_what_the_request_lacks_is_the_callers_to_mend_and_no_failed_run_is_started_again_by_a_client(
    client: openai.AsyncOpenAI,
    http: httpx2.AsyncClient,
    tmp_path: Path,
    agent: str,
    sources: dict[str, str],
    kind: type[openai.APIStatusError],
    code: str,
) -> None:
    (tmp_path / "away").write_text(AWAY)
    named = {key: source.format(tmp_path) for key, source in sources.items()}
    before = {run["id"] for run in (await http.get("/v1/runs", params={"limit": 50})).json()["runs"]}
    with pytest.raises(kind) as caught:
        await client.with_options(max_retries=2).chat.completions.create(
            model=f"agent:{agent}",
            messages=[{"role": "user", "content": "What is wrong?"}],
            extra_body={"groundswell": {"sources": named}},
        )
    assert caught.value.code == code
    after = {run["id"] for run in (await http.get("/v1/runs", params={"limit": 50})).json()["runs"]}
    assert len(after - before) == 1


async def test_a_run_that_policy_denied_is_told_as_denied(
    client: openai.AsyncOpenAI, http: httpx2.AsyncClient, repo: str
) -> None:
    bounded = (await http.post("/v1/keys", json={"name": "bounded"})).json()["key"]
    with pytest.raises(openai.PermissionDeniedError) as raised:
        await client.with_options(api_key=bounded).chat.completions.create(**asking(repo))
    assert raised.value.code == "source_scheme_not_allowed"


async def test_an_engine_that_refuses_is_an_error_and_the_run_failed(
    client: openai.AsyncOpenAI, http: httpx2.AsyncClient, mouth: Mouth
) -> None:
    mouth.says = lambda body: Say(status=400, text="this is too hot")
    messages: Any = [{"role": "user", "content": "hello"}]
    with pytest.raises(openai.UnprocessableEntityError, match="too hot"):
        await client.chat.completions.create(model="llm:planner", messages=messages, temperature=2)
    assert (await ended(http, (await latest(http))["id"]))["status"] == "failed"


async def test_our_own_client_reads_the_error_too(modelled: Running, mouth: Mouth) -> None:
    mouth.says = lambda body: Say(status=400, text="this is too hot")
    assert modelled.instance is not None
    async with Client(modelled.instance.url, modelled.base.local_key) as ours:
        with pytest.raises(GroundswellError, match="too hot") as raised:
            _ = [chunk async for chunk in ours.completion("llm:planner", [{"role": "user", "content": "hello"}])]
    assert not raised.value.code.startswith("http_")


async def test_the_command_line_lists_and_tests_models(modelled: Running, mouth: Mouth) -> None:
    def says(body: dict[str, Any]) -> Say | str:
        if body.get("tools"):
            return Say(calls=[("city_time", {"city": "Paris"}), ("city_time", {"city": "Tokyo"})])
        return '{"colour": "red"}' if body.get("response_format") else "one two three four five six seven"

    mouth.says = says
    assert modelled.instance is not None

    async def told(*words: str) -> str:
        platform = ["--url", modelled.instance.url, "--key", modelled.base.local_key] if modelled.instance else []
        command = [sys.executable, "-P", "-m", "groundswell.cli.main", *platform, "models", *words]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        assert process.returncode == 0
        return out.decode()

    assert "scripted" in await told("list")
    report = await told("test", "planner")
    for name in ("streaming", "tool calls", "parallel calls", "JSON schema", "usage"):
        assert re.search(rf"{name} +yes", report), report
    assert "32,768" in report
    assert "loop: native" in report


async def test_a_budget_of_tokens_ends_the_loop_and_not_the_run(
    http: httpx2.AsyncClient, repo: str, mouth: Mouth
) -> None:
    mouth.says = lambda body: Say(calls=[("repo_search", {"pattern": f"def {len(body['messages'])}"})])
    request = {"input": "where is `entry_window` defined?", "agent": "coding", "sources": {"repo": repo}}
    made = await http.post("/v1/runs", json={**request, "limits": {"tokens": 9000}})
    run = await ended(http, made.json()["id"])
    assert run["status"] == "succeeded"
    assert "entry.py" in run["answer"]["text"]
    assert run["spent"]["tokens"] <= 9000


async def test_a_call_whose_gateway_has_gone_is_ended_by_a_worker(http: httpx2.AsyncClient, modelled: Running) -> None:
    database = modelled.base.database("router")
    await database.open()
    said = Message(parts=(Part(text="a call"),))
    new = Accepted(
        id="run_lost",
        tenant="local",
        caller="local",
        request=NewRun(input=(said,)),
        route=Route(agent="llm:planner", confidence=1.0),
        budget=Limits(),
        thread="thread_lost",
        call={"model": "planner"},
    )
    await Relays(database).begin(new, seconds=0)
    await database.close()
    run = await ended(http, "run_lost")
    assert (run["status"], run["error"]["code"]) == ("failed", "relay_lost")
