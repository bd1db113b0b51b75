"""The words of a text as they are compared: without their endings, identifiers in their parts."""

import re
from functools import lru_cache

WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
STOP = frozenset(
    """a an the this that these those it its itself they them their themselves there here he she we you i of in on at to
    from by for with
    as is are was were be been being am do does did done has have had will would can could may might shall should must
    and or but if then than so such into onto over under up down out about after before between during through while
    when where which who whom whose what why how because since until also only just very more most less least much many
    some any each every all both either other another same own again further once ever yet still even too""".split()  # noqa: SIM905
)
IRREGULAR = {
    "found": "find",
    "ran": "run",
    "sent": "send",
    "lost": "lose",
    "made": "make",
    "built": "build",
    "kept": "keep",
    "held": "hold",
    "threw": "throw",
    "thrown": "throw",
    "wrote": "write",
    "written": "write",
    "began": "begin",
    "begun": "begin",
    "took": "take",
    "taken": "take",
    "gave": "give",
    "given": "give",
    "got": "get",
    "went": "go",
    "gone": "go",
    "came": "come",
    "left": "leave",
    "read": "read",
    "chose": "choose",
    "chosen": "choose",
    "broke": "break",
    "broken": "break",
    "caught": "catch",
    "bound": "bind",
    "met": "meet",
    "fell": "fall",
    "rose": "rise",
    "grew": "grow",
    "drew": "draw",
    "children": "child",
    "indices": "index",
}


@lru_cache(8192)
def stem(word: str) -> str:
    """A word without its ending, so that `retries`, `retried` and `retry` are one."""
    word = word.lower()
    word = IRREGULAR.get(word, word)
    for ending, instead in (("ies", "y"), ("ied", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)] + instead
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sl":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def parts(identifier: str) -> list[str]:
    """The words of an identifier, lower case: of camelCase and snake_case."""
    return [part.lower() for part in _PART.findall(identifier)]


@lru_cache(4096)
def content(text: str) -> frozenset[str]:
    """The stems of the words that carry a text, identifiers whole and in parts."""
    found: set[str] = set()
    for word in WORD.findall(text):
        pieces = parts(word)
        for piece in (word.lower(), *pieces) if len(pieces) > 1 else (word.lower(),):
            if len(piece) > 1 and piece not in STOP:
                found.add(stem(piece))
    return frozenset(found)
