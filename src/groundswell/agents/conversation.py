"""What a model is shown: results as fenced data with numbered evidence; when it is long, its older part in less."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from groundswell.core.records import ChatMessage, Excerpt
from groundswell.core.records.models import CHARACTERS_PER_TOKEN

RESULT_SHARE = 0.15  # of the window; what is longer is behind a handle
COMPACT_AT = 0.85
KEPT_SHARE = 0.3  # of the window, for what older steps become
HEAD = 90  # characters of an excerpt's first line in a list
_EXCERPT = frozenset(Excerpt.model_fields)


class Shown(TypedDict):
    """One excerpt that a model was shown; its number is its place, counted from 1."""

    digest: str
    source: str
    head: str


class Evidences:
    """The numbers of excerpts: each (digest, source) has one, given when it is first shown."""

    def __init__(self, shown: Sequence[Shown]) -> None:
        self.shown = list(shown)
        self.new: list[Shown] = []
        self._numbers = {(each["digest"], each["source"]): number for number, each in enumerate(self.shown, 1)}

    def number(self, digest: str, source: str, text: str) -> str:
        """The number of an excerpt, such as E7."""
        key = digest, source
        if key not in self._numbers:
            head = next((line.strip() for line in text.splitlines() if line.strip()), "")[:HEAD]
            shown = Shown(digest=digest, source=source, head=head)
            self.shown.append(shown)
            self.new.append(shown)
            self._numbers[key] = len(self.shown)
        return f"E{self._numbers[key]}"

    @staticmethod
    def is_excerpt(value: Mapping[str, Any]) -> bool:
        """Whether a part of a tool's value is an excerpt that is stored as evidence."""
        return frozenset(value) == _EXCERPT and bool(value["digest"])

    def rendered(self, value: Any) -> str:
        """A tool's value as a model reads it: excerpts have numbers in place of digests."""
        if isinstance(value, str):
            return value
        return json.dumps(self._numbered(value), ensure_ascii=False, separators=(", ", ": "))

    def _numbered(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._numbered(each) for each in value]
        if not isinstance(value, dict):
            return value
        if self.is_excerpt(value):
            number = self.number(value["digest"], value["source"], value["text"])
            return {"evidence": number, "source": value["source"], "text": value["text"]}
        return {key: self._numbered(each) for key, each in value.items() if each not in ("", None) and key != "digest"}


def fenced(text: str, source: str) -> str:
    """Material from outside between marks that it cannot contain itself: they are made of its own digest."""
    mark = f"data-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return f"<{mark} from {source}>\n{text}\n</{mark}>"


def shortened(text: str, window: int, handle: str) -> str:
    """A result that takes no more than its share of the window; the rest is read on behind its handle."""
    room = int(window * RESULT_SHARE * CHARACTERS_PER_TOKEN)
    if len(text) <= room:
        return text
    if not handle:
        return f"{text[:room]}\n[cut: {len(text):,} characters in all; ask for less at once]"
    rest = f'result_page(handle="{handle}", offset={room}) or result_find(handle="{handle}", text="…")'
    return f"{text[:room]}\n[cut: {len(text):,} characters in all; read on with {rest}]"


def compacted(
    messages: Sequence[ChatMessage], shown: Sequence[Shown], plan: Sequence[str], window: int
) -> list[ChatMessage]:
    """The same conversation in less: its beginning, what earlier steps did and found in one message, its last step."""
    head = list(messages[:2])
    last = max((i for i, message in enumerate(messages) if message.role == "assistant"), default=len(messages))
    tail = _fitting(messages[last:], int(window * KEPT_SHARE * CHARACTERS_PER_TOKEN))
    room = int(window * KEPT_SHARE * CHARACTERS_PER_TOKEN)
    steps = [line for message in messages[2:last] for line in _steps(message)]
    evidence = [f"E{number} {each['source']}: {each['head']}" for number, each in enumerate(shown, 1)]
    parts = ["Earlier steps were left out here to save room."]
    if plan:
        parts.append("The plan:\n" + "\n".join(f"- {each}" for each in plan))
    parts.append("What was done:\n" + "\n".join(_last(steps, room // 2)))
    parts.append("Evidence so far; ask for it again where you need its text:\n" + "\n".join(_last(evidence, room // 2)))
    return [*head, ChatMessage(role="user", content="\n\n".join(parts)), *tail]


def _steps(message: ChatMessage) -> list[str]:
    lines = [f"- {call.name} {call.arguments[:200]}" for call in message.tool_calls]
    if message.role == "assistant" and message.content.strip():
        lines.insert(0, f"- you said: {' '.join(message.content.split())[:200]}")
    if message.role == "user" and message.content.startswith("Earlier steps were left out"):
        lines += [line for line in message.content.splitlines() if line.startswith("- ")]
    return lines


def _fitting(messages: Sequence[ChatMessage], room: int) -> list[ChatMessage]:
    """The last step, its longest results cut until it fits."""
    kept = list(messages)
    each = max(400, room // max(1, len(kept)))
    if sum(len(message.content) for message in kept) <= room:
        return kept
    return [
        message.model_copy(update={"content": f"{message.content[:each]}\n[cut to save room]"})
        if len(message.content) > each
        else message
        for message in kept
    ]


def _last(lines: Sequence[str], room: int) -> list[str]:
    """The last lines that fit."""
    kept: list[str] = []
    for line in reversed(lines):
        room -= len(line) + 1
        if room < 0:
            kept.append("- …")
            break
        kept.append(line)
    return kept[::-1] or ["- nothing"]


def folded(state: Sequence[dict[str, Any]], writes: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """A list that grows by what is written; one that begins with a reset takes the place of what was there."""
    kept = list(state)
    for write in writes:
        if write and write[0].get("reset"):
            kept, write = [], write[1:]
        kept += [dict(each) for each in write]
    return kept
