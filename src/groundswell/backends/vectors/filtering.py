"""Filters as tokens: one typed word for each value, so that `1`, `"1"` and `True` stay three things in any engine."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from groundswell.core.errors import Invalid
from groundswell.core.ports import Filter

LONGEST = 200  # characters of a token; longer values are hashed

Wanted = dict[str, list[str]]  # field → tokens, any of which will do; all fields must hold


def field(key: str) -> str:
    """The name a payload key has among the filter fields; any text becomes a plain identifier."""
    return f"n_{key}" if re.fullmatch(r"[A-Za-z0-9_]+", key) else f"x_{_bytes(key).hex()}"


def token(value: Any) -> str | None:
    """The word for a value, or None for what cannot be filtered on."""
    if isinstance(value, bool):
        return "b1" if value else "b0"
    if isinstance(value, int):
        return f"i{value}"
    if isinstance(value, str):
        encoded = _bytes(value)
        plain = len(value) <= LONGEST and encoded == value.encode("utf-8", "replace")
        return f"s{value}" if plain else f"h{hashlib.sha256(encoded).hexdigest()}"
    return None


def tokens(payload: Mapping[str, Any]) -> dict[str, list[str]]:
    """What a payload can be found by: its values, and the members of its lists."""
    found: dict[str, list[str]] = {}
    for key, value in payload.items():
        members: Sequence[Any] = value if isinstance(value, list | tuple) else (value,)
        if words := [word for word in map(token, members) if word is not None]:
            found[field(key)] = words
    return found


def wanted(where: Filter | None) -> Wanted:
    """What a filter asks for."""
    result: Wanted = {}
    for key, value in (where or {}).items():
        members = [value] if isinstance(value, str | int) else list(value)
        words = [token(member) for member in members]
        if None in words:
            raise Invalid("bad_filter", f"a filter on {key!r} takes texts, whole numbers or booleans, not {value!r}")
        result[field(key)] = [word for word in words if word is not None]
    return result


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
