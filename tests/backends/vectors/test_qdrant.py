"""What the `qdrant:` store does beside the port: keys, a server that is away, crashes, two platforms on one server."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx2
import pytest

import qdrant_stand_in
from groundswell.backends.vectors.qdrant import QdrantVectors
from groundswell.backends.vectors.qdrant_rest import Rest
from groundswell.core.errors import ConfigError, Conflict, Invalid, NotFound, Unavailable
from groundswell.core.ports import CollectionInfo, Point
from groundswell.core.settings import VectorStore
from groundswell.waves import w01_core
from served_vectors import Broken, ServedVectors

INFO = CollectionInfo(name="notes", embedding="m", dimensions=4)
POINTS = [Point(id=f"p{n}", dense=(1, n, 0, 0), text=f"word{n}", payload={"n": n}) for n in range(5)]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ServedVectors]:
    store = ServedVectors(tmp_path)
    yield store
    await store.close()


def mocked(answers: Iterator[httpx2.Response | Exception]) -> tuple[Rest, list[httpx2.Request]]:
    """A server that gives these answers, and what it was asked."""
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        given = next(answers)
        if isinstance(given, Exception):
            raise given
        return given

    return Rest("qdrant://q:6333", "hush", transport=httpx2.MockTransport(answer), attempts=3), asked


def error(status: int, said: str, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, json={"status": {"error": said}}, headers=headers)


OK = httpx2.Response(200, json={"result": {"count": 3}, "status": "ok", "time": 0.0})


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("qdrant://qdrant.ai-vector.svc:6333", "http://qdrant.ai-vector.svc:6333"),
        ("qdrant://qdrant/", "http://qdrant:6333"),
        ("qdrant:https://cloud.example.com:6333/", "https://cloud.example.com:6333"),
        ("qdrant:http://[::1]:6333", "http://[::1]:6333"),
    ],
)
def test_an_address_is_plain_or_tls(url: str, address: str) -> None:
    assert Rest(url).url == address


@pytest.mark.parametrize(
    "url", ["qdrant:", "qdrant://", "qdrant://u:hush@h:1", "qdrant://h?key=hush", "qdrant:ftp://h", "qdrant://h:x"]
)
def test_an_address_that_cannot_be_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Rest(url)
    assert refused.value.code == "vectors_url"
    assert "hush" not in str(refused.value.problem())


def test_settings_name_the_server_and_its_key(tmp_path: Path) -> None:
    settings = VectorStore.model_validate({"url": "qdrant://h:1", "key": "hush"})
    store = QdrantVectors.opened(settings, tmp_path)
    assert store._rest._client.headers["api-key"] == "hush"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "trouble", [httpx2.ConnectError("no"), httpx2.ReadTimeout("late"), error(503, "starting"), error(500, "no leader")]
)
async def test_what_may_pass_is_asked_again(trouble: httpx2.Response | Exception) -> None:
    rest, asked = mocked(iter([trouble, trouble, OK]))
    assert await rest.ask("POST", "/collections/x/points/count", {"exact": True}) == {"count": 3}
    assert len(asked) == 3
    assert {request.content for request in asked} == {b'{"exact":true}'}


async def test_a_server_that_stays_away_is_unavailable_after_the_last_attempt() -> None:
    rest, asked = mocked(iter([httpx2.ConnectError("refused")] * 3))
    with pytest.raises(Unavailable) as away:
        await rest.ask("GET", "/collections")
    assert (away.value.code, away.value.details, len(asked)) == ("vectors_unreachable", {"retry_after": 5}, 3)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (error(400, "Wrong input: no"), Invalid, "vectors_rejected"),
        (error(413, "too large"), Invalid, "vectors_rejected"),
        (error(401, "Must provide an API key"), ConfigError, "vectors_key"),
        (httpx2.Response(403, text="Forbidden: only reads"), ConfigError, "vectors_key"),
        (error(507, "Insufficient storage: full"), Unavailable, "vectors_unavailable"),
        (httpx2.Response(404, text="<html>nginx"), Unavailable, "vectors_bad_reply"),
        (httpx2.Response(200, text="<html>welcome"), Unavailable, "vectors_bad_reply"),
        (httpx2.Response(200, json=[1]), Unavailable, "vectors_bad_reply"),
    ],
)
async def test_what_will_not_pass_is_asked_once(answer: httpx2.Response, kind: type, code: str) -> None:
    rest, asked = mocked(iter([answer]))
    with pytest.raises(kind) as refused:
        await rest.ask("GET", "/collections")
    assert (refused.value.code, len(asked)) == (code, 1)
    assert "hush" not in json.dumps(refused.value.problem())


async def test_a_wrong_key_says_which_setting_it_is(store: ServedVectors) -> None:
    await store.ensure("acme", INFO)
    stranger = QdrantVectors(store.server.url, "wrong")
    with pytest.raises(ConfigError) as refused:
        await stranger.count("acme", "notes")
    assert refused.value.code == "vectors_key"
    assert "wrong" not in json.dumps(refused.value.problem())
    await stranger.close()


async def test_a_server_says_what_it_is_and_a_stand_in_is_no_qdrant(store: ServedVectors) -> None:
    assert await store.about() == f"{qdrant_stand_in.TITLE} 0.0.0"
    assert not (await store.about()).startswith(w01_core.QDRANT)
    away = QdrantVectors("qdrant://127.0.0.1:9")
    assert await away.about() == "qdrant, away"
    await away.close()


async def test_the_contract_refuses_what_the_server_does_not_know(store: ServedVectors) -> None:
    for method, path, body in (
        ("POST", "/collections/x/points/count", {"exact": True, "limits": 3}),
        ("POST", "/collections/x/points/count", {"exact": "yes"}),
        ("POST", "/collections/x/points/recommend", {}),
    ):
        with pytest.raises(Broken):
            await store._rest.ask(method, path, body)
    with pytest.raises(Broken):
        await store._rest.ask("GET", "/collections", wait="true")


async def test_two_platforms_make_the_same_collection_at_once(store: ServedVectors) -> None:
    other = QdrantVectors(store.server.url, "secret")
    await asyncio.gather(*(each.ensure("acme", INFO, keywords=["n"]) for each in (store, other) * 4))
    await asyncio.gather(store.upsert("acme", "notes", POINTS[:2]), other.upsert("acme", "notes", POINTS[2:]))
    assert await store.count("acme", "notes") == await other.count("acme", "notes") == len(POINTS)
    with pytest.raises(Conflict):
        await other.ensure("acme", INFO.model_copy(update={"embedding": "another"}))
    await store.drop("acme", "notes")
    with pytest.raises(NotFound):
        await other.upsert("acme", "notes", POINTS)
    await other.ensure("acme", INFO.model_copy(update={"dimensions": 2}))
    with pytest.raises(Invalid):
        await store.upsert("acme", "notes", POINTS)
    await other.close()


@pytest.mark.parametrize("broken", ["/points", "/aliases"])
async def test_a_restore_that_breaks_off_leaves_what_was_there(
    store: ServedVectors, tmp_path: Path, broken: str
) -> None:
    await store.ensure("acme", INFO)
    await store.upsert("acme", "notes", POINTS)
    await store.snapshot("acme", "notes", tmp_path / "s")
    await store.delete("acme", "notes", ids=["p0"])
    ask = store._rest.ask

    async def breaks(method: str, path: str, *rest: object, **parameters: str) -> object:
        if method != "GET" and path.endswith(broken):
            raise asyncio.CancelledError  # as a kill: nothing is tidied up
        return await ask(method, path, *rest, **parameters)

    store._rest.ask = breaks
    with pytest.raises(asyncio.CancelledError):
        await store.restore("acme", "notes", tmp_path / "s")
    store._rest.ask = ask
    assert await store.count("acme", "notes") == 4
    assert len(store.server.store.state["collections"]) == 2
    await store.restore("acme", "notes", tmp_path / "s")
    assert await store.count("acme", "notes") == 5
    assert len(store.server.store.state["collections"]) == 1


async def test_a_collection_of_another_program_is_not_touched(store: ServedVectors) -> None:
    await store._rest.ask("PUT", "/collections/theirs", {"vectors": {"v": {"size": 2, "distance": "Dot"}}})
    await store.ensure("theirs", CollectionInfo(name="theirs"))
    await store.drop("theirs", "theirs")
    assert list(store.server.store.state["collections"]) == ["theirs"]


async def test_large_points_are_sent_in_requests_that_a_server_takes(store: ServedVectors) -> None:
    sizes: list[int] = []
    ask = store._rest.ask

    async def seen(method: str, path: str, body: object = None, **parameters: str) -> object:
        sizes.extend([len(body)] if isinstance(body, bytes) else [])
        return await ask(method, path, body, **parameters)

    store._rest.ask = seen
    await store.ensure("acme", INFO)
    await store.upsert("acme", "notes", [Point(id=f"big{n}", payload={"t": "x" * 2**20}) for n in range(20)])
    assert len(sizes) == 3
    assert max(sizes) < 9 * 2**20
    assert await store.count("acme", "notes") == 20


class Killed:
    """The stand-in as a process that is killed and comes back at its address."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.process = folder, 0, None

    async def start(self) -> str:
        words = [sys.executable, "-P", qdrant_stand_in.__file__, str(self.folder), "--port", str(self.port)]
        self.process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        line = (await self.process.stdout.readline()).decode()
        self.port = int(line.rsplit(":", 1)[1])
        return line.split(" at ")[1].strip()

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


class Writer:
    """Writes, overwrites and removes its points; knows what it last tried of each, and what was last acknowledged."""

    def __init__(self, store: QdrantVectors, name: str, noted: Callable[[], None]) -> None:
        self.store, self.name, self.noted = store, name, noted
        self.tried: dict[str, int] = {}
        self.held: dict[str, int] = {}

    async def run(self) -> None:
        for number in range(1_000_000):
            point = f"{self.name}-{number % 40}"
            self.tried[point] = number
            if removes(number):
                await self.store.delete("acme", "notes", ids=[point])
            else:
                await self.store.upsert("acme", "notes", [Point(id=point, dense=(1, 0, 0, 0), payload={"n": number})])
            self.held[point] = number
            self.noted()

    def lost(self, there: dict[str, int]) -> list[str]:
        """Points that are not as acknowledged; of what was tried last and not acknowledged both ends are right."""
        sure = {point: number for point, number in self.held.items() if self.tried[point] == number}
        return [point for point, number in sure.items() if there.get(point) != (None if removes(number) else number)]


def removes(number: int) -> bool:
    return number % 7 == 6


@pytest.mark.real
@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(300)])])
async def test_nothing_acknowledged_is_lost_when_the_server_is_killed_under_writes(tmp_path: Path, kills: int) -> None:
    server = Killed(tmp_path / "served")
    store = QdrantVectors(await server.start(), attempts=1000, patience=60.0)
    await store.ensure("acme", INFO, keywords=["n"])
    acknowledged = asyncio.Semaphore(0)
    writers = [Writer(store, f"w{number}", acknowledged.release) for number in range(3)]
    tasks = [asyncio.create_task(writer.run()) for writer in writers]
    for _ in range(kills):
        for _ in range(30):
            await acknowledged.acquire()
        await server.kill()
        await server.start()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await server.kill()
    await server.start()
    there = {point.id: point.payload["n"] async for point in store.scroll("acme", "notes")}
    await server.kill()
    await store.close()
    assert [writer.lost(there) for writer in writers] == [[], [], []]
    assert sum(len(writer.held) for writer in writers) > 30
