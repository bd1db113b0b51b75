"""The brief: which parts a question is researched in. A model divides it; most questions are one part."""

import json
import re
from collections.abc import Container
from typing import Any

from groundswell.agents import tool_texts
from groundswell.agents.loop.graph import views_of
from groundswell.agents.loop.state import Share
from groundswell.agents.prompt_files import prompt
from groundswell.core.context import RunContext
from groundswell.core.errors import GroundswellError, Invalid
from groundswell.core.records import ChatMessage, ChatRequest, Limits, Role

PARTS = 5  # researchers at once, at most
TURNS, CALLS = 60, 100  # of a model, and its calls, of all researchers together
LONGEST = 300  # characters of a part
_STEPS_AROUND, _STEPS_EACH = 12, 8  # supersteps before and after the researchers, and of each beside its turns
_TOKENS = 0.9  # of the budget, for the researchers
_WRITERS: tuple[Role, ...] = ("planner", "code")
_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "parts": {
            "type": "array",
            "items": {"type": "string", "maxLength": LONGEST},
            "minItems": 1,
            "maxItems": PARTS,
        }
    },
    "required": ["parts"],
    "additionalProperties": False,
}


async def divided(question: str, context: RunContext) -> tuple[list[str], str]:
    """The parts of a question, each a question itself, and why it is only one where that was not the brief's word.

    No page is shown to whoever writes the brief: what a page says does not choose what is looked for.
    """
    most = affordable(context.run.budget)
    views = await views_of(context)
    writer = writer_of(views)
    if writer is None or context.models is None:
        return [question], "there is no model that writes a brief"
    if most < 2:
        return [question], "the run's budget is for one"
    before = [f"Asked before: {turn.question[:500]}" for turn in context.history[-3:]]
    said = "\n".join([*before, f"The question:\n{question}"])
    messages = (
        ChatMessage(role="system", content=prompt("web_brief")[1]),
        ChatMessage(role="user", content=said),
    )
    try:
        try:
            reply = await context.models.chat(writer, ChatRequest(messages=messages, form=_FORM, max_tokens=600))
        except Invalid:  # an engine that holds no model to a form: the prompt asks for it, too
            reply = await context.models.chat(writer, ChatRequest(messages=messages, max_tokens=600))
    except GroundswellError as error:
        return [question], f"the brief failed: {error.message}"
    parts = parts_in(reply.content, known="\n".join([question, context.run.question, *context.run.sources.values()]))
    if not parts:
        return [question], "the brief was none"
    return (parts[:most], "") if len(parts) > 1 else ([question], "")


def writer_of(roles: Container[Role]) -> Role | None:
    """Whose model writes briefs and leads; a small one does not."""
    return next((role for role in _WRITERS if role in roles), None)


def parts_in(text: str, known: str) -> list[str]:
    """The parts that a reply names. One with a URL that nobody named is none: its researcher would look it up."""
    given = _object_in(text).get("parts")
    parts: dict[str, str] = {}
    for each in given if isinstance(given, list) else []:
        part = " ".join(str(each).split()) if isinstance(each, str) else ""
        if 3 <= len(part) <= LONGEST and all(url in known for url in re.findall(r"\S+://\S+", part)):
            parts.setdefault(re.sub(r"\W+", " ", part).strip().lower(), part)
    return list(parts.values())[:PARTS]


def affordable(budget: Limits) -> int:
    """How many researchers a run may have: each takes a few turns at least."""
    return max(
        (n for n in range(1, PARTS + 1) if share(budget, n)["turns"] >= 3 and share(budget, n)["calls"] >= 3), default=1
    )


def share(budget: Limits, researchers: int) -> Share:
    """What each of so many researchers may use. Together they stay within the run's budget."""
    steps = budget.steps - _STEPS_AROUND - _STEPS_EACH * researchers
    return Share(
        turns=max(1, min(TURNS - 2, steps // 2) // researchers),
        calls=max(1, min(CALLS, budget.tool_calls * 3 // 4) // researchers),
        tokens=int(budget.tokens * _TOKENS / researchers),
    )


def _object_in(text: str) -> dict[str, Any]:
    """The first JSON object in a text, whatever stands around it."""
    whole = tool_texts.arguments_of(text) if text.strip() else None
    if whole is not None:
        return whole
    decoder = json.JSONDecoder(strict=False)
    for match in list(re.finditer(r"\{", text))[:20]:
        try:
            found, _ = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return {}
