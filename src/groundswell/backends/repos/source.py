"""Open what a source names: `path:/folder` or `https://host/repository`."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from groundswell.backends.egress.routes import Egress, Place
from groundswell.backends.egress.tunnel import tunnel
from groundswell.backends.repos import git
from groundswell.backends.repos.trees import CommitTree, Tree, WorkTree
from groundswell.core.errors import Denied, LimitReached, NotFound, ToolFailed, Unavailable
from groundswell.core.hosts import authority, host_of, port_of, written


@dataclass(frozen=True, slots=True)
class Credential:
    """What one host wants of who reads its private repositories."""

    username: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneLimits:
    """How much may be cloned, by which way, and as whom."""

    bytes: int = 1 << 30
    seconds: float = 300.0
    file_urls: bool = False  # `file://`, for tests
    egress: Egress = field(default_factory=Egress)
    credentials: Mapping[Place, Credential] = field(default_factory=dict[Place, Credential])


async def open_tree(source: str, cache: Path, limits: CloneLimits | None = None, *, granted: bool = False) -> Tree:
    """Open a repository; clones go below `cache`. An address that is `granted` by name may be a private one.

    Raises NotFound for what is no repository, ToolFailed("bad_source") for other schemes, LimitReached for what is
    too large or too slow, Unavailable where the host does not answer, Denied where it or the guard refuses.
    """
    limits = limits or CloneLimits()
    scheme, _, rest = source.partition(":")
    if scheme == "path":
        folder = Path(rest)
        if not folder.is_absolute():
            raise _bad(source, "a `path:` needs an absolute path")
        return await asyncio.to_thread(_open_folder, folder)
    if scheme == "https" or (scheme == "file" and limits.file_urls):
        return await _open_url(source, cache, limits, granted)
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


async def _open_url(url: str, cache: Path, limits: CloneLimits, granted: bool) -> Tree:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _bad(url, "this is no address") from error
    if parts.username or parts.password:
        raise _bad(url, "an address may not carry a password")
    if parts.query or parts.fragment or not parts.path.strip("/"):
        raise _bad(url, "this is not the address of a repository")
    name = parts.path.rstrip("/").rpartition("/")[2].removesuffix(".git")
    remote = Remote(url, None, limits) if parts.scheme == "file" else _remote(url, limits, granted)
    digest = hashlib.sha256(remote.url.encode()).hexdigest()[:24]
    place = cache / f"{digest}.git"
    failed = ""
    async with _lock(place):
        if place.is_dir():
            failed = await _refreshed(place, remote)
        else:
            await _clone(place, remote)
        await asyncio.to_thread(os.utime, place)  # its last use
        shadow = await asyncio.to_thread(git.shadow, place, None)
    since = f"whether anything changed since {shadow.head[:12]}: the repository could not be fetched anew"
    return CommitTree(name, url, shadow, f"{since} ({failed})" if failed else "")


@dataclass(frozen=True, slots=True)
class Remote:
    """Where a repository lies, in the one form in which its host is checked and dialled."""

    url: str
    place: Place | None  # None for a folder
    limits: CloneLimits


def _remote(url: str, limits: CloneLimits, granted: bool) -> Remote:
    """Raises ToolFailed("bad_source") for a host that two programs could read in two ways."""
    host = host_of(url)
    if not host or any(ord(letter) < 33 or ord(letter) == 127 for letter in url):
        raise _bad(url, "its host is not one that everybody reads the same way")
    place = (host, port_of(url))
    if granted:
        limits = replace(limits, egress=limits.egress.granting([place]))
    return Remote(written(url), place, limits)


async def _refreshed(place: Path, remote: Remote) -> str:
    """Fetch what is new, or why that failed: what is there still answers. Raises Denied: who may not, reads no more."""
    try:
        await _refresh(place, remote)
    except (Unavailable, LimitReached, NotFound) as error:
        return error.message
    return ""


_locks: dict[Path, asyncio.Lock] = {}


def _lock(place: Path) -> asyncio.Lock:
    return _locks.setdefault(place, asyncio.Lock())


async def _clone(place: Path, remote: Remote) -> None:
    await asyncio.to_thread(place.parent.mkdir, parents=True, exist_ok=True)
    part = place.with_suffix(f".{os.getpid()}.part")
    words = ("--bare", "--depth=1", "--single-branch", "--no-tags", "--no-recurse-submodules", "--template=")
    try:
        await _transfer(("clone", *words, "--", remote.url, str(part)), part, remote)
        await asyncio.to_thread(part.rename, place)
    finally:
        await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)


async def _refresh(place: Path, remote: Remote) -> None:
    words = ("--depth=1", "--no-tags", "--no-write-fetch-head")
    fetch = (f"--git-dir={place}", "fetch", *words, "--", remote.url, "+HEAD:refs/groundswell/head")
    await _transfer(fetch, place, remote)
    await asyncio.to_thread(_point_to, place, (place / "refs" / "groundswell" / "head").read_bytes())


_CLONES = "clones/*"  # one folder a tenant


async def drop_clones(cache: Path, seconds: float) -> int:
    """Delete the clones below `cache` that nobody has opened for so long; how many there were."""
    oldest, dropped = time.time() - seconds, 0
    for part in await asyncio.to_thread(lambda: sorted(cache.glob(f"{_CLONES}/*.part"))):
        if await asyncio.to_thread(_last_used, part) < oldest:  # left by a process that was killed
            await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)
    for place in await asyncio.to_thread(lambda: sorted(cache.glob(f"{_CLONES}/*.git"))):
        async with _lock(place):
            if await asyncio.to_thread(_last_used, place) < oldest:
                part = place.with_suffix(f".{os.getpid()}.part")  # half a clone must not pass for one
                await asyncio.to_thread(place.rename, part)
                await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)
                dropped += 1
    return dropped


def _last_used(place: Path) -> float:
    return place.stat().st_mtime if place.is_dir() else time.time()


def _point_to(place: Path, commit: bytes) -> None:
    """Make HEAD a commit, in one step: a HEAD that is cut short names nothing."""
    part = place / "HEAD.part"
    part.write_bytes(commit)
    part.replace(place / "HEAD")


async def _transfer(words: tuple[str, ...], folder: Path, remote: Remote) -> None:
    """Run Git through a tunnel that leads to the repository's host alone. Raises what the guard says, first of all."""
    if remote.place is None:
        await _run(git.arguments(*words, config={"protocol.file.allow": "always"}), {}, folder, remote)
        return
    config = {"http.proxyAuthMethod": "basic", "http.followRedirects": "initial"}
    if remote.limits.egress.ca_bundle:
        config["http.sslCAInfo"] = remote.limits.egress.ca_bundle
    extra: dict[str, str] = {}
    if (credential := remote.limits.credentials.get(remote.place)) is not None:
        # asked for this host alone; the command line holds the names of variables, never what is in them
        config[f"credential.https://{authority(*remote.place)}.helper"] = _HELPER
        extra |= {"GROUNDSWELL_GIT_USERNAME": credential.username, "GROUNDSWELL_GIT_TOKEN": credential.token}
    async with tunnel(remote.limits.egress, remote.place) as lane:
        extra["https_proxy"] = lane.url
        try:
            await _run(git.arguments(*words, config=config), extra, folder, remote)
        except (Unavailable, Denied) as error:
            raise lane.refusal or error from error


_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" '
    '"$GROUNDSWELL_GIT_USERNAME" "$GROUNDSWELL_GIT_TOKEN"; }; f'
)
_CLOSED = ("could not read Username", "Authentication failed", "requested URL returned error: 403")


async def _run(command: list[str], extra: Mapping[str, str], folder: Path, remote: Remote) -> None:
    url, limits = remote.url, remote.limits

    def watch() -> str:
        size = _folder_bytes(folder)
        return f"{url} is larger than {limits.bytes} bytes" if size > limits.bytes else ""

    try:
        await git.run(command, git.environment(extra), seconds=limits.seconds, watch=watch)
    except ToolFailed as error:
        if any(sign in error.message for sign in _CLOSED):
            hint = f"[egress.credentials.{urlsplit(url).hostname!r}] in groundswell.toml, with a token_file"
            raise Denied("repository_closed", f"{url} wants credentials, or others", hint) from error
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
