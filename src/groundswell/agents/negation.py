"""Whether two texts that speak of the same thing say the opposite of it."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from groundswell.agents.words import WORD, content, stem

_CUE = re.compile(
    r"""\b(?:not(?!\s+only\b)|never|no(?!\s+(?:doubt|more\s+than|less\s+than)\b)|none|nobody|nothing|nowhere|neither|nor
    |cannot|without|lack(?:s|ed|ing)?|fail(?:s|ed|ure|ures|ing(?=\ to\b))?|unable|refus(?:e|es|ed|ing)|missing|absent
    |hardly|except|instead|rather\ than|stop(?:s|ped|ping)?(?=\s+\w+ing\b))\b
    |n['\N{RIGHT SINGLE QUOTATION MARK}]t\b""",
    re.IGNORECASE | re.VERBOSE,
)
_CODE_CUE = re.compile(r"!(?=[\w(=])|\bnot\b|\bno\b|\bnever\b|\bwithout\b|\bunless\b|n't\b|\bcannot\b|\bfail", re.I)
_CODE = re.compile(
    r"[=;{}\[\]<>|&]|\w\(|->|^\s*(?:@|#include|def |class |import |from \S+ import|return\b|if .*:$|elif |else\b|raise "
    r"|func |fn |pub |const |let |var |export |for .*:$|while |try\b|except\b|catch\b|throw |finally\b|with .*:$"
    r"|async |await |yield |package |use |type |type:)",
    re.MULTILINE,
)
_STRING = re.compile(r"\"[^\"]*\"|'[^']*'|`[^`]*`")
_BOUNDARY = re.compile(
    r"""[.,;:!?](?=\s|$)|["()\[\]{}=|\n]|\s[-–—]\s|[“”]|\b(?:and|but|because|when|whenever|if|unless|while|although
    |though|since|so|then|which|who|whose|after|before|until|however|therefore|whereas|or)\b
    |(?=\b(?:without|instead|rather\ than|except|with\ no)\b)""",
    re.IGNORECASE | re.VERBOSE,
)
_PREFIXES = ("un", "in", "im", "ir", "dis", "non", "not")
_OPPOSITES = (
    "enable disable",
    "allow deny",
    "allow forbid",
    "accept reject",
    "increase decrease",
    "rise fall",
    "grow shrink",
    "above below",
    "include exclude",
    "true false",
    "present absent",
    "encrypt decrypt",
)
OPPOSITES: dict[str, set[str]] = {}
for _pair in _OPPOSITES:
    _one, _other = (stem(word) for word in _pair.split())
    OPPOSITES.setdefault(_one, set()).add(_other)
    OPPOSITES.setdefault(_other, set()).add(_one)


class Clause(NamedTuple):
    """A part of a sentence with one polarity; None where code leaves it open."""

    words: frozenset[str]
    negative: bool | None


def contradicts(claim: str, contexts: Iterable[tuple[str, bool]], *, supported: bool = True) -> bool:
    """Whether a claim denies what its contexts say, or says what they deny; each is a text, and whether it is code.

    `supported`: a claim that denies something also needs a context that does. What a claim only quotes is not its own.
    """
    own = re.sub(r"`[^`]*`|“[^”]*”|\"[^\"]*\"", lambda match: f" {_names_only(match.group())} ", claim)
    contexts = list(contexts)
    mine = clauses(own, known=frozenset[str]().union(*(content(text) for text, _ in contexts)))
    theirs = [clause for text, code in contexts for clause in _context(text, code, _all(mine))]
    if any(_opposed(clause, theirs, supported) or _left_out(clause, theirs) for clause in mine):
        return True
    return _opposite_words(mine, theirs)


def _names_only(quoted: str) -> str:
    """The words of a name; that one of them is `not` or `missing` denies nothing. What is longer is only quoted."""
    if quoted[0] != "`" or " " in quoted:
        return ""
    return " ".join(word for word in WORD.findall(quoted) if not _CUE.fullmatch(word))


def _context(text: str, code: bool, known: frozenset[str]) -> list[Clause]:
    if not code:
        return clauses(text, known=known)
    found: list[Clause] = []
    for line in text.splitlines():
        if is_code(line):
            bare = _STRING.sub(" ", line)
            found.append(Clause(content(bare), None if _CODE_CUE.search(bare) else False))
            found.extend(each for text in _STRING.findall(line) for each in clauses(text[1:-1], known=known))
        else:
            found.extend(clauses(line, known=known))
    return found


def clauses(text: str, *, known: frozenset[str] = frozenset()) -> list[Clause]:
    """The clauses of a text. A word like `unavailable` counts as a negation of `available` if that one is known."""
    found: list[Clause] = []
    for piece in _BOUNDARY.split(text):
        if not piece or not piece.strip():
            continue
        cues = len(_CUE.findall(piece))
        words: set[str] = set()
        for word in content(_CUE.sub(" ", piece)):
            base = _unprefixed(word, known)
            cues += base != word
            words.add(base)
        if words or cues:
            found.append(Clause(frozenset(words), cues % 2 == 1))
    return found


def is_code(text: str) -> bool:
    """Whether a quote from a source file is code rather than a sentence in a comment."""
    return _CODE.search(text) is not None


def _all(clauses_: Iterable[Clause]) -> frozenset[str]:
    return frozenset(word for clause in clauses_ for word in clause.words)


def _unprefixed(word: str, known: frozenset[str]) -> str:
    if word in known:
        return word
    for prefix in _PREFIXES:
        base = word.removeprefix(prefix)
        if base != word and len(base) >= 4 and (base in known or stem(base) in known):
            return base if base in known else stem(base)
    return word


def _opposed(claim: Clause, context: Sequence[Clause], supported: bool) -> bool:
    """Whether the clauses that share most with this one all have the other polarity."""
    shares = [(len(claim.words & other.words), other.negative) for other in context]
    best = max((share for share, _ in shares), default=0)
    if best == 0:  # nothing here speaks of it
        is_open = any(negative is not False for _, negative in shares)
        return bool(claim.negative) and supported and not is_open
    if claim.negative and any(other.negative and other.words and other.words <= claim.words for other in context):
        return False  # a short clause denies for the one before it: `on Linux, but not on Windows`
    return all(negative not in (None, claim.negative) for share, negative in shares if share == best)


def _left_out(claim: Clause, context: Sequence[Clause]) -> bool:
    """Whether the claim has all of what the context only says is not there: `with a lock` for `without a lock`."""
    if claim.negative:
        return False
    there = _all(clause for clause in context if clause.negative is not True)
    return any(clause.negative and clause.words <= claim.words - there for clause in context if clause.words)


def _opposite_words(mine: Iterable[Clause], theirs: Iterable[Clause]) -> bool:
    """Whether a claim says `enabled` where the context only says `disabled`."""
    said, there = _all(mine), _all(theirs)
    return any(
        word not in there and OPPOSITES[word] & there and not OPPOSITES[word] & said
        for word in said
        if word in OPPOSITES
    )
