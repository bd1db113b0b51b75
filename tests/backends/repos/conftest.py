"""Small repositories made by Git, and what lies outside the backend."""

import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from pathlib import Path

import pytest

from groundswell.backends.repos.index import Stored
from groundswell.backends.repos.repositories import Repositories
from groundswell.backends.repos.repository import IndexedRepo
from groundswell.core.errors import Unavailable
from groundswell.runtime.cpu import CpuWorkers
from groundswell.testing import ExactVectors


class MemoryFacts:
    """A `FactStore` that lives as long as the test, and counts what it was given."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], dict[str, Stored]] = {}
        self.written: list[str] = []

    async def load(self, tenant: str, repo: str) -> Mapping[str, Stored]:
        return dict(self.rows.get((tenant, repo), {}))

    async def replace(self, tenant: str, repo: str, changed: Mapping[str, Stored], removed: Collection[str]) -> None:
        rows = self.rows.setdefault((tenant, repo), {})
        rows.update(changed)
        self.written.extend(changed)
        for path in removed:
            rows.pop(path, None)


class HereWorkers:
    """Does the work at once, in this process: for what is not about processes."""

    def __init__(self) -> None:
        self.refused: set[str] = set()  # paths whose reading never ends

    async def run(self, function: Callable[..., object], *arguments: object, seconds: float) -> object:
        entries = arguments[1]
        if self.refused and isinstance(entries, list) and any(entry.path in self.refused for entry in entries):
            raise Unavailable("cpu_deadline", f"took longer than {seconds} s")
        return function(*arguments)


def git(folder: Path, *words: str, given: str = "") -> str:
    names = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", **names}
    command = ["git", "-C", str(folder), *words]
    done = subprocess.run(command, env=env, input=given, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)


def make_repository(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    write(folder, files)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "all of it")
    return folder


@pytest.fixture(scope="session")
async def cpu() -> AsyncIterator[CpuWorkers]:
    """Real worker processes, for what is about them."""
    workers = CpuWorkers(2)
    yield workers
    await workers.close()


@pytest.fixture
def store() -> MemoryFacts:
    return MemoryFacts()


@pytest.fixture
def vectors() -> ExactVectors:
    return ExactVectors()


@pytest.fixture
def workers() -> HereWorkers:
    return HereWorkers()


@pytest.fixture
async def repositories(
    tmp_path: Path, store: MemoryFacts, vectors: ExactVectors, workers: HereWorkers
) -> AsyncIterator[Repositories]:
    opened = Repositories(cache=tmp_path / "cache", workers=workers, store=store, vectors=vectors)
    yield opened
    await opened.close()


Opened = Callable[[Mapping[str, str | bytes]], Awaitable[IndexedRepo]]


@pytest.fixture
def opened(tmp_path: Path, repositories: Repositories) -> Opened:
    """Make a repository of these files and open it."""

    async def open_it(files: Mapping[str, str | bytes]) -> IndexedRepo:
        folder = make_repository(tmp_path / "project", files)
        return await repositories.open(f"path:{folder}", tenant="acme")

    return open_it
