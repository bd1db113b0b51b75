"""How like a text is to what an agent says it is for: for agents that the classifier was not trained on."""

from collections.abc import Awaitable, Callable, Sequence

from groundswell.services.router import features

_WORDS = """
a an and any are as at be by can do does for from how i in is it its me my of on or our show so something tell that the
this to use uses we what when where which who why with you your
"""
STOP = frozenset(_WORDS.split())
SHORT = 3  # letters of a word that stand for it whatever its ending
MOST = 0.9
NEAR, SAME = 0.4, 0.8  # cosine of MiniLM vectors: from unrelated to the same thing said


async def likeness(
    text: str,
    intents: Sequence[str],
    vector: Sequence[float] | None,
    embed: Callable[[str], Awaitable[Sequence[float] | None]] | None,
) -> float:
    """From 0 to 0.9, for the intent that is nearest: by its words, and by meaning where there are vectors."""
    said = {_root(word) for word in features.words(features.read(text))}
    best = max((_by_words(said, intent) for intent in intents), default=0.0)
    if vector is None or embed is None:
        return best
    for intent in intents:
        other = await embed(intent)
        if other is not None:
            cosine = sum(one * two for one, two in zip(vector, other, strict=True))
            best = max(best, MOST * min(max((cosine - NEAR) / (SAME - NEAR), 0.0), 1.0))
    return best


def _by_words(said: set[str], intent: str) -> float:
    """The share of an intent's words that are said; one word alone never says enough."""
    wanted = {_root(word) for word in features.words(intent) if word.isalpha() and word not in STOP}
    found = len(wanted & said)
    return MOST * found / len(wanted) * found / (found + 1) if found else 0.0


def _root(word: str) -> str:
    for ending in ("ing", "ies", "es", "ed", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= SHORT:
            return word.removesuffix(ending)
    return word
