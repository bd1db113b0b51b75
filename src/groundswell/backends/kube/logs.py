"""What a container's log says: its first errors rather than its loudest, one line for all that are like it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from groundswell.backends.kube.templates import Group, Templates
from groundswell.core.records import Excerpt, LogDigest, LogMark
from groundswell.core.records.cluster import Severity

_START = re.compile(r"^==== START logs for container (\S+) of pod (\S+?)/(\S+) ====$")
_END = re.compile(r"^==== END logs for container ")
_LEVEL = re.compile(
    r"""(?:"(?:level|severity|lvl|loglevel|log_level|levelname|log\.level|@l|s)"\s*:\s*"(?P<json>\w+)")
    |(?:"level"\s*:\s*(?P<bunyan>[1-6]0)\b)
    |(?:\b(?:level|lvl|severity)=["']?(?P<fmt>\w+))
    |^(?:\S+\s+)?(?P<klog>[IWEF])\d{4}\s\d\d:\d\d
    |^(?P<letter>[DIWEF]),\s\[
    |^(?P<dotnet>dbug|info|warn|fail|crit):\s
    |(?:^|[\s\[(|:<.])(?P<word>TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR?|SEVERE|CRIT(?:ICAL)?|FATAL|PANIC|ALERT|EMERG)
      (?=[\s\])|:>,/-]|$)
    |\[(?P<low>trace|debug|info|notice|warn(?:ing)?|error|crit(?:ical)?|alert|emerg|fatal)\]
    """,
    re.VERBOSE,
)
_NAMES: dict[str, Severity] = {"d": "info", "i": "info", "w": "warning", "e": "error", "f": "fatal"}
_BUNYAN: dict[str, Severity] = {"4": "warning", "5": "error", "6": "fatal"}
_WRONG = re.compile(
    r"""\b(?:panic:|fatal\b|FATAL\b|unhandled\s+exception|uncaught|segmentation\s+fault|core\s+dumped|killed\b)""",
    re.IGNORECASE | re.VERBOSE,
)
_ERROR = re.compile(
    r"""\berrors?\b|\berr=|\bexception\b|[a-z]Error\b|[a-z]Exception\b|\bfail(?:ed|ure|s)?\b|\brefused\b
    |\btimed?\s?-?out\b|\bdenied\b|\bforbidden\b|\bunauthori[sz]ed\b|\bcannot\b|\bcan't\b|\bcould\s+not\b|\bunable\b
    |\bno\s+such\b|\bnot\s+found\b|\bmissing\b|\binvalid\b|\bunknown\s+host\b|\bno\s+space\b|\bread-only\b|\bexpired\b
    |\bx509\b|\bout\s+of\s+memory\b|\bOOM\b|\bunreachable\b|\breset\s+by\s+peer\b|\bbad\s+gateway\b|\babort|\btoo\s+many\b
    |\bnot\s+(?:set|defined|configured|permitted|allowed|supported|ready|available)\b|\bunbound\s+variable\b|\brequired\b
    |\bHTTP/\d\.\d"?\s+5\d\d\b|\bdeadlock|\bcorrupt|\bmust\s+be\b|\bEOF\b|\bexit(?:ed|ing)?\s+(?:with\s+)?(?:code|status)""",
    re.IGNORECASE | re.VERBOSE,
)
_NO_ERROR = re.compile(
    r"\b(?:no|0|without)\s+(?:errors?|failures?)\b|\berrors?[\"']?\s*[=:]\s*(?:0|null|nil|none|\"\"|false)\b"
    r"|\bfail(?:ed|ures?)[\"']?\s*[=:]\s*0\b",
    re.IGNORECASE,
)
_RECOVERED = re.compile(
    r"\b(?:re-?connected|recovered|connection\s+(?:restored|established)|connected\s+to|succeeded|successful(?:ly)?"
    r"|back\s+online|healthy\s+again|resumed|now\s+(?:ready|leader|healthy))\b",
    re.IGNORECASE,
)
_TRACE = re.compile(r"^(?:\s+at |\s+File \"|\s+\.\.\. \d+ more|goroutine \d+ \[|\t)")
_LINE = 900  # characters of a line that are kept
_ERRORS, _WARNINGS, _TAIL = 7, 4, 6


@dataclass(frozen=True)
class Section:
    """One container's part of a dump's file."""

    container: str
    text: str


def sections(text: str) -> list[Section]:
    """The parts of a `logs.txt`, split where kubectl says that a container's log begins and ends."""
    found: list[Section] = []
    name, lines = "", list[str]()
    for line in text.split("\n"):
        if start := _START.match(line):
            if name:
                found.append(Section(name, "\n".join(lines)))
            name, lines = start.group(1), []
        elif name and _END.match(line):
            found.append(Section(name, "\n".join(lines)))
            name, lines = "", []
        elif name or line.strip() and not line.startswith("===="):
            lines.append(line)
    if name:  # it is cut off
        found.append(Section(name, "\n".join(lines)))
    elif lines and not found:
        found.append(Section("", "\n".join(lines)))
    return found


def level(line: str) -> Severity:
    """How bad a line says it is; a level that it names itself counts for more than its words."""
    match = _LEVEL.search(line[:600])
    if match:
        kind, named = match.lastgroup or "", (match.group(match.lastgroup or 0) or "").lower()
        if kind == "bunyan":
            return _BUNYAN.get(named[:1], "info")
        if kind in ("klog", "letter") or len(named) == 1:
            return _NAMES.get(named, "info")
        if named.startswith(("fatal", "panic", "crit", "emerg", "alert")):
            return "fatal"
        if named.startswith(("err", "severe", "fail")):
            return "error"
        return "warning" if named.startswith("warn") else "info"
    if _WRONG.search(line):
        return "fatal"
    return "error" if _ERROR.search(line) and not _NO_ERROR.search(line) else "info"


def digest(
    text: str, *, namespace: str, pod: str, container: str, previous: bool, most: int, truncated: bool = False
) -> LogDigest:
    """The log's marks and passages; of a log of more than `most` lines its first tenth and its end are read."""
    lines = text.rstrip("\n").split("\n") if text.strip() else []
    kept = range(len(lines))
    numbers = (
        list(kept) if len(lines) <= most else [*range(most // 10), *range(len(lines) - most * 9 // 10, len(lines))]
    )
    templates = Templates()
    levels: dict[int, Severity] = {}
    recovered = -1
    in_trace = False
    for number in numbers:
        line = lines[number]
        if not line.strip():
            continue
        if line.startswith("Traceback (most recent call last)"):
            in_trace = True
            continue
        if _TRACE.match(line) or (in_trace and line[:1] in " \t"):
            continue
        severity: Severity = "error" if in_trace or line.startswith("Caused by:") else level(line)
        in_trace = False
        if severity == "info":
            if _RECOVERED.search(line):
                recovered = number
            continue
        group = templates.add(number, line)
        levels.setdefault(group.first, severity)
    marks = _marked(templates.groups, levels)
    if marks and recovered > marks[0].first:
        marks.append(Group([], recovered, recovered, lines[recovered]))
    if lines:
        last = max(number for number in numbers if lines[number].strip())
        marks.append(Group([], last, last, lines[last]))
    found: dict[int, LogMark] = {}
    for each in sorted(marks, key=lambda group: group.first):
        severity = levels.get(each.first, "info")
        found.setdefault(each.first, LogMark(line=each.first + 1, last=each.last + 1, count=each.count, level=severity))
    source = f"k8s:{namespace}/Pod/{pod}/{container}/{'previous-logs' if previous else 'logs'}"
    return LogDigest(
        namespace=namespace,
        pod=pod,
        container=container,
        previous=previous,
        lines=len(lines),
        truncated=truncated or len(numbers) < len(lines),
        marks=tuple(found.values()),
        excerpts=tuple(_passages(lines, sorted(found), source)),
    )


def _marked(groups: list[Group], levels: dict[int, Severity]) -> list[Group]:
    """The first kinds of error and those that came last; and the first warnings."""
    errors = [group for group in groups if levels[group.first] in ("error", "fatal")]
    if len(errors) > _ERRORS:
        late = sorted(errors[_ERRORS - 3 :], key=lambda group: group.last)[-3:]
        errors = [*errors[: _ERRORS - 3], *late]
    warnings = [group for group in groups if levels[group.first] == "warning"][:_WARNINGS]
    return [*errors, *warnings]


def _passages(lines: list[str], marked: list[int], source: str) -> Iterator[Excerpt]:
    """The marked lines with what stands around them, each passage once; the log's end is longer."""
    spans: list[list[int]] = []
    for number in marked:
        is_last = number == marked[-1] and number >= len(lines) - 3
        start, end = max(0, number - (_TAIL if is_last else 2)), min(len(lines), number + 3)
        if spans and start <= spans[-1][1]:
            spans[-1][1] = max(spans[-1][1], end)
        else:
            spans.append([start, end])
    for start, end in spans:
        chosen = [line[:_LINE] for line in lines[start:end]]
        cut = any(len(line) > _LINE for line in lines[start:end])
        yield Excerpt(source=f"{source}#L{start + 1}-L{end}", text="\n".join(chosen), truncated=cut)
