"""A question that asks several things, taken apart: `where is X defined, and who uses it`."""

import re

from groundswell.agents.coding.phrasings import MAKE, REPORT, TRACE

_MOST = 4  # questions in one
_LONGEST = 60  # words; what is longer is a report
_ASKS = (
    r"who(?:m|se)?|what|where|which|how|is|are|does|do|(?:list|show|explain|describe|find|tell|give)\s+(?:me\s+)?"
    r"(?:(?:what|where|who|how|which|the|its|their|all|every)\b|it\b)"
)
_NEXT = re.compile(
    rf"\s*(?:[,;?.]\s*|\s)(?:and|also|then|plus|but)\s+(?:also\s+|then\s+)?(?=(?:{_ASKS})\b)", re.IGNORECASE
)
_ALSO = re.compile(rf"\s*[,;?]\s+(?=(?:{_ASKS})\b)", re.IGNORECASE)
_SECOND_VERB = re.compile(
    r"^(?P<asks>\s*where(?:'s|\s+is|\s+are)\s+(?P<x>.+?))\s+(?P<first>\w+(?:ed|wn|nt|ilt|und|lt))"
    r"(?:\s*,\s*|\s+)(?:and|or)\s+(?:where\s+)?(?P<second>\w+(?:ed|wn|ilt|und))[\s?!.]*$",
    re.IGNORECASE,
)


def clauses(text: str) -> list[str]:
    """The questions in a question, in order; a second verb asks about the subject of the first."""
    if len(text.split()) > _LONGEST or TRACE.search(text) or REPORT.search(text) or MAKE.search(text):
        return [text]
    parts = [part for whole in _NEXT.split(text) for part in _ALSO.split(whole) if part.strip()]
    if len(parts) > _MOST or not re.match(rf"\s*(?:{_ASKS})\b", text, re.IGNORECASE):
        return [text]
    return [clause for part in parts for clause in _by_verb(part)] or [text]


def _by_verb(clause: str) -> list[str]:
    """`where is X defined and returned` as two questions."""
    match = _SECOND_VERB.match(clause)
    if match is None:
        return [clause]
    return [f"{match.group('asks')} {match.group(verb)}" for verb in ("first", "second")]
