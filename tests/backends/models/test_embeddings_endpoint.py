"""The endpoint embedder against a server's replies."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
import stamina

from groundswell.backends.models.embeddings_endpoint import EndpointEmbedder
from groundswell.core.errors import ConfigError, GroundswellError, Invalid, Unavailable

Reply = Callable[[httpx2.Request], httpx2.Response]


@pytest.fixture(autouse=True)
def no_waiting() -> None:
    stamina.set_testing(True, attempts=3)


@pytest.fixture(autouse=True)
def waiting_again(no_waiting: None):
    yield
    stamina.set_testing(False)


def embedder(reply: Reply, **options) -> EndpointEmbedder:
    return EndpointEmbedder("http://engine/v1/", transport=httpx2.MockTransport(reply), **options)


def vectors(request: httpx2.Request) -> httpx2.Response:
    texts = json.loads(request.content)["input"]
    rows = [{"index": number, "embedding": [3.0, 4.0 + len(text)]} for number, text in enumerate(texts)]
    return httpx2.Response(200, json={"data": rows[::-1]})


async def test_vectors_come_in_the_order_of_the_texts_and_at_length_one() -> None:
    made = embedder(vectors, model="m")
    assert await made.embed(["", "four"], kind="document") == [
        pytest.approx([3 / 34**0.5, 5 / 34**0.5]),
        pytest.approx([3 / 73**0.5, 8 / 73**0.5]),
    ]
    assert made.dimensions == 2
    await made.close()


async def test_many_texts_go_in_batches() -> None:
    sizes = []

    def reply(request: httpx2.Request) -> httpx2.Response:
        sizes.append(len(json.loads(request.content)["input"]))
        return vectors(request)

    made = embedder(reply, model="m")
    assert len(await made.embed(["x"] * 130 + ["y" * 150_000] * 2, kind="document")) == 132
    assert sizes == [64, 64, 3, 1]


async def test_probe_finds_the_model_and_its_dimensions() -> None:
    def reply(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/v1/models":
            return httpx2.Response(200, json={"data": [{"id": "found"}]})
        assert json.loads(request.content)["model"] == "found"
        return vectors(request)

    made = embedder(reply)
    await made.probe()
    assert (made.name, made.dimensions) == ("found", 2)


@pytest.mark.parametrize("trouble", [429, 500, 503, httpx2.ConnectError("refused")])
async def test_passing_trouble_is_tried_again(trouble: int | Exception) -> None:
    tries = []

    def reply(request: httpx2.Request) -> httpx2.Response:
        tries.append(request)
        if len(tries) == 3:
            return vectors(request)
        if isinstance(trouble, Exception):
            raise trouble
        return httpx2.Response(trouble, headers={"Retry-After": "7"})

    assert await embedder(reply, model="m").embed(["a"], kind="query")
    assert len(tries) == 3


@pytest.mark.parametrize(
    ("answer", "kind", "code", "asked"),
    [
        (httpx2.Response(503, text="loading"), Unavailable, "embeddings_unavailable", 3),
        (httpx2.Response(401, text="who?"), ConfigError, "embeddings_key", 1),
        (httpx2.Response(404, text="no such model"), ConfigError, "embeddings_model", 1),
        (httpx2.Response(400, text="too long"), Invalid, "embeddings_rejected", 1),
        (httpx2.Response(200, text="<html>"), Unavailable, "embeddings_bad_reply", 1),
        (httpx2.Response(200, json=[]), Unavailable, "embeddings_bad_reply", 1),
        (httpx2.Response(200, json={"data": [{"index": 0, "embedding": []}]}), Unavailable, "embeddings_bad_reply", 1),
        (httpx2.Response(200, json={"data": [{"index": 0}]}), Unavailable, "embeddings_bad_reply", 1),
    ],
)
async def test_what_stays_wrong_is_a_typed_error(
    answer: httpx2.Response, kind: type[GroundswellError], code: str, asked: int
) -> None:
    tries = []

    def reply(request: httpx2.Request) -> httpx2.Response:
        tries.append(request)
        return httpx2.Response(answer.status_code, content=answer.content)

    with pytest.raises(kind) as error:
        await embedder(reply, model="m").embed(["a"], kind="query")
    assert (error.value.code, len(tries)) == (code, asked)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    made = EndpointEmbedder("http://127.0.0.1:9/v1", model="m")
    with pytest.raises(Unavailable) as error:
        await made.embed(["a"], kind="query")
    assert error.value.code == "embeddings_unreachable"
    await made.close()


async def test_the_key_is_read_from_its_file_each_time(tmp_path: Path) -> None:
    keys = []

    def reply(request: httpx2.Request) -> httpx2.Response:
        keys.append(request.headers.get("Authorization"))
        return vectors(request)

    file = tmp_path / "key"
    made = embedder(reply, model="m", key_file=file)
    for key in ("one\n", "two"):
        file.write_text(key)
        await made.embed(["a"], kind="query")
    assert keys == ["Bearer one", "Bearer two"]
    file.unlink()
    with pytest.raises(ConfigError):
        await made.embed(["a"], kind="query")
