"""An answer before its claims are checked, and how what is left of it reads."""

from collections.abc import Sequence
from typing import Any, TypedDict

from groundswell.core.records import Answer, Claim, Ranked

UNFOLLOWED = "not worked out:"  # how a `missing` begins that a model may yet supply


class Block(TypedDict, total=False):
    """Claims that belong together. Its title is a label: it states nothing that a claim would have to ground."""

    title: str
    claims: list[int]  # their places in `Draft.claims`
    bullets: bool
    of: int  # the claim that these speak for


class Draft(TypedDict, total=False):
    """An answer as JSON, so that it can stand in a graph's state. Without blocks, each claim is a line of its own."""

    claims: list[dict[str, Any]]
    blocks: list[Block]
    ranked: list[dict[str, Any]]
    needs_model: bool
    question: str
    missing: list[str]


def answered(draft: Draft, claims: Sequence[Claim], kept: set[int]) -> Answer:
    """The answer that the kept claims make. Each stands in the text word for word, on a line of its own."""
    everything = Block(claims=list(range(len(claims))))
    blocks = draft.get("blocks") or [everything]
    text = "\n\n".join(part for block in blocks if (part := _rendered(block, claims, kept)))
    placed = list(dict.fromkeys(index for block in blocks for index in block.get("claims", []) if index in kept))
    return Answer(
        text=text,
        claims=tuple(claims[index] for index in placed),
        ranked=tuple(Ranked.model_validate(each) for each in draft.get("ranked", [])),
        needs_model=draft.get("needs_model", False),
        question=draft.get("question", ""),
        missing=tuple(draft.get("missing", [])),
        dropped=len(claims) - len(kept),
    )


def _rendered(block: Block, claims: Sequence[Claim], kept: set[int]) -> str:
    mark = "- " if block.get("bullets") else ""
    lines = [f"{mark}{claims[index].text}" for index in block.get("claims", []) if index in kept]
    if not lines:
        return ""
    return "\n".join([title, *lines] if (title := block.get("title", "")) else lines)


def leading(draft: Draft, chosen: int) -> Draft:
    """The draft with one claim at the front of its own block."""
    blocks = [block.copy() for block in draft.get("blocks", [])]
    for block in blocks:
        claims = block.get("claims", [])
        if chosen in claims:
            block["claims"] = [chosen, *(each for each in claims if each != chosen)]
            break
    led_by = draft.copy()
    led_by["blocks"] = blocks
    return led_by
