"""Lines that match a pattern. The dialect is RE2's: its time grows with the text alone, whatever the pattern."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import re2

from groundswell.backends.repos.reading import decoded, is_binary
from groundswell.backends.repos.trees import Entry, Reader
from groundswell.core.errors import ToolFailed

_PATTERN_LIMIT = 1000
_MEMORY = 8 << 20


class Line(NamedTuple):
    """A line that matches."""

    path: str
    number: int
    text: str


def check(pattern: str) -> None:
    """Raise ToolFailed("bad_pattern") for what is no RE2 pattern."""
    _compiled(pattern)


def grep_batch(reader: Reader, entries: Sequence[Entry], pattern: str, limit: int, size: int) -> list[Line]:
    """The first `limit` matching lines of some files; runs in a worker process."""
    compiled = _compiled(pattern)
    found: list[Line] = []
    for path, data in reader.read(entries, size):
        if data is None or is_binary(data):
            continue
        text = decoded(data)
        last, line, counted = 0, 1, 0
        for match in compiled.finditer(text):
            line += text.count("\n", counted, match.start())
            counted = match.start()
            if line == last:
                continue
            last = line
            start = text.rfind("\n", 0, match.start()) + 1
            end = text.find("\n", match.start())
            found.append(Line(path, line, text[start : end if end >= 0 else len(text)]))
            if len(found) >= limit:
                return found
    return found


def _compiled(pattern: str) -> Any:
    re2.purge()  # else it keeps 128 of them, each with up to `_MEMORY` of what it made of texts
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    options.never_nl = True
    if not pattern or len(pattern) > _PATTERN_LIMIT:
        raise ToolFailed("bad_pattern", f"a pattern has 1 to {_PATTERN_LIMIT} characters", "Use a shorter one.")
    try:
        return re2.compile(f"(?m){pattern}", options)
    except re2.error as error:
        why = error.args[0] if error.args else ""
        why = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
        hint = "Patterns are RE2: no look-around, no back-references."
        raise ToolFailed("bad_pattern", f"{pattern[:200]!r} is not a pattern: {why}", hint) from error
