"""A collection of a server as one file: gzipped lines of JSON, first what it is, then its points, last how many.

A server of several peers has no snapshot of a whole collection, only each peer's of its shards; what all of them hold
together is what can be read through any of them.
"""

import gzip
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from groundswell.core.errors import Invalid
from groundswell.core.ports import CollectionInfo

FORMAT = "groundswell-points/1"


class Writer:
    """Writes a file, which is whole or not there."""

    def __init__(self, file: Path, info: CollectionInfo, keywords: list[str]) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file, self._part, self._points = file, file.with_name(f".{file.name}.part"), 0
        self._raw = self._part.open("wb")
        self._zipped = gzip.GzipFile(fileobj=self._raw, mode="wb", compresslevel=1, filename="", mtime=0)
        self._line({"format": FORMAT, "info": info.model_dump(mode="json"), "keywords": keywords})

    def add(self, points: list[dict[str, Any]]) -> None:
        """Some more points, as the server gave them."""
        for point in points:
            self._line(point)
        self._points += len(points)

    def finish(self) -> None:
        """Put it in place, durably."""
        self._line({"points": self._points})
        self._zipped.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        self._raw.close()
        self._part.replace(self._file)

    def abandon(self) -> None:
        """Leave nothing behind, unless it is finished."""
        self._raw.close()
        self._part.unlink(missing_ok=True)

    def _line(self, value: Mapping[str, Any]) -> None:
        self._zipped.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")


def read(file: Path, size: int) -> Iterator[Any]:
    """First (what it is, its keyword fields), then lists of up to `size` points. Raises Invalid("bad_snapshot")."""
    try:
        with gzip.open(file, "rb") as lines:
            head = json.loads(next(lines, b""))
            if not isinstance(head, Mapping) or head.get("format") != FORMAT:
                raise _bad(file, f"it does not begin as one of {FORMAT}")
            yield CollectionInfo.model_validate(head["info"]), [str(each) for each in head["keywords"]]
            some: list[dict[str, Any]] = []
            for number, line in enumerate(lines):
                value = json.loads(line)
                if "id" not in value:
                    if value["points"] != number:
                        raise _bad(file, f"it holds {number} points, not {value['points']}")
                    break
                some.append(value)
                if len(some) == size:
                    yield some
                    some = []
            else:
                raise _bad(file, "its end is missing")
            if some:
                yield some
    except (OSError, EOFError, ValueError, KeyError, TypeError, ValidationError, zlib.error) as error:
        raise _bad(file, str(error)) from error


def _bad(file: Path, why: str) -> Invalid:
    return Invalid("bad_snapshot", f"{file} is not a snapshot of a collection: {why}", "take another snapshot")
