"""Calls as models write them: by the protocol, or in their text where an engine has no parser for them."""

import ast
import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from groundswell.core.records import ToolSpec, ToolUse
from groundswell.core.texts import storable_value

_MARKED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)|```(?:tool|tool_call)\s*\n(.*?)(?:```|\Z)", re.DOTALL)
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)(?:```|\Z)", re.DOTALL)
_COMMA = re.compile(r",(\s*[}\]])")
CALLS_IN_TEXT = 16


def arguments_of(text: str) -> dict[str, Any] | None:
    """The arguments that a model meant; None where they are no object even with what models get wrong mended."""
    text = text.strip()
    if match := _FENCED.fullmatch(text):
        text = match.group(1).strip()
    for attempt in (text, _COMMA.sub(r"\1", text)):
        try:
            found = storable_value(json.loads(attempt or "{}", strict=False))
        except (ValueError, RecursionError):
            continue
        if isinstance(found, str) and found != text:
            return arguments_of(found)  # written twice over
        return found if isinstance(found, dict) else None
    try:
        found = storable_value(ast.literal_eval(text[:20_000]))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    return found if isinstance(found, dict) and all(isinstance(key, str) for key in found) else None


def calls_in(text: str, names: Collection[str]) -> tuple[list[ToolUse], str]:
    """The calls that a text makes, and the text without them. What is marked as a call counts whatever it names."""
    found: list[ToolUse] = []
    rest = text
    for match in _MARKED.finditer(text):
        calls = list(_calls(match.group(1) or match.group(2) or ""))
        if calls:
            found += calls
            rest = rest.replace(match.group(), "")
    if not found:
        for match in _FENCED.finditer(text):
            if calls := [call for call in _calls(match.group(1)) if call.name in names]:
                found += calls
                rest = rest.replace(match.group(), "")
    bare = _calls(text) if not found and text.strip()[:1] in ("{", "[") else ()
    if calls := [call for call in bare if call.name in names]:
        found, rest = calls, ""
    numbered = [call.model_copy(update={"id": f"text_{index}"}) for index, call in enumerate(found[:CALLS_IN_TEXT])]
    return numbered, rest.strip()


def described(tools: Sequence[ToolSpec]) -> str:
    """Tools for a model that calls them in its text."""
    lines = ["To call tools, write one block for each call and nothing after the last one:", "```tool"]
    lines += ['{"tool": "NAME", "arguments": {}}', "```", "The results come in the next message. The tools:"]
    for tool in tools:
        given = tool.parameters.get("properties", {})
        needed = set(tool.parameters.get("required", ()))
        shown = ", ".join(f"{name}{'' if name in needed else '?'}: {_kind(of)}" for name, of in given.items())
        lines.append(f"- {tool.name}({shown}): {' '.join(tool.description.split())[:300]}")
    return "\n".join(lines)


def _kind(schema: dict[str, Any]) -> str:
    kinds = schema.get("anyOf", [schema])
    return " or ".join(str(kind.get("type", "value")) for kind in kinds)


def _calls(text: str) -> Iterator[ToolUse]:
    """One call, a list of calls, or one a line."""
    whole = _value(text)
    values = whole if isinstance(whole, list) else [whole]
    if whole is None:
        values = [_value(line) for line in text.splitlines() if line.strip().startswith("{")]
    for value in values:
        if not isinstance(value, dict):
            continue
        inner = value.get("function")
        of: dict[str, Any] = inner if isinstance(inner, dict) else value
        name = of.get("tool") or of.get("name") or (inner if isinstance(inner, str) else None)
        given = next((of[key] for key in ("arguments", "parameters", "args", "input") if key in of), {})
        if isinstance(name, str) and name:
            yield ToolUse(id="", name=name, arguments=given if isinstance(given, str) else json.dumps(given))


def _value(text: str) -> Any:
    for attempt in (text.strip(), _COMMA.sub(r"\1", text.strip())):
        try:
            return json.loads(attempt, strict=False)
        except (ValueError, RecursionError):
            continue
    return None
