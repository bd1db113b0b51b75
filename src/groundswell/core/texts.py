"""Texts as they can be kept: what a model, a page or a log says may hold what neither UTF-8 nor PostgreSQL takes."""

from typing import Any


def storable(text: str) -> str:
    """The text with something else in place of zero bytes and of lone surrogates."""
    return valid(text.replace("\0", "\N{REPLACEMENT CHARACTER}"))


def valid(text: str) -> str:
    """The text with something else in place of lone surrogates, which no UTF-8 has."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def storable_value(value: Any) -> Any:
    """A copy of a JSON-like value whose strings can be kept, keys among them."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable_value(key): storable_value(each) for key, each in value.items()}
    return [storable_value(each) for each in value] if isinstance(value, list | tuple) else value
