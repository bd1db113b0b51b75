"""Ways to make a true claim false, one at a time: what grounding must refuse."""

import re
from collections.abc import Iterator

from groundswell.agents.mentions import MONTHS as _LOWER

MONTHS = [month.capitalize() for month in _LOWER]
NAMES = {
    "code": ["`backoff`", "`ValueError`", "`SessionCache`", "`load_all`"],
    "kebab": ["billing-6f7d9-zzzzz", "redis-primary", "cart-api"],
    "proper": ["Nairobi", "Toulouse", "Bianchi", "Juno"],
    "path": ["src/other/module.py", "lib/wrong.go"],
}
_KINDS = {
    "code": r"`[^`]+`",
    "path": r"(?<![\w/`])(?:[\w-]+/)+[\w-]+\.[a-z]+(?=:\d|[ ,.])",
    "kebab": r"(?<![\w`/-])[a-z]+-[a-z0-9-]*[a-z0-9]\b(?!/)",
    "proper": r"(?<=[a-z,] )[A-Z][a-z]{3,}\b|^[A-Z][a-z]{3,}(?= (?:was|is|talks))",
}
# what says that something is so, and how it is denied
_DENIALS = [
    (r"\bis\b", "is not"),
    (r"\bare\b", "are no longer"),
    (r"\bwas\b", "was never"),
    (r"\bmakes\b", "does not make"),
    (r"\bran\b", "did not run"),
    (r"\bhas\b", "has no"),
    (r"\bcarries\b", "doesn't carry"),
    (r"\breturns\b", "never returns"),
    (r"\bruns\b", "no longer runs"),
    (r"\bcatches\b", "fails to catch"),
    (r"\bdoubles\b", "doesn't double"),
    (r"\btakes\b", "does not take"),
    (r"\bsets\b", "never sets"),
    (r"\brestarted\b", "did not restart"),
    (r"\bcost\b", "did not cost"),
    (r"\bretries\b", "fails to retry"),
    (r"\bexited\b", "didn't exit"),
    (r"\bused\b", "did not use"),
    (r"\bsays\b", "does not say"),
    (r"\bexpire\b", "never expire"),
    (r"\bstarted\b", "was not started"),
    (r"\bstood\b", "never stood"),
    (r"\btalks\b", "does not talk"),
    (r"\blogs\b", "never logs"),
]
_AFFIRMATIONS = [
    (r"\bis never\b", "is"),
    (r"\bare not\b", "are"),
    (r"\bwas not\b", "was"),
    (r"\bdid not extend\b", "extended"),
    (r"\bcould not be\b", "was"),
    (r"\bno longer work\b", "work"),
    (r"\bcannot be resumed: they are not\b", "can be resumed: they are"),
]


def numbers(claim: str) -> Iterator[str]:
    """Each number one off, doubled, and with another digit."""
    for match in re.finditer(r"(?<![\w`.-])\d+(?![\w-]|\.\d)", claim):
        value = int(match.group())
        for other in (value + 1, abs(value - 1), value * 2 + 1, value * 10 + 3):
            if other != value:
                yield claim[: match.start()] + str(other) + claim[match.end() :]


def names(claim: str) -> Iterator[str]:
    """Each name exchanged for another of its kind, and each identifier with a letter too many or too few."""
    for kind, pattern in _KINDS.items():
        for match in re.finditer(pattern, claim):
            if match.group() in MONTHS or match.group().endswith("day"):
                continue
            for other in NAMES[kind]:
                if other.strip("`") not in claim:
                    yield claim[: match.start()] + other + claim[match.end() :]
    for match in re.finditer(r"`(\w{4,})`", claim):
        name = match.group(1)
        for other in (f"{name}s", f"_{name}", name[:-1], name[0] + name[2:]):
            yield claim[: match.start(1)] + other + claim[match.end(1) :]


def dates(claim: str) -> Iterator[str]:
    """Another month, another year, another day of the week."""
    for month in MONTHS:
        if re.search(rf"\b{month}\b", claim):
            yield from (re.sub(rf"\b{month}\b", other, claim) for other in MONTHS if other != month)
    for match in re.finditer(r"\b20\d\d\b", claim):
        yield from (claim[: match.start()] + str(int(match.group()) + by) + claim[match.end() :] for by in (-1, 1, 4))
    if "Tuesday" in claim:
        yield from (claim.replace("Tuesday", day) for day in ("Monday", "Friday"))


def negations(claim: str) -> Iterator[str]:
    """What is said denied, or what is denied said."""
    affirmed = [re.sub(pattern, text, claim, count=1) for pattern, text in _AFFIRMATIONS if re.search(pattern, claim)]
    if affirmed:
        yield from affirmed
        return
    for pattern, text in _DENIALS:
        if re.search(pattern, claim):
            yield re.sub(pattern, text, claim, count=1)
