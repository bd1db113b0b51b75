"""The index follows what changes, and says what it leaves out."""

from pathlib import Path

import pytest
from tests.backends.repos.conftest import MemoryFacts, git, make_repository, write

from groundswell.backends.repos import facts, reading
from groundswell.backends.repos.indexer import Limits
from groundswell.backends.repos.repositories import Repositories
from groundswell.core.errors import NotFound, ToolFailed, Unavailable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_repository(
        tmp_path / "project", {"a.py": "def f(): ...\n", "b.py": "from a import f\nf()\n", "c.py": "x = 1\n"}
    )


async def test_only_what_changed_is_read_again(folder: Path, repositories, store) -> None:
    source = f"path:{folder}"
    await repositories.open(source, tenant="acme")
    assert sorted(store.written) == ["a.py", "b.py", "c.py"]
    store.written.clear()
    write(folder, {"b.py": "from a import f\n\n\nf()\n", "d.py": "def g(): ...\n"})
    (folder / "c.py").unlink()
    git(folder, "mv", "a.py", "e.py")
    repo = await repositories.open(source, tenant="acme")
    assert sorted(store.written) == ["b.py", "d.py", "e.py"]
    assert [found.path for found in await repo.definitions("f")] == ["e.py"]
    assert await repo.definitions("x") == []
    assert {hit.path for hit in await repo.search("def f g x")} <= {"b.py", "d.py", "e.py"}


async def test_restart_reads_nothing_again(folder: Path, repositories, store, vectors, workers, tmp_path: Path) -> None:
    await repositories.open(f"path:{folder}", tenant="acme")
    store.written.clear()
    again = Repositories(cache=tmp_path / "cache", workers=workers, store=store, vectors=vectors)
    repo = await again.open(f"path:{folder}", tenant="acme")
    assert store.written == []
    assert [use.path for use in await repo.references("f", kinds=["call"])] == ["b.py"]
    assert (await repo.search("import f"))[0].path in ("a.py", "b.py")


async def test_facts_of_another_extractor_are_made_anew(
    folder: Path, repositories, store, workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await repositories.open(f"path:{folder}", tenant="acme")
    store.written.clear()
    monkeypatch.setattr(reading, "VERSION", facts.VERSION + 1)  # what an upgrade does
    await Repositories(cache=tmp_path, workers=workers, store=store).open(f"path:{folder}", tenant="acme")
    assert len(store.written) == 3


async def test_lost_collection_is_filled_again(folder: Path, repositories, store, vectors, workers, tmp_path) -> None:
    await repositories.open(f"path:{folder}", tenant="acme")
    (collection,) = await vectors.collections("acme")
    await vectors.drop("acme", collection.name)
    again = Repositories(cache=tmp_path / "cache", workers=workers, store=store, vectors=vectors)
    repo = await again.open(f"path:{folder}", tenant="acme")
    assert await repo.search("f")


async def test_passages_of_files_nobody_remembers_are_dropped(
    folder: Path, repositories, vectors, workers, tmp_path: Path
) -> None:
    await repositories.open(f"path:{folder}", tenant="acme")
    write(folder, {"a.py": "def entirely_other(): ...\n"})
    again = Repositories(cache=tmp_path / "cache", workers=workers, store=MemoryFacts(), vectors=vectors)
    repo = await again.open(f"path:{folder}", tenant="acme")
    (collection,) = await vectors.collections("acme")
    passages = [point.payload["path"] async for point in vectors.scroll("acme", collection.name)]
    assert sorted(passages) == ["a.py", "b.py", "c.py"]
    assert (await repo.search("entirely other"))[0].path == "a.py"


async def test_tenants_share_neither_facts_nor_passages(folder: Path, repositories, store, vectors) -> None:
    await repositories.open(f"path:{folder}", tenant="acme")
    await repositories.open(f"path:{folder}", tenant="other")
    assert {tenant for tenant, _ in store.rows} == {"acme", "other"}
    assert len(await vectors.collections("acme")) == len(await vectors.collections("other")) == 1


async def test_progress_is_told(folder: Path, repositories) -> None:
    told: list[tuple[str, int, int]] = []
    await repositories.open(f"path:{folder}", tenant="acme", progress=lambda *row: told.append(row))
    assert told[-1] == ("index", 3, 3)


async def test_worker_processes_read_and_search(folder: Path, store, cpu, tmp_path: Path) -> None:
    repositories = Repositories(cache=tmp_path / "cache", workers=cpu, store=store)
    repo = await repositories.open(f"path:{folder}", tenant="acme")
    assert [found.path for found in await repo.definitions("f")] == ["a.py"]
    assert [(hit.path, hit.start) for hit in await repo.grep(r"\bf\(\)$")] == [("b.py", 2)]
    await repositories.close()


async def test_binary_large_minified_generated_and_installed_files_are_left_out_with_a_reason(opened) -> None:
    repo = await opened(
        {
            "a.py": "x = 1\n",
            "data.bin": b"\0\1\2",
            "big.py": "y = 1\n" * 300_000,
            "page.js": "var a=1;" * 5000,
            "lib.min.js": "var a = 1;\n",
            "node_modules/x/index.js": "function f() {}\n",
            "uv.lock": "x\n",
        }
    )
    coverage = await repo.coverage()
    assert coverage.skipped == {
        "binary": 1,
        "too large": 1,
        "minified": 1,
        "generated": 2,
        "installed packages": 1,
    }
    assert (coverage.files, coverage.parsed, coverage.complete) == (7, 1, True)
    with pytest.raises(ToolFailed) as refused:
        await repo.read("data.bin")
    assert refused.value.code == "binary_file"


async def test_broken_encodings_keep_their_lines(opened) -> None:
    repo = await opened(
        {
            "latin.py": b"# -*- coding: latin-1 -*-\n# caf\xe9\ndef f(): ...\n",
            "broken.go": b"package a\n// \xff\xfe\xfa\nfunc G() {}\n",
            "wide.py": "\ufeffdef wide(): ...\n".encode("utf-16-le"),
            "mark.py": b"\xef\xbb\xbfdef marked(): ...\n",
            "windows.py": b"x = 1\r\ndef w():\r\n    pass\r\n",
        }
    )
    places = [(await repo.definitions(name))[0] for name in ("f", "wide", "marked", "w")]
    assert [(found.path, found.line) for found in places] == [
        ("latin.py", 3),
        ("wide.py", 1),
        ("mark.py", 1),
        ("windows.py", 2),
    ]
    assert "\ufffd" in (await repo.read("latin.py", 2, 2)).excerpt.text
    assert (await repo.read("windows.py")).excerpt.text == "x = 1\ndef w():\n    pass"


async def test_file_that_is_not_this_language_is_read_roughly(opened) -> None:
    repo = await opened({"old.py": "print 'two'\n\ndef f(x):\n    print x\n\nf(1)\n"})
    (found,) = await repo.definitions("f")
    assert (found.path, found.line) == ("old.py", 3)
    assert (await repo.coverage()).skipped == {"syntax not understood": 1}


async def test_deeply_nested_code_does_not_stop_the_index(opened) -> None:
    repo = await opened(
        {"deep.py": "x = " + "(" * 5000 + ")" * 5000, "chain.py": "x" + ".a" * 3000, "a.py": "def f(): ...\n"}
    )
    assert len(await repo.definitions("f")) == 1


async def test_file_whose_reading_never_ends_is_left_out_alone(folder: Path, repositories, workers) -> None:
    workers.refused = {"b.py"}
    repo = await repositories.open(f"path:{folder}", tenant="acme")
    coverage = await repo.coverage()
    assert (coverage.skipped, coverage.complete) == ({"too slow to read": 1}, False)
    assert len(await repo.definitions("f")) == 1


async def test_workers_that_finish_nothing_end_the_update_instead_of_emptying_the_index(
    tmp_path: Path, store, workers
) -> None:
    names = [f"m{number}.py" for number in range(40)]
    folder = make_repository(tmp_path / "many", dict.fromkeys(names, "x = 1\n"))
    workers.refused = set(names)
    with pytest.raises(Unavailable) as failed:
        await Repositories(cache=tmp_path, workers=workers, store=store).open(f"path:{folder}", tenant="acme")
    assert failed.value.code == "index_stuck"
    workers.refused = set()
    repo = await Repositories(cache=tmp_path, workers=workers, store=store).open(f"path:{folder}", tenant="acme")
    assert len(await repo.definitions("x", limit=100)) == 40


async def test_more_files_than_the_limit_give_a_partial_answer_that_says_so(tmp_path: Path, store, workers) -> None:
    names = [f"vendor/m{number}.py" for number in range(30)] + [f"tests/test_{number}.py" for number in range(30)]
    folder = make_repository(tmp_path / "many", dict.fromkeys((*names, "src/main.py", "notes.txt"), "x = 1\n"))
    few = Repositories(cache=tmp_path, workers=workers, store=store, limits=Limits(files=10))
    repo = await few.open(f"path:{folder}", tenant="acme")
    coverage = await repo.coverage()
    assert (coverage.files, coverage.parsed, coverage.complete) == (62, 10, False)
    assert coverage.skipped == {"beyond the limit": 52}
    assert [found.path for found in await repo.definitions("x")][0] == "src/main.py"
    assert len(await repo.files(limit=1000)) == 62


async def test_hundred_thousand_files_are_listed_and_a_part_is_read(tmp_path: Path, store, workers) -> None:
    folder = tmp_path / "huge.git"
    folder.mkdir()
    git(folder, "init", "-q", "--bare")
    files = "".join(f"M 100644 inline d{n // 100}/f{n}.py\ndata 6\nx = 1\n\n" for n in range(100_000))
    commit = f"commit refs/heads/main\ncommitter a <a@example.org> 0 +0000\ndata 0\n{files}\n"
    git(folder, "fast-import", "--quiet", given=commit)
    git(folder, "symbolic-ref", "HEAD", "refs/heads/main")
    few = Repositories(cache=tmp_path, workers=workers, store=store, limits=Limits(files=500))
    coverage = await (await few.open(f"path:{folder}", tenant="acme")).coverage()
    assert (coverage.files, coverage.parsed, coverage.complete) == (100_000, 500, False)
    assert coverage.skipped == {"beyond the limit": 99_500}


async def test_reading_gives_exactly_the_lines_and_at_most_400(opened) -> None:
    repo = await opened({"a.txt": "".join(f"line {number}\n" for number in range(1, 1001)), "empty.txt": ""})
    part = await repo.read("a.txt", 3, 5)
    assert (part.excerpt.source, part.excerpt.text) == ("repo:a.txt#L3-L5", "line 3\nline 4\nline 5")
    assert (await repo.read("a.txt", 7, 7)).excerpt.source == "repo:a.txt#L7"
    whole = await repo.read("a.txt")
    assert (whole.start, whole.end, whole.lines) == (1, 400, 1000)
    assert (await repo.read("empty.txt")).lines == 0
    with pytest.raises(NotFound):
        await repo.read("a.txt", 2000)
    with pytest.raises(NotFound):
        await repo.read("b.txt")
