"""An answer as a model writes it becomes claims: each sentence with the evidence it names."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from groundswell.agents.words import content
from groundswell.core.records import Citation, Claim, Evidence

_ITEM = r"E(\d+)(?:\s*[:,]?\s*(?:\"((?:[^\"\\]|\\.)*)\"|“([^”]*)”|`([^`]*)`))?"
_BARE = re.sub(r"\((?!\?)", "(?:", _ITEM)
_CITED = re.compile(rf"\[\s*{_BARE}(?:\s*[;,]?\s*{_BARE})*\s*\]")
_ONE = re.compile(_ITEM)
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\"“])")
_INFERRED = re.compile(r"^\W*(?:inference|inferred|conclusion)\W*:\W*", re.IGNORECASE)
_ASIDE = re.compile(r"^\W*set aside (F\d+)\W*:\W*", re.IGNORECASE)
_RANGE = re.compile(r"#L(\d+)(?:-L?(\d+))?$")
_SAYS_SOMETHING = 4  # words
CLAIMS_AT_MOST = 80
LONGEST_QUOTE = 600


@dataclass(frozen=True)
class Known:
    """Evidence that a model was shown, and a place that a tool named for it."""

    evidence: Evidence
    source: str


@dataclass(frozen=True)
class Said:
    """A claim that a model made; `aside` is the finding that it sets aside."""

    claim: Claim
    aside: str = ""


def claims_in(text: str, known: Mapping[str, Known]) -> list[Said]:
    """The claims of an answer. A sentence that cites nothing is a claim without citations: grounding refuses it."""
    found: list[Said] = []
    for line in text.splitlines():
        line = _BULLET.sub("", line).strip()
        if line and not line.startswith(("#", "```", "|")) and not line.endswith(":"):
            found += _of_line(line, known)
    return found[:CLAIMS_AT_MOST]


def cited(text: str) -> set[str]:
    """The numbers of evidence that a text names."""
    return {f"E{number}" for number in re.findall(r"\bE(\d+)\b", text)}


def _of_line(line: str, known: Mapping[str, Known]) -> Iterator[Said]:
    start, pending = 0, ""
    marks = list(_CITED.finditer(line))
    for index, mark in enumerate(marks):
        pending += line[start : mark.start()]
        start = mark.end()
        following = line[start : marks[index + 1].start()] if index + 1 < len(marks) else "."
        if not following.strip(" ,;and"):
            pending += mark.group()  # several marks for one sentence
            continue
        yield from _sentences(pending + mark.group(), known)
        pending = ""
    yield from _sentences(pending + line[start:], known)


def _sentences(text: str, known: Mapping[str, Known]) -> Iterator[Said]:
    items = [item for mark in _CITED.finditer(text) for item in _ONE.finditer(mark.group())]
    words = _CITED.sub("", text).strip().lstrip(".,;:!? ").strip()
    if len(words.split()) < (1 if items else _SAYS_SOMETHING):
        return
    aside = _ASIDE.match(words)
    words = words[aside.end() :] if aside else words
    inferred = _INFERRED.match(words)
    words = words[inferred.end() :] if inferred else words
    sentence = words.strip().strip("*_")
    if not sentence:
        return
    citations = tuple(c for item in items if (c := _citation(item, sentence, known)) is not None)
    claim = Claim(
        text=f"{sentence}." if sentence[-1].isalnum() or sentence[-1] == "`" else sentence,
        kind="inferred" if inferred else "observed",
        citations=tuple(dict.fromkeys(citations)),
    )
    yield Said(claim, aside.group(1).upper() if aside else "")


def pieces(said: Said) -> list[Said]:
    """A claim of several sentences as one claim each: what is true of it may stand without the rest."""
    texts: list[str] = []
    for text in _SENTENCE.split(said.claim.text):
        if texts and texts[-1].count("“") > texts[-1].count("”"):
            texts[-1] = f"{texts[-1]} {text}"  # within a quotation there are no sentences of ours
        else:
            texts.append(text)
    return [Said(said.claim.model_copy(update={"text": text.strip()}), said.aside) for text in texts if text.strip()]


def _citation(item: re.Match[str], sentence: str, known: Mapping[str, Known]) -> Citation | None:
    """A citation with the words as they stand there; without words, the line that says most of the sentence."""
    number, *quotes = item.groups()
    shown = known.get(f"E{number}")
    if shown is None:
        return None
    text = shown.evidence.text
    given = next((quote for quote in quotes if quote), "")
    span = (_found(text, given) or _found(text, given.replace('\\"', '"'))) if given else _best(text, sentence)
    if span is None:  # it is kept as it was said, for grounding to refuse
        return Citation(evidence=shown.evidence.digest, source=shown.source, quote=given or sentence)
    start, end = span
    quote = text[start:end][:LONGEST_QUOTE]
    return Citation(evidence=shown.evidence.digest, source=narrowed(shown.source, text, start, end), quote=quote)


def _found(text: str, quote: str) -> tuple[int, int] | None:
    for words in (quote.split(), quote.strip(" .…").split()):  # a model ends what it cuts with dots
        match = re.search(r"\s+".join(map(re.escape, words)), text) if words else None
        if match is not None:
            return match.span()
    return None


def _best(text: str, sentence: str) -> tuple[int, int] | None:
    wanted = content(sentence)
    best, span, start = 0, None, 0
    for line in text.split("\n"):
        shared = len(wanted & content(line))
        if shared > best:
            left = start + len(line) - len(line.lstrip())
            best, span = shared, (left, start + len(line.rstrip()))
        start += len(line) + 1
    return span


def narrowed(source: str, text: str, start: int, end: int) -> str:
    """The source of a part of an excerpt."""
    own = _RANGE.search(source)
    if own is None:
        return source
    first = int(own.group(1)) + text.count("\n", 0, start)
    last = first + text.count("\n", start, end)
    base = source[: own.start()]
    return f"{base}#L{first}" if first == last else f"{base}#L{first}-L{last}"
