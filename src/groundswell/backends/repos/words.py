"""Identifiers as words, so that `parseHTTPUrl2` is found by `parse`, `http` and `url`."""

import re
from functools import lru_cache

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{2,60}")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")


@lru_cache(50_000)
def parts(identifier: str) -> tuple[str, ...]:
    """The words of an identifier, lower case: of camelCase, snake_case and digits."""
    return tuple(part.lower() for part in _PART.findall(identifier))


def widened(text: str) -> str:
    """A text and the words inside its identifiers, each identifier once."""
    extra: dict[str, None] = {}
    for identifier in dict.fromkeys(_IDENTIFIER.findall(text)):
        found = parts(identifier)
        if len(found) > 1:
            extra.update(dict.fromkeys(found))
            extra.setdefault("".join(found))
    return f"{text}\n{' '.join(extra)}" if extra else text


def path_words(path: str) -> str:
    """The words of a path."""
    return " ".join(part for piece in re.split(r"[/.]", path) for part in [piece, *parts(piece)] if len(part) > 1)
