"""A repository may be hostile: nothing it says is run, and nothing outside it is read."""

import os
import tracemalloc
from pathlib import Path

import pytest
from tests.backends.repos.conftest import git as run_git
from tests.backends.repos.conftest import make_repository, write

from groundswell.backends.repos import git
from groundswell.backends.repos.source import open_tree
from groundswell.backends.repos.trees import WorkTreeReader, checked_path
from groundswell.core.errors import LimitReached, NotFound, ToolFailed

CANARY = "canary"


def _trap(folder: Path, name: str) -> Path:
    script = folder.parent / name
    script.write_text(f"#!/bin/sh\ntouch '{folder.parent / CANARY}'\ncat\n")
    script.chmod(0o755)
    return script


async def test_no_program_a_repository_names_is_run(tmp_path: Path, repositories) -> None:
    folder = make_repository(
        tmp_path / "project", {"a.py": "def f(): ...\n", ".gitattributes": "*.py filter=evil diff=evil\n"}
    )
    trap = _trap(folder, "trap.sh")
    included = tmp_path / "more.ini"
    included.write_text(f"[core]\n\tfsmonitor = {trap}\n")
    config = folder / ".git" / "config"
    config.write_text(
        config.read_text()
        + f"[core]\n\tfsmonitor = {trap}\n\thooksPath = {tmp_path}\n\tsshCommand = {trap}\n\tpager = {trap}\n"
        + f'[filter "evil"]\n\tclean = {trap}\n\tsmudge = {trap}\n\trequired = true\n'
        + f'[diff "evil"]\n\ttextconv = {trap}\n\tcommand = {trap}\n[diff]\n\texternal = {trap}\n'
        + f'[include]\n\tpath = {included}\n[includeIf "gitdir:/"]\n\tpath = {included}\n'
        + f"[alias]\n\tls-files = !{trap}\n[credential]\n\thelper = !{trap}\n"
    )
    for hook in ("post-checkout", "post-index-change", "fsmonitor-watchman", "pre-auto-gc", "reference-transaction"):
        path = folder / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(trap.read_text())
        path.chmod(0o755)
    write(folder, {"a.py": "def g(): ...\n", "b.py": "def h(): ...\n"})
    os.utime(folder / "a.py", (1, 1))

    repo = await repositories.open(f"path:{folder}", tenant="acme")

    assert [found.name for found in await repo.definitions("g")] == ["g"]
    assert repo.revision.endswith("+dirty")
    assert not (tmp_path / CANARY).exists()


async def test_broken_configuration_of_a_repository_is_not_even_read(tmp_path: Path, repositories) -> None:
    folder = make_repository(tmp_path / "project", {"a.py": "def f(): ...\n"})
    (folder / ".git" / "config").write_text("[core\nthis is no configuration")
    repo = await repositories.open(f"path:{folder}", tenant="acme")
    assert await repo.files() == ["a.py"]


async def test_git_directory_of_the_repository_stays_as_it_was(tmp_path: Path, repositories) -> None:
    folder = make_repository(tmp_path / "project", {"a.py": "x = 1\n"})
    os.utime(folder / "a.py", (1, 1))  # Git would refresh its index

    def state() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in (folder / ".git").rglob("*")}

    before = state()
    await repositories.open(f"path:{folder}", tenant="acme")
    assert state() == before


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../secret", "..", "", ".git/config", "a\0b", "/"])
def test_path_that_leaves_the_repository_is_refused(path: str) -> None:
    with pytest.raises(ToolFailed) as refused:
        checked_path(path)
    assert refused.value.code == "outside_repository"


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("the secret\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.py").write_text("the_secret = 1\n")
    folder = make_repository(tmp_path / "project", {"a.py": "x = 1\n", "deep/b.py": "y = 1\n"})
    (folder / "link.py").symlink_to(tmp_path / "secret")
    (folder / "folder").symlink_to(tmp_path / "outside")
    (folder / "inner.py").symlink_to("a.py")
    run_git(folder, "add", "-A")
    run_git(folder, "commit", "-q", "-m", "links")
    return folder


@pytest.mark.parametrize("path", ["link.py", "folder/secret.py", "inner.py", "../secret", "/etc/passwd"])
async def test_no_link_is_followed_and_nothing_outside_is_read(linked: Path, repositories, path: str) -> None:
    repo = await repositories.open(f"path:{linked}", tenant="acme")
    with pytest.raises(ToolFailed) as refused:
        await repo.read(path)
    assert refused.value.code == "outside_repository"
    assert await repo.files() == ["a.py", "deep/b.py"]
    assert await repo.grep("secret") == []
    assert (await repo.coverage()).skipped == {"symbolic link": 3}


async def test_folder_that_becomes_a_link_after_it_was_listed_leads_nowhere(linked: Path, repositories) -> None:
    repo = await repositories.open(f"path:{linked}", tenant="acme")
    (linked / "deep" / "b.py").unlink()
    (linked / "deep").rmdir()
    (linked / "deep").symlink_to(linked.parent / "outside")
    (linked.parent / "outside" / "b.py").write_text("the_secret = 1\n")
    with pytest.raises(ToolFailed) as refused:
        await repo.read("deep/b.py")
    assert refused.value.code == "outside_repository"
    assert await repo.grep("secret") == []


async def test_ignored_files_are_not_read(opened, tmp_path: Path, repositories) -> None:
    await opened({".gitignore": ".env\nbuild/\n", "a.py": "x = 1\n"})
    folder = tmp_path / "project"
    write(folder, {".env": "KEY=1\n", "build/out.py": "y = 1\n", "new.py": "z = 1\n"})
    repo = await repositories.open(f"path:{folder}", tenant="acme")
    assert await repo.files() == [".gitignore", "a.py", "new.py"]
    with pytest.raises(NotFound):
        await repo.read(".env")


def test_named_pipe_in_a_work_tree_holds_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(NotFound):
        WorkTreeReader(str(tmp_path)).read_one("pipe.py", 100)


async def test_git_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    with pytest.raises(LimitReached) as stopped:
        await git.run(["sleep", "60"], git.environment(), seconds=0.05)
    assert stopped.value.code == "git_time"


async def test_git_that_writes_too_much_is_stopped() -> None:
    with pytest.raises(LimitReached) as stopped:
        await git.run(["yes"], git.environment(), seconds=10, limit=1000)
    assert stopped.value.code == "git_output"


async def test_git_that_is_watched_stops_when_the_watcher_says_so() -> None:
    with pytest.raises(LimitReached) as stopped:
        await git.run(["sleep", "60"], git.environment(), seconds=10, watch=lambda: "too large")
    assert stopped.value.code == "git_size"


async def test_a_file_that_is_far_larger_unpacked_is_not_unpacked_into_memory(tmp_path: Path) -> None:
    bare = tmp_path / "packed.git"
    bare.mkdir()
    run_git(bare, "init", "-q", "--bare")
    blob = run_git(bare, "hash-object", "-w", "--stdin", given="0" * (64 << 20))
    tree = run_git(bare, "mktree", given=f"100644 blob {blob}\tzeros.txt\n")
    (bare / "HEAD").write_text(run_git(bare, "commit-tree", tree, "-m", "x"))
    opened = await open_tree(f"path:{bare}", tmp_path)
    (entry,) = (await opened.files()).entries
    tracemalloc.start()
    try:
        data = opened.read(entry, 4096)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert data == b"0" * 4096
    assert most < 1 << 20
