"""Where a collection lies on disk: `TENANT/COLLECTION/manifest.json`, and one folder for each generation of its shard.

A generation is never changed by more than one shard; an index that was built, or a snapshot that came back, is a new
generation, and replacing the manifest makes it the collection in one step.
"""

import contextlib
import os
import shutil
import string
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from groundswell.core.errors import Invalid, Unavailable
from groundswell.core.ports import CollectionInfo
from groundswell.core.records.base import Record

MANIFEST = "manifest.json"
PLAIN = frozenset(string.ascii_lowercase + string.digits + "_-")
LONGEST = 200  # bytes of a folder's name
BLOCK = 1 << 20


class Manifest(Record):
    """What a collection is, and which generation of it counts."""

    info: CollectionInfo
    keywords: tuple[str, ...] = ()
    generation: int = 1
    indexed: int = 0  # points there were when its index was built


def folder_name(name: str) -> str:
    """A name as one folder's name on any file system; raises Invalid for one that is empty or too long."""
    coded = "".join(
        char if char in PLAIN else "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
        for char in name
    )
    if not coded or len(coded) > LONGEST:
        raise Invalid(
            "bad_name", f"{name[:40]!r} cannot be a tenant's or a collection's name", "use 1 to 60 characters"
        )
    return coded


def generation(folder: Path, number: int) -> Path:
    """The folder of one generation."""
    return folder / f"shard-{number}"


def read(folder: Path) -> Manifest | None:
    """A collection's manifest, or None where there is no collection."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValidationError, OSError) as error:
        raise damaged(folder, str(error)) from error


def write(folder: Path, manifest: Manifest) -> None:
    """Make a manifest the one that counts, durably and in one step."""
    part = folder / f"{MANIFEST}.part"
    try:
        with part.open("wb") as file:
            file.write(manifest.model_dump_json(indent=1).encode())
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / MANIFEST)
        sync(folder)
    except OSError as error:
        raise unwritable(folder, error) from error


def sync(folder: Path) -> None:
    """Put a folder's entries on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fresh(folder: Path) -> int:
    """A number no generation ever had: the clock's, so a builder that outlived its platform is alone with it."""
    numbers = [path.name.partition("-")[2] for path in folder.glob("shard-*")]
    return max([time.time_ns() // 1_000_000, *(1 + int(number) for number in numbers if number.isdigit())])


def building(target: Path) -> Path:
    """Where a generation's source is copied to while it is built."""
    return target.with_name(f"{target.name}-source")


def discard(path: Path) -> None:
    """Remove a folder that does not count, or no longer."""
    shutil.rmtree(path, ignore_errors=True)


def sweep(folder: Path, keep: int | None) -> None:
    """Remove what a crash or a switch left behind: every generation but one."""
    for path in folder.glob("shard-*"):
        if keep is None or path != generation(folder, keep):
            discard(path)


def tidy(folder: Path, keep: int | None) -> None:
    """Remove all that a process left that is gone: nothing else may be going on there."""
    sweep(folder, keep)
    for path in folder.glob("snapshot-*"):
        discard(path)


def remove(folder: Path) -> None:
    """Remove a collection: first its manifest, so that half a removal is a whole one."""
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # the tenant's folder goes with its last collection
        folder.parent.rmdir()


def all_of(tenant: Path) -> Iterator[Path]:
    """The folders of a tenant's collections."""
    return (manifest.parent for manifest in sorted(tenant.glob(f"*/{MANIFEST}")))


def copy(source: Path, target: Path) -> None:
    """Copy a flushed shard, with the holes of its preallocated files.

    The write-ahead log belongs to it: a shard without one counts its operations from zero again, and then takes new
    ones for old ones that it has already seen.
    """
    for path in sorted(source.rglob("*")):
        place = path.relative_to(source)
        if path.is_dir():
            (target / place).mkdir(parents=True, exist_ok=True)
        else:
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as reading, (target / place).open("wb") as writing:
                pour(reading, writing)


def pour(reading: IO[bytes], writing: IO[bytes]) -> None:
    """Copy bytes, leaving a hole wherever a whole block is zero."""
    empty = bytes(BLOCK)
    size = 0
    while block := reading.read(BLOCK):
        size += len(block)
        if block == empty[: len(block)]:
            writing.seek(len(block), os.SEEK_CUR)
        else:
            writing.write(block)
    writing.truncate(size)


def unwritable(folder: Path, error: OSError) -> Unavailable:
    """The error for a disk that takes no more."""
    return Unavailable(
        "vectors_unwritable", f"{folder} cannot be written: {error.strerror}", "look at its rights and the free space"
    )


def damaged(folder: Path, why: str) -> Unavailable:
    """The error for a collection that cannot be opened."""
    return Unavailable(
        "collection_damaged",
        f"the collection in {folder} cannot be opened: {why[:300]}",
        "look at the free space; restore it from a snapshot, or drop it and index again; others are not affected",
    )
