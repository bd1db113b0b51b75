"""Changes to a repository's commit, made with Git's own plumbing: a diff of edits, and a branch of a diff.

Nothing here touches a work tree, an index or a configuration that is somebody else's. A diff is made in objects of our
own over those of the repository; a branch is new objects, then one reference that must not be there before.
"""

import asyncio
import contextlib
import hashlib
import re
import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from groundswell.backends.repos import git
from groundswell.backends.repos.source import CloneLimits, open_tree
from groundswell.backends.repos.trees import Tree
from groundswell.core.errors import Conflict, NotFound, ToolFailed
from groundswell.core.records.changes import Branch, Diff, Edit
from groundswell.core.records.evidence import Excerpt
from groundswell.core.redaction import redact

_SECONDS = 60.0
_PLAIN, _PROGRAM = "100644", "100755"
_LONGEST = 1 << 20  # bytes of a patch
_DIFF = ("--full-index", "--binary", "-M", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/")
_NO_FILTERS = {"core.autocrlf": "false", "core.eol": "lf", "core.attributesFile": "/dev/null", "core.fsync": "all"}
_MASKED = re.compile(r"\[secret:[a-z0-9-]+\]")
_AUTHOR = {"NAME": "Groundswell", "EMAIL": "groundswell@localhost"}
TRAILER = "Groundswell-Call"


@dataclass(frozen=True, slots=True)
class _File:
    """A file of a commit, as an index has it."""

    mode: str
    blob: str


class GitWorkspace:
    """The commit of a source, and what can be made of it. Implements `core.ports.Workspace`."""

    def __init__(self, tree: Tree, source: str, common: Path, scratch: Path) -> None:
        self.source, self.base = source, tree.shadow.head
        self._tree, self._common, self._scratch = tree, common, scratch  # its shadow goes with the tree

    async def diff(self, edits: Sequence[Edit]) -> Diff:
        """A unified diff of edits against the commit, which Git applies to the very same bytes."""
        if self.base == git.UNBORN:
            raise NotFound("no_commit", "this repository has no commit yet", "Commit something first.")
        env = self._env("edit", own_objects=True)
        await self._git(env, "read-tree", self.base)
        for edit in edits:
            await self._apply(env, edit)
        tree = await self._text(env, "write-tree")
        patch = await self._git(env, "diff-tree", "-p", *_DIFF, "--dst-prefix=b/", self.base, tree)
        text = _checked(patch)
        await self._proved(text, tree)
        names = await self._git(env, "diff-tree", "-r", "-z", "--no-renames", "--name-only", self.base, tree)
        return Diff(base=self.base, patch=text, files=tuple(name.decode() for name in names.split(b"\0") if name))

    async def branch(self, patch: str, base: str, branch: str, message: str, key: str) -> Branch:
        """Commit a patch to a commit on a new branch; under the same key it is made once."""
        ref = await self._ref(branch)
        if (there := await self._commit_of(ref)) and (commit := await self._with_trailer(there, key)):
            return await self._named(branch, commit)
        if _MASKED.search(patch):
            hint = "Leave the lines that hold a secret as they are."
            raise ToolFailed(
                "patch_has_secrets", "a secret was removed from this patch: it is not what was meant", hint
            )
        if not (base := await self._commit_of(base)):
            raise ToolFailed("no_commit", "this repository has no such commit", "Name the `base` of the diff.")
        env = self._env("branch", own_objects=False)
        tree = await self._patched(env, patch, base)
        if tree == await self._text(env, "rev-parse", f"{base}^{{tree}}"):
            raise ToolFailed("empty_patch", "this patch changes nothing", "Make one with diff_make.")
        said = f"{message.strip() or 'Change'}\n\n{TRAILER}: {key}\n"
        commit = await self._text(env, "commit-tree", tree, "-p", base, "-m", said)
        await asyncio.shield(self._point(ref, commit, key))  # a reference half written would leave its lock behind
        return await self._named(branch, commit)

    async def branched(self, branch: str, key: str) -> Branch | None:
        """The branch that was made under a key, or None. Raises Conflict where only a person can tell."""
        marked, there = await self._commit_of(_mark(key)), await self._commit_of(await self._ref(branch))
        if there and (commit := await self._with_trailer(there, key)):
            return await self._named(branch, commit)
        if not marked:
            return None
        message = (
            f"commit {marked[:12]} was made for this, but no branch {branch!r} of {self.source} has it: "
            "either it was not named yet, or somebody has removed or changed the branch since"
        )
        raise Conflict(
            "outcome_unknown", message, f"look at: git log {marked[:12]}; git branch --contains {marked[:12]}"
        )

    # -- edits

    async def _apply(self, env: Mapping[str, str], edit: Edit) -> None:
        path = checked(edit.path)
        file = await self._file(env, path)
        if edit.delete:
            _needed(file, path)
            await self._index(env, path, None)
            return
        data = await self._edited(env, edit, file)
        target = checked(edit.rename) if edit.rename else path
        if edit.rename:
            _needed(file, path)
            if await self._file(env, target) is not None:
                raise ToolFailed("file_exists", f"{target!r} is there already", "Delete it first, or choose another.")
            await self._index(env, path, None)
        await self._below_folders(env, target)
        blob = file.blob if file and data is None else await self._stored(env, data or b"")
        mode = file.mode if file else _PLAIN
        if edit.executable is not None:
            mode = _PROGRAM if edit.executable else _PLAIN
        await self._index(env, target, _File(mode, blob))

    async def _edited(self, env: Mapping[str, str], edit: Edit, file: _File | None) -> bytes | None:
        """The new bytes; None where they stay as they are."""
        if edit.contents is not None:
            return edit.contents.encode("utf-8", "surrogatepass")
        if edit.old is None:
            if file is None:
                raise ToolFailed("no_such_file", f"{edit.path!r} is not in the commit", "Give its whole contents.")
            return None
        data = await self._git(env, "cat-file", "blob", _needed(file, edit.path).blob)
        return replaced(data, edit)

    async def _file(self, env: Mapping[str, str], path: str) -> _File | None:
        row = (await self._git(env, "ls-files", "-z", "--stage", "--", path)).partition(b"\0")[0].decode()
        if not row:
            return None
        info, _, found = row.partition("\t")
        if found != path:
            raise ToolFailed("not_a_file", f"{path!r} is a folder", "Name a file.")
        mode, blob, _ = info.split(" ")
        if mode not in (_PLAIN, _PROGRAM):
            raise ToolFailed("not_a_file", f"{path!r} is a link or a submodule", "Only plain files are changed.")
        return _File(mode, blob)

    async def _index(self, env: Mapping[str, str], path: str, file: _File | None) -> None:
        row = f"{file.mode} {file.blob}\t{path}\0" if file else f"0 {'0' * len(self.base)}\t{path}\0"
        await self._git(env, "update-index", "-z", "--index-info", given=row.encode())
        if file is not None and await self._file(env, path) != file:
            raise ToolFailed("bad_path", f"Git takes no file at {path!r}", "Choose another path.")

    async def _below_folders(self, env: Mapping[str, str], path: str) -> None:
        """Refuse a path that leads through a file or a link: Git would put a folder in its place."""
        parents = [str(parent) for parent in PurePosixPath(path).parents][:-1]
        if parents:
            asked = "".join(f":{parent}\n" for parent in parents).encode()
            rows = await self._git(env, "cat-file", "--batch-check", given=asked)
            if any(not row.endswith(b" missing") for row in rows.splitlines()):
                raise ToolFailed("bad_path", f"{path!r} leads through a file or a link", "Choose another path.")

    async def _stored(self, env: Mapping[str, str], data: bytes) -> str:
        return (await self._git(env, "hash-object", "-w", "--no-filters", "--stdin", given=data)).decode().strip()

    # -- patches

    async def _patched(self, env: Mapping[str, str], patch: str, base: str) -> str:
        """The tree of the commit with a patch; nothing is taken that Git would take only in part."""
        given = patch.encode("utf-8", "surrogatepass")
        if len(given) > _LONGEST:
            raise ToolFailed("patch_too_long", f"a patch may have {_LONGEST:,} bytes", "Make several.")
        await self._git(env, "read-tree", base)
        try:
            await self._git(env, "apply", "--cached", "--check", "--whitespace=nowarn", "-", given=given)
        except ToolFailed as error:
            hint = "Make the patch with diff_make, and pass it on as it is."
            message = f"this patch does not apply to {base[:12]}: {error.message}"
            raise ToolFailed("patch_does_not_apply", message, hint) from error
        await self._git(env, "apply", "--cached", "--whitespace=nowarn", "-", given=given)
        return await self._text(env, "write-tree")

    async def _proved(self, patch: str, tree: str) -> None:
        """Applied to the commit, the patch gives the tree it was made of, byte for byte."""
        if patch and await self._patched(self._env("proof", own_objects=True), patch, self.base) != tree:
            raise ToolFailed("diff_not_exact", "Git makes something else of this diff", "Make the change in parts.")

    # -- references

    async def _ref(self, branch: str) -> str:
        try:
            name = await self._text(self._env("names", own_objects=True), "check-ref-format", "--branch", branch)
        except ToolFailed as error:
            raise ToolFailed("bad_branch", f"{branch!r} is no name for a branch", "Such as fix/retry.") from error
        return f"refs/heads/{name}"

    async def _point(self, ref: str, commit: str, key: str) -> None:
        """Name the commit, and remember for which call; neither may be there before."""
        env = git.environment() | {"GIT_DIR": str(self._common)} | _identity()
        lines = f"start\ncreate {ref} {commit}\nupdate {_mark(key)} {commit}\nprepare\ncommit\n"
        try:
            await self._git(env, "update-ref", "--no-deref", "--stdin", given=lines.encode())
        except ToolFailed as error:
            if await self._commit_of(ref):
                branch = ref.removeprefix("refs/heads/")
                raise ToolFailed("branch_exists", f"there is a branch {branch!r} already", "Choose another.") from error
            raise

    async def _commit_of(self, ref: str) -> str:
        env = git.environment() | {"GIT_DIR": str(self._common)}
        command = git.arguments("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", config=_NO_FILTERS)
        _, output = await git.run(command, env, seconds=_SECONDS, folder=self._scratch, allowed=(0, 1))
        return output.decode().strip()

    async def _with_trailer(self, commit: str, key: str) -> str:
        """The commit on a branch that carries a key; somebody may have gone on from it."""
        words = (
            "log",
            "--fixed-strings",
            f"--grep={TRAILER}: {key}",
            "--format=%H",
            "-n",
            "1",
            commit,
            f"^{self.base}",
        )
        return await self._text(self._env("log", own_objects=True), *words)

    async def _named(self, branch: str, commit: str) -> Branch:
        env = self._env("log", own_objects=True)
        names = await self._git(env, "diff-tree", "-r", "-z", "--no-renames", "--name-only", "--no-commit-id", commit)
        base = await self._text(env, "rev-parse", f"{commit}^")
        files = tuple(name.decode() for name in names.split(b"\0") if name)
        lines = [f"branch {branch}", f"commit {commit}", f"parent {base}", *(f"changed {file}" for file in files)]
        excerpt = Excerpt(source=f"git:{branch}@{commit}", text="\n".join(lines))
        return Branch(source=self.source, branch=branch, commit=commit, base=base, files=files, excerpt=excerpt)

    # -- git

    def _env(self, name: str, *, own_objects: bool) -> dict[str, str]:
        """Git with an index of our own, and where nothing is to stay also objects of our own."""
        objects = self._scratch / "objects"
        objects.mkdir(exist_ok=True)
        empty = self._scratch / "empty"
        empty.mkdir(exist_ok=True)
        values = self._tree.shadow.environment() | _identity()
        values |= {"GIT_INDEX_FILE": str(self._scratch / f"{name}.index"), "GIT_WORK_TREE": str(empty)}
        if own_objects:
            values["GIT_OBJECT_DIRECTORY"] = str(objects)
            values["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(self._tree.shadow.objects)
        return values

    async def _git(self, env: Mapping[str, str], *words: str, given: bytes = b"") -> bytes:
        command = git.arguments(*words, config=_NO_FILTERS)
        _, output = await git.run(command, env, seconds=_SECONDS, folder=self._scratch, given=given)
        return output

    async def _text(self, env: Mapping[str, str], *words: str) -> str:
        return (await self._git(env, *words)).decode().strip()


@contextlib.asynccontextmanager
async def workspace(
    source: str, cache: Path, limits: CloneLimits | None = None, *, granted: bool = False
) -> AsyncGenerator[GitWorkspace]:
    """A source's commit; what is made on the way to a result is removed. Raises as `open_tree` does."""
    tree = await open_tree(source, cache, limits, granted=granted)
    common = tree.shadow.objects.parent
    if source.startswith("path:"):
        found = await asyncio.to_thread(git.find_top, Path(source.removeprefix("path:")))
        common = git.common_of(found[1]).resolve()
    scratch = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="groundswell-work-"))
    try:
        yield GitWorkspace(tree, source, common, scratch)
    finally:
        await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)


def checked(path: str) -> str:
    """A path that an edit may name: inside the repository, and nothing of Git's own."""
    pure = PurePosixPath(path)
    odd = any(ord(letter) < 32 for letter in path) or "\\" in path
    if pure.is_absolute() or str(pure) != path or odd or any(p == ".." or p.lower() == ".git" for p in pure.parts):
        raise ToolFailed("outside_repository", f"{path!r} is not the path of a file here", "Such as src/app/main.py.")
    return path


def replaced(data: bytes, edit: Edit) -> bytes:
    """A file with one text in place of another, which must stand there once; its own line ends are kept."""
    old, new = ((edit.old or "").encode("utf-8", "surrogatepass"), (edit.new or "").encode("utf-8", "surrogatepass"))
    if not old:
        raise ToolFailed("empty_old", "the old text is empty", "Give the whole contents of a file that is new.")
    if old not in data and b"\r\n" in data and b"\r" not in old:  # shown without them, so written without them
        old, new = old.replace(b"\n", b"\r\n"), new.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    count = data.count(old)
    if count == 0:
        hint = "It is compared with the file as it is committed, byte for byte: read it again."
        raise ToolFailed("old_not_found", f"the old text does not stand in {edit.path!r}", hint)
    if count > 1:
        message = f"the old text stands in {edit.path!r} {count} times"
        raise ToolFailed("old_ambiguous", message, "Give more of the lines around it.")
    return data.replace(old, new)


def _checked(patch: bytes) -> str:
    """A patch as text; one that could not be carried as it is, is refused."""
    if len(patch) > _LONGEST:
        raise ToolFailed("patch_too_long", f"a patch may have {_LONGEST:,} bytes", "Make the change in parts.")
    try:
        text = patch.decode("utf-8")
    except UnicodeDecodeError as error:
        message = "the changed lines are not UTF-8, and a diff of them could not be carried as text"
        raise ToolFailed("not_utf8", message, "Change this file by hand.") from error
    if redact(text) != text:
        message = "the changed lines, or those around them, hold what looks like a secret, and it would be removed"
        raise ToolFailed("diff_has_secrets", message, "Change this place by hand.")
    return text


def _needed(file: _File | None, path: str) -> _File:
    if file is None:
        raise ToolFailed("no_such_file", f"{path!r} is not in the commit", "Name a file that is.")
    return file


def _mark(key: str) -> str:
    return f"refs/groundswell/{hashlib.sha256(key.encode()).hexdigest()[:40]}"


def _identity() -> dict[str, str]:
    return {f"GIT_{who}_{name}": value for who in ("AUTHOR", "COMMITTER") for name, value in _AUTHOR.items()}
