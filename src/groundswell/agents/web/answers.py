"""Makes an answer of quotes: the best one first, sources that differ side by side, or nothing."""

import re
from collections.abc import Sequence

from groundswell.agents.drafts import Block, Draft
from groundswell.agents.mentions import mentions
from groundswell.agents.web.question import Asked
from groundswell.agents.web.ranking import THRESHOLD, Unit
from groundswell.agents.web.units import Span, cells, spans
from groundswell.agents.words import content
from groundswell.core.records import Citation, Claim, Passage

MORE = 3  # claims beside the first
CLOSE = 0.88  # of the best score: what of another page may stand beside it; it may say otherwise
CLOSER = 0.95  # and what of the same page
LONGEST = 420  # characters of one quote that is shown
_TOLD_AT_LENGTH = frozenset({"reason", "howto", "definition", "fact", "yesno"})  # a second sentence helps
ITEMS = 12  # of a list
_MARKS = re.compile(r"\*\*|__|(?<!\w)[*](?=\w)|(?<=\w)[*](?!\w)")
_LINK = re.compile(r"!?\[([^\]]*)\]\((?:[^()]|\([^)]*\))*\)")
_ROLE = re.compile(r"(?::[\w:+-]+:|\{[\w:+.-]+\})`~?([^`<]*?)(?:\s*<[^>]*>)?`")
_REMARK = re.compile(r"^[ \t]*(?:#|//|;|--)(?:[ \t]+|$)", re.MULTILINE)
_BULLET = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+")


def draft(question: Asked, units: Sequence[Unit], passages: Sequence[Passage], searched: Sequence[str]) -> Draft:
    """The answer before its claims are checked."""
    best = units[0] if units else None
    if best is None or best["score"] < THRESHOLD:
        return Draft(claims=[], missing=[*_unsaid(question, best, passages), *searched], needs_model=False)
    chosen = _chosen(question, units, passages)
    claims: list[Claim] = []
    blocks: list[Block] = []
    several = len({_page(passages[unit["passage"]]) for group in chosen for unit in group}) > 1
    for group in chosen:
        first = len(claims)
        for unit in group:
            claims.extend(_claims(question, unit, passages))
        title = _label(passages[group[0]["passage"]], several=several)
        bullets = len(claims) - first > 2
        blocks.append(Block(title=title, claims=list(range(first, len(claims))), bullets=bullets))
    missing = [text for text in searched if not text.startswith(("searched", "read"))]
    return Draft(
        claims=[claim.model_dump(mode="json") for claim in claims],
        blocks=blocks,
        missing=missing,
        needs_model=question["needs_model"],
    )


def _chosen(question: Asked, units: Sequence[Unit], passages: Sequence[Passage]) -> list[list[Unit]]:
    """The best unit, and what of other pages says the same or something else; newest first where they differ."""
    best = units[0]
    groups: dict[str, list[Unit]] = {_page(passages[best["passage"]]): [best]}
    taken = {_plain(best["text"])}
    for unit in units[1:]:
        if len(taken) > MORE or unit["score"] < best["score"] * CLOSE or unit["score"] < THRESHOLD:
            break
        if set(unit["missing"]) - set(best["missing"]) or _plain(unit["text"]) in taken:
            continue
        page = _page(passages[unit["passage"]])
        if page in groups and unit["score"] < best["score"] * CLOSER:
            continue
        if len(groups.get(page, [])) >= 2 or len(groups) + (page not in groups) > 3:
            continue
        taken.add(_plain(unit["text"]))
        groups.setdefault(page, []).append(unit)
    ordered = list(groups.values())
    if len(ordered) > 1 and _differ(ordered[0][0], ordered[1][0]):
        ordered.sort(key=lambda group: passages[group[0]["passage"]].updated, reverse=True)
    return ordered


def _differ(one: Unit, other: Unit) -> bool:
    """Whether two pieces name different numbers or days."""
    mine, theirs = mentions(one["text"]), mentions(other["text"])
    numbers = {number.amount for number in mine.numbers} ^ {number.amount for number in theirs.numbers}
    return bool(numbers) or set(mine.days) != set(theirs.days)


def _claims(question: Asked, unit: Unit, passages: Sequence[Passage]) -> list[Claim]:
    """A quote as claims: a row as its cells, a list's item with the whole list where all of it is asked for."""
    passage = passages[unit["passage"]]
    around = spans(passage.excerpt.text, passage.columns)
    span = around[unit["span"]]
    if span.kind == "row":
        return [_of_row(span, passage)]
    if _asks_all(question, span, around, unit["span"]):
        whole = [
            each for each in around if each.group == _list_group(span, around, unit["span"]) and each.kind == "item"
        ]
        lead = span.text if span.kind != "item" else span.before  # it says of what these are, and often how many
        leads = [lead] if lead.rstrip("*_ ").endswith(":") and lead in passage.excerpt.text else []
        return [_claim(each, passage) for each in [*leads, *(each.text for each in whole[:ITEMS])]]
    found = [_claim(span.text, passage)]
    follower = around[unit["span"] + 1] if unit["span"] + 1 < len(around) else None
    if follower is None:
        return found
    leads_in = span.text.rstrip("*_ ").endswith(":")  # by itself it says nothing
    if follower.kind == "code" and (leads_in or question["kind"] in ("howto", "command", "fact")):
        found.append(_claim(follower.text, passage))
    elif follower.kind == "sentence" and follower.group == span.group:
        says_more = any(term in content(follower.text) - content(span.text) for term in question["terms"])
        if says_more or question["kind"] in _TOLD_AT_LENGTH:
            found.append(_claim(follower.text, passage))
    return found


def _asks_all(question: Asked, span: Span, around: Sequence[Span], place: int) -> bool:
    if _leads(span, around, place):  # by itself it says nothing
        return True
    return (question["kind"] == "list" and span.kind == "item") or (question["kind"] == "howto" and span.step)


def _leads(span: Span, around: Sequence[Span], place: int) -> bool:
    following = around[place + 1] if place + 1 < len(around) else None
    return following is not None and following.kind == "item" and span.text.rstrip("*_ ").endswith(":")


def _list_group(span: Span, around: Sequence[Span], place: int) -> int:
    return span.group if span.kind == "item" else around[place + 1].group


def _claim(text: str, passage: Passage) -> Claim:
    quote = _cut(text)
    return Claim(text=_shown(quote), citations=(_citation(quote, passage),))


def _of_row(span: Span, passage: Passage) -> Claim:
    """`Plan: Team · Price: $20`: each cell under its column."""
    values = cells(span.text)
    names = list(span.columns) + [""] * (len(values) - len(span.columns))
    parts = [f"{name}: {value}" if name else value for name, value in zip(names, values, strict=False) if value]
    citations = [_citation(span.text, passage)]
    if span.head and span.head in passage.excerpt.text:
        citations.append(_citation(span.head, passage))
    return Claim(text=_shown(" · ".join(parts)), citations=tuple(citations))


def _citation(quote: str, passage: Passage) -> Citation:
    return Citation(evidence=passage.excerpt.digest, source=passage.excerpt.source, quote=quote)


def _cut(text: str) -> str:
    """A quote of readable length, cut between words."""
    if len(text) <= LONGEST:
        return text
    return text[: text.rfind(" ", 0, LONGEST)] if " " in text[:LONGEST] else text[:LONGEST]


def _shown(text: str) -> str:
    """A quote without what is only markup."""
    if _REMARK.match(text):  # line by line, as its comments break their sentences
        return "\n".join(line.strip() for line in _REMARK.sub("", text).split("\n"))
    text = _BULLET.sub("", text)
    text = _ROLE.sub(lambda match: f"`{match.group(1).strip()}`", _LINK.sub(lambda match: match.group(1), text))
    text = _MARKS.sub("", text).replace("``", "`")
    if "\n" in text and not text.startswith((" ", "\t")):
        text = re.sub(r"\s*\n\s*", " ", text)
    return text.strip()


def _label(passage: Passage, *, several: bool) -> str:
    """Where it stands, as people say it: a label, which states nothing."""
    place = " › ".join(dict.fromkeys([passage.page, *passage.headings[-2:]]))
    when = f" ({passage.updated})" if passage.updated and several else ""
    return f"{place}{when}:"


def _unsaid(question: Asked, best: Unit | None, passages: Sequence[Passage]) -> list[str]:
    """What is not there: the words that the nearest passage does not have."""
    if best is None:
        return []
    passage = passages[best["passage"]]
    said = re.findall(r"[\w.'-]+", question["text"])
    lacking = [word for word in said if any(word.lower().startswith(term[:5]) for term in best["missing"])]
    about = f"; it says nothing of {', '.join(dict.fromkeys(lacking))}" if lacking else ""
    return [f"the nearest is “{' › '.join(dict.fromkeys([passage.page, *passage.headings[-1:]]))}”{about}"]


def _page(passage: Passage) -> str:
    return re.sub(r"#L\d+(?:-L\d+)?$", "", passage.excerpt.source)


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().lower()
