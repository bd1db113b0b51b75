"""What a question asks about how code behaves: its lines can be found without a model, but not followed."""

import re

from groundswell.agents.coding.question import Asked
from groundswell.agents.drafts import UNFOLLOWED

_KINDS = ("topic", "explanation", "members")  # the others answer what they were asked
_AND = r"^\W*(?:and |but |so |also |then )?"
_ASKS = (
    (re.compile(r"\bwhy\b|\bhow come\b|\bwhat (?:is|are|was) the reasons?\b", re.I), "the reason"),
    (
        re.compile(
            r"\bwhat (?:happens|would|will|could|goes wrong|if)\b|\bwhat\b[^?]{1,80}\b(?:if|when|while|unless|after)\b"
            r"|\bwhat is the (?:effect|consequence|impact|difference)\b",
            re.I,
        ),
        "what happens when it runs",
    ),
    (re.compile(_AND + r"how (?:does|do|is|are|did|can|will|would|long|often|many|much|fast)\b", re.I), "how it works"),
    (
        re.compile(
            _AND + r"(?:does|do|did|is|are|was|were|can|could|will|would|should|must|may|might|has|have)\b", re.I
        ),
        "yes or no",
    ),
    (re.compile(r"\b(?:when|under (?:what|which)|in (?:what|which) (?:case|order))\b", re.I), "when it does so"),
)
_LONGEST = 120


def unfollowed(asked: Asked) -> str:
    """What of a question is not answered by the lines that were found; "" where nothing is."""
    text = " ".join(asked["text"].split())
    if asked["kind"] not in _KINDS or asked["member"]:
        return ""
    what = next((what for pattern, what in _ASKS if pattern.search(text)), "")
    if not what:
        return ""
    said = text if len(text) <= _LONGEST else f"{text[:_LONGEST].rsplit(' ', 1)[0]}…"
    return f"{UNFOLLOWED} {what} (“{said}”): the lines above are where it stands, and nothing followed what they do"
