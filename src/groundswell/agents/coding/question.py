"""What kind of question about a repository this is, and about what: rules, in the order in which they are tried."""

import re
from collections.abc import Sequence
from typing import Literal, TypedDict

from groundswell.agents.coding.clauses import clauses
from groundswell.agents.coding.phrasings import (
    CALLEES,
    DEFINITION,
    EXPLANATION,
    IT,
    MAKE,
    MEMBERS,
    MORE,
    OVERVIEW,
    PLACES,
    POLITE,
    REPORT,
    TESTS,
    TRACE,
    USE,
    USERS,
)
from groundswell.agents.coding.subjects import Subjects, explicit, implied, object_of, trimmed
from groundswell.core.records import Turn

Kind = Literal[
    "definition", "users", "callees", "places", "explanation", "members", "failure", "report", "overview", "topic"
]
LONGEST = 20_000  # characters of a text that are looked at


class Asked(TypedDict):
    """A question, understood; as JSON."""

    kind: Kind
    names: list[str]
    paths: list[str]
    phrase: str  # the object of the question in its own words
    text: str  # the whole question
    uses: list[str]  # which uses are asked for: `call`, `import`, `inherit`, `use`; empty: all
    tests: bool  # only tests are asked for
    member: str  # what is listed or counted: `methods`, `files`, …; of places, what happens there: `raise`, …
    needs_model: bool  # what was asked for can be prepared, not given
    trace: str  # the traceback that came with it
    is_named: bool  # the question spells a name as code


def questions(question: str, attachments: Sequence[str] = (), history: Sequence[Turn] = ()) -> list[Asked]:
    """Read each question in a question; what a later one leaves out is the subject of the first."""
    own = POLITE.sub("", question[:LONGEST]).strip()
    first, *others = [question] if attachments else clauses(own)
    asked = understood(first if others else question, attachments, history)
    if not others:
        return [asked]
    if asked["kind"] in ("topic", "overview", "report") or not (asked["names"] or asked["paths"]):
        return [understood(question, attachments, history)]
    return [asked, *(_also(other, asked) for other in others)]


def _also(own: str, first: Asked) -> Asked:
    """A later question of several, about its own subject if it names one."""
    named = explicit(own)
    if named.names or named.paths:
        return _read(own, own, ())
    if IT.search(own):
        return _with_subject(first, own, first)
    asked = _read(own, own, ())
    return _with_subject(first, f"{own.rstrip(' ?!.')} it", first) if asked["kind"] == "topic" else asked


def understood(question: str, attachments: Sequence[str] = (), history: Sequence[Turn] = ()) -> Asked:
    """Read a question, with what came with it and what was asked before."""
    question = question[:LONGEST]
    past = _past(history)
    own = POLITE.sub("", question).strip()
    if past and (follow := _following(question, past)):
        return follow
    asked = _read(question, own, attachments)
    if past and not asked["names"] and not asked["paths"] and not asked["trace"] and IT.search(own):
        return _with_subject(asked, own, past)
    return asked


def _trace(text: str) -> str:
    """The part of a text with its traceback: in a long log the last one matters, and stands at its end."""
    end = text[-LONGEST:]
    found = TRACE.search(text)
    return end if TRACE.search(end) or not found else text[found.start() :][:LONGEST]


def _read(question: str, own: str, attachments: Sequence[str]) -> Asked:
    given = "\n".join(text[-LONGEST:] for text in attachments)
    trace = next((_trace(text) for text in (*attachments, question) if TRACE.search(text)), "")
    subjects = explicit(own[:2000])
    asked = Asked(
        kind="topic",
        names=list(subjects.names),
        paths=list(subjects.paths),
        phrase="",
        text=question if not given or trace else f"{question}\n{given}",
        uses=[],
        tests=False,
        member="",
        needs_model=bool(MAKE.search(own.split("\n")[0])),
        trace=trace,
        is_named=bool(subjects.names),
    )
    first = re.sub(r"\s+", " ", own[:600]).strip()
    if REPORT.search(own) or (given and not trace) or (len(own.split()) > 60 and not trace):
        asked["kind"] = "report"
        asked["needs_model"] = asked["needs_model"] and not REPORT.search(own)
        return asked
    if trace:
        asked["kind"] = "failure"
        asked["needs_model"] = bool(re.match(r"\s*(?:please )?(?:fix|patch|repair)\b", own, re.IGNORECASE))
        return asked
    if OVERVIEW.search(first) and not subjects.names:
        asked["kind"] = "overview"
        return asked
    if asked["needs_model"]:
        asked["names"] = asked["names"] or list(implied(first)[:3])
        return _unmatched(asked, first, subjects)
    return _matched(asked, first, subjects)


def _matched(asked: Asked, first: str, subjects: Subjects) -> Asked:
    """Try the patterns of each kind; what is captured is the question's object."""
    for kind, patterns in _PATTERNS:
        for pattern in patterns:
            match = pattern.search(first)
            if match is None:
                continue
            found = _object(match.group("x"), subjects)
            if not found.names and not found.paths and not found.phrase:
                continue
            if kind in ("users", "definition") and _CLAUSE.search(match.group("x")):
                continue  # `where does X decide which Y to use` asks for no user of `X decide which Y`
            if kind in ("callees", "places") and not found.names:
                continue
            asked["kind"] = kind
            asked["names"], asked["paths"], asked["phrase"] = (
                list(found.names),
                list(found.paths),
                found.phrase,
            )
            asked["tests"] = patterns is TESTS
            if kind == "users" and not asked["tests"]:
                asked["uses"] = _uses(match.group("verb"))
            if kind == "members":
                asked["member"] = match.group("member").lower()
            if kind == "places":
                asked["member"] = _happening(match.group("verb"))
            return asked
    return _unmatched(asked, first, subjects)


def _unmatched(asked: Asked, first: str, subjects: Subjects) -> Asked:
    asked["phrase"] = _changed(first) if asked["needs_model"] else trimmed(first)
    if subjects.names or subjects.paths:
        asked["kind"] = "explanation" if len(first.split()) <= 25 else "topic"
        return asked
    asked["names"] = list(implied(first)[:3])
    return asked


def _changed(first: str) -> str:
    """What a change is about: `the config loader` of `refactor the config loader to support YAML`."""
    verb = MAKE.match(first)
    subject = re.split(r"\s(?:to|so that|such that|in order)\s", first[verb.end() :])[0] if verb else ""
    return trimmed(subject) or trimmed(first)


def _object(captured: str, subjects: Subjects) -> Subjects:
    found = object_of(captured)
    if found.names or found.paths:
        paths = found.paths or subjects.paths  # `X in src/a.py`
        return Subjects(_joined(captured, found.names), paths, trimmed(captured))
    if subjects.names or subjects.paths:
        return subjects._replace(phrase=trimmed(captured))
    return found


def _joined(captured: str, names: Sequence[str]) -> tuple[str, ...]:
    """`run of Runner`, `Runner's run`, `the run method on Runner` are `Runner.run`."""
    if len(names) != 2 or any("." in name or "::" in name for name in names):
        return tuple(names)
    one, other = (re.escape(name) for name in names)
    if re.search(
        rf"{one}\W+(?:\w+\s+)?(?:of|on|in|from)\s+(?:the\s+)?(?:class\s+|type\s+|struct\s+)?\W*{other}",
        captured,
    ):
        return (f"{names[1]}.{names[0]}", names[0])
    if re.search(rf"{one}\W{{0,2}}s\W+{other}", captured):
        return (f"{names[0]}.{names[1]}", names[1])
    return tuple(names)


def _uses(verb: str) -> list[str]:
    verb = verb.lower()
    if re.fullmatch(r"callers?|call[- ]?sites?|invocations?|calls?", verb):
        return ["call"]
    if re.fullmatch(r"subclasses|implementations?|implementers", verb):
        return ["inherit"]
    if verb == "importers":
        return ["import"]
    for kind in ("call", "inherit", "import"):
        if re.fullmatch(USE[kind], verb):
            return [kind]
    return []


def _happening(verb: str) -> str:
    """What happens in the places that are asked for: `raise`, `return` or `create`."""
    stem = verb.lower()[:4]
    return "raise" if stem in ("rais", "thro") else "return" if stem == "retu" else "create"


_CLAUSE = re.compile(r"^[^`]*\b(?:which|whether|how|when)\s[^`]*$", re.IGNORECASE)
_PATTERNS: tuple[tuple[Kind, tuple[re.Pattern[str], ...]], ...] = (
    ("users", TESTS),
    ("callees", CALLEES),
    ("places", PLACES),
    ("users", USERS),
    ("members", MEMBERS),
    ("explanation", EXPLANATION[:8]),
    ("definition", DEFINITION),
    ("explanation", EXPLANATION[8:]),
)


def _past(history: Sequence[Turn]) -> Asked | None:
    """The last question of the thread that was about something, itself understood as a follow-up."""
    for number in range(len(history) - 1, -1, -1):
        turn = history[number]
        asked = questions(turn.question, (), history[max(0, number - 3) : number])[0]
        if asked["names"] or asked["paths"]:
            return asked
        named = re.search(r"`([A-Za-z_$][\w$.]*)`", turn.answer.text)
        if named:
            return Asked({**asked, "names": [named.group(1)], "is_named": True})
    return None


def _following(own: str, past: Asked) -> Asked | None:
    """`And X?`: the question before, about something else."""
    match = MORE.match(own)
    if match is None or IT.search(own) or len(own.split()) > 8:
        return None
    found = object_of(match.group("x"))
    asking = re.match(r"(?:who|where|what|which|how|why|is|are|does|do|list|show)\b", match.group("x"), re.IGNORECASE)
    if asking or not (found.names or found.paths):
        return None
    return Asked(
        {
            **past,
            "names": list(found.names),
            "paths": list(found.paths),
            "phrase": found.phrase,
            "text": own,
            "is_named": True,
        }
    )


def _with_subject(asked: Asked, own: str, past: Asked) -> Asked:
    """What `it` stands for is put in its place, and the question read again."""
    subject = past["names"][0] if past["names"] else past["paths"][0]
    text = IT.sub(
        lambda match: f"`{subject}`" + (" " if match.group().lower() in ("its", "their") else ""),
        own,
        count=1,
    )
    text = re.sub(rf"`{re.escape(subject)}`\s+tests?\b", f"tests for `{subject}`", text)
    text = re.sub(rf"`{re.escape(subject)}`\s+(callers|usages|methods|subclasses)\b", rf"\1 of `{subject}`", text)
    text = re.sub(r"^(?:and|but|so|also|what about|how about)\s+", "", text, flags=re.IGNORECASE)
    again = _read(text, text, ())
    if past["paths"] and not again["paths"] and past["names"]:
        again["paths"] = past["paths"]
    return Asked({**again, "is_named": True})
