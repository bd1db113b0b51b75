"""The frames in a traceback of Python, JavaScript, Go, Java or Rust, innermost last, and which files they are in."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import re2

from groundswell.backends.repos.index import Index
from groundswell.backends.repos.ranks import rank

_LIMIT = 200  # frames
_LONGEST = 1 << 20  # characters that are looked at


def _pattern(pattern: str) -> Any:
    return re2.compile(pattern)


# RE2's patterns: a traceback is anybody's text, and its time must grow with its length alone
_PYTHON = _pattern(r'(?m)^\s*File "([^"\n]+)", line (\d+)(?:, in (.+?))?\s*$')
_PYTEST = _pattern(r"(?m)^([\w./\\-]+\.py):(\d+): (?:in (\w+)|\w+(?:Error|Exception|Warning|Failed)?)\s*$")
_NODE = _pattern(
    r"(?m)^\s*at (?:async )?(?:new )?(?:([^\s(][^(\n]*?) \()?(?:file://)?((?:[A-Za-z]:)?[^\s():][^():\n]*):(\d+):\d+\)?\s*$"
)
_BROWSER = _pattern(r"(?m)^([\w$.<>/]*)@(?:https?://[^/\s]+)?(/[^\s:]+|[^\s:@]+):(\d+):\d+\s*$")
_GO = _pattern(r"(?m)^(?:created by )?([\w./\-*()\[\]{}]+?)(?:\([^()\n]*\)| in goroutine \d+)?\n\t(\S+\.go):(\d+)")
_JAVA = _pattern(r"(?m)^\s*(?:at|\.\.\.) (?:[\w.@-]+/)*([\w$.<>]+)\.([\w$<>]+)\(([\w$]+\.\w+):(\d+)\)")
_JAVA_CAUSE = _pattern(r"(?m)^Caused by: ")
_RUST = _pattern(r"(?m)^\s*(?:\d+:\s+(?:0x[0-9a-f]+ - )?(\S+)\s*\n)\s+at (\S+?):(\d+)(?::\d+)?")
_RUST_PANIC = _pattern(r"(?m)panicked at (?:'[^'\n]*', )?([^\s:]+\.rs):(\d+)(?::\d+)?")
_PLACE = _pattern(r"(?m)(?:^|[\s(\[\"'])((?:[\w.@-]+/)*[\w.@-]+\.[A-Za-z]{1,5}):(\d{1,6})\b")

_FOREIGN = ("site-packages", "node_modules", "dist-packages", "/rustc/", "/usr/lib/", "/usr/local/go/", "/pkg/mod/")


class Raw(NamedTuple):
    """A frame as it is written."""

    file: str
    line: int
    function: str
    at: int  # where in the text


def parse(text: str) -> list[Raw]:
    """All frames, innermost last."""
    text = text[:_LONGEST].replace("\r\n", "\n")
    found = _dialect(text) or _places(text)
    return found[-_LIMIT:]


def _dialect(text: str) -> list[Raw]:
    python = _frames(_PYTHON, text) or _frames(_PYTEST, text)
    if python:
        return python
    if java := _java(text):
        return java
    for pattern in (_GO, _RUST):
        if frames := _frames(pattern, text, function=1, file=2, line=3):
            frames.reverse()
            return _with_panic(text, frames)
    for pattern in (_NODE, _BROWSER):
        if frames := _frames(pattern, text, function=1, file=2, line=3):
            frames.reverse()
            return frames
    return _with_panic(text, [])


def _frames(pattern: Any, text: str, *, file: int = 1, line: int = 2, function: int = 3) -> list[Raw]:
    return [
        Raw(found.group(file), int(found.group(line)), (found.group(function) or "").strip(), found.start())
        for found in pattern.finditer(text)
    ]


def _java(text: str) -> list[Raw]:
    """Causes come last in the text, each with its innermost frame first."""
    parts = _JAVA_CAUSE.split(text)
    found: list[Raw] = []
    for part in parts:
        rows = [
            Raw(_java_path(m.group(1), m.group(3)), int(m.group(4)), f"{m.group(1)}.{m.group(2)}", m.start())
            for m in _JAVA.finditer(part)
        ]
        found.extend(reversed(rows))
    return found


def _java_path(owner: str, file: str) -> str:
    package = [part for part in owner.split("$")[0].split(".")[:-1] if part]
    return "/".join([*package, file])


def _with_panic(text: str, frames: list[Raw]) -> list[Raw]:
    """Rust names the place of a panic once more, above its frames."""
    panic = _RUST_PANIC.search(text)
    if panic is None:
        return frames
    place = Raw(panic.group(1), int(panic.group(2)), "", panic.start())
    known = any(frame.line == place.line and frame.file.endswith(place.file.lstrip("./")) for frame in frames)
    return frames if known else [*frames, place]


def _places(text: str) -> list[Raw]:
    """`file.ext:line` anywhere, as compilers and linters write it."""
    return [Raw(m.group(1), int(m.group(2)), "", m.start()) for m in _PLACE.finditer(text)]


def located(index: Index, raw: Raw) -> str:
    """The file here that a frame's path means: the one with which it shares the longest end; "" for none."""
    pure = raw.file.replace("\\", "/").removeprefix("file://").split("?", 1)[0]
    wanted = [part for part in PurePosixPath(pure).parts if part not in ("/", ".", "..")]
    if not wanted:
        return ""
    shared: Callable[[str], int] = lambda path: _shared(path.split("/"), wanted)  # noqa: E731
    candidates = [(path, shared(path)) for path in index.named(wanted[-1])]
    fits = [
        (path, count)
        for path, count in candidates
        if index.lines[index.number(path)] >= raw.line and _is_enough(pure, path, count, len(wanted), len(candidates))
    ]
    return min(fits, key=lambda row: (-row[1], rank(row[0]), row[0]))[0] if fits else ""


def _shared(own: Sequence[str], wanted: Sequence[str]) -> int:
    count = 0
    for one, other in _from_end(own, wanted):
        if one != other:
            break
        count += 1
    return count


def _from_end(own: Sequence[str], wanted: Sequence[str]) -> Iterator[tuple[str, str]]:
    return zip(reversed(own), reversed(wanted), strict=False)


def _is_enough(file: str, path: str, count: int, wanted: int, candidates: int) -> bool:
    """A whole path on either side is enough; of others the folder must agree, too, unless the name is unique here."""
    if count == wanted or count == path.count("/") + 1:
        is_foreign = any(part in file for part in _FOREIGN)
        return not is_foreign or count > 1
    if count >= 2:
        return True
    return candidates == 1 and not any(part in file for part in _FOREIGN)
