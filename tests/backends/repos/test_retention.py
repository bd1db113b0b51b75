"""Clones and indexes that nobody uses go, and are made anew where somebody does."""

import os
import time
from pathlib import Path

from tests.backends.repos.conftest import make_repository

from groundswell.backends.databases.code_files import CodeFiles
from groundswell.backends.databases.connections import Database
from groundswell.backends.repos.repositories import Repositories, collection_of
from groundswell.backends.repos.source import CloneLimits
from groundswell.testing import ExactVectors

DAY = 86400


async def test_a_clone_that_nobody_opens_is_deleted_and_comes_back(tmp_path: Path, store, workers) -> None:
    origin, cache = make_repository(tmp_path / "project", {"a.py": "def f(): ...\n"}), tmp_path / "cache"
    repositories = Repositories(cache=cache, workers=workers, store=store, clone=CloneLimits(file_urls=True))
    await repositories.open(f"file://{origin}", tenant="acme")
    (clone,) = cache.glob("clones/acme/*.git")
    (cut := clone.parent / "cut.1.part").mkdir()
    assert await repositories.drop_clones(DAY) == 0
    old = time.time() - 2 * DAY
    os.utime(clone, (old, old))
    os.utime(cut, (old, old))
    await repositories.open(f"file://{origin}", tenant="acme")  # in use again
    assert await repositories.drop_clones(DAY) == 0
    assert list(clone.parent.iterdir()) == [clone]
    os.utime(clone, (old, old))
    assert await repositories.drop_clones(DAY) == 1
    assert not list(clone.parent.iterdir())
    repo = await repositories.open(f"file://{origin}", tenant="acme")
    assert [found.path for found in await repo.definitions("f")] == ["a.py"]
    await repositories.close()


async def test_what_is_read_and_what_is_changed_is_one_clone_of_the_tenant(tmp_path: Path, store, workers) -> None:
    origin, cache = make_repository(tmp_path / "project", {"a.py": "def f(): ...\n"}), tmp_path / "cache"
    repositories = Repositories(cache=cache, workers=workers, store=store, clone=CloneLimits(file_urls=True))
    repo = await repositories.open(f"file://{origin}", tenant="acme")
    async with repositories.workspace(f"file://{origin}", tenant="acme") as work:
        assert repo.revision == work.base[:12]
    assert [clone.parent for clone in cache.rglob("*.git")] == [cache / "clones" / "acme"]
    await repositories.close()


async def test_an_index_that_nobody_uses_goes_with_its_vectors(tmp_path: Path, workers, database_url: str) -> None:
    folder = make_repository(tmp_path / "project", {"a.py": "def f(): ...\n"})
    database = Database(database_url, role="tools", size=2)
    await database.open()
    files, vectors = CodeFiles(database), ExactVectors()
    repositories = Repositories(cache=tmp_path, workers=workers, store=files, vectors=vectors, used=files.used)
    await repositories.open(f"path:{folder}", tenant="acme")
    assert await files.unused(DAY) == []
    ((tenant, repo),) = await files.unused(-1)
    assert tenant == "acme"
    assert await files.load(tenant, repo)
    assert [info.name for info in await vectors.collections(tenant)] == [collection_of(repo)]
    await repositories.forget(tenant, repo, files.forget)
    assert (await files.unused(-1), await files.load(tenant, repo), await vectors.collections(tenant)) == ([], {}, [])
    opened = await repositories.open(f"path:{folder}", tenant="acme")
    assert [found.path for found in await opened.definitions("f")] == ["a.py"]
    assert await files.unused(-1) == [(tenant, repo)]
    await repositories.close()
    await database.close()
