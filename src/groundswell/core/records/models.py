"""What a model is asked, and what it says."""

import hashlib
import json
from typing import Any, Literal, get_args

from pydantic import Field

from groundswell.core.records.base import Record

Role = Literal["planner", "code", "small"]  # a model that chats; `embed` makes vectors and is no part of this
ROLES: tuple[Role, ...] = get_args(Role)
CHARACTERS_PER_TOKEN = 3.2  # of English and code, on the safe side: where no engine counts


def weight(text: str) -> float:
    """Characters of a text as tokenisers see it: one that is not ASCII is about a token by itself."""
    return len(text) if text.isascii() else sum(1.0 if ord(c) < 128 else CHARACTERS_PER_TOKEN for c in text)


class ToolUse(Record):
    """A call that a model wants made. `arguments` is its text as it came: it may be no JSON."""

    id: str
    name: str
    arguments: str = "{}"


class ToolSpec(Record):
    """A tool as a model sees it."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {"type": "object", "properties": {}}
    changes: bool = Field(default=False, exclude=True)  # something outside; a model is told so in words


class ChatMessage(Record):
    """One message of a conversation with a model."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    reasoning: str = ""  # what it thought; never sent back
    tool_calls: tuple[ToolUse, ...] = ()
    tool_call_id: str = ""


class ChatRequest(Record):
    """One turn that is asked of a model."""

    messages: tuple[ChatMessage, ...]
    tools: tuple[ToolSpec, ...] = ()
    form: dict[str, Any] | None = None  # a JSON schema that the reply must have
    max_tokens: int = Field(default=2048, ge=1)
    temperature: float = 0.0
    seconds: float = Field(default=0.0, ge=0)  # at most; 0: what the settings say

    def outline(self) -> dict[str, Any]:
        """What the journal keeps of a request: the same request has the same outline, and none of its text is in it."""
        asked = self.model_dump(mode="json", exclude={"seconds"})
        text = json.dumps(asked, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return {
            "prompt": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
            "messages": len(self.messages),
            "tools": [tool.name for tool in self.tools],
            "max_tokens": self.max_tokens,
        }

    def estimated_tokens(self) -> int:
        """About how many tokens the request has."""
        size = sum(weight(m.content) + sum(weight(t.arguments) + 40 for t in m.tool_calls) + 16 for m in self.messages)
        size += sum(len(json.dumps(tool.model_dump())) for tool in self.tools)
        return int(size / CHARACTERS_PER_TOKEN) + 1


class Usage(Record):
    """What a turn used; `counted` where the engine said so, else it is an estimate."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    counted: bool = True

    @property
    def tokens(self) -> int:
        """Both together."""
        return self.prompt_tokens + self.completion_tokens


class ChatReply(Record):
    """What a model said. `finish` is the engine's own word: `stop`, `tool_calls`, `length`, …"""

    content: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolUse, ...] = ()
    finish: str = ""
    usage: Usage = Usage()
    model: str = ""


class ModelView(Record):
    """A role's model, as far as it is known."""

    role: Role
    model: str = ""
    window: int = 0  # tokens
    tools: Literal["auto", "native", "text"] = "auto"
    resting: bool = False  # it failed again and again, and is left alone for a while


class Probed(Record):
    """One line of what was tried on a model."""

    name: str
    status: Literal["yes", "no", "unknown"]
    detail: str = ""


class ModelReport(Record):
    """What a model can do, and which loop that means."""

    role: Role
    model: str
    findings: tuple[Probed, ...]
    window: int
    loop: Literal["native", "text", "forced choices", "none"]
    reason: str
