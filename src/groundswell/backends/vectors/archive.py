"""A collection as one file: a gzipped tar of its manifest and its flushed shard, indexes included."""

import os
import tarfile
import zlib
from pathlib import Path

from pydantic import ValidationError

from groundswell.backends.vectors import folders
from groundswell.backends.vectors.folders import MANIFEST, Manifest
from groundswell.core.errors import Invalid


def pack(folder: Path, file: Path) -> None:
    """Write what a folder holds into a file, which is whole or not there."""
    part = file.with_name(f".{file.name}.part")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("wb") as raw:
            with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=1) as tar:
                tar.add(folder / MANIFEST, MANIFEST)  # first, so that it is cheap to read
                tar.add(folder / "shard", "shard")
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def unpack(file: Path, target: Path) -> Manifest:
    """Bring a file's shard into a folder; raises Invalid("bad_snapshot")."""
    try:
        with tarfile.open(file, mode="r:gz") as tar:
            first = tar.next()
            if first is None or first.name != MANIFEST or (head := tar.extractfile(first)) is None:
                raise _bad(file, "it does not begin with a manifest")
            manifest = Manifest.model_validate_json(head.read(1 << 20))
            while member := tar.next():
                _extract(tar, member, target)
            return manifest
    except (OSError, EOFError, ValidationError, tarfile.TarError, zlib.error) as error:
        raise _bad(file, str(error)) from error


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    parts = Path(member.name).parts
    if parts[:1] != ("shard",) or ".." in parts or not (member.isreg() or member.isdir()):
        raise _bad(Path(str(tar.name)), f"{member.name!r} does not belong in one")
    place = target.joinpath(*parts[1:])
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    if content is not None:
        with place.open("wb") as writing:
            folders.pour(content, writing)


def _bad(file: Path, why: str) -> Invalid:
    return Invalid("bad_snapshot", f"{file} is not a snapshot of a collection: {why}", "take another snapshot")
