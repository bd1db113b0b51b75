"""Kubernetes objects as text that people read, that claims quote, and that reads back to the same object.

A small part of YAML: mappings by indentation, lists of mappings with `- `, lists of scalars as JSON on one line. Each
object of a text begins with `kind:`; `---` stands between two. What a rule sees is what a reader of the evidence sees.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

SEPARATOR = "---"
_TYPED = re.compile(r"(?:true|false|null|~|-?\d+(?:\.\d+)?|[\[{\"].*|)", re.DOTALL)
_KEY = re.compile(r"([^:\s](?:[^:]|:(?!\s|$))*):(?:\s(.*))?$", re.DOTALL)


def written(manifest: dict[str, Any]) -> str:
    """One object as text."""
    return "\n".join(_mapping(manifest, ""))


def parsed(text: str) -> list[dict[str, Any]]:
    """The objects of a text; lines that do not belong are left out."""
    found: list[dict[str, Any]] = []
    lines: list[str] = []
    for line in [*text.split("\n"), SEPARATOR]:
        if line == SEPARATOR:
            if lines:
                found.append(_read(lines))
            lines = []
        elif line.strip():
            lines.append(line)
    return found


def _mapping(mapping: dict[str, Any], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:"
            yield from _mapping(cast("dict[str, Any]", value), indent + "  ")
        elif isinstance(value, list) and value and all(isinstance(each, dict) for each in cast("list[Any]", value)):
            yield f"{indent}{key}:"
            for each in cast("list[dict[str, Any]]", value):
                lines = list(_mapping(each, indent + "  ")) or [f"{indent}  {{}}"]
                yield f"{indent}- {lines[0][len(indent) + 2 :]}"
                yield from lines[1:]
        else:
            yield f"{indent}{key}: {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        line = " ".join(value.split())
        return json.dumps(line, ensure_ascii=False) if _TYPED.fullmatch(line) else line
    return json.dumps(value, ensure_ascii=False)


def _read(lines: list[str]) -> dict[str, Any]:
    value, _ = _block(lines, 0, 0)
    return value


def _block(lines: list[str], at: int, indent: int) -> tuple[dict[str, Any], int]:
    """The mapping whose keys stand at an indentation, from a line on; and the line behind it."""
    found: dict[str, Any] = {}
    while at < len(lines):
        line = lines[at]
        own = len(line) - len(line.lstrip(" "))
        if own < indent or (own == indent and line.startswith("- ", indent)):
            break
        match = _KEY.match(line, own) if own == indent else None
        if match is None:
            at += 1  # the rest of something that was cut or replaced
            continue
        key, rest = match.group(1), match.group(2)
        at += 1
        if rest is not None and rest != "":
            found[key] = _value(rest)
            continue
        follows = lines[at] if at < len(lines) else ""
        if follows.startswith(f"{' ' * indent}- "):
            found[key], at = _items(lines, at, indent)
        else:
            found[key], at = _block(lines, at, indent + 2)
    return found, at


def _items(lines: list[str], at: int, indent: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    start = f"{' ' * indent}- "
    while at < len(lines) and lines[at].startswith(start):
        end = at + 1
        while end < len(lines) and lines[end].startswith(" " * (indent + 2)):
            end += 1
        block = [f"{' ' * (indent + 2)}{lines[at][len(start) :]}", *lines[at + 1 : end]]
        items.append(_block(block, 0, indent + 2)[0])
        at = end
    return items, at


def _value(text: str) -> Any:
    if _TYPED.fullmatch(text):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text
