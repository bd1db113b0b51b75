"""Open what a source names: `path:/folder` or `https://host/repository`."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from groundswell.backends.repos import git
from groundswell.backends.repos.trees import CommitTree, Tree, WorkTree
from groundswell.core.errors import GroundswellError, LimitReached, ToolFailed, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneLimits:
    """How much may be cloned, and from where."""

    bytes: int = 1 << 30
    seconds: float = 300.0
    file_urls: bool = False  # `file://`, for tests
    environment: dict[str, str] = field(default_factory=dict[str, str])  # a proxy, a CA bundle


async def open_tree(source: str, cache: Path, limits: CloneLimits | None = None) -> Tree:
    """Open a repository; clones go below `cache`.

    Raises NotFound for what is no repository, ToolFailed("bad_source") for other schemes, LimitReached for what is
    too large or too slow, Unavailable where the host does not answer.
    """
    limits = limits or CloneLimits()
    scheme, _, rest = source.partition(":")
    if scheme == "path":
        folder = Path(rest)
        if not folder.is_absolute():
            raise _bad(source, "a `path:` needs an absolute path")
        return await asyncio.to_thread(_open_folder, folder)
    if scheme == "https" or (scheme == "file" and limits.file_urls):
        return await _open_url(source, cache, limits)
    if scheme in ("ssh", "git", "git+ssh", "http", "ftp", "file") or "@" in source.partition("/")[0]:
        raise _bad(source, "only https:// and path: are read")
    raise _bad(source, "this is no source")


def located(source: str) -> str:
    """What a source leads to: of a folder, the repository that it lies in, links followed. Raises NotFound."""
    scheme, _, rest = source.partition(":")
    return f"path:{git.find_top(Path(rest))[0]}" if scheme == "path" else source


def _bad(source: str, why: str) -> ToolFailed:
    hint = "Write `path:/folder` for a repository on this machine, or `https://host/owner/name`."
    shown = source if "@" not in source else source.rpartition("@")[2]
    return ToolFailed("bad_source", f"{shown!r} cannot be opened: {why}", hint)


def _open_folder(folder: Path) -> Tree:
    top, git_dir = git.find_top(folder)
    if top == git_dir:
        return CommitTree(top.name.removesuffix(".git"), f"path:{top}", git.shadow(git_dir, None))
    return WorkTree(top, git.shadow(git_dir, top))


async def _open_url(url: str, cache: Path, limits: CloneLimits) -> Tree:
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise _bad(url, "an address may not carry a password")
    if parts.query or parts.fragment or not parts.path.strip("/"):
        raise _bad(url, "this is not the address of a repository")
    name = parts.path.rstrip("/").rpartition("/")[2].removesuffix(".git")
    digest = hashlib.sha256(url.encode()).hexdigest()[:24]
    place = cache / f"{digest}.git"
    async with _lock(place):
        if place.is_dir():
            with contextlib.suppress(GroundswellError):  # what is there still answers
                await _refresh(place, url, limits)
        else:
            await _clone(url, place, limits)
        await asyncio.to_thread(os.utime, place)  # its last use
    return CommitTree(name, url, await asyncio.to_thread(git.shadow, place, None))


_locks: dict[Path, asyncio.Lock] = {}


def _lock(place: Path) -> asyncio.Lock:
    return _locks.setdefault(place, asyncio.Lock())


async def _clone(url: str, place: Path, limits: CloneLimits) -> None:
    await asyncio.to_thread(place.parent.mkdir, parents=True, exist_ok=True)
    part = place.with_suffix(f".{os.getpid()}.part")
    command = git.arguments(
        "clone",
        "--bare",
        "--depth=1",
        "--single-branch",
        "--no-tags",
        "--no-recurse-submodules",
        "--template=",
        "--",
        url,
        str(part),
        config=_protocols(limits),
    )
    try:
        await _transfer(command, part, limits, url)
        await asyncio.to_thread(part.rename, place)
    finally:
        await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)


async def _refresh(place: Path, url: str, limits: CloneLimits) -> None:
    command = git.arguments(
        f"--git-dir={place}",
        "fetch",
        "--depth=1",
        "--no-tags",
        "--no-write-fetch-head",
        "--",
        url,
        "+HEAD:refs/groundswell/head",
        config=_protocols(limits),
    )
    await _transfer(command, place, limits, url)
    commit = (place / "refs" / "groundswell" / "head").read_text()
    (place / "HEAD").write_text(commit)


async def drop_clones(cache: Path, seconds: float) -> int:
    """Delete the clones below `cache` that nobody has opened for so long; how many there were."""
    oldest, dropped = time.time() - seconds, 0
    for part in await asyncio.to_thread(lambda: sorted(cache.glob("*.part"))):
        if await asyncio.to_thread(_last_used, part) < oldest:  # left by a process that was killed
            await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)
    for place in await asyncio.to_thread(lambda: sorted(cache.glob("*.git"))):
        async with _lock(place):
            if await asyncio.to_thread(_last_used, place) < oldest:
                part = place.with_suffix(f".{os.getpid()}.part")  # half a clone must not pass for one
                await asyncio.to_thread(place.rename, part)
                await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)
                dropped += 1
    return dropped


def _last_used(place: Path) -> float:
    return place.stat().st_mtime if place.is_dir() else time.time()


def _protocols(limits: CloneLimits) -> dict[str, Any]:
    return {"protocol.file.allow": "always"} if limits.file_urls else {}


async def _transfer(command: list[str], folder: Path, limits: CloneLimits, url: str) -> None:
    def watch() -> str:
        size = _folder_bytes(folder)
        return f"{url} is larger than {limits.bytes} bytes" if size > limits.bytes else ""

    try:
        await git.run(command, git.environment(limits.environment), seconds=limits.seconds, watch=watch)
    except LimitReached:
        raise
    except ToolFailed as error:
        raise Unavailable("clone_failed", f"{url}: {error.message}", "Check the address and the network.") from error
    if sentence := await asyncio.to_thread(watch):
        raise LimitReached("git_size", sentence, "Raise the limit in the settings.")


def _folder_bytes(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_size  # noqa: PTH118 - while files come and go
    return total
