"""Tries what a model can do: streaming, tool calls, parallel ones, a JSON schema; and says which loop that means."""

import json
from collections.abc import Sequence
from typing import Literal

from groundswell.backends.models.chat import ChatModel
from groundswell.backends.models.chat_assembly import Delta
from groundswell.core.errors import GroundswellError
from groundswell.core.records import (
    ChatMessage,
    ChatReply,
    ChatRequest,
    ModelReport,
    Probed,
    Role,
    ToolSpec,
    Usage,
)

SECONDS = 60.0
SMALLEST_WINDOW = 8000  # tokens; with less there is no room for a loop
_CLOCK = ToolSpec(
    name="city_time",
    description="The time in one city.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
_FORM = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red", "green"]}},
    "required": ["colour"],
    "additionalProperties": False,
}


async def probed(role: Role, model: ChatModel, tools: Literal["auto", "native", "text"]) -> tuple[ModelReport, Usage]:
    """What was found, and what finding it used. Raises where the model does not answer at all."""
    await model.ready()
    findings: list[Probed] = []
    used = Usage()
    streamed, pieces = await _said(model, _asked("Count from one to ten, in words."))
    used = _and(used, streamed)
    findings.append(Probed(name="streaming", status="yes" if pieces > 1 else "no", detail=f"{pieces} pieces"))
    counted = streamed.usage.counted
    findings.append(Probed(name="usage", status="yes" if counted else "no", detail="" if counted else "estimated"))
    calls, used = await _calls(model, used)
    findings += calls
    form, used = await _form(model, used)
    findings.append(form)
    findings.append(Probed(name="window", status="yes", detail=f"{model.window:,} tokens"))
    loop, reason = _loop(role, tools, calls[0].status == "yes", model.window)
    return (
        ModelReport(
            role=role, model=model.name, findings=tuple(findings), window=model.window, loop=loop, reason=reason
        ),
        used,
    )


def _loop(
    role: Role, tools: str, native: bool, window: int
) -> tuple[Literal["native", "text", "forced choices", "none"], str]:
    if role == "small":
        return "forced choices", "role small never runs a free loop (mode L2)"
    if window < SMALLEST_WINDOW:
        return "none" if window < SMALLEST_WINDOW // 4 else "text", f"its window of {window:,} tokens is small"
    if tools == "text":
        return "text", 'the settings say tools = "text"'
    if native or tools == "native":
        return "native", "it calls tools by the protocol" if native else 'the settings say tools = "native"'
    return "text", "it made no call by the protocol: calls are read from its text"


async def _calls(model: ChatModel, used: Usage) -> tuple[Sequence[Probed], Usage]:
    """One turn with a tool, which asks for two calls at once."""
    request = _asked("What time is it in Paris, and what in Tokyo? Call city_time for both at once.", _CLOCK)
    try:
        reply, _ = await _said(model, request)
    except GroundswellError as error:
        failed = Probed(name="tool calls", status="no", detail=error.message[:160])
        return (failed, Probed(name="parallel calls", status="unknown")), used
    names = [call.name for call in reply.tool_calls]
    good = [call for call in reply.tool_calls if call.name == _CLOCK.name and _is_object(call.arguments)]
    detail = f"it called {', '.join(names)}" if names else "it answered in words"
    one = Probed(name="tool calls", status="yes" if good else "no", detail=detail)
    more = Probed(name="parallel calls", status="yes" if len(good) > 1 else "no", detail=f"{len(good)} at once")
    return (one, more), _and(used, reply)


async def _form(model: ChatModel, used: Usage) -> tuple[Probed, Usage]:
    request = _asked("Choose a colour.").model_copy(update={"form": _FORM})
    try:
        reply, _ = await _said(model, request)
    except GroundswellError as error:
        return Probed(name="JSON schema", status="no", detail=error.message[:160]), used
    try:
        held = json.loads(reply.content).get("colour") in ("red", "green")
    except (ValueError, RecursionError, AttributeError):
        held = False
    return Probed(name="JSON schema", status="yes" if held else "no", detail=reply.content[:60]), _and(used, reply)


async def _said(model: ChatModel, request: ChatRequest) -> tuple[ChatReply, int]:
    """A reply, and in how many pieces it came."""
    pieces = 0
    async for part in model.stream(request):
        if isinstance(part, Delta):
            pieces += 1
        else:
            return part, pieces
    raise AssertionError


def _asked(text: str, *tools: ToolSpec) -> ChatRequest:
    message = ChatMessage(role="user", content=text)
    return ChatRequest(messages=(message,), tools=tools, max_tokens=256, seconds=SECONDS)


def _and(used: Usage, reply: ChatReply) -> Usage:
    return Usage(
        prompt_tokens=used.prompt_tokens + reply.usage.prompt_tokens,
        completion_tokens=used.completion_tokens + reply.usage.completion_tokens,
    )


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
