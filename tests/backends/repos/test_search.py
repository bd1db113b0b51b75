"""Passages, lines and files."""

import asyncio
from pathlib import Path

import pytest
import re2
from tests.backends.repos.conftest import Opened, make_repository

from groundswell.backends.repos import matching
from groundswell.backends.repos.repositories import Repositories
from groundswell.backends.repos.trees import Entry, WorkTreeReader
from groundswell.core.errors import ToolFailed, Unavailable
from groundswell.testing import HashEmbedder

FILES = {
    "net/retry.py": (
        'def backoff_delay(attempt):\n    """How long to wait before the next attempt."""\n    return 2**attempt\n'
    ),
    "net/parseHttpUrl.py": "def parseHttpUrl(text):\n    return text.split('/')\n",
    "tests/test_retry.py": "def test_backoff_delay():\n    assert backoff_delay(1) == 2\n",
    "README.md": "# Net\n\nIntro.\n\n\n## Waiting\n\nExponential backoff with jitter.\n",
}


async def test_words_inside_identifiers_and_paths_are_found(opened: Opened) -> None:
    repo = await opened(FILES)
    assert (await repo.search("http url"))[0].path == "net/parseHttpUrl.py"
    assert (await repo.search("backoff_delay"))[0].path == "net/retry.py"
    hit = (await repo.search("how long to wait for an attempt"))[0]
    assert (hit.path, hit.symbol, hit.start, hit.end) == ("net/retry.py", "net.retry.backoff_delay", 1, 3)
    assert hit.excerpt.source == "repo:net/retry.py#L1-L3"
    assert hit.excerpt.text == FILES["net/retry.py"].rstrip("\n")


async def test_search_keeps_to_a_glob_and_a_limit(opened: Opened) -> None:
    repo = await opened(FILES)
    assert {hit.path for hit in await repo.search("backoff", glob="tests/**")} == {"tests/test_retry.py"}
    assert {hit.path for hit in await repo.search("backoff", glob="*.md")} == {"README.md"}
    assert len(await repo.search("backoff", limit=1)) == 1
    assert await repo.search("backoff", glob="nowhere/**") == []
    assert await repo.search("") == []
    assert await repo.search("x" * 1_000_000) == []


async def test_dense_vectors_follow_in_the_background_and_go_on_after_a_stop(
    tmp_path: Path, store, vectors, workers
) -> None:
    folder = make_repository(tmp_path / "project", FILES)
    gate = asyncio.Event()

    class Slow(HashEmbedder):
        async def embed(self, texts, *, kind):
            if kind == "document":
                await gate.wait()
            return await super().embed(texts, kind=kind)

    first = Repositories(cache=tmp_path, workers=workers, store=store, vectors=vectors, embedder=Slow())
    repo = await first.open(f"path:{folder}", tenant="acme")
    assert (await repo.search("backoff"))[0].path == "net/retry.py"
    coverage = await repo.coverage()
    assert (coverage.embedded, coverage.to_embed) == (0, 5)
    await first.close()

    gate.set()
    second = Repositories(cache=tmp_path, workers=workers, store=store, vectors=vectors, embedder=HashEmbedder())
    repo = await second.open(f"path:{folder}", tenant="acme")
    await second.embedded(f"path:{folder}", tenant="acme")
    coverage = await repo.coverage()
    assert (coverage.embedded, coverage.to_embed) == (5, 5)
    (collection,) = await vectors.collections("acme")
    assert collection.embedding == "hash-64"
    assert "net/retry.py" in [hit.path for hit in await repo.search("backoff", limit=3)]
    await second.close()


async def test_another_embedding_model_starts_the_collection_anew(tmp_path: Path, store, vectors, workers) -> None:
    folder = make_repository(tmp_path / "project", FILES)
    for embedder in (HashEmbedder(64), HashEmbedder(32)):
        opened = Repositories(cache=tmp_path, workers=workers, store=store, vectors=vectors, embedder=embedder)
        repo = await opened.open(f"path:{folder}", tenant="acme")
        await opened.embedded(f"path:{folder}", tenant="acme")
        assert (await repo.coverage()).embedded == 5
        await opened.close()


async def test_search_without_a_vector_store_says_so(tmp_path: Path, store, workers) -> None:
    folder = make_repository(tmp_path / "project", FILES)
    repo = await Repositories(cache=tmp_path, workers=workers, store=store).open(f"path:{folder}", tenant="acme")
    with pytest.raises(Unavailable):
        await repo.search("x")


async def test_lines_are_found_by_pattern_with_the_definition_around_them(opened: Opened) -> None:
    repo = await opened(FILES)
    hits = await repo.grep(r"return .*\*\*")
    assert [(hit.path, hit.start, hit.symbol) for hit in hits] == [("net/retry.py", 3, "net.retry.backoff_delay")]
    assert (hits[0].excerpt.source, hits[0].excerpt.text) == ("repo:net/retry.py#L3", "    return 2**attempt")
    assert [hit.path for hit in await repo.grep("(?i)BACKOFF", glob="*.md")] == ["README.md"]
    assert len(await repo.grep("backoff", limit=1)) == 1
    assert [hit.start for hit in await repo.grep("^def", glob="net/retry.py")] == [1]


@pytest.mark.parametrize("pattern", ["(", "(?=x)", r"(x)\1", "", "x" * 2000, "(x{1000}){1000}"])
async def test_what_is_no_pattern_is_refused(opened: Opened, pattern: str) -> None:
    repo = await opened(FILES)
    with pytest.raises(ToolFailed) as refused:
        await repo.grep(pattern)
    assert refused.value.code == "bad_pattern"


async def test_pattern_that_would_never_end_elsewhere_ends(opened: Opened) -> None:
    repo = await opened({"a.txt": "a" * 50_000 + "!\n"})
    assert await repo.grep("(a+)+$") == []
    assert await repo.grep("(a|aa)+b") == []


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("**/*", 4),
        ("*.py", 3),
        ("net/*.py", 2),
        ("net/**", 2),
        ("**/test_*.py", 1),
        ("{net,tests}/*.py", 3),
        ("[nt]e*/*", 3),
        ("README.m?", 1),
        ("net/", 2),
        ("/README.md", 1),
        ("*.[!p]*", 1),
        ("nothing", 0),
    ],
)
async def test_globs_name_files(opened: Opened, glob: str, expected: int) -> None:
    repo = await opened(FILES)
    assert len(await repo.files(glob=glob)) == expected


def test_patterns_leave_no_memory_behind(tmp_path: Path) -> None:
    """Each makes tables of the texts it was tried on, megabytes of them; the library would keep the last 128."""
    (tmp_path / "a.txt").write_text("ebb and flood")
    for number in range(5):
        matching.grep_batch(WorkTreeReader(str(tmp_path)), [Entry("a.txt", "")], f"flood|{number}", 5, 100)
    assert re2._Regexp._make.cache_info().currsize <= 1
