"""What was found without a model, as a model is told of it, and what both said together as one draft."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundswell.agents import conversation
from groundswell.agents.cited_text import Known, Said, claims_in, pieces
from groundswell.agents.conversation import Evidences
from groundswell.agents.drafts import UNFOLLOWED, Block, Draft
from groundswell.agents.grounding import grounded
from groundswell.core.context import ReadEvidence
from groundswell.core.records import Claim, Evidence
from groundswell.core.records.models import CHARACTERS_PER_TOKEN

SHARE = 0.25  # of the window, for the texts of the evidence
LONGEST = 2500  # characters of one


@dataclass(frozen=True)
class Found:
    """What a model is told first."""

    text: str


@dataclass
class Combined:
    """A draft of what a model said and what the skeleton found; `used`: whether any of the former stands."""

    draft: Draft
    places: dict[str, list[str]]
    used: bool


@dataclass(frozen=True)
class Heard:
    """Claims of a model, the places of those that stand, and the sources of all evidence that they name."""

    claims: list[Said]
    kept: set[int]
    places: dict[str, list[str]]


async def found_first(draft: Draft, read: ReadEvidence, evidences: Evidences, window: int) -> Found:
    """The skeleton's findings with numbers, and the texts of what they cite."""
    claims = [Claim.model_validate(claim) for claim in draft.get("claims", [])]
    room = int(window * SHARE * CHARACTERS_PER_TOKEN)
    lines: list[str] = []
    texts: dict[str, str] = {}
    for index, claim in enumerate(claims, 1):
        marks: list[str] = []
        for citation in claim.citations:
            evidence = await read(citation.evidence)
            if evidence is None:
                continue
            number = evidences.number(evidence.digest, evidence.source, evidence.text)
            quote = " ".join(citation.quote.split())[:240].replace('"', '\\"')
            marks.append(f'[{number} "{quote}"]')
            if number not in texts and room > 0:
                texts[number] = f"{number} {evidence.source}\n{evidence.text[: min(LONGEST, room)]}"
                room -= min(LONGEST, len(evidence.text))
        lines.append(f"F{index} ({claim.kind}): {claim.text} {' '.join(marks)}")
    if not lines:
        missing = "; ".join(draft.get("missing", []))
        return Found(f"Without a model nothing was found. {missing}".strip())
    shown = conversation.fenced("\n\n".join(texts.values()), "the evidence of these findings")
    return Found("Found without a model, by rules and search:\n" + "\n".join(lines) + f"\n\n{shown}")


async def merged(
    draft: Draft,
    places: Mapping[str, Sequence[str]],
    final: str,
    shown: Sequence[Mapping[str, Any]],
    read: ReadEvidence,
    *,
    may_overrule: bool,
) -> Combined:
    """The model's grounded claims first, then what the skeleton found besides. Where none is grounded, that alone."""
    said = await heard(final, shown, places, read)
    if not said.kept:
        return Combined(_without(draft, len(said.claims), tried=bool(final)), said.places, used=False)
    return Combined(_together(draft, said.claims, said.kept, may_overrule=may_overrule), said.places, used=True)


async def heard(
    final: str,
    shown: Sequence[Mapping[str, Any]],
    places: Mapping[str, Sequence[str]],
    read: ReadEvidence,
    beside: Sequence[Claim] = (),
) -> Heard:
    """What a model said, as claims, and which of them its evidence bears; it may conclude from those beside them."""
    known = await _known(final, shown, read)
    said = claims_in(final, known)
    evidence = {each.evidence.digest: each.evidence for each in known.values()}
    all_places = {digest: list(sources) for digest, sources in places.items()}
    for each in known.values():
        sources = all_places.setdefault(each.evidence.digest, [])
        if each.source not in sources:
            sources.append(each.source)
    kept, _ = grounded([each.claim for each in said], evidence, all_places)
    said = [piece for i, each in enumerate(said) for piece in ([each] if i in kept else pieces(each))]
    kept, _ = grounded([*(each.claim for each in said), *beside], evidence, all_places)
    return Heard(said, {index for index in kept if index < len(said)}, all_places)


def _without(draft: Draft, dropped: int, *, tried: bool) -> Draft:
    """The skeleton's draft; where a model was heard in vain, it says so, and asks for no model any more."""
    if not tried:
        return draft
    unheard = draft.copy()
    unheard["needs_model"] = False
    if dropped:
        said = f"{dropped} sentence{'s' if dropped > 1 else ''} of a model that no evidence bears out"
        unheard["missing"] = [*draft.get("missing", []), said]
    return unheard


def _together(draft: Draft, said: Sequence[Said], kept: set[int], *, may_overrule: bool) -> Draft:
    claims = [each.claim.model_dump(mode="json") for each in said]
    found = draft.get("claims", [])
    observed = [each for i, each in enumerate(said) if i in kept and each.claim.kind == "observed"]
    aside = {each.aside for each in observed if may_overrule} - {""}
    covered = {(c.evidence, c.quote) for i, each in enumerate(said) if i in kept for c in each.claim.citations}
    first = len(claims)
    blocks = [Block(claims=list(range(first)))]
    default = [Block(claims=list(range(len(found))))]
    put_aside: list[int] = []
    for block in draft.get("blocks") or default:
        rest: list[int] = []
        falls = f"F{block.get('of', -1) + 1}" in aside  # what speaks for a finding goes where it goes
        for index in block.get("claims", []):
            if falls or f"F{index + 1}" in aside:
                put_aside.append(first + index)
            elif not is_covered(found[index], covered):
                rest.append(first + index)
        if rest:
            shortened = block.copy()
            shortened["claims"] = rest
            blocks.append(shortened)
    if put_aside:
        blocks.append(Block(title="Set aside, against what is cited above:", claims=put_aside, bullets=True))
    together = draft.copy()
    together.update(claims=[*claims, *found], blocks=blocks, needs_model=False, question="")
    together["missing"] = [each for each in draft.get("missing", []) if not each.startswith(UNFOLLOWED)]
    return together


def is_covered(claim: Mapping[str, Any], covered: set[tuple[str, str]]) -> bool:
    """Whether the model's claims rest on the same words already."""
    citations: Sequence[Mapping[str, str]] = claim.get("citations", [])
    return bool(citations) and all(
        any(digest == each["evidence"] and _flat(each["quote"]) in _flat(quote) for digest, quote in covered)
        for each in citations
    )


def _flat(quote: str) -> str:
    """A quote with single blanks: a model is shown it so, and quotes it so."""
    return " ".join(quote.split())


async def _known(final: str, shown: Sequence[Mapping[str, Any]], read: ReadEvidence) -> dict[str, Known]:
    """The evidence that the answer names."""
    found: dict[str, Known] = {}
    texts: dict[str, Evidence] = {}
    for number, each in enumerate(shown, 1):
        name = f"E{number}"
        if name not in final:
            continue
        digest = each["digest"]
        if digest not in texts and (evidence := await read(digest)) is not None:
            texts[digest] = evidence
        if digest in texts:
            found[name] = Known(texts[digest], each["source"])
    return found
