"""Reads a question: what kind of answer it wants, about what, under which constraints, and what to search for."""

import re
from collections.abc import Sequence
from typing import TypedDict

from groundswell.agents.words import STOP, WORD, content, stem
from groundswell.core.records import Turn

_ASIDE = frozenset(
    """please tell know want would could need like find look show give explain describe say says said mean means thing
    way ways question answer anyone someone somebody people person one ones us our my your me kind sort exactly
    currently now today actually really lot many much long often far old big high get gets got use used using do does
    work happen happens there's what's according page pages documentation docs document say information info""".split()  # noqa: SIM905
)
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (
            "money",
            r"\bhow much (?:does|do|is|are|will|would|did|must|should)\b|\b(?:price|cost|fee|charged?)\b(?!.*\bwhen\b)",
        ),
        (
            "duration",
            r"\bhow (?:long|soon|quickly|fast|often|frequently|old|late|early)\b|\bhow many (?:minutes|hours|days|weeks|months|years|seconds)\b|\bwithin (?:what|how many)\b|\bfor how long\b|\b(?:timeout|grace period|notice period|retention)\b",
        ),
        (
            "number",
            r"\bhow (?:many|much|large|big|far|high|tall|deep|wide|heavy|fast|small)\b|\bwhat (?:percentage|percent|number|share|amount|size|fraction)\b|\bwhich port\b|\bwhat port\b|\b(?:maximum|minimum) (?:number|size|length|amount)\b",
        ),
        (
            "date",
            r"\bwhen\b|\b(?:what|which) (?:date|day|year|month)\b|\bsince (?:when|which)\b|\bwhat time\b|\bby when\b|\buntil when\b",
        ),
        ("version", r"\b(?:what|which) (?:\w+ ){0,2}(?:version|release)\b"),
        ("person", r"\bwho(?:se|m)?\b"),
        (
            "howto",
            r"\bhow (?:do|can|should|could|would|to|does one|must|might)\b(?: (?:i|you|we|one|users?))?|\bhow to\b|\bsteps? (?:to|for)\b|\bwhat is the (?:way|procedure)\b",
        ),
        (
            "command",
            r"\b(?:what|which) (?:\w+ ){0,2}(?:command|flag|option|switch|environment variable|setting|variable|function|method|decorator|class|parameter|argument|key|field|header|endpoint|attribute|code)\b",
        ),
        ("reason", r"\bwhy\b|\bwhat (?:is|are) the reasons?\b|\bwhat causes\b"),
        (
            "place",
            r"\bwhere\b|\b(?:what|which) (?:country|city|place|region|building|room|file|folder|directory|path)\b",
        ),
        (
            "yesno",
            r"^(?:and |but |so |also )?(?:is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have|am)\b",
        ),
        (
            "list",
            r"\b(?:which|what) (?:\w+ ){0,3}(?:are|were|formats|kinds|types|languages|platforms|browsers|methods|options|plans)\b|\blist\b|\bname the\b",
        ),
        (
            "definition",
            r"^(?:what|who)(?:'s| is| are| was) (?:an? |the )?[\w `\"'.-]+\??$|\bwhat does .* (?:mean|stand for)\b|\bdefine\b|\bdefinition of\b|\bmeaning of\b",
        ),
    )
)
_SYNTHESIS = re.compile(
    r"\b(?:summari[sz]e|compare|pros and cons|write (?:me|a|an)|draft|translate|recommend|advise|rewrite|which is better|"
    r"what do you think|brainstorm|design)\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"`([^`]+)`|“([^”]+)”|\"([^\"]+)\"")
_VERSION = re.compile(
    r"(?<![\w.])v?(\d+(?:\.\d+)+)(?![\w.]\d)|\b(?:version|release|v)\s*(\d+(?:\.\d+)*)\b", re.IGNORECASE
)
_YEAR = re.compile(r"(?<![\w.])((?:19|20)\d\d)(?![\w.]\d)")
_NUMBER = re.compile(r"(?<![\w.])(\d+(?:[.,]\d+)*)(?![\w]|\.\d)")
_NAME = re.compile(r"(?<![.?!]\s)(?<!^)\b([A-Z][\w-]*[a-z0-9A-Z](?:\s+(?:of\s+|the\s+)?[A-Z][\w-]+)*)")
_IDENTIFIER = re.compile(r"\b[\w.]*(?:_|::|->|\(\)|[a-z0-9][A-Z]|\w\.\w)[\w.:()]*|(?<!\w)--?[A-Za-z][\w-]+")
_NEGATIVE = re.compile(
    r"\b(?:not|never|no longer|without|cannot|except|isn't|aren't|don't|doesn't|can't|won't)\b", re.IGNORECASE
)
_FOLLOWS = re.compile(
    r"^(?:and|but|so|what about|how about|also|then)\b|\b(?:it|its|they|them|that one|this one|those)\b", re.IGNORECASE
)
_LATEST = re.compile(r"\b(?:latest|newest|current(?:ly)?|now|today|most recent)\b", re.IGNORECASE)


class Asked(TypedDict):
    """A question as data."""

    text: str
    kind: str
    terms: list[str]  # stems that an answer must be about
    names: list[str]  # of things: each must be what the passage is about
    versions: list[str]
    years: list[str]
    numbers: list[str]
    negative: bool
    latest: bool
    needs_model: bool
    queries: list[str]


def asked(question: str, history: Sequence[Turn] = ()) -> Asked:
    """Read a question; one that refers back takes the names of the question before it."""
    text = " ".join(question.split())
    whole = text
    if history and _FOLLOWS.search(text):
        whole = f"{text} ({history[-1].question})"
    bare = re.sub(r"^\W+|\W+$", "", text)
    kind = next((name for name, pattern in _KINDS if pattern.search(bare)), "fact")
    versions = [one or other for one, other in _VERSION.findall(whole)]
    years = [year for year in _YEAR.findall(whole) if year not in versions]
    numbers = [n for n in _NUMBER.findall(whole) if n not in versions and n not in years]
    names = _names(whole)
    terms = _terms(whole)
    words = [word for word in WORD.findall(whole) if word.lower() not in STOP | _ASIDE]
    queries = list(dict.fromkeys(query for query in (text, " ".join([*words, *versions, *years])) if query))
    return Asked(
        text=text,
        kind=kind,
        terms=terms,
        names=names,
        versions=versions,
        years=years,
        numbers=numbers,
        negative=_NEGATIVE.search(text) is not None,
        latest=_LATEST.search(text) is not None,
        needs_model=_SYNTHESIS.search(text) is not None,
        queries=[query.lstrip(":/")[:300] for query in queries],
    )


def _terms(text: str) -> list[str]:
    """The stems that carry the question, in order."""
    found: dict[str, None] = {}
    for word in WORD.findall(re.sub(r"['\N{RIGHT SINGLE QUOTATION MARK}]s\b", "", text)):
        lower = word.lower()
        if len(lower) < 2 or lower in STOP or lower in _ASIDE:
            continue
        found[stem(lower)] = None
    return list(found) or sorted(content(text))


def _names(text: str) -> list[str]:
    """Names in the question: quoted, identifiers, or with a capital inside the sentence."""
    found: dict[str, None] = {}
    for groups in _QUOTED.findall(text):
        found[next(filter(None, groups))] = None
    bare = _QUOTED.sub(" ", text)
    for name in _IDENTIFIER.findall(bare):
        if len(name) > 2:
            found[name.strip(".")] = None
    for match in _NAME.finditer(bare):
        name = match.group(1)
        if name.lower() not in STOP and name != "I":
            found[name] = None
    return list(found)
