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
    whether work happen happens back per whole take takes there's what's according page pages
    documentation docs document say information info""".split()  # noqa: SIM905
)
_SAYING = frozenset({"own", "without"})  # stop words that say something
_THINGS = (
    "command|flag|option|switch|environment variable|setting|variable|function|method|decorator|class|parameter|"
    "argument|key|field|header|endpoint|attribute|code|module|package|file|exception|hook"
)
_ADJECTIVES = "large|big|far|high|tall|deep|wide|heavy|fast|small|hot|cold|thick|strong|loud"
_PATTERNS = {
    "length": (r"\bhow long (?:must|should|can|may|might|is allowed to)\b.*\bbe\b", r"\bhow (?:wide|tall|deep|far)\b"),
    "duration": (
        r"\bhow (?:long|soon|quickly|often|frequently|old|late|early)\b",
        r"\bhow fast (?:is|are|does|do|will|can)\b",
        r"\bhow many (?:minutes|hours|days|weeks|months|years|seconds)\b",
        r"\bwithin (?:what|how many)\b|\bfor how long\b|\b(?:grace|notice|trial) period\b",
    ),
    "number": (
        r"\bhow many\b",
        rf"\bhow (?:{_ADJECTIVES})\b",
        r"\bhow much (?:does|do|did|can|could|will|may)\b.*\b(?:weigh|hold|carry|lift|store|contain|use|need|take)\b",
        r"\b(?:what|which) (?:percentage|percent|number|share|amount|size|fraction|port|status code|temperature)\b",
        r"\bat (?:what|which) (?:\w+ )?(?:temperature|speed|size|height|depth|level|rate|port)\b",
        r"\b(?:maximum|minimum|max|min) (?:number|size|length|amount|weight|value|depth|speed)\b",
    ),
    "amount": (
        r"\bhow much\b",
        r"\bwhat (?:is|are|was) the (?:\w+ ){0,3}(?:price|cost|fee|fine|rate|salary|budget|allowance|deposit|fees)\b",
        r"\bwhat (?:does|do|did) .*\bcost\b",
    ),
    "date": (
        r"^(?:since |until |by |from )?when\b(?! (?:i|we|you|should|a|an|the)\b.*,)|[,;] ?when\b",
        r"\b(?:what|which) (?:date|day|year|month)\b|\bsince (?:when|which)\b",
        r"\b(?:at|until|from|by) what time\b|\b(?:by|until) when\b",
    ),
    "version": (r"\b(?:what|which) (?:\w+ ){0,2}(?:version|release)\b", r"\bsince which\b"),
    "person": (r"\bwho(?:se|m)?\b",),
    "howto": (
        r"\bhow (?:do|can|should|could|would|to|does one|must|might)\b",
        r"\bsteps? (?:to|for)\b|\bwhat (?:must|should|do) (?:i|we|you) do\b|\bwhat is the (?:way|procedure)\b",
    ),
    "command": (rf"\b(?:what|which) (?:\w+ ){{0,2}}(?:{_THINGS})s?\b",),
    "reason": (r"\bwhy\b|\bwhat (?:is|are) the reasons?\b|\bwhat causes\b",),
    "place": (r"\bwhere\b", r"\b(?:what|which) (?:country|city|place|region|building|room|folder|directory|path)\b"),
    "yesno": (
        r"^(?:and |but |so |also )?(?:is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have|am)\b",
    ),
    "list": (
        r"\b(?:which|what) (?:\w+ ){0,3}(?:are|were|formats|kinds|types|languages|platforms|"
        r"browsers|methods|options)\b",
        r"\blist\b|\bname the\b",
    ),
    "definition": (
        r"^(?:what|who)(?:'s| is| are| was) (?:an? |the )?[\w `\"'.-]+\??$",
        r"\bwhat does .* (?:mean|stand for)\b|\bdefin(?:e|ition)\b|\bmeaning of\b",
    ),
}
_KINDS = tuple((kind, re.compile("|".join(found), re.IGNORECASE)) for kind, found in _PATTERNS.items())
# what a question of a kind calls the thing it asks for: its answer need not use the word
_OF_KIND = {
    kind: frozenset(map(stem, re.findall(r"\w+", words)))
    for kind, words in {
        "command": _THINGS,
        "date": "year date day month time",
        "version": "version release",
        "duration": "minute hour day week month year second fast time",
        "number": "number percentage percent amount status code port value",
        "amount": "much amount",
        "place": "place path city country region building room",
        "length": "far",
    }.items()
}
_HOW = re.compile(
    r"\bhow (?:quickly|soon|often|frequently|long|old|late|early|fast|large|big|high|deep)\b", re.IGNORECASE
)
_COUNTED = re.compile(
    r"\bhow many (?:(?:more|different|other|of the) )?((?:[\w-]+ ){0,2}?[\w-]+?)\b(?= (?:of|for|in|on|at|"
    r"is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have|had|per|a|an|the|i|we|you)\b|\?|$)",
    re.IGNORECASE,
)
_SYNTHESIS = re.compile(
    r"\b(?:summari[sz]e|compare|pros and cons|write (?:me|a|an)|draft|translate|recommend|"
    r"advise|rewrite|which is better|"
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


_MANNER = re.compile(  # how it should be done: pages that say how seldom say what that spares
    r"\bwithout (?:having to |needing to |the need to )?(?:\w+ing|\w+(?= it\b| them\b))\b(?: (?:it|them|anything))?",
    re.IGNORECASE,
)
_PHRASAL = tuple(  # a verb whose second half stands behind its object, and the one word that pages have for it
    (re.compile(rf"\b(?:{first})(?:s|ed|ing)?\s((?:[\w'-]+\s){{0,4}}?){second}\b", re.IGNORECASE), verb)
    for first, second, verb in (
        ("turn|switch|shut", "off", "disable"),
        ("turn|switch", "on", "enable"),
        ("leave|keep", "out", "exclude"),
        ("take", "back", "return"),
        ("give", "up", "abandon"),
        ("set", "up", "setup"),
    )
)


class Asked(TypedDict):
    """A question as data."""

    text: str
    kind: str
    counted: list[str]  # stems of what `how many` counts
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
    terms = _terms(whole, _OF_KIND.get(kind, frozenset()))
    counted = _COUNTED.search(text)
    words = [word for word in WORD.findall(whole) if word.lower() not in STOP | _ASIDE]
    queries = list(dict.fromkeys(query for query in (text, " ".join([*words, *versions, *years])) if query))
    return Asked(
        text=text,
        kind=kind,
        counted=[stem(word) for word in WORD.findall(counted.group(1)) if word.lower() not in _ASIDE]
        if counted
        else [],
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


def _is_aside(word: str) -> bool:
    return word in _ASIDE or (word.endswith("s") and word[:-1] in _ASIDE)


def _terms(text: str, of_kind: frozenset[str]) -> list[str]:
    """The stems that carry the question, in order."""
    found: dict[str, None] = {}
    text = _MANNER.sub(" ", _HOW.sub("how", text))
    for pattern, verb in _PHRASAL:
        text = pattern.sub(rf"{verb} \1", text)
    for word in WORD.findall(re.sub(r"['\N{RIGHT SINGLE QUOTATION MARK}]s\b", "", text)):
        lower = word.lower()
        if len(lower) < 2 or (lower in STOP and lower not in _SAYING) or _is_aside(lower):
            continue
        found[stem(lower)] = None
    others = [term for term in found if term not in of_kind]
    return others or list(found) or sorted(content(text))


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
