"""What kind of question about a repository this is, and about what: rules, in the order in which they are tried."""

import re
from collections.abc import Sequence
from typing import Literal, TypedDict

from groundswell.agents.coding.subjects import Subjects, explicit, implied, object_of, trimmed
from groundswell.core.records import Turn

Kind = Literal["definition", "users", "explanation", "members", "failure", "report", "overview", "topic"]
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
    member: str  # what is listed or counted: `methods`, `files`, …
    needs_model: bool  # what was asked for can be prepared, not given
    trace: str  # the traceback that came with it
    is_named: bool  # the question spells a name as code


_TRACE = re.compile(
    r"Traceback \(most recent call last\)|^\s*File \"[^\"\n]+\", line \d+|^\s+at .+[(:]\S+:\d+(?::\d+)?\)?\s*$"
    r"|^panic: |^goroutine \d+ \[|thread '.*' (?:\(\d+\) )?panicked at|^Exception in thread |^Caused by: "
    r"|^\s+\d+: .+\n\s+at \S+:\d+|^[\w./-]+\.(?:py|js|ts|go|rs|java|rb|c|cpp):\d+: ",
    re.MULTILINE,
)
_X = r"(?P<x>.+?)"
_END = r"[\s?!.]*$"
_USE = {
    "call": r"call(?:s|ed|ing|er|ers)?|invoke[sd]?|execute[sd]?|run|runs|triggers?|triggered",
    "inherit": r"inherit(?:s|ed|ing)?(?: from)?|subclass(?:es|ed|ing)?|extend(?:s|ed|ing)?|derive[sd]?(?: from)?"
    r"|implement(?:s|ing)?|implementers?|implementors?",
    "import": r"import(?:s|ed|ing)?|require[sd]?|includes?",
    "use": r"use[sd]?|using|references?|referenced|refers? to|depends? (?:up)?on|needs?|instantiate[sd]?|instances?"
    r"|constructs?|creates?|consumes?|touch(?:es)?|relies on|mentions?",
}
_USES = "|".join(_USE.values())
_DEFINED = r"defined|declared|implemented|located|found|written|coded|placed|kept|stored|set up|introduced|living|live|lives"

_USERS = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        rf"\b(?:who|what|which\b[\w\s]{{0,40}}?|where (?:do|does|is|are) (?:we|it|anyone|you|anything)|does any\w*|do any\w*"
        rf"|is there any\w*(?: that)?|what else|who else|everything that|anything that|all (?:the )?\w+ (?:that|which))"
        rf"\s+(?:all\s+|actually\s+|directly\s+|still\s+)*(?P<verb>{_USES})\s+{_X}{_END}",
        rf"\bwhere(?:'s| is| are| do we| does|else is)?\s+{_X}\s+(?:is |are |being |get |gets |been )?"
        rf"(?:actually |currently |directly )?(?P<verb>{_USES}){_END}",
        rf"\b(?P<verb>callers?|usages?|uses?|references?|call[- ]?sites?|invocations?|importers?|users?|subclasses|"
        rf"implementations|implementers|instances|consumers|dependents|occurrences)\s+(?:of|to|for)\s+{_X}{_END}",
        rf"\b(?:is|are)\s+{_X}\s+(?:still |ever |even |actually )?(?P<verb>{_USES})\s*(?:anywhere|somewhere|at all)?{_END}",
        rf"\bhow (?:many times|often|many (?:places|callers))\b.*?(?:is|are|do|does|call|use)?\s+{_X}\s+"
        rf"(?:is |are |being )?(?P<verb>{_USES}){_END}",
        rf"\bhow many\s+[\w\s]{{1,30}}?(?P<verb>{_USES})\s+{_X}{_END}",
        rf"\bhow (?:is|are)\s+{_X}\s+(?P<verb>used|called|invoked){_END}",
        rf"\b(?P<verb>breaks?|affected|impact(?:ed)?|happens)\b.*?\bif (?:i|we|you|one|someone)\s+"
        rf"(?:change|changed|rename|renamed|remove|removed|delete|deleted|modify|touch|edit)d?\s+{_X}{_END}",
        rf"\b(?P<verb>impact)\s+of\s+(?:changing|renaming|removing|deleting|modifying)\s+{_X}{_END}",
        rf"^\s*{_X}\s+(?P<verb>callers|usages|usage|references|call sites|subclasses){_END}",
        rf"\b(?:find|show|list|give)\s+(?:me\s+)?(?:all\s+|every\s+)?(?:the\s+)?(?:places?|code|spots?|lines?|files?|"
        rf"functions?|modules?|classes)\s+(?:that|which|where)\s+(?P<verb>{_USES})\s+{_X}{_END}",
        rf"\b(?:find|show|list)\s+(?:me\s+)?(?:all\s+)?(?:the\s+)?(?P<verb>calls?)\s+(?:of|to)\s+{_X}{_END}",
    )
)
_TESTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:which|what|any|the|are there)\s+tests?\s+(?:files?\s+)?(?:cover|covers|for|of|test|exercise|check|use|"
        rf"call|are there for)\s+{_X}{_END}",
        rf"\b(?:is|are)\s+{_X}\s+(?:tested|covered)(?: by (?:any )?tests?)?{_END}",
        rf"\bwhere(?:'s| is| are)\s+{_X}\s+tested{_END}",
        rf"\btests?\s+(?:for|of|cover(?:ing)?|that (?:cover|test))\s+{_X}{_END}",
        rf"\bhow (?:is|are)\s+{_X}\s+tested{_END}",
        rf"\bwhere are the tests (?:for|of)\s+{_X}{_END}",
    )
)
_DEFINITION = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bwhere(?:'s| is| are| was| were| do(?: we| you| i)?| does| did| can i(?: find)?| exactly is)?\s+{_X}\s+"
        rf"(?:is |are |get |gets |actually |exactly )?(?:{_DEFINED}|come from|comes from|define|declare|implement){_END}",
        rf"\b(?:the\s+)?(?:definitions?|declarations?|implementation|source|source code|location)\s+(?:of|for)\s+{_X}{_END}",
        rf"\b(?:which|what|in which|in what)\s+(?:file|module|package|line|place|folder|directory|class)\s+(?:is|are|does|"
        rf"do|defines?|declares?|contains?|has|holds?|implements?|provides?|exports?|exposes?)\s+{_X}"
        rf"(?:\s+(?:{_DEFINED}|in|come from|live in|belong to))?{_END}",
        rf"\bwhat\s+(?:defines|declares|implements|provides|exports)\s+{_X}{_END}",
        rf"^\s*(?:please\s+|can you\s+|could you\s+)*(?:find|locate|go ?to|jump to|open|take me to|look ?up|search for|"
        rf"show|give)\s+(?:me\s+)?(?:where\s+)?{_X}(?:\s+is)?(?:\s+(?:{_DEFINED}))?{_END}",
        rf"\bwhere\s+(?:can|do|could|would|should)\s+(?:i|we|you|one)\s+(?:find|look for|see)\s+{_X}{_END}",
        rf"\bwhere\s+(?:do we|does it|does this \w+|do they|do you)\s+(?:define|declare|implement)\s+{_X}{_END}",
        rf"\bwhere(?:'s|\s+is|\s+are|\s+does)\s+{_X}(?:\s+live)?{_END}",
        rf"^\s*{_X}\s+(?:definition|declaration|defined where|where){_END}",
    )
)
_MEMBERS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:list|show|which|what|name|give me|how many|enumerate|are there)\s+(?:me\s+)?(?:all\s+)?(?:of\s+)?(?:the\s+)?"
        r"(?:public\s+|private\s+|different\s+|top-level\s+)?(?P<member>methods|functions|classes|attributes|"
        r"fields|members|properties|symbols|exports|constants|variables|types|interfaces|definitions|enums|"
        r"structs|exceptions|imports|dependencies|modules|submodules|files|tests|test files|packages|lines)"
        rf"\s*(?:are\s+|is\s+|do\s+|does\s+|there\s+|defined\s+|declared\s+|exist\s+|available\s+|provided\s+|that\s+|"
        rf"contained\s+|of\s+code\s+)*(?:in|of|on|by|from|for|inside|within|under|does|do|has|have|the|defined in)?\s+{_X}"
        rf"(?:\s+(?:has|have|define|defines|declare|provide|expose|export|contain|contains|import|offer|depend on|"
        rf"implement|get|take))?{_END}",
        rf"\bwhat\s+(?:does|do|is|are)\s+{_X}\s+(?P<member>import|export|depend on|contain|define|provide|expose|call)s?{_END}",
        rf"\b(?P<member>methods|functions|classes|attributes|fields|members|imports|dependencies|exports|contents|outline)"
        rf"\s+(?:of|in|on)\s+{_X}{_END}",
        rf"\b(?:what(?:'s|\s+is|\s+are))\s+(?:there\s+)?(?P<member>in|inside)\s+{_X}{_END}",
    )
)
_EXPLANATION = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bwhat(?:'s)?\s+(?:does|do|is|are|did)?\s*{_X}\s+(?:actually |really |even |exactly )?(?:do|doing|does|about|for|"
        rf"good for|used for|supposed to do|responsible for|mean|stand for|return|returns|take|takes|accept|raise|raises|"
        rf"throw|expect|represent|represents){_END}",
        rf"\b(?:explain|describe|summari[sz]e|document|walk me through|tell me (?:more )?about|give me (?:an? )?(?:summary|"
        rf"overview|explanation) of|help me understand|info(?:rmation)? (?:on|about)|details? (?:of|on|about))\s+"
        rf"(?:me\s+)?(?:what\s+|how\s+)?{_X}(?:\s+(?:does|do|works?|is|means?|is for))?{_END}",
        rf"\b(?:purpose|role|responsibility|job|meaning|signature|parameters?|arguments?|return (?:value|type)|behaviou?r|"
        rf"docs?|documentation)\s+(?:of|for|does)\s+{_X}(?:\s+(?:have|take|accept))?{_END}",
        rf"\bhow\s+(?:does|do|is|are)\s+{_X}\s+(?:work|works|working|implemented|done|behave|function){_END}",
        rf"\bwhat\s+(?:parameters?|arguments?|args|options|type)\s+(?:does|do|can|is|are)\s+{_X}"
        rf"(?:\s+(?:take|takes|accept|have|return|get|support))?{_END}",
        rf"\bwhat\s+happens\s+(?:in|inside|when (?:i|we|you)? ?(?:call|run|use)?)\s+{_X}{_END}",
        rf"\bhow\s+(?:do|can|would|should)\s+(?:i|we|you|one)\s+(?:use|call|invoke|run|instantiate)\s+{_X}{_END}",
        rf"^\s*what(?:'s|\s+is|\s+are)\s+{_X}{_END}",
        rf"^\s*(?:and\s+)?what about\s+{_X}{_END}",
    )
)
_REPORT = re.compile(
    r"\b(?:which|what) (?:files?|modules?|code|parts?|places?)\b.{0,40}?\b(?:touch|change|changed|edit|edited|modify|modified|"
    r"fix|fixed|patch|affected|involved|relevant|look at|update|updated|need to|must|should|would|relate)"
    r"|\bwhere (?:should|would|do|must|could|to) (?:i |we |you |one )?(?:need to |have to )?(?:make|fix|start|look|change|edit|implement|add|"
    r"begin|put|patch)|\b(?:files|code|modules) (?:relevant|related) (?:to|for)\b|\blikely (?:files|location)"
    r"|\bsteps to reproduce|\bexpected (?:behaviou?r|result)|\bactual (?:behaviou?r|result)|\bbug report|\bfeature request"
    r"|\bwhat (?:would|do|should) (?:i|we) (?:need to|have to)? ?(?:touch|change|edit)",
    re.IGNORECASE,
)
_HERE = r"(?:this|the|our|your|that)\s+(?:\w+\s+)?(?:repo(?:sitory)?|project|code ?base|code|package|library|app(?:lication)?|software)"
_OVERVIEW = re.compile(
    rf"\b(?:what(?:'s| is| does| are)|describe|explain|summari[sz]e|overview of|tell me about|structure of|introduce|layout of"
    rf"|organi[sz]ation of|architecture of|parts of|purpose of|how is|how big is|outline of)\b.{{0,40}}?\b{_HERE}\b"
    r"(?!\s+(?:that|which|where|in|for|of)\b)|\bentry ?points?\b|\bmain (?:modules?|packages?|components?|parts|files?)\b"
    r"|\bproject (?:structure|layout|overview)\b|\b(?:directory|folder) structure\b|\bwhich (?:programming )?languages?\b"
    r"|\bwhat (?:programming )?languages?\b|\bwhere (?:do|should|does) .{0,20}\b(?:start|begin) (?:reading|execution)\b"
    r"|\bhow many (?:source )?files\b(?!.*\b(?:use|call|import|in)\b)|^\s*(?:give me an? )?overview\W*$",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"^\s*(?:(?:hi|hello|hey|please|ok|okay|so|well|now|then|also|and|but|thanks)\b[,!.]?\s*|"
    r"(?:can|could|would|will) (?:you|u|we|someone)(?: please)?\s+(?:help me\s+)?|i(?:'d| would) like (?:you )?to\s+|"
    r"i (?:want|need)(?: you)? to (?:know\s+)?|(?:do you know|tell me|let me know|show me|i wonder|any idea|help me find)\s+"
    r"(?=where|what|who|which|how|why)|@\w+[,:]?\s+)+",
    re.IGNORECASE,
)
_MAKE = re.compile(
    r"^\s*(?:let'?s\s+)?(?:write|refactor|rewrite|fix|add|implement|create|generate|change|rename|optimi[sz]e|improve|design|"
    r"convert|migrate|port|translate|remove|delete|review|suggest|propose|simplify|clean up|make|build|update|extend|replace|"
    r"move|extract|split|merge|document|debug|draft|modify|edit|patch|apply|install|upgrade|test|plan|compare|evaluate|judge)\b"
    r"|\bhow (?:would|should|could|can|do|might) (?:i|we|you|one) (?:best )?(?!use\b|call\b|find\b|run\b|invoke\b)\w+"
    r"|^\s*why\b|\bwhy (?:is|does|do|was|are|did|has|should|would)\b|\b(?:pros and cons|trade-?offs?|better (?:way|approach)|"
    r"best (?:way|practice)|alternatives? to|difference between|compare|should (?:i|we|it)|what if we|is it (?:safe|ok|wise|"
    r"possible|a good idea))\b",
    re.IGNORECASE,
)
_IT = re.compile(
    r"\b(?:it|its|it's|this|that|these|those|them|they|their)(?!\s+\w*(?:repo|project|code|error|traceback|exception|stack|"
    r"crash|bug|report|issue|log))\b(?:\s+(?:function|method|class|module|file|one|type|symbol|name|thing)s?\b)?"
    r"|\bthe (?:same|above|previous|first|last)(?: one| function| method| class| file| module)?\b"
    r"|\bthe (?:function|method|class|module|file)(?=\s*(?:\?|$|is\b|do\b|does\b|defined\b|used\b|called\b|work))",
    re.IGNORECASE,
)
_MORE = re.compile(
    r"^\s*(?:and|what about|how about|and what about|also|or)\s+(?:of\s+|for\s+)?(?P<x>\S.*?)[\s?!.]*$",
    re.IGNORECASE,
)


def understood(question: str, attachments: Sequence[str] = (), history: Sequence[Turn] = ()) -> Asked:
    """Read a question, with what came with it and what was asked before."""
    question = question[:LONGEST]
    past = _past(history)
    own = _POLITE.sub("", question).strip()
    if past and (follow := _following(own, past)):
        return follow
    asked = _read(question, own, attachments)
    if past and not asked["names"] and not asked["paths"] and not asked["trace"] and _IT.search(own):
        return _with_subject(asked, own, past)
    return asked


def _read(question: str, own: str, attachments: Sequence[str]) -> Asked:
    given = "\n".join(text[:LONGEST] for text in attachments)
    trace = next((text for text in (*attachments, question) if _TRACE.search(text)), "")[:LONGEST]
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
        needs_model=bool(_MAKE.search(own.split("\n")[0])),
        trace=trace,
        is_named=bool(subjects.names),
    )
    first = re.sub(r"\s+", " ", own[:600]).strip()
    if _REPORT.search(own) or (given and not trace) or (len(own.split()) > 60 and not trace):
        asked["kind"] = "report"
        asked["needs_model"] = asked["needs_model"] and not _REPORT.search(own)
        return asked
    if trace:
        asked["kind"] = "failure"
        asked["needs_model"] = bool(re.match(r"\s*(?:please )?(?:fix|patch|repair)\b", own, re.IGNORECASE))
        return asked
    if _OVERVIEW.search(first) and not subjects.names:
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
            asked["kind"] = kind
            asked["names"], asked["paths"], asked["phrase"] = (
                list(found.names),
                list(found.paths),
                found.phrase,
            )
            asked["tests"] = patterns is _TESTS
            if kind == "users" and not asked["tests"]:
                asked["uses"] = _uses(match.group("verb"))
            if kind == "members":
                asked["member"] = match.group("member").lower()
            return asked
    return _unmatched(asked, first, subjects)


def _unmatched(asked: Asked, first: str, subjects: Subjects) -> Asked:
    asked["phrase"] = trimmed(first)
    if subjects.names or subjects.paths:
        asked["kind"] = "explanation" if len(first.split()) <= 25 else "topic"
        return asked
    asked["names"] = list(implied(first)[:3])
    return asked


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
        if re.fullmatch(_USE[kind], verb):
            return [kind]
    return []


_PATTERNS: tuple[tuple[Kind, tuple[re.Pattern[str], ...]], ...] = (
    ("users", _TESTS),
    ("users", _USERS),
    ("members", _MEMBERS),
    ("explanation", _EXPLANATION[:8]),
    ("definition", _DEFINITION),
    ("explanation", _EXPLANATION[8:]),
)


def _past(history: Sequence[Turn]) -> Asked | None:
    """The last question of the thread that was about something, itself understood as a follow-up."""
    for number in range(len(history) - 1, -1, -1):
        turn = history[number]
        asked = understood(turn.question, (), history[max(0, number - 3) : number])
        if asked["names"] or asked["paths"]:
            return asked
        named = re.search(r"`([A-Za-z_$][\w$.]*)`", turn.answer.text)
        if named:
            return Asked({**asked, "names": [named.group(1)], "is_named": True})
    return None


def _following(own: str, past: Asked) -> Asked | None:
    """`And X?`: the question before, about something else."""
    match = _MORE.match(own)
    if match is None or _IT.search(own) or len(own.split()) > 8:
        return None
    found = object_of(match.group("x"))
    asking = re.match(
        r"(?:who|where|what|which|how|why|is|are|does|do|list|show)\b", match.group("x"), re.IGNORECASE
    )
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
    text = _IT.sub(
        lambda match: f"`{subject}`" + (" " if match.group().lower() in ("its", "their") else ""),
        own,
        count=1,
    )
    text = re.sub(rf"`{re.escape(subject)}`\s+tests?\b", f"tests for `{subject}`", text)
    text = re.sub(
        rf"`{re.escape(subject)}`\s+(callers|usages|methods|subclasses)\b", rf"\1 of `{subject}`", text
    )
    text = re.sub(r"^(?:and|but|so|also|what about|how about)\s+", "", text, flags=re.IGNORECASE)
    again = _read(text, text, ())
    if past["paths"] and not again["paths"] and past["names"]:
        again["paths"] = past["paths"]
    return Asked({**again, "is_named": True})
