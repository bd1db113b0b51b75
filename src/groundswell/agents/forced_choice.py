"""What a small model is asked: which of the first findings answers best. It chooses among what is grounded anyway."""

from groundswell.agents.drafts import Draft
from groundswell.core.records import ChatMessage, ChatRequest

CHOICES_AT_MOST = 8


def led(draft: Draft) -> list[str]:
    """The findings of the first block that are as sure as its first: only among these is the order open."""
    claims = draft.get("claims", [])
    blocks = draft.get("blocks", [])
    first = blocks[0].get("claims", []) if blocks else []
    if not first:
        return []
    sure, kind = claims[first[0]].get("confidence", 1.0), claims[first[0]].get("kind", "observed")
    same = [i for i in first if claims[i].get("confidence", 1.0) == sure and claims[i].get("kind", "observed") == kind]
    return [f"F{index + 1}" for index in same[:CHOICES_AT_MOST]]


def leads(question: str, draft: Draft, options: list[str]) -> ChatRequest:
    """The question as a choice that an engine can hold a model to."""
    lines = [f"{option}: {draft.get('claims', [])[int(option[1:]) - 1]['text']}" for option in options]
    text = f"Question: {question}\n\nFindings:\n" + "\n".join(lines) + '\n\nWhich one answers best? {"finding": …}'
    form = {
        "type": "object",
        "properties": {"finding": {"type": "string", "enum": options}},
        "required": ["finding"],
        "additionalProperties": False,
    }
    return ChatRequest(messages=(ChatMessage(role="user", content=text),), form=form, max_tokens=24, seconds=60)
