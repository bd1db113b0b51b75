"""The report: the researchers' sections as one draft, a lead in front of them, and what is missing by name."""

import re
from collections.abc import Mapping, Sequence

from groundswell.agents.conversation import Evidences
from groundswell.agents.drafts import Block, Draft
from groundswell.agents.findings import found_first, heard, is_covered
from groundswell.agents.loop.graph import views_of
from groundswell.agents.names import names
from groundswell.agents.prompt_files import prompt
from groundswell.agents.web.brief import writer_of
from groundswell.agents.web.question import asked
from groundswell.agents.web.research import Section
from groundswell.agents.words import content
from groundswell.core.context import RunContext
from groundswell.core.errors import GroundswellError
from groundswell.core.records import ChatMessage, ChatRequest, Claim

LEAD = 700  # tokens
_SHOWN = 160  # characters of a part's question

Places = dict[str, list[str]]


def together(
    question: str, draft: Draft, places: Mapping[str, Sequence[str]], sections: Sequence[Section]
) -> tuple[Draft, Places]:
    """Sections in the order of the brief, each under its question; then what was found for the question as a whole."""
    claims: list[dict[str, object]] = []
    blocks: list[Block] = []
    missing: list[str] = []
    all_places = {digest: list(sources) for digest, sources in places.items()}
    for section in sections:
        blocks += _blocks(section, len(claims), question)
        claims += section["draft"].get("claims", [])
        missing += _gaps(section)
        for digest, sources in section["places"].items():
            known = all_places.setdefault(digest, [])
            known += [source for source in sources if source not in known]
    covered = {(c["evidence"], c["quote"]) for claim in claims for c in claim["citations"]}  # type: ignore[index]
    own = draft.get("claims", [])
    for block in draft.get("blocks") or [Block(claims=list(range(len(own))))]:
        rest = [len(claims) + index for index in block.get("claims", []) if not is_covered(own[index], covered)]
        if rest:
            kept = block.copy()
            kept["claims"] = rest
            blocks.append(kept)
    if not any(section["stands"] for section in sections):
        missing += draft.get("missing", [])
    whole = draft.copy()
    whole.update(
        claims=[*claims, *own], blocks=blocks, missing=list(dict.fromkeys(missing)), needs_model=False, question=""
    )
    return whole, all_places


async def led(question: str, draft: Draft, places: Places, context: RunContext) -> Draft:
    """The draft behind a few sentences that say what its sections come to. Without them, it is what it was."""
    views = await views_of(context)
    role = writer_of(views)
    if role is None or context.models is None:
        return draft
    evidences = Evidences([])
    found = await found_first(draft, context.evidence, evidences, views[role].window)
    told = f"The question:\n{question}\n\n{found.text}"
    messages = (
        ChatMessage(role="system", content=prompt("web_report")[1]),
        ChatMessage(role="user", content=told),
    )
    try:
        reply = await context.models.chat(role, ChatRequest(messages=messages, max_tokens=LEAD))
    except GroundswellError as error:
        return _lacking(draft, f"a lead for these sections: {error.message}")
    sections = [Claim.model_validate(claim) for claim in draft.get("claims", [])]
    said = await heard(reply.content, evidences.shown, places, context.evidence, sections)
    texts = {claim.text for claim in sections}
    lead = [each.claim for i, each in enumerate(said.claims) if i in said.kept and each.claim.text not in texts]
    if not lead:
        return draft
    places |= {digest: list(sources) for digest, sources in said.places.items()}
    front = len(lead)
    whole = draft.copy()
    whole["claims"] = [*(claim.model_dump(mode="json") for claim in lead), *draft.get("claims", [])]
    whole["blocks"] = [Block(claims=list(range(front))), *(_moved(each, front) for each in draft.get("blocks", []))]
    return whole


def mode(sections: Sequence[Section]) -> str:
    """A report is as good as its weakest part; one that found nothing, and lost no model, does not count."""
    heard_of = [section["mode"] for section in sections if section["mode"] != "L3" or section["fell"]]
    return max(heard_of, default="L3")


def _blocks(section: Section, offset: int, asked_for: str) -> list[Block]:
    """A section's blocks, the first that stands under the part's question."""
    own = section["draft"]
    blocks = [block.copy() for block in own.get("blocks") or [Block(claims=list(range(len(own.get("claims", [])))))]]
    head = _heading(section, asked_for)
    for block in blocks:
        if head and set(block.get("claims", [])) & set(section["stands"]):
            block["title"] = "\n".join(part for part in (head, block.get("title", "")) if part)
            head = ""
    return [_moved(block, offset) for block in blocks]


def _moved(block: Block, offset: int) -> Block:
    moved = block.copy()
    moved["claims"] = [offset + index for index in block.get("claims", [])]
    if block.get("of", -1) >= 0:
        moved["of"] = offset + block.get("of", 0)
    return moved


def _heading(section: Section, asked_for: str) -> str:
    """The part's question, where the section bears all that it names: a heading states nothing by itself."""
    number, question = section["part"] + 1, section["question"]
    claims = section["draft"].get("claims", [])
    bears = [
        text
        for index in section["stands"]
        for text in (claims[index]["text"], *(citation["quote"] for citation in claims[index]["citations"]))
    ]
    known = "\n".join([asked_for, *bears])
    words = content(known)
    figures = set(re.findall(r"\S*\d\S*", question))
    is_borne = (
        question.endswith("?")
        and all(term in words for term in asked(question)["terms"])
        and all(name.stands(known) for name in names(question))
        and all(figure.strip("?.,;:()") in known for figure in figures)
    )
    return f"{number}. {question}" if is_borne and len(question) <= _SHOWN else f"{number}. Part {number} of the brief:"


def _gaps(section: Section) -> list[str]:
    """What a part lacks, with the part's name."""
    question = section["question"]
    name = f"“{question if len(question) <= _SHOWN else question[: _SHOWN - 1] + '…'}”"
    missing = section["draft"].get("missing", [])
    if section["stands"]:
        return [f"{name}: {text}" for text in missing]
    why = "; ".join(missing) or "nothing in the sources bears out an answer"
    return [f"{name}: not found; {why}"]


def _lacking(draft: Draft, what: str) -> Draft:
    lacking = draft.copy()
    lacking["missing"] = [*draft.get("missing", []), what]
    return lacking
