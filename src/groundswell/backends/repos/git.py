"""Git, hardened: it reads no configuration but ours, runs no hook, filter or helper, and ends when its time is up.

A repository that someone else made is never given to Git as its own directory: its `config` could name programs
(`core.fsmonitor`, filters, diff drivers, `includeIf`). Git is given an empty directory of ours (`Shadow`), which points
at the objects and the index of the repository; so there is nothing to switch off.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from groundswell.core.errors import LimitReached, NotFound, ToolFailed, Unavailable

UNBORN = "unborn"  # the revision of a repository without commits

_CONFIG = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.symlinks": "false",
    "core.askPass": "",
    "credential.helper": "",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "http.followRedirects": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "transfer.fsckObjects": "true",
    "gc.auto": "0",
    "maintenance.auto": "false",
}
_OBJECT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_HEAD_LIMIT = 4096


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """All that Git gets to know of the machine; `extra` may add a proxy or a CA bundle."""
    fixed = {
        "PATH": os.pathsep.join(os.get_exec_path()),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GIT_ALLOW_PROTOCOL": "https:file",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_PAGER": "cat",
    }
    return {**(extra or {}), **fixed}


@dataclass(frozen=True, slots=True)
class Shadow:
    """An empty Git directory of ours over a repository's objects and index; `head` is its commit, or UNBORN."""

    folder: Path
    objects: Path
    index: Path
    head: str
    exclude: Path | None = None
    work_tree: Path | None = None

    def environment(self) -> dict[str, str]:
        """What makes Git use it."""
        values = {
            "GIT_DIR": str(self.folder),
            "GIT_OBJECT_DIRECTORY": str(self.objects),
            "GIT_INDEX_FILE": str(self.index),
        }
        if self.work_tree is not None:
            values["GIT_WORK_TREE"] = str(self.work_tree)
        return environment() | values


def executable() -> str:
    """The path of git; raises Unavailable where there is none."""
    found = shutil.which("git")
    if found is None:
        raise Unavailable("no_git", "git is not installed", "Install git, then try again.")
    return found


def arguments(*words: str, config: Mapping[str, str] | None = None) -> list[str]:
    """A command line with our configuration."""
    settings = _CONFIG | dict(config or {})
    options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    return [executable(), "--no-pager", *options, *words]


async def run(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    seconds: float,
    folder: Path | None = None,
    given: bytes = b"",
    limit: int = 64 << 20,
    allowed: Sequence[int] = (0,),
    watch: Callable[[], str] | None = None,
) -> tuple[int, bytes]:
    """Run git; its status and output.

    `watch` is asked four times a second and stops it by returning a sentence. Raises ToolFailed("git_failed"),
    LimitReached("git_output" | "git_time" | "git_size").
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE if given else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(env),
        cwd=folder,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    reading = [
        asyncio.create_task(_bounded(process.stdout, limit)),
        asyncio.create_task(_bounded(process.stderr, 1 << 16, keep=True)),
    ]
    tasks = [*reading, *([asyncio.create_task(_watch(watch))] if watch is not None else [])]
    if process.stdin is not None:
        tasks.append(asyncio.create_task(_fed(process.stdin, given)))
    try:
        async with asyncio.timeout(seconds):
            await _until_read(reading, tasks)
            output, problems = reading[0].result(), reading[1].result()
            status = await process.wait()
    except TimeoutError as error:
        raise LimitReached("git_time", f"git took more than {seconds:g} s", "Try again.") from error
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _ended(process)
    if status not in allowed:
        lines = problems.decode(errors="replace").strip().splitlines() or ["no message"]
        raise ToolFailed("git_failed", f"git {_verb(command)}: {lines[-1][:300]}")
    return status, output


async def _fed(stream: asyncio.StreamWriter, given: bytes) -> bytes:
    """Write what a command reads; one that reads no more has said why on its standard error."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(given)
        await stream.drain()
        stream.close()
        await stream.wait_closed()
    return b""


async def _until_read(reading: "Sequence[asyncio.Task[bytes]]", tasks: "Sequence[asyncio.Task[bytes]]") -> None:
    """Wait until all is read; raises what any of the tasks raises."""
    waiting = set(tasks)
    while not waiting.isdisjoint(reading):
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Kill what still runs, with its children, and empty its pipes: else they would stay open."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    for stream in (process.stdout, process.stderr):
        while stream is not None and await stream.read(1 << 20):
            pass
    await process.wait()


async def _bounded(stream: asyncio.StreamReader, limit: int, *, keep: bool = False) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := await stream.read(1 << 16):
        size += len(part)
        if size <= limit:
            parts.append(part)
        elif not keep:
            raise LimitReached("git_output", f"git wrote more than {limit} bytes", "The repository is too large.")
    return b"".join(parts)


async def _watch(ask: Callable[[], str]) -> bytes:
    """Ask until there is an objection, and raise it."""
    while not (sentence := await asyncio.to_thread(ask)):  # noqa: ASYNC110 - a folder's size sends no events
        await asyncio.sleep(0.25)
    raise LimitReached("git_size", sentence, "Raise the limit in the settings.")


def _verb(command: Sequence[str]) -> str:
    words = iter(command[2:])
    for word in words:
        if word == "-c":
            next(words)
        elif not word.startswith("--"):
            return word
    return "?"


def find_top(folder: Path) -> tuple[Path, Path]:
    """The top of the work tree a folder lies in, and its Git directory; of a bare repository both are the same.

    Raises NotFound("no_such_folder" | "not_a_repository").
    """
    if not folder.is_dir():
        raise NotFound("no_such_folder", f"{folder} is no folder", "Name a folder that is a Git repository.")
    folder = folder.resolve()
    for candidate in (folder, *folder.parents):
        marker = candidate / ".git"
        if marker.is_symlink():
            raise ToolFailed("unsafe_repository", f"{marker} is a symbolic link", "Name the repository it is in.")
        if marker.is_dir():
            return candidate, marker
        if marker.is_file():
            return candidate, _linked(marker)
        if _is_bare(candidate):
            return candidate, candidate
    raise NotFound(
        "not_a_repository",
        f"{folder} is in no Git repository",
        "Name a folder of a Git work tree, or make one with `git init`.",
    )


def _is_bare(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def _linked(marker: Path) -> Path:
    """The Git directory a `.git` file names (a linked work tree, a submodule)."""
    with marker.open("rb") as file:
        text = file.read(_HEAD_LIMIT).decode(errors="replace").strip()
    target = marker.parent / text.removeprefix("gitdir:").strip()
    if not text.startswith("gitdir:") or not (target / "HEAD").is_file():
        raise NotFound("not_a_repository", f"{marker} names no Git directory", "Run `git worktree repair`.")
    return target


def shadow(git_dir: Path, work_tree: Path | None) -> Shadow:
    """Make a Git directory of ours over another; the caller removes its `folder`."""
    common = common_of(git_dir)
    if not (common / "objects").is_dir():
        raise NotFound("not_a_repository", f"{common} has no objects", "Name a complete Git repository.")
    head = _resolve_head(git_dir, common)
    folder = Path(tempfile.mkdtemp(prefix="groundswell-git-"))
    for name in ("objects", "refs"):
        (folder / name).mkdir()
    is_sha256 = len(head) == 64 or _says_sha256(common)
    (folder / "config").write_text(
        "[core]\nrepositoryformatversion = 1\nbare = false\n"
        + ("[extensions]\nobjectFormat = sha256\n" if is_sha256 else "")
    )
    (folder / "HEAD").write_text(f"{head}\n" if head != UNBORN else "ref: refs/heads/unborn\n")
    for shared in git_dir.glob("sharedindex.*"):
        if shared.is_file() and not shared.is_symlink():
            shutil.copyfile(shared, folder / shared.name)
    exclude = common / "info" / "exclude"
    return Shadow(
        folder,
        (common / "objects").resolve(),
        git_dir.resolve() / "index",
        head,
        exclude.resolve() if exclude.is_file() and not exclude.is_symlink() else None,
        work_tree,
    )


def common_of(git_dir: Path) -> Path:
    """Where a linked work tree's objects and branches are."""
    pointer = git_dir / "commondir"
    if pointer.is_file():
        return git_dir / pointer.read_text(errors="replace")[:_HEAD_LIMIT].strip()
    return git_dir


def _says_sha256(common: Path) -> bool:
    """The one thing we take from a repository's configuration, as text: how long its digests are."""
    try:
        text = (common / "config").read_bytes()[: 1 << 16].decode(errors="replace")
    except OSError:
        return False
    return re.search(r"^\s*objectformat\s*=\s*sha256\s*$", text, re.IGNORECASE | re.MULTILINE) is not None


def _resolve_head(git_dir: Path, common: Path) -> str:
    """The commit HEAD names, read by ourselves."""
    name = "HEAD"
    for _ in range(5):
        text = _ref_text(git_dir, common, name)
        if _OBJECT.fullmatch(text):
            return text
        name = text.removeprefix("ref:").strip()
        if not text.startswith("ref:") or ".." in name or not name.startswith("refs/"):
            break
    return UNBORN


def _ref_text(git_dir: Path, common: Path, name: str) -> str:
    for place in (git_dir, common):
        file = place / name
        if file.is_file() and not file.is_symlink():
            return file.read_bytes()[:_HEAD_LIMIT].decode(errors="replace").strip()
    packed = common / "packed-refs"
    if packed.is_file() and packed.stat().st_size < 64 << 20:
        for line in packed.read_text(errors="replace").splitlines():
            if line.endswith(f" {name}"):
                return line.partition(" ")[0]
    return ""
