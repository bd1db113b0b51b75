"""What can be opened, and what is said where something cannot."""

import shutil
from pathlib import Path

import pytest
from tests.backends.repos.conftest import git, make_repository, write

from groundswell.backends.repos.repositories import Repositories
from groundswell.backends.repos.source import CloneLimits
from groundswell.core.errors import GroundswellError, LimitReached, NotFound, ToolFailed, Unavailable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "project", {"pkg/__init__.py": "", "pkg/a.py": "def f(): ...\n"})


@pytest.fixture
async def cloning(tmp_path: Path, store, workers):
    limits = CloneLimits(file_urls=True, bytes=5_000_000)
    yield (opened := Repositories(cache=tmp_path / "cache", workers=workers, store=store, clone=limits))
    await opened.close()


async def test_folder_inside_a_work_tree_opens_the_whole(folder: Path, repositories) -> None:
    repo = await repositories.open(f"path:{folder}/pkg", tenant="acme")
    assert (repo.name, await repo.files()) == ("project", ["pkg/__init__.py", "pkg/a.py"])


async def test_revision_names_the_commit_and_says_what_is_not_committed(folder: Path, repositories) -> None:
    commit = git(folder, "rev-parse", "HEAD")[:12]
    source = f"path:{folder}"
    assert (await repositories.open(source, tenant="acme")).revision == commit
    write(folder, {"new.py": "x = 1\n"})
    assert (await repositories.open(source, tenant="acme")).revision == f"{commit}+dirty"
    git(folder, "add", "-A")
    assert (await repositories.open(source, tenant="acme")).revision == f"{commit}+dirty"
    git(folder, "commit", "-q", "-m", "more")
    assert (await repositories.open(source, tenant="acme")).revision == git(folder, "rev-parse", "HEAD")[:12]
    (folder / "new.py").unlink()
    assert (await repositories.open(source, tenant="acme")).revision.endswith("+dirty")
    git(folder, "checkout", "-q", "new.py")
    (folder / "new.py").touch()  # only its time differs
    assert not (await repositories.open(source, tenant="acme")).revision.endswith("+dirty")


async def test_packed_refs_detached_heads_and_linked_work_trees_are_understood(folder: Path, repositories) -> None:
    commit = git(folder, "rev-parse", "HEAD")
    git(folder, "pack-refs", "--all")
    assert (await repositories.open(f"path:{folder}", tenant="acme")).revision == commit[:12]
    git(folder, "worktree", "add", "-q", "--detach", str(folder.parent / "other"))
    repo = await repositories.open(f"path:{folder.parent / 'other'}", tenant="acme")
    assert (repo.revision, repo.name) == (commit[:12], "other")
    assert [found.path for found in await repo.definitions("f")] == ["pkg/a.py"]


async def test_split_index_is_read(folder: Path, repositories) -> None:
    git(folder, "update-index", "--split-index")
    assert len(await (await repositories.open(f"path:{folder}", tenant="acme")).files()) == 2


async def test_repository_with_long_digests_is_read(tmp_path: Path, repositories) -> None:
    folder = tmp_path / "long"
    folder.mkdir()
    git(folder, "init", "-q", "--object-format=sha256")
    write(folder, {"a.py": "def f(): ...\n"})
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    repo = await repositories.open(f"path:{folder}", tenant="acme")
    assert repo.revision == git(folder, "rev-parse", "HEAD")[:12]
    assert [found.path for found in await repo.definitions("f")] == ["a.py"]


async def test_bare_repository_is_read_from_its_head(folder: Path, repositories) -> None:
    git(folder.parent, "clone", "-q", "--bare", str(folder), "bare.git")
    repo = await repositories.open(f"path:{folder.parent}/bare.git", tenant="acme")
    assert (repo.name, repo.revision) == ("bare", git(folder, "rev-parse", "HEAD")[:12])
    assert [found.path for found in await repo.definitions("f")] == ["pkg/a.py"]
    assert (await repo.read("pkg/a.py")).excerpt.text == "def f(): ..."
    assert [hit.start for hit in await repo.grep("def")] == [1]
    with pytest.raises(NotFound):
        await repo.read("pkg/b.py")


async def test_empty_repository_without_commits_opens_and_has_nothing(tmp_path: Path, repositories) -> None:
    git(tmp_path, "init", "-q", "fresh")
    repo = await repositories.open(f"path:{tmp_path}/fresh", tenant="acme")
    assert (repo.revision, await repo.files(), await repo.definitions("f")) == ("unborn", [], [])
    assert await repo.search("anything at all") == []
    assert (await repo.coverage()).files == 0
    write(tmp_path / "fresh", {"a.py": "def f(): ...\n"})
    repo = await repositories.open(f"path:{tmp_path}/fresh", tenant="acme")
    assert (repo.revision, len(await repo.definitions("f"))) == ("unborn+dirty", 1)


@pytest.mark.parametrize(
    ("source", "kind", "code"),
    [
        ("path:/no/such/folder", NotFound, "no_such_folder"),
        ("path:relative", ToolFailed, "bad_source"),
        ("ssh://host/x", ToolFailed, "bad_source"),
        ("git@github.com:a/b.git", ToolFailed, "bad_source"),
        ("http://host/x", ToolFailed, "bad_source"),
        ("git://host/x", ToolFailed, "bad_source"),
        ("file:///tmp/x", ToolFailed, "bad_source"),
        ("ext::sh -c touch% /tmp/x", ToolFailed, "bad_source"),
        ("https://user:hunter2@host/x", ToolFailed, "bad_source"),
        ("https://host/", ToolFailed, "bad_source"),
        ("--upload-pack=x", ToolFailed, "bad_source"),
        ("", ToolFailed, "bad_source"),
    ],
)
async def test_what_cannot_be_opened_is_refused_with_a_hint(repositories, source: str, kind, code: str) -> None:
    with pytest.raises(kind) as refused:
        await repositories.open(source, tenant="acme")
    error: GroundswellError = refused.value
    assert (error.code, bool(error.hint)) == (code, True)
    assert "hunter2" not in error.message


async def test_folder_that_is_no_repository_is_not_found(tmp_path: Path, repositories) -> None:
    with pytest.raises(NotFound) as refused:
        await repositories.open(f"path:{tmp_path}", tenant="acme")
    assert (refused.value.code, "git init" in refused.value.hint) == ("not_a_repository", True)


async def test_git_directory_that_is_a_link_is_refused(folder: Path, repositories) -> None:
    (folder.parent / "copy").mkdir()
    (folder.parent / "copy" / ".git").symlink_to(folder / ".git")
    with pytest.raises(ToolFailed) as refused:
        await repositories.open(f"path:{folder.parent}/copy", tenant="acme")
    assert refused.value.code == "unsafe_repository"


async def test_address_is_cloned_without_files_and_followed_when_it_moves(folder: Path, cloning) -> None:
    source = f"file://{folder}"
    repo = await cloning.open(source, tenant="acme")
    assert (repo.name, repo.revision) == ("project", git(folder, "rev-parse", "HEAD")[:12])
    assert [found.path for found in await repo.definitions("f")] == ["pkg/a.py"]
    write(folder, {"pkg/b.py": "def g(): ...\n"})
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "more")
    repo = await cloning.open(source, tenant="acme")
    assert repo.revision == git(folder, "rev-parse", "HEAD")[:12]
    assert [found.path for found in await repo.definitions("g")] == ["pkg/b.py"]


async def test_clone_answers_from_its_cache_when_the_host_is_gone(folder: Path, cloning) -> None:
    await cloning.open(f"file://{folder}", tenant="acme")
    shutil.move(folder, folder.parent / "gone")
    repo = await cloning.open(f"file://{folder}", tenant="acme")
    assert await repo.files() == ["pkg/__init__.py", "pkg/a.py"]
    assert f"since {repo.revision}" in (await repo.coverage()).stale


async def test_host_that_does_not_answer_is_unavailable(tmp_path: Path, cloning) -> None:
    with pytest.raises(Unavailable) as failed:
        await cloning.open(f"file://{tmp_path}/nothing", tenant="acme")
    assert failed.value.code == "clone_failed"


async def test_repository_beyond_the_size_limit_is_not_kept(tmp_path: Path, store, workers) -> None:
    folder = make_repository(tmp_path / "project", {"blob.bin": bytes(range(256)) * 400})
    limits = CloneLimits(file_urls=True, bytes=2000)
    cloning = Repositories(cache=tmp_path / "cache", workers=workers, store=store, clone=limits)
    with pytest.raises(LimitReached) as refused:
        await cloning.open(f"file://{folder}", tenant="acme")
    assert refused.value.code == "git_size"
    assert [file for file in (tmp_path / "cache").rglob("*") if not file.is_dir()] == []
