"""What the embedded store does beside the port: processes, crashes, indexes, damage."""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from groundswell.backends.vectors.embedded import EmbeddedVectors
from groundswell.core.errors import NotFound, Unavailable
from groundswell.core.ports import CollectionInfo, Point

INFO = CollectionInfo(name="notes", embedding="m", dimensions=8)


def points(count: int, start: int = 0) -> list[Point]:
    source = random.Random(start)
    return [
        Point(
            id=f"p{number}",
            dense=tuple(source.gauss(0, 1) for _ in range(8)),
            text=f"word{number % 7} only{number}",
            payload={"n": number, "five": number % 5},
        )
        for number in range(start, start + count)
    ]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedVectors]:
    store = EmbeddedVectors(tmp_path / "vectors", index_after=500, quiet_seconds=600)
    yield store
    await store.close()


def host(store: EmbeddedVectors) -> asyncio.subprocess.Process:
    process = store._host._process
    assert process is not None
    return process


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - files and processes have no events
            await asyncio.sleep(0.005)


async def test_listing_collections_starts_no_process(store: EmbeddedVectors) -> None:
    assert await store.collections("acme") == []
    assert not store.running


async def test_an_idle_store_gives_its_memory_back_and_starts_again(tmp_path: Path) -> None:
    store = EmbeddedVectors(tmp_path, idle_seconds=0.01, quiet_seconds=600)
    await store.ensure("acme", INFO)
    await store.upsert("acme", "notes", points(3))
    process = host(store)
    async with asyncio.timeout(10):
        assert await process.wait() == 0
    assert not store.running
    assert await store.count("acme", "notes") == 3
    await store.close()


async def test_a_second_process_is_told_that_the_folder_is_in_use(store: EmbeddedVectors, tmp_path: Path) -> None:
    await store.ensure("acme", INFO)
    second = EmbeddedVectors(tmp_path / "vectors", lock_seconds=0)
    with pytest.raises(Unavailable) as error:
        await second.count("acme", "notes")
    assert error.value.code == "vectors_locked"
    assert str(os.getpid()) in error.value.message
    await store.close()
    assert await second.count("acme", "notes") == 0
    await second.close()


async def test_an_operation_survives_the_death_of_the_host(store: EmbeddedVectors) -> None:
    await store.ensure("acme", INFO)
    await store.upsert("acme", "notes", points(10))
    process = host(store)
    process.send_signal(signal.SIGSTOP)
    asked = [asyncio.create_task(store.count("acme", "notes")) for _ in range(3)]
    await until(lambda: len(store._host._pending) == 3)
    process.kill()
    assert await asyncio.gather(*asked) == [10, 10, 10]
    assert host(store) is not process


async def test_a_host_that_hangs_is_ended_and_the_next_call_works(tmp_path: Path) -> None:
    store = EmbeddedVectors(tmp_path, call_seconds=0.05)
    await store._host.start()
    host(store).send_signal(signal.SIGSTOP)
    with pytest.raises(Unavailable) as error:
        await store.ensure("acme", INFO)
    assert error.value.code == "vectors_stuck"
    await store.close()
    patient = EmbeddedVectors(tmp_path)
    await patient.ensure("acme", INFO)
    assert await patient.count("acme", "notes") == 0
    await patient.close()


async def test_a_cancelled_question_does_not_shift_the_answers(store: EmbeddedVectors) -> None:
    await store.ensure("acme", INFO)
    await store.upsert("acme", "notes", points(10))
    for _ in range(20):
        asked = asyncio.create_task(store.search("acme", "notes", text="word1"))
        await asyncio.sleep(0)
        asked.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asked
        assert await store.count("acme", "notes") == 10


WRITER = """
import asyncio, sys
from pathlib import Path
from groundswell.backends.vectors.embedded import EmbeddedVectors
from groundswell.core.ports import CollectionInfo, Point

async def main():
    store = EmbeddedVectors(Path(sys.argv[1]))
    await store.ensure("acme", CollectionInfo(name="notes", embedding="m", dimensions=8))
    first = await store.count("acme", "notes")
    while True:
        batch = [Point(id=f"p{n}", dense=(1,) * 8, text=f"only{n}") for n in range(first, first + 20)]
        await store.upsert("acme", "notes", batch)
        first += 20
        print(first, flush=True)

asyncio.run(main())
"""


@pytest.mark.real
@pytest.mark.timeout(120)
async def test_what_was_acknowledged_is_there_after_kill_9(tmp_path: Path) -> None:
    acknowledged = 0
    for _ in range(3):
        writer = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(tmp_path), stdout=asyncio.subprocess.PIPE
        )
        assert writer.stdout is not None
        for _ in range(5):
            acknowledged = int(await asyncio.wait_for(writer.stdout.readline(), 20))
        for child in _children(writer.pid):
            os.kill(child, signal.SIGKILL)
        writer.kill()
        rest, _ = await writer.communicate()
        acknowledged = int((rest.split() or [acknowledged])[-1])
        store = EmbeddedVectors(tmp_path)
        assert await store.count("acme", "notes") >= acknowledged
        [found] = await store.search("acme", "notes", text=f"only{acknowledged - 1}")
        assert found.id == f"p{acknowledged - 1}"
        await store.close()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.real
@pytest.mark.timeout(120)
async def test_the_host_ends_with_a_platform_that_was_killed(tmp_path: Path) -> None:
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    await asyncio.wait_for(writer.stdout.readline(), 20)
    [child] = _children(writer.pid)
    writer.kill()
    await writer.communicate()
    await until(lambda: not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes())
    store = EmbeddedVectors(tmp_path)
    assert await store.count("acme", "notes") >= 20
    await store.close()


@pytest.mark.real
async def test_a_damaged_collection_says_so_and_others_go_on(store: EmbeddedVectors, tmp_path: Path) -> None:
    other = INFO.model_copy(update={"name": "other"})
    for info in (INFO, other):
        await store.ensure("acme", info)
        await store.upsert("acme", info.name, points(10))
    await store.snapshot("acme", "notes", tmp_path / "notes.snapshot")
    await store.close()
    folder = tmp_path / "vectors" / "acme" / "notes"
    # one that the engine reports, and one on which it breaks down
    for name in ("segment.json", "status.dat"):
        for file in folder.rglob(name):
            file.write_bytes(b"")
        with pytest.raises(Unavailable) as error:
            await store.search("acme", "notes", text="word1")
        assert error.value.code == "collection_damaged"
        assert await store.count("acme", "other") == 10
    (folder / "manifest.json").write_bytes(b"{")
    again = EmbeddedVectors(tmp_path / "vectors", lock_seconds=0)
    await store.close()
    with pytest.raises(Unavailable):
        await again.count("acme", "notes")
    await again.restore("acme", "notes", tmp_path / "notes.snapshot")
    assert await again.count("acme", "notes") == 10
    await again.drop("acme", "notes")
    assert await again.collections("acme") == [other]
    await again.close()


@pytest.mark.real
@pytest.mark.timeout(120)
async def test_an_index_is_built_when_writes_pause_and_nothing_is_lost(tmp_path: Path) -> None:
    store = EmbeddedVectors(tmp_path, index_after=500, quiet_seconds=0.01)
    await store.ensure("acme", INFO, keywords=["five"])
    await store.upsert("acme", "notes", points(600))
    await until(lambda: store._open and not (tmp_path / "acme" / "notes" / "shard-1").exists())
    assert await store.count("acme", "notes") == 600
    assert await store.count("acme", "notes", where={"five": 1}) == 120
    await store.close()


@pytest.mark.real
@pytest.mark.timeout(120)
async def test_what_is_written_while_an_index_is_built_is_in_it(store: EmbeddedVectors) -> None:
    await store.ensure("acme", INFO, keywords=["five"])
    await store.upsert("acme", "notes", points(2000))
    building = asyncio.create_task(store.optimize("acme", "notes"))
    expected = {f"p{number}" for number in range(2000)}
    for number in itertools.count():
        if building.done():
            break
        await store.upsert("acme", "notes", points(3, start=5000 + 3 * number))
        await store.delete("acme", "notes", ids=[f"p{number}"])
        expected |= {f"p{5000 + 3 * number + i}" for i in range(3)}
        expected -= {f"p{number}"}
    await building
    assert number > 1
    assert {point.id async for point in store.scroll("acme", "notes")} == expected
    assert store._open[next(iter(store._open))].manifest.generation > 1
    [found] = await store.search("acme", "notes", text="only5001")
    assert found.id == "p5001"
    await store.delete("acme", "notes", where={"five": 0})
    left = len([id_ for id_ in expected if int(id_[1:]) % 5])
    assert await store.count("acme", "notes") == left


@pytest.mark.real
@pytest.mark.timeout(120)
async def test_a_build_that_is_cut_off_leaves_the_collection_as_it_was(store: EmbeddedVectors, tmp_path: Path) -> None:
    await store.ensure("acme", INFO)
    await store.upsert("acme", "notes", points(2000))
    building = asyncio.create_task(store.optimize("acme", "notes"))
    folder = tmp_path / "vectors" / "acme" / "notes"
    await until(lambda: len(list(folder.glob("shard-*"))) > 1)
    await store.close()
    with contextlib.suppress(asyncio.CancelledError):
        await building
    assert await store.count("acme", "notes") == 2000
    assert [path.name for path in folder.glob("shard-*")] == ["shard-1"]
    await store.optimize("acme", "notes")
    assert await store.count("acme", "notes") == 2000


async def test_drop_removes_every_byte(store: EmbeddedVectors, tmp_path: Path) -> None:
    await store.ensure("acme", INFO)
    await store.upsert("acme", "notes", points(10))
    await store.drop("acme", "notes")
    assert [path.name for path in (tmp_path / "vectors").iterdir()] == ["lock"]
    with pytest.raises(NotFound):
        await store.count("acme", "notes")


@pytest.mark.real
@pytest.mark.timeout(120)
async def test_after_an_index_was_built_what_was_deleted_is_gone_from_the_disk(
    store: EmbeddedVectors, tmp_path: Path
) -> None:
    await store.ensure("acme", INFO)
    secret = "canary-7f3a91"
    await store.upsert("acme", "notes", [*points(600), Point(id="x", dense=(1,) * 8, payload={"said": secret})])
    await store.delete("acme", "notes", ids=["x"])
    await store.optimize("acme", "notes")
    await store.close()
    kept = [
        path.name
        for path in (tmp_path / "vectors").rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    ]
    assert kept == []


async def test_a_small_collection_takes_little_disk(store: EmbeddedVectors, tmp_path: Path) -> None:
    await store.ensure("acme", INFO)
    await store.upsert("acme", "notes", points(100))
    await store.close()
    used = sum(path.stat().st_blocks * 512 for path in (tmp_path / "vectors").rglob("*") if path.is_file())
    assert used < 2 * 2**20


async def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        await EmbeddedVectors(tmp_path / "file" / "vectors").ensure("acme", INFO)
