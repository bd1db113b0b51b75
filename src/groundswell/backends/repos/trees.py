"""The files of a repository: those of a work tree as they are now, or those of a commit.

Readers are small values that a worker process can be given; they never leave the repository and follow no link.
"""

import asyncio
import errno
import hashlib
import os
import shutil
import stat
import subprocess
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from groundswell.backends.repos import git
from groundswell.core.errors import NotFound, ToolFailed

_GIT_SECONDS = 60.0


class Entry(NamedTuple):
    """A file: its path, the digest of its content, its size in bytes (−1: not known yet)."""

    path: str
    blob: str
    size: int = -1


class Reader(Protocol):
    """Gives the bytes of files. Works in any process."""

    def read(self, entries: Iterable[Entry], limit: int) -> Iterator[tuple[str, bytes | None]]:
        """The first `limit` bytes of each file; None where it cannot be read (any more)."""
        ...


@dataclass(frozen=True, slots=True)
class Listing:
    """All files, and which revision they are."""

    revision: str
    entries: list[Entry]
    skipped: dict[str, int] = field(default_factory=dict[str, int])


class Tree(Protocol):
    """An opened repository."""

    name: str
    origin: str  # where it is, once and for all: what it is known by in stores
    shadow: git.Shadow
    stale: str  # of a clone that could not be fetched anew: what is not known of it, and why; else ""

    @property
    def reader(self) -> Reader:
        """Reads its files."""
        ...

    async def files(self) -> Listing:
        """Its files now."""
        ...

    def read(self, entry: Entry, limit: int) -> bytes:
        """The first `limit` bytes of a file; raises NotFound("no_such_file")."""
        ...

    def refuse_links(self, path: str) -> None:
        """Raise ToolFailed("outside_repository") where a path leads through a symbolic link."""
        ...


def checked_path(path: str) -> tuple[str, ...]:
    """The parts of a path inside a repository; raises ToolFailed("outside_repository")."""
    pure = PurePosixPath(path)
    parts = pure.parts
    if pure.is_absolute() or ".." in parts or "\0" in path or not parts or parts[0] == ".git":
        raise _outside(path)
    return parts


def _outside(path: str) -> ToolFailed:
    return ToolFailed(
        "outside_repository",
        f"{path!r} is not a path inside the repository",
        "Paths are relative to the repository's root, and links are not followed.",
    )


@dataclass(frozen=True, slots=True)
class WorkTreeReader:
    """Reads files below a folder. Each part of a path is opened below the one before, so no link can lead out."""

    root: str

    def read(self, entries: Iterable[Entry], limit: int) -> Iterator[tuple[str, bytes | None]]:
        """As `Reader.read`."""
        root = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for entry in entries:
                try:
                    yield entry.path, self._read(root, checked_path(entry.path), limit)
                except (OSError, ToolFailed):
                    yield entry.path, None
        finally:
            os.close(root)

    def read_one(self, path: str, limit: int) -> bytes:
        """One file; raises ToolFailed("outside_repository") or NotFound("no_such_file")."""
        parts = checked_path(path)
        root = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return self._read(root, parts, limit)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK):
                raise _outside(path) from error
            if error.errno == errno.ENOTDIR and self._has_link(parts):
                raise _outside(path) from error
            raise NotFound("no_such_file", f"{path!r} is no file here", "List the files with a glob.") from error
        finally:
            os.close(root)

    def _read(self, root: int, parts: Sequence[str], limit: int) -> bytes:
        folder = root
        try:
            for part in parts[:-1]:
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                if folder != root:
                    os.close(folder)
                folder = inner
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO must not hold us
            handle = os.open(parts[-1], flags, dir_fd=folder)
        finally:
            if folder != root:
                os.close(folder)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(errno.EINVAL, "not a plain file")
            return file.read(limit)

    def refuse_links(self, path: str) -> None:
        """Raise ToolFailed("outside_repository") where a path leads through a symbolic link."""
        if self._has_link(checked_path(path)):
            raise _outside(path)

    def _has_link(self, parts: Sequence[str]) -> bool:
        return any(Path(self.root, *parts[:count]).is_symlink() for count in range(1, len(parts) + 1))

    def size(self, path: str) -> int:
        """The size of a plain file; −1 for anything else."""
        try:
            info = os.lstat(os.path.join(self.root, path))  # noqa: PTH118 - one call for each of 100,000 files
        except OSError:
            return -1
        return info.st_size if stat.S_ISREG(info.st_mode) else -1


@dataclass(frozen=True, slots=True)
class ObjectReader:
    """Reads blobs out of Git's object store."""

    env: Mapping[str, str]

    def read(self, entries: Iterable[Entry], limit: int) -> Iterator[tuple[str, bytes | None]]:
        """As `Reader.read`."""
        entries = list(entries)
        command = git.arguments("cat-file", "--batch", "--buffer")
        request = "".join(f"{entry.blob}\n" for entry in entries).encode()
        done = subprocess.run(  # noqa: S603 - a fixed command line; digests come from Git
            command, input=request, env=dict(self.env), capture_output=True, timeout=_GIT_SECONDS, check=False
        )
        output, at = done.stdout, 0
        for entry in entries:
            end = output.find(b"\n", at)
            header = output[at:end].split()
            if end < 0 or len(header) != 3 or header[1] != b"blob":
                at = max(at, end + 1)
                yield entry.path, None
                continue
            size = int(header[2])
            yield entry.path, output[end + 1 : end + 1 + min(size, limit)]
            at = end + 1 + size + 1

    def head(self, blob: str, limit: int) -> bytes:
        """The first bytes of one blob, which may be far larger than memory: a repository packs zeros well."""
        command = git.arguments("cat-file", "blob", blob)
        with subprocess.Popen(command, env=dict(self.env), stdout=subprocess.PIPE) as process:  # noqa: S603 - the same
            assert process.stdout is not None
            data = process.stdout.read(limit)
            process.kill()
        return data


class WorkTree:
    """A work tree: tracked files and untracked ones that are not ignored, with edits that are not committed."""

    def __init__(self, top: Path, shadow: git.Shadow) -> None:
        self.name = top.name
        self.origin = f"path:{top}"
        self.stale = ""
        self.reader = WorkTreeReader(str(top))
        self.shadow = shadow
        self._top = top
        weakref.finalize(self, shutil.rmtree, shadow.folder, ignore_errors=True)

    def read(self, entry: Entry, limit: int) -> bytes:
        """As `Tree.read`."""
        return self.reader.read_one(entry.path, limit)

    def refuse_links(self, path: str) -> None:
        """As `Tree.refuse_links`."""
        self.reader.refuse_links(path)

    async def files(self) -> Listing:
        """Its files now."""
        staged, others, touched, is_staged = await asyncio.gather(
            self._git("ls-files", "-z", "--stage"),
            self._git("ls-files", "-z", "--others", *self._excludes()),
            self._git("diff-files", "-z", "--name-only", "--ignore-submodules=all", "--no-ext-diff"),
            self._differs_from_head(),
        )
        return await asyncio.to_thread(self._listing, staged, others, touched, is_staged)

    def _listing(self, staged: bytes, others: bytes, touched: bytes, is_staged: bool) -> Listing:
        skipped: dict[str, int] = {}
        changed = set(_paths(touched))
        entries: dict[str, Entry] = {}
        is_dirty = is_staged
        for row in _paths(staged):
            info, _, path = row.partition("\t")
            mode, blob, _stage = info.split(" ")
            if mode not in ("100644", "100755"):
                reason = "symbolic link" if mode == "120000" else "submodule"
                skipped[reason] = skipped.get(reason, 0) + 1
                continue
            entry = self._entry(path, "" if path in changed else blob)
            if entry is None or entry.blob != blob:
                is_dirty = True
            if entry is not None:
                entries[path] = entry
        for path in _paths(others):
            entry = None if path.endswith("/") or path in entries else self._entry(path, "")
            if entry is not None:
                is_dirty = True
                entries[path] = entry
        head = self.shadow.head[:12]
        return Listing(f"{head}+dirty" if is_dirty else head, list(entries.values()), skipped)

    def _entry(self, path: str, blob: str) -> Entry | None:
        size = self.reader.size(path)
        if size < 0:
            return None
        if not blob:
            blob = self._digest(path, size)
        return Entry(path, blob, size)

    def _digest(self, path: str, size: int) -> str:
        """The digest Git would give the file now; of a huge one only its size and time are told apart."""
        if size > 8 << 20:
            return f"large-{size}-{os.lstat(self._top / path).st_mtime_ns}"
        try:
            data = self.reader.read_one(path, size + 1)
        except (NotFound, ToolFailed):
            return "unreadable"
        content = b"blob %d\0" % len(data) + data
        if len(self.shadow.head) == 64:
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(content, usedforsecurity=False).hexdigest()

    def _excludes(self) -> list[str]:
        exclude = [f"--exclude-from={self.shadow.exclude}"] if self.shadow.exclude else []
        return ["--exclude-per-directory=.gitignore", *exclude]

    async def _differs_from_head(self) -> bool:
        if self.shadow.head == git.UNBORN:
            return False
        command = git.arguments("diff-index", "--cached", "--quiet", "--no-ext-diff", "HEAD")
        status, _ = await git.run(
            command, self.shadow.environment(), seconds=_GIT_SECONDS, folder=self._top, allowed=(0, 1, 128)
        )
        return status == 1

    async def _git(self, *words: str) -> bytes:
        env = self.shadow.environment()
        _, output = await git.run(git.arguments(*words), env, seconds=_GIT_SECONDS, folder=self._top)
        return output


class CommitTree:
    """The files of a bare repository's HEAD."""

    def __init__(self, name: str, origin: str, shadow: git.Shadow, stale: str = "") -> None:
        self.name, self.origin, self.stale = name, origin, stale
        self.reader = ObjectReader(shadow.environment())
        self.shadow = shadow
        weakref.finalize(self, shutil.rmtree, shadow.folder, ignore_errors=True)

    def read(self, entry: Entry, limit: int) -> bytes:
        """As `Tree.read`."""
        if entry.size > limit:
            return self.reader.head(entry.blob, limit)
        for _, data in self.reader.read([entry], limit):
            if data is not None:
                return data
        raise NotFound("no_such_file", f"{entry.path!r} is not in this commit", "List the files with a glob.")

    def refuse_links(self, path: str) -> None:
        """As `Tree.refuse_links`: a commit's files are read from Git's objects, where nothing is followed."""

    async def files(self) -> Listing:
        """Its files."""
        if self.shadow.head == git.UNBORN:
            return Listing(git.UNBORN, [])
        command = git.arguments("ls-tree", "-r", "-z", "-l", "--full-tree", self.shadow.head)
        _, output = await git.run(command, self.shadow.environment(), seconds=_GIT_SECONDS)
        return await asyncio.to_thread(self._listing, output)

    def _listing(self, output: bytes) -> Listing:
        entries: list[Entry] = []
        skipped: dict[str, int] = {}
        for row in _paths(output):
            info, _, path = row.partition("\t")
            mode, kind, blob, size = info.split()
            if mode in ("100644", "100755"):
                entries.append(Entry(path, blob, int(size)))
            else:
                reason = "symbolic link" if kind == "blob" else "submodule"
                skipped[reason] = skipped.get(reason, 0) + 1
        return Listing(self.shadow.head[:12], entries, skipped)


def _paths(output: bytes) -> Iterator[str]:
    """NUL-separated rows; names that are no UTF-8 are left out, since nothing could ask for them."""
    for row in output.split(b"\0"):
        if row:
            try:
                yield row.decode()
            except UnicodeDecodeError:
                continue
