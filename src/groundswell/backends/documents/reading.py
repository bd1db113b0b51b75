"""Reads documents into passages, off the event loop: plain functions whose arguments and values can be pickled."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from groundswell.backends.web.extraction import read
from groundswell.backends.web.passages import Piece, split
from groundswell.core.errors import GroundswellError

SUFFIXES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".mdx": "text/markdown",
    ".rst": "text/x-rst",
    ".txt": "text/plain",
    ".adoc": "text/plain",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "application/xhtml+xml",
}
READER = b"2"  # of a page: another one reads all pages again
FILE_BYTES = 4 * 2**20
_HIDDEN = frozenset({"node_modules", "__pycache__", "venv"})


@dataclass(frozen=True)
class Raw:
    """A page before it is read."""

    path: str
    url: str
    media_type: str
    body: bytes
    charset: str = ""
    etag: str = ""
    modified: str = ""
    links: bool = False


@dataclass(frozen=True)
class Read:
    """A page as passages; or why it is none."""

    path: str
    title: str = ""
    updated: str = ""
    digest: str = ""
    bytes: int = 0
    pieces: tuple[Piece, ...] = ()
    links: tuple[str, ...] = ()
    is_verbatim: bool = False
    problem: str = ""  # the code of the error
    sentence: str = ""


def files(folder: str) -> tuple[dict[str, tuple[int, int]], dict[str, int]]:
    """Documents below a folder, path → (size, mtime in ns), and how many other files there are, by suffix.

    Links are not followed: they could lead out.
    """
    found: dict[str, tuple[int, int]] = {}
    others: dict[str, int] = {}
    for place, entry in _walk(folder):
        suffix = Path(entry.name).suffix.lower()
        if suffix not in SUFFIXES:
            others[suffix or "without a suffix"] = others.get(suffix or "without a suffix", 0) + 1
            continue
        status = entry.stat(follow_symlinks=False)
        found[place] = (status.st_size, status.st_mtime_ns)
    return dict(sorted(found.items())), others


def _walk(folder: str) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    pending = [("", folder)]
    while pending:
        prefix, place = pending.pop()
        with os.scandir(place) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                if entry.name.startswith(".") or entry.name in _HIDDEN:
                    continue
                name = f"{prefix}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    pending.append((f"{name}/", entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield name, entry


def read_files(folder: str, paths: Sequence[str], known: dict[str, str]) -> list[Read]:
    """Files as passages; one whose digest is known comes back without them."""
    out: list[Read] = []
    for path in paths:
        file = Path(folder, path)
        try:
            body = _bytes(file)
        except OSError as error:
            out.append(Read(path, problem="unreadable", sentence=f"{path}: {error.strerror}"))
            continue
        if len(body) > FILE_BYTES:
            out.append(Read(path, problem="too large", sentence=f"{path} is larger than {FILE_BYTES:,} bytes"))
            continue
        digest = digest_of(body)
        if known.get(path) == digest:
            out.append(Read(path, digest=digest))
            continue
        out.append(read_page(Raw(path, path, SUFFIXES[file.suffix.lower()], body)))
    return out


def _bytes(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(FILE_BYTES + 1)


def digest_of(body: bytes) -> str:
    """What says whether a page has to be read again."""
    return hashlib.sha256(READER + body).hexdigest()


def read_page(raw: Raw) -> Read:
    """One page as passages."""
    digest = digest_of(raw.body)
    try:
        text = read(raw.body, raw.url, raw.media_type, raw.charset, links=raw.links)
    except GroundswellError as error:
        return Read(raw.path, digest=digest, problem=error.code.replace("_", " "), sentence=error.message)
    return Read(
        raw.path,
        text.title or raw.path,
        text.updated,
        digest,
        len(raw.body),
        tuple(split(text.text)),
        text.links,
        text.is_verbatim,
    )
