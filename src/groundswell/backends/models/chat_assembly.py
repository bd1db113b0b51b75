"""Puts the chunks of a streamed chat completion together, whatever engine cut them."""

import json
from dataclasses import dataclass
from typing import Any

from groundswell.core.records import ChatReply, ChatRequest, ToolUse, Usage
from groundswell.core.records.models import CHARACTERS_PER_TOKEN
from groundswell.core.texts import storable

CALLS_AT_MOST = 128


@dataclass(frozen=True)
class Delta:
    """A few more characters."""

    text: str = ""
    reasoning: str = ""


class NotAReply(Exception):
    """A chunk that is none; `is_refusal` where the server says in it that it cannot."""

    def __init__(self, message: str, *, is_refusal: bool = False) -> None:
        super().__init__(message)
        self.is_refusal = is_refusal


class Assembly:
    """One reply as it comes."""

    def __init__(self, request: ChatRequest) -> None:
        self.request = request
        self.complete = False  # a finish reason or the end mark has come
        self.size = 0
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}
        self._finish = self._model = ""
        self._usage: Usage | None = None

    def take(self, data: str) -> Delta | None:
        """Take the data of one event; what it adds for people. Raises NotAReply."""
        if data.strip() == "[DONE]":
            self.complete = True
            return None
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise NotAReply(f"no JSON: {data[:80]!r}") from error
        if not isinstance(chunk, dict):
            raise NotAReply(f"no object: {data[:80]!r}")
        if error := chunk.get("error"):
            said = error.get("message", error) if isinstance(error, dict) else error
            raise NotAReply(str(said)[:400], is_refusal=True)
        if isinstance(usage := chunk.get("usage"), dict):
            counts = (_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))
            self._usage = Usage(prompt_tokens=counts[0], completion_tokens=counts[1])
        self._model = _text(chunk.get("model")) or self._model
        choices = chunk.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(first, dict):
            return None
        if finish := _text(first.get("finish_reason")):
            self._finish, self.complete = finish, True
        said = first.get("delta") or first.get("message")
        return self._add(said) if isinstance(said, dict) else None

    def reply(self, model: str = "") -> ChatReply:
        """What has come so far, as a reply."""
        text, reasoning = "".join(self._text), "".join(self._reasoning)
        calls = tuple(
            ToolUse(id=call["id"] or f"call_{index}", name=call["name"], arguments=call["arguments"] or "{}")
            for index, call in sorted(self._calls.items())
            if call["name"]
        )
        return ChatReply(
            content=text,
            reasoning=reasoning,
            tool_calls=calls,
            finish=self._finish,
            usage=self._usage or self._estimated(),
            model=self._model or model,
        )

    def _estimated(self) -> Usage:
        return Usage(
            prompt_tokens=self.request.estimated_tokens(),
            completion_tokens=min(int(self.size / CHARACTERS_PER_TOKEN), self.request.max_tokens),
            counted=False,
        )

    def _add(self, said: dict[str, Any]) -> Delta | None:
        text = _text(said.get("content")) or _text(said.get("refusal"))
        reasoning = _text(said.get("reasoning")) or _text(said.get("reasoning_content"))
        calls = said.get("tool_calls")
        for position, call in enumerate(calls if isinstance(calls, list) else []):
            if isinstance(call, dict):
                self._add_call(call, position)
        self._text.append(text)
        self._reasoning.append(reasoning)
        self.size += len(text) + len(reasoning)
        return Delta(text, reasoning) if text or reasoning else None

    def _add_call(self, call: dict[str, Any], position: int) -> None:
        index = call.get("index", position)
        if not isinstance(index, int) or (index not in self._calls and len(self._calls) >= CALLS_AT_MOST):
            return
        known = self._calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
        of = call.get("function")
        function: dict[str, Any] = of if isinstance(of, dict) else {}
        given = function.get("arguments")
        added = json.dumps(given) if isinstance(given, dict) else _text(given)
        known["id"] = known["id"] or _text(call.get("id"))
        # engines send the name once, or again with each chunk; never in parts
        known["name"] = known["name"] or _text(function.get("name"))
        known["arguments"] += added
        self.size += len(added)


def _text(value: Any) -> str:
    return storable(value) if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
