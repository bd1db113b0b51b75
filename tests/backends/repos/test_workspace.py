"""Diffs that Git applies to the very same bytes, and branches that are made once."""

import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundswell.backends.repos.workspace import GitWorkspace, checked, workspace
from groundswell.core.errors import Conflict, GroundswellError, ToolFailed
from groundswell.core.records import Edit

pytestmark = pytest.mark.real
WHO = ("-c", "user.name=ana", "-c", "user.email=ana@example.org", "-c", "commit.gpgsign=false")
FILES = {
    "plain.txt": b"one\ntwo\nthree\n",
    "open.txt": b"first\nlast without an end",
    "dos.txt": b"alpha\r\nbeta\r\ngamma\r\n",
    "mixed.txt": b"alpha\r\nbeta\ngamma\r\n",
    "latin.txt": "caf\xe9\nnext\n".encode("latin-1"),
    "tool.sh": b"#!/bin/sh\necho hi\n",
    "picture.bin": bytes(range(256)) * 4,
    "folder/inner.py": b"def inner():\n    return 1\n",
}


def git(repo: Path, *words: str, given: bytes | None = None) -> bytes:
    return subprocess.run(["git", "-C", str(repo), *words], input=given, capture_output=True, check=True).stdout


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A clone with a little of everything."""
    place = tmp_path / "repo"
    place.mkdir()
    git(place, "init", "-q", "-b", "main")
    for name, data in FILES.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(data)
    (place / "tool.sh").chmod(0o755)
    (place / "link").symlink_to("plain.txt")
    git(place, "add", "-A")
    git(place, *WHO, "commit", "-qm", "begin")
    return place


def listed(repo: Path) -> list[Path]:
    return sorted(path.relative_to(repo) for path in repo.rglob("*"))


@pytest.fixture
async def work(repo: Path, tmp_path: Path) -> AsyncIterator[GitWorkspace]:
    async with workspace(f"path:{repo}", tmp_path / "cache") as opened:
        yield opened


def applied(repo: Path, patch: str) -> Path:
    """A checkout of the commit with a patch, made by plain Git."""
    copy = repo.parent / f"copy{len(list(repo.parent.iterdir()))}"
    git(repo, "worktree", "add", "-q", "--detach", str(copy), "HEAD")
    git(copy, "apply", "--index", "--whitespace=nowarn", "-", given=patch.encode())
    return copy


@pytest.mark.parametrize(
    ("edit", "path", "bytes_"),
    [
        (Edit(path="plain.txt", old="two", new="2"), "plain.txt", b"one\n2\nthree\n"),
        (Edit(path="plain.txt", old="three\n", new="three"), "plain.txt", b"one\ntwo\nthree"),
        (Edit(path="open.txt", old="without an end", new="with one\n"), "open.txt", b"first\nlast with one\n"),
        (Edit(path="open.txt", old="first", new="1st"), "open.txt", b"1st\nlast without an end"),
        (Edit(path="dos.txt", old="beta\ngamma", new="b\nc\nd"), "dos.txt", b"alpha\r\nb\r\nc\r\nd\r\n"),
        (Edit(path="dos.txt", old="beta", new="b"), "dos.txt", b"alpha\r\nb\r\ngamma\r\n"),
        (Edit(path="mixed.txt", old="beta\n", new="b\n"), "mixed.txt", b"alpha\r\nb\ngamma\r\n"),
        (Edit(path="new.txt", contents="a\r\nb"), "new.txt", b"a\r\nb"),
        (Edit(path="empty.txt", contents=""), "empty.txt", b""),
        (Edit(path="plain.txt", contents="all\nelse"), "plain.txt", b"all\nelse"),
        (Edit(path="plain.txt", rename="folder/other.txt"), "folder/other.txt", FILES["plain.txt"]),
        (Edit(path="picture.bin", rename="images/p.bin"), "images/p.bin", FILES["picture.bin"]),
        (Edit(path="folder/inner.py", rename="i.py", old="1", new="2"), "i.py", b"def inner():\n    return 2\n"),
        (Edit(path="a b\u00e9.txt", contents="spaces\n"), "a b\u00e9.txt", b"spaces\n"),
    ],
)
async def test_plain_git_makes_the_very_bytes_of_a_diff(
    work: GitWorkspace, repo: Path, edit: Edit, path: str, bytes_: bytes
) -> None:
    made = await work.diff([edit])
    copy = applied(repo, made.patch)
    assert (copy / path).read_bytes() == bytes_
    if edit.rename:
        assert not (copy / edit.path).exists()
    assert made.base == git(repo, "rev-parse", "HEAD").decode().strip()
    assert path in made.files


async def test_modes_and_ends_are_part_of_a_diff(work: GitWorkspace, repo: Path) -> None:
    edits = [
        Edit(path="plain.txt", executable=True),
        Edit(path="tool.sh", executable=False, old="hi", new="ho"),
        Edit(path="dos.txt", delete=True),
    ]
    copy = applied(repo, (await work.diff(edits)).patch)
    assert (copy / "plain.txt").stat().st_mode & 0o111
    assert not (copy / "tool.sh").stat().st_mode & 0o111
    assert (copy / "tool.sh").read_bytes() == b"#!/bin/sh\necho ho\n"
    assert not (copy / "dos.txt").exists()


async def test_later_edits_see_earlier_ones(work: GitWorkspace, repo: Path) -> None:
    edits = [Edit(path="plain.txt", old="one", new="1"), Edit(path="plain.txt", old="1\ntwo", new="12")]
    assert (applied(repo, (await work.diff(edits)).patch) / "plain.txt").read_bytes() == b"12\nthree\n"


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (Edit(path="plain.txt", old="four", new="4"), "old_not_found"),
        (Edit(path="plain.txt", old="t", new="T"), "old_ambiguous"),
        (Edit(path="plain.txt", old="", new="T"), "empty_old"),
        (Edit(path="nowhere.txt", old="a", new="b"), "no_such_file"),
        (Edit(path="nowhere.txt", delete=True), "no_such_file"),
        (Edit(path="nowhere.txt", executable=True), "no_such_file"),
        (Edit(path="plain.txt", rename="open.txt"), "file_exists"),
        (Edit(path="link", contents="x"), "not_a_file"),
        (Edit(path="folder", contents="x"), "not_a_file"),
        (Edit(path="../out.txt", contents="x"), "outside_repository"),
        (Edit(path="/etc/passwd", contents="x"), "outside_repository"),
        (Edit(path=".git/config", contents="x"), "outside_repository"),
        (Edit(path="a/.GIT/hooks/x", contents="x"), "outside_repository"),
        (Edit(path="a//b", contents="x"), "outside_repository"),
        (Edit(path="latin.txt", old="next", new="after"), "not_utf8"),
        (Edit(path="k.py", contents='token = "ghp_0123456789abcdefghijABCDEFGHIJ012345"\n'), "diff_has_secrets"),
    ],
)
async def test_what_cannot_be_done_is_said(work: GitWorkspace, edit: Edit, code: str) -> None:
    with pytest.raises(GroundswellError) as caught:
        await work.diff([edit])
    assert caught.value.code == code


async def test_nothing_is_left_in_a_repository_that_was_only_read(work: GitWorkspace, repo: Path) -> None:
    before = listed(repo)
    await work.diff([Edit(path="plain.txt", old="two", new="2")])
    assert listed(repo) == before


async def test_path_below_a_link_is_no_path_here(work: GitWorkspace) -> None:
    with pytest.raises(ToolFailed):
        await work.diff([Edit(path="link/inner.txt", contents="x")])


@given(name=st.text(min_size=1, max_size=20))
def test_no_name_leads_out_of_the_repository(name: str) -> None:
    try:
        path = checked(name)
    except ToolFailed:
        return
    assert not path.startswith("/")
    assert not {"..", ".git"} & set(path.lower().split("/"))


TEXTS = st.text(alphabet="ab\n\r \t\u00e9+-@", max_size=60)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=TEXTS, after=TEXTS)
async def test_any_text_becomes_any_other_exactly(
    tmp_path_factory: Callable[..., Path], before: str, after: str
) -> None:
    place = tmp_path_factory.mktemp("r")  # type: ignore[attr-defined]
    git(place, "init", "-q")
    (place / "f").write_bytes(before.encode())
    git(place, "-c", "core.autocrlf=false", "add", "f")
    git(place, *WHO, "commit", "-qm", "x")
    async with workspace(f"path:{place}", place / "cache") as work:
        made = await work.diff([Edit(path="f", contents=after)])
        branch = None if before == after else await work.branch(made.patch, made.base, "made", "m", "key")
    assert (made.patch == "") == (before == after)
    if branch:
        assert git(place, "show", "made:f") == after.encode()


async def test_branch_carries_the_patch_and_touches_no_work_tree(work: GitWorkspace, repo: Path) -> None:
    (repo / "plain.txt").write_text("work in progress\n")
    status = git(repo, "status", "--porcelain")
    made = await work.diff([Edit(path="plain.txt", old="two", new="2")])
    branch = await work.branch(made.patch, made.base, "fix/two", "Say 2", "run_1/call")
    assert git(repo, "show", "fix/two:plain.txt") == b"one\n2\nthree\n"
    assert git(repo, "log", "-1", "--format=%P %s", "fix/two").decode().split() == [made.base, "Say", "2"]
    assert git(repo, "rev-parse", "fix/two").decode().strip() == branch.commit
    assert branch.files == ("plain.txt",)
    assert git(repo, "status", "--porcelain") == status
    assert git(repo, "branch", "--show-current").decode().strip() == "main"
    git(repo, "fsck", "--strict")


async def test_under_one_key_one_commit_is_made(work: GitWorkspace, repo: Path) -> None:
    made = await work.diff([Edit(path="plain.txt", old="two", new="2")])
    assert await work.branched("fix", "key") is None
    first = await work.branch(made.patch, made.base, "fix", "m", "key")
    assert await work.branched("fix", "key") == first
    assert await work.branch(made.patch, made.base, "fix", "m", "key") == first
    git(repo, "checkout", "-q", "fix")
    git(repo, *WHO, "commit", "-q", "--allow-empty", "-m", "somebody went on")
    assert await work.branched("fix", "key") == first


async def test_branch_that_is_there_is_not_moved(work: GitWorkspace, repo: Path) -> None:
    made = await work.diff([Edit(path="plain.txt", old="two", new="2")])
    git(repo, "branch", "taken")
    with pytest.raises(ToolFailed) as caught:
        await work.branch(made.patch, made.base, "taken", "m", "key")
    assert caught.value.code == "branch_exists"
    assert git(repo, "rev-parse", "taken") == git(repo, "rev-parse", "main")
    assert await work.branched("taken", "key") is None


async def test_branch_that_somebody_removed_is_for_a_person_to_judge(work: GitWorkspace, repo: Path) -> None:
    made = await work.diff([Edit(path="plain.txt", old="two", new="2")])
    branch = await work.branch(made.patch, made.base, "fix", "m", "key")
    git(repo, "branch", "-D", "fix")
    with pytest.raises(Conflict, match=branch.commit[:12]):
        await work.branched("fix", "key")
    assert (
        await work.branch(made.patch, made.base, "fix", "m", "key")
    ).branch == "fix"  # a person said that it may be made


@pytest.mark.parametrize(
    ("patch", "branch", "code"),
    [
        ("no patch at all", "x", "patch_does_not_apply"),
        ("--- a/plain.txt\n+++ b/plain.txt\n@@ -1 +1 @@\n-eleven\n+12\n", "x", "patch_does_not_apply"),
        ("--- a/../../out\n+++ b/../../out\n@@ -0,0 +1 @@\n+x\n", "x", "patch_does_not_apply"),
        ("--- /dev/null\n+++ b/k\n@@ -0,0 +1 @@\n+k = [secret:github-token]\n", "x", "patch_has_secrets"),
        ("--- a/plain.txt\n+++ b/plain.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n", "a..b", "bad_branch"),
        ("--- a/plain.txt\n+++ b/plain.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n", "-x", "bad_branch"),
    ],
)
async def test_patch_or_name_that_is_none_changes_nothing(
    work: GitWorkspace, repo: Path, patch: str, branch: str, code: str
) -> None:
    with pytest.raises(ToolFailed) as caught:
        await work.branch(patch, work.base, branch, "m", "key")
    assert caught.value.code == code
    assert git(repo, "for-each-ref", "--format=%(refname)").split() == [b"refs/heads/main"]


async def test_branch_starts_where_its_diff_was_made(work: GitWorkspace, repo: Path) -> None:
    made = await work.diff([Edit(path="plain.txt", old="two", new="2")])
    git(repo, *WHO, "commit", "-q", "--allow-empty", "-m", "meanwhile")
    assert (await work.branch(made.patch, made.base, "fix", "m", "key")).base == made.base
    with pytest.raises(ToolFailed) as caught:
        await work.branch(made.patch, "0" * 40, "other", "m", "key2")
    assert caught.value.code == "no_commit"


async def test_no_hook_or_setting_of_the_repository_runs_anything(
    work: GitWorkspace, repo: Path, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    for name in ("reference-transaction", "pre-commit", "post-commit", "applypatch-msg"):
        hook = repo / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
        hook.chmod(0o755)
    for name in ("core.fsmonitor", "gpg.program", "diff.external", "filter.x.clean", "core.editor"):
        git(repo, "config", name, f"touch {ran}")
    git(repo, "config", "commit.gpgSign", "true")
    (repo / ".git" / "info" / "attributes").write_text("* filter=x diff=x\n")
    made = await work.diff([Edit(path="plain.txt", old="two", new="2")])
    await work.branch(made.patch, made.base, "fix", "m", "key")
    assert not ran.exists()
