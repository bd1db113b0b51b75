"""What every vector store does. A new backend adds a line to `STORES`."""

import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundswell.backends.vectors.embedded import EmbeddedVectors
from groundswell.core.errors import Conflict, Invalid, NotFound
from groundswell.core.ports import CollectionInfo, Filter, Found, Point, Vectors
from groundswell.testing import ExactVectors
from served_vectors import ServedVectors

STORES: dict[str, Callable[[Path], Vectors]] = {
    "exact": lambda folder: ExactVectors(),
    "embedded": lambda folder: EmbeddedVectors(folder, quiet_seconds=600),
    "qdrant": ServedVectors,
}
FORGETFUL = {"exact"}  # keeps nothing when it is closed

INFO = CollectionInfo(name="notes", embedding="model-a", dimensions=4)
POINTS = [
    Point(
        id="a",
        dense=(1, 0, 0, 0),
        text="the pod was killed",
        payload={"path": "x.py", "line": 1, "tags": ["k8s", "oom"]},
    ),
    Point(id="b", dense=(0, 1, 0, 0), text="the disk is full", payload={"path": "y.py", "line": 2, "tags": ["disk"]}),
    Point(id="c", dense=(0, 0, 1, 0), text="the key expired", payload={"path": "y.py", "line": 3, "open": True}),
    Point(id="d", text="disk, disk and disk", payload={"path": "z.py", "line": 1}),
]


@pytest.fixture(scope="module", params=STORES)
async def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Vectors]:
    store = STORES[request.param](tmp_path_factory.mktemp("store"))
    yield store
    await store.close()


@pytest.fixture
async def store(shared: Vectors) -> AsyncIterator[Vectors]:
    yield shared
    for tenant in ("acme", "other"):
        for info in await shared.collections(tenant):
            await shared.drop(tenant, info.name)


@pytest.fixture
async def filled(store: Vectors) -> Vectors:
    await store.ensure("acme", INFO, keywords=["path"])
    await store.upsert("acme", "notes", POINTS)
    return store


def ids(found: list[Found]) -> list[str]:
    return [hit.id for hit in found]


async def test_the_nearest_vector_comes_first_with_its_payload(filled: Vectors) -> None:
    found = await filled.search("acme", "notes", dense=[0.1, 0.9, 0.3, 0])
    assert ids(found)[:2] == ["b", "c"]
    assert found[0].payload == POINTS[1].payload
    assert found[0].score == pytest.approx(0.9 / math.sqrt(0.01 + 0.81 + 0.09), abs=1e-5)
    assert len(found) == 3  # a point without a vector is not near anything


async def test_text_finds_the_points_that_hold_its_words(filled: Vectors) -> None:
    assert ids(await filled.search("acme", "notes", text="disks")) == ["d", "b"]
    assert await filled.search("acme", "notes", text="elephant") == []
    assert await filled.search("acme", "notes", text="the") == []


async def test_both_are_fused_by_rank_and_what_is_zero_takes_no_part(filled: Vectors) -> None:
    found = await filled.search("acme", "notes", dense=[0, 1, 0, 0], text="disk")
    assert ids(found) == ["b", "d"]
    assert found[0].score == pytest.approx(1 / 61 + 1 / 62, abs=1e-6)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"path": "y.py"}, "bc"),
        ({"path": ["x.py", "z.py"]}, "ad"),
        ({"path": "y.py", "line": 3}, "c"),
        ({"line": 1}, "ad"),
        ({"line": "1"}, ""),
        ({"line": [1, "2", 3]}, "acd"),
        ({"open": True}, "c"),
        ({"open": 1}, ""),
        ({"tags": "oom"}, "a"),
        ({"tags": ["disk", "k8s"]}, "ab"),
        ({"path": []}, ""),
        ({"nothing": "x"}, ""),
        ({}, "abcd"),
    ],
)
async def test_filters_hold_together_and_a_sequence_means_any_of(filled: Vectors, where: Filter, expected: str) -> None:
    assert [point.id async for point in filled.scroll("acme", "notes", where=where)] == list(expected)
    assert await filled.count("acme", "notes", where=where) == len(expected)
    near = await filled.search("acme", "notes", dense=[1, 1, 1, 1], text="disk killed key", where=where)
    assert sorted(ids(near)) == list(expected)


async def test_filtered_search_looks_behind_better_points_that_do_not_match(filled: Vectors) -> None:
    assert ids(await filled.search("acme", "notes", dense=[1, 0, 0.1, 0], where={"line": 3}, limit=1)) == ["c"]


async def test_tenants_do_not_see_each_other(filled: Vectors) -> None:
    await filled.ensure("other", INFO)
    await filled.upsert("other", "notes", [Point(id="a", dense=(0, 0, 0, 1), payload={"of": "other"})])
    assert await filled.count("other", "notes") == 1
    await filled.drop("other", "notes")
    assert await filled.collections("other") == []
    assert await filled.count("acme", "notes") == 4
    with pytest.raises(NotFound):
        await filled.search("other", "notes", dense=[1, 0, 0, 0])


@pytest.mark.parametrize("name", ["../acme", "acme/notes", "a" * 60, ".", "Notes", "ß", "notes\0"])
async def test_any_name_is_only_a_name(filled: Vectors, name: str) -> None:
    await filled.ensure(name, CollectionInfo(name=name, dimensions=4))
    await filled.upsert(name, name, [Point(id="x", dense=(1, 0, 0, 0))])
    assert [info.name for info in await filled.collections(name)] == [name]
    assert [info.name for info in await filled.collections("acme")] == ["notes"]
    assert await filled.count(name, name) == 1
    assert await filled.count("acme", "notes") == 4
    await filled.drop(name, name)


async def test_empty_names_are_refused(store: Vectors) -> None:
    for tenant, name in (("", "notes"), ("acme", "")):
        with pytest.raises(Invalid):
            await store.ensure(tenant, CollectionInfo(name=name, dimensions=4))


async def test_ids_are_any_text_and_come_back_in_order(store: Vectors) -> None:
    await store.ensure("acme", INFO)
    wanted = ["", "0", "10", "9", "Z", "a b", "repo:src/x.py#L1-L9", "ß", "漢字", "🙂"]
    await store.upsert("acme", "notes", [Point(id=id_, dense=(1, 0, 0, 0)) for id_ in reversed(wanted)])
    assert [point.id async for point in store.scroll("acme", "notes", batch=3)] == wanted


async def test_scroll_gives_back_vectors_and_payloads(filled: Vectors) -> None:
    points = [point async for point in filled.scroll("acme", "notes")]
    assert [(point.id, point.payload) for point in points] == [(point.id, point.payload) for point in POINTS]
    assert [point.dense for point in points] == [point.dense for point in POINTS]


async def test_payloads_come_back_as_they_were(store: Vectors) -> None:
    await store.ensure("acme", INFO)
    payload = {"big": 2**70, "whole": 1.0, "none": None, "a.b": {"c": [1, {"d": "\ud800"}]}, 'q"': [], "": ""}
    await store.upsert("acme", "notes", [Point(id="a", dense=(1, 0, 0, 0), payload=payload)])
    [found] = await store.search("acme", "notes", dense=[1, 0, 0, 0])
    assert found.payload == payload
    assert await store.count("acme", "notes", where={"big": 2**70, "": ""}) == 1


async def test_upsert_replaces_all_of_a_point(filled: Vectors) -> None:
    await filled.upsert("acme", "notes", [Point(id="b", dense=(0, 0, 0, 1), text="a moth", payload={"line": 9})])
    assert await filled.count("acme", "notes") == 4
    assert ids(await filled.search("acme", "notes", text="disk")) == ["d"]
    assert ids(await filled.search("acme", "notes", text="moth")) == ["b"]
    assert ids(await filled.search("acme", "notes", dense=[0, 0, 0, 1], limit=1)) == ["b"]
    assert await filled.count("acme", "notes", where={"path": "y.py"}) == 1


async def test_delete_removes_by_id_and_by_filter(filled: Vectors) -> None:
    await filled.delete("acme", "notes", ids=["a", "not there"])
    assert [point.id async for point in filled.scroll("acme", "notes")] == ["b", "c", "d"]
    await filled.delete("acme", "notes", where={"path": "y.py"})
    assert [point.id async for point in filled.scroll("acme", "notes")] == ["d"]
    assert ids(await filled.search("acme", "notes", text="disk")) == ["d"]
    await filled.delete("acme", "notes")
    assert await filled.count("acme", "notes") == 1
    await filled.delete("acme", "notes", where={})
    assert await filled.count("acme", "notes") == 0


async def test_an_empty_collection_answers(store: Vectors) -> None:
    await store.ensure("acme", INFO)
    assert await store.search("acme", "notes", dense=[1, 0, 0, 0], text="disk") == []
    assert await store.count("acme", "notes") == 0
    assert [point async for point in store.scroll("acme", "notes")] == []
    await store.upsert("acme", "notes", [])


async def test_limits_are_kept(filled: Vectors) -> None:
    assert await filled.search("acme", "notes", dense=[1, 1, 1, 1], limit=0) == []
    assert len(await filled.search("acme", "notes", dense=[1, 1, 1, 1], text="disk", limit=2)) == 2
    assert await filled.search("acme", "notes") == []
    with pytest.raises(Invalid):
        await filled.search("acme", "notes", dense=[1, 1, 1, 1], limit=-1)


async def test_what_cannot_be_a_vector_or_a_payload_is_refused_whole(filled: Vectors) -> None:
    bad = [
        Point(id="x", dense=(1, 0, 0)),
        Point(id="x", dense=(1, 0, 0, math.nan)),
        Point(id="x", dense=(1, 0, 0, math.inf)),
        Point(id="x", payload={"f": math.nan}),
        Point(id="x", payload={"o": object()}),
    ]
    for point in bad:
        with pytest.raises(Invalid):
            await filled.upsert("acme", "notes", [Point(id="y", dense=(1, 0, 0, 0)), point])
    with pytest.raises(Invalid):
        await filled.search("acme", "notes", dense=[1, 0])
    assert await filled.count("acme", "notes") == 4


async def test_another_embedding_model_is_a_conflict(filled: Vectors) -> None:
    await filled.ensure("acme", INFO, keywords=["path", "line"])
    with pytest.raises(Conflict) as error:
        await filled.ensure("acme", INFO.model_copy(update={"embedding": "model-b"}))
    assert error.value.code == "embedding_changed"
    with pytest.raises(Conflict):
        await filled.ensure("acme", INFO.model_copy(update={"dimensions": 8}))
    assert await filled.count("acme", "notes") == 4


async def test_a_collection_may_have_only_text_or_only_vectors(store: Vectors) -> None:
    await store.ensure("acme", CollectionInfo(name="text"))
    await store.upsert("acme", "text", [Point(id="a", text="a lonely word")])
    assert ids(await store.search("acme", "text", text="word")) == ["a"]
    with pytest.raises(Invalid):
        await store.search("acme", "text", dense=[1.0])
    await store.ensure("acme", CollectionInfo(name="dense", dimensions=2, embedding="m", sparse=False))
    with pytest.raises(Invalid):
        await store.upsert("acme", "dense", [Point(id="a", text="a word")])
    with pytest.raises(Invalid):
        await store.search("acme", "dense", text="word")
    with pytest.raises(Invalid):
        await store.ensure("acme", CollectionInfo(name="nothing", sparse=False))
    assert [info.name for info in await store.collections("acme")] == ["dense", "text"]


async def test_a_collection_that_is_not_there_is_not_found(store: Vectors) -> None:
    await store.drop("acme", "gone")
    for call in (
        store.count("acme", "gone"),
        store.delete("acme", "gone", ids=["a"]),
        store.upsert("acme", "gone", []),
    ):
        with pytest.raises(NotFound):
            await call


async def test_a_dropped_collection_starts_empty_when_made_again(filled: Vectors) -> None:
    await filled.drop("acme", "notes")
    await filled.ensure("acme", INFO.model_copy(update={"embedding": "model-b"}))
    assert await filled.count("acme", "notes") == 0


async def test_a_snapshot_brings_everything_back(filled: Vectors, tmp_path: Path) -> None:
    file = tmp_path / "notes.snapshot"
    await filled.snapshot("acme", "notes", file)
    before = await filled.search("acme", "notes", dense=[1, 2, 3, 4], text="disk")
    await filled.delete("acme", "notes", where={"path": "y.py"})
    await filled.upsert("acme", "notes", [Point(id="new", text="disk")])
    await filled.restore("acme", "notes", file)
    assert await filled.search("acme", "notes", dense=[1, 2, 3, 4], text="disk") == before
    await filled.upsert("acme", "notes", [Point(id="a", text="changed")])
    await filled.delete("acme", "notes", ids=["b"])
    assert [point.id async for point in filled.scroll("acme", "notes")] == ["a", "c", "d"]


async def test_a_snapshot_can_become_another_tenants_collection(filled: Vectors, tmp_path: Path) -> None:
    await filled.snapshot("acme", "notes", tmp_path / "s")
    await filled.restore("other", "copy", tmp_path / "s")
    assert await filled.collections("other") == [INFO.model_copy(update={"name": "copy"})]
    assert await filled.count("other", "copy") == 4


async def test_a_file_that_is_no_snapshot_changes_nothing(filled: Vectors, tmp_path: Path) -> None:
    file = tmp_path / "bad"
    await filled.snapshot("acme", "notes", file)
    whole = file.read_bytes()
    for content in (b"", b"not a snapshot", whole[: len(whole) // 2]):
        file.write_bytes(content)
        with pytest.raises(Invalid) as error:
            await filled.restore("acme", "notes", file)
        assert error.value.code == "bad_snapshot"
    assert await filled.count("acme", "notes") == 4


@pytest.mark.parametrize("name", sorted(set(STORES) - FORGETFUL))
async def test_everything_is_there_after_a_restart(name: str, tmp_path: Path) -> None:
    store = STORES[name](tmp_path)
    await store.ensure("acme", INFO, keywords=["path"])
    await store.upsert("acme", "notes", POINTS)
    before = await store.search("acme", "notes", dense=[1, 2, 3, 4], text="disk")
    await store.close()
    again = STORES[name](tmp_path)
    assert await again.collections("acme") == [INFO]
    assert await again.search("acme", "notes", dense=[1, 2, 3, 4], text="disk") == before
    await again.close()


WORDS = st.lists(st.sampled_from(["moth", "lamp", "river", "stone", "glass", "night"]), max_size=6).map(" ".join)
NUMBERS = st.integers(-3, 3).map(float)
DENSE = st.lists(NUMBERS, min_size=4, max_size=4).map(tuple).filter(any)
POINT = st.builds(
    Point,
    id=st.sampled_from([f"id {n}" for n in range(12)]),
    dense=st.one_of(st.just(()), DENSE),
    text=WORDS,
    payload=st.fixed_dictionaries({}, optional={"n": st.integers(0, 2), "w": st.sampled_from(["x", "y"])}),
)
WHERE = st.fixed_dictionaries(
    {}, optional={"n": st.one_of(st.integers(0, 2), st.lists(st.integers(0, 2), max_size=2)), "w": st.just("x")}
)


@pytest.fixture(scope="module", params=[name for name in STORES if name != "exact"])
async def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Vectors, Vectors]]:
    store = STORES[request.param](tmp_path_factory.mktemp("pair"))
    yield store, ExactVectors()
    await store.close()


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    points=st.lists(POINT, max_size=20),
    gone=st.lists(POINT, max_size=3),
    dense=DENSE,
    text=WORDS,
    where=WHERE,
    limit=st.integers(1, 6),
)
async def test_it_finds_what_the_exact_reference_finds(
    pair: tuple[Vectors, Vectors],
    points: list[Point],
    gone: list[Point],
    dense: tuple[float, ...],
    text: str,
    where: Filter,
    limit: int,
) -> None:
    store, exact = pair
    for each in pair:
        await each.ensure("t", INFO, keywords=["w"])
        await each.delete("t", "notes", where={})
        await each.upsert("t", "notes", points)
        await each.delete("t", "notes", ids=[point.id for point in gone])
    near = await exact.search("t", "notes", dense=dense, where=where, limit=100)
    scores = {hit.id: hit.score for hit in near}
    found = await store.search("t", "notes", dense=dense, where=where, limit=limit)
    # which of several equal ones comes is not promised; that no better one was left out is
    assert [hit.score for hit in found] == pytest.approx([hit.score for hit in near[:limit]], abs=1e-5)
    assert [scores[hit.id] for hit in found] == pytest.approx([hit.score for hit in found], abs=1e-5)
    for vector in ((), dense):  # a store may weigh words by what it held before, so only the sets are compared
        asked = {"dense": vector, "text": text, "where": where, "limit": 100}
        theirs, ours = await store.search("t", "notes", **asked), await exact.search("t", "notes", **asked)
        assert set(ids(theirs)) == set(ids(ours))


async def test_scores_are_those_of_the_exact_reference(pair: tuple[Vectors, Vectors]) -> None:
    words = ["moth", "lamp", "river", "stone", "glass", "night", "harbour"]
    points = [
        Point(
            id=f"p{n}",
            dense=tuple(math.sin(n * 7 + i) for i in range(4)),
            text=" ".join(words[n * step % 7] for step in range(1, 2 + n % 5)),
            payload={"odd": n % 2 == 1},
        )
        for n in range(80)
    ]
    for each in pair:
        await each.ensure("fresh", INFO)
        await each.upsert("fresh", "notes", points)
    for where in ({}, {"odd": True}):
        for vector, text in (((1.0, 2.0, 3.0, 4.0), ""), ((), "lamp night"), ((1.0, 2.0, 3.0, 4.0), "lamp night")):
            asked = {"dense": vector, "text": text, "where": where, "limit": 20}
            theirs, ours = [await each.search("fresh", "notes", **asked) for each in pair]
            assert [hit.score for hit in theirs] == pytest.approx([hit.score for hit in ours], abs=1e-5)
