"""Remove secrets where bytes enter the platform: every one becomes `[secret:kind]`, and no line moves.

`redact` for a text, `redact_value` for what JSON carries, `Redactor` for a stream, `found` for what there was.
All are deterministic, change nothing the second time, and take time in proportion to the text, whatever it is.
"""

from typing import Any, cast

from groundswell.core.redaction.assignments import is_sensitive, kind_of
from groundswell.core.redaction.spans import KINDS, is_placeholder, placeholder
from groundswell.core.redaction.stream import Redactor

__all__ = ["KINDS", "Redactor", "found", "redact", "redact_value"]

_DEEPEST = 100
_REFERENCES = ("name", "ref", "path", "mode", "optional", "type", "kind", "namespace", "field", "items")


def redact(text: str) -> str:
    """The text without its secrets."""
    redactor = Redactor()
    return redactor.take(text) + redactor.flush()


def found(text: str) -> list[str]:
    """The kinds of the secrets in a text, in order; one that was removed already is not among them."""
    redactor = Redactor()
    redactor.take(text)
    redactor.flush()
    return redactor.kinds


def redact_value(value: Any) -> Any:
    """A copy of a JSON-like value without its secrets: in strings, in keys, and whole under a key that names one."""
    return _walk(value, "", 0)


def _walk(value: Any, secret: str, depth: int) -> Any:
    """Copy a value; `secret` is the kind of everything in it, when its key named one."""
    if depth > _DEEPEST:
        return placeholder("too-deep")
    if isinstance(value, str):
        return redact(value) if not secret or not value or is_placeholder(value) else placeholder(secret)
    if isinstance(value, dict):
        return _walk_mapping(cast("dict[Any, Any]", value), secret, depth)
    if isinstance(value, list | tuple):
        items = [_walk(item, secret, depth + 1) for item in cast("list[Any]", value)]
        return items if isinstance(value, list) else tuple(items)
    return placeholder(secret) if secret and isinstance(value, int | float) and not isinstance(value, bool) else value


def _walk_mapping(mapping: dict[Any, Any], secret: str, depth: int) -> dict[Any, Any]:
    copy: dict[Any, Any] = {}
    manifest = mapping.get("kind") == "Secret"
    named = is_sensitive(str(mapping.get("name", mapping.get("key", ""))))
    for key, item in mapping.items():
        name = str(key)
        kind = secret
        if secret and name.lower().endswith(_REFERENCES):
            kind = ""  # a Secret mounted in a pod: what it is called is no secret
        elif manifest and name in ("data", "stringData"):
            kind = "kubernetes-secret"
        elif is_sensitive(name):
            kind = kind_of(name)
        elif named and name == "value":
            kind = "secret"
        copy[_free(redact(key) if isinstance(key, str) else key, copy)] = _walk(item, kind, depth + 1)
    return copy


def _free(key: Any, taken: dict[Any, Any]) -> Any:
    """The key, or with a number when two secret keys became one."""
    free, number = key, 2
    while free in taken:
        free, number = f"{key} ({number})", number + 1
    return free
