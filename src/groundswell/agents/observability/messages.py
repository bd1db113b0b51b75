"""What a line of an application's log means: what it complains about, and whom it spoke to."""

import re
from dataclasses import dataclass

from groundswell.agents.observability.complaint_kinds import KINDS, kind_of
from groundswell.agents.observability.world import Line, Log

EDGES = frozenset({"dns", "refused", "timeout", "reset", "upstream", "login", "throttled"})
THEIRS = frozenset({"memory", "disk", "read-only", "limit"})  # whose, if a line names a host and its port
STATES = frozenset(
    {"disk", "read-only", "clock", "slow", "network", "certificate"}
)  # they last until something ends them
_INBOUND = re.compile(
    r"(?:from|client|peer|unknown|remote(?: address)?)[:=]?\s?[\[(\"']?(?:\d+\.\d+\.\d+\.\d+|unknown\[)"
    r"|handshake error from|\bunknown\[\d|bad client|client sent|invalid user \w+ from"
)
_GONE = re.compile(
    r"(?i)context cancel+ed|client (?:has )?(?:closed|disconnected|went away|gone|abort)|clientabort"
    r"|client disconnect"
    r"|\b499\b|premature(?:ly)? closed"
)
_HARMLESS = re.compile(
    r"\b(?:optional|ignor(?:ed|ing)|continu(?:e|es|ing)|skipp(?:ed|ing)|fall(?:s|ing)? ?back|fallback"
    r"|using (?:the )?defaults?|non-?fatal"
    r"|deprecat\w+|best.effort|harmless|not enabled|disabled|will be created|expected(?![-_])|dry.?run)\b",
    re.IGNORECASE,
)
_RECOVERED = re.compile(
    r"\b(?:alarm cleared|caught up|re-?connected|recovered|connection (?:restored|established)|connected (?:to"
    r"|after)|succeeded"
    r"|successful(?:ly)?"
    r"|back online|healthy again|resumed|now (?:ready|leader|healthy))\b",
    re.IGNORECASE,
)
_HOST = r"(?P<host>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9-]+)*|\d+\.\d+\.\d+\.\d+)"
_TARGETS = (
    re.compile(rf"\blookup {_HOST}(?P<port>(?!))?"),
    re.compile(rf"->{_HOST}:(?P<port>\d+)"),
    re.compile(rf"\b[a-z][a-z0-9+.-]*://(?:[^@\s/\"']*@)?{_HOST}(?::(?P<port>\d+))?"),
    re.compile(
        rf"\b(?:dial tcp|dial udp|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET):? {_HOST}(?::(?P<port>\d+))?"
    ),
    re.compile(rf"\bhost(?:name)?[\"']?\s*[=:]\s*[\"']?{_HOST}:(?P<port>\d+)"),
    re.compile(
        rf"\bhost(?:name)?[\"']?\s*[=:]\s*[\"']?{_HOST}[\"']?(?:.{{0,24}}?\bport[\"']?\s*[=:]\s*[\"']?(?P<port>\d+))?"
    ),
    re.compile(
        rf"\b(?:[Hh]ost(?:name)?|server(?: at)?|addr(?:ess)?[=:]?|upstream[=:]?|to|at|from|with|broker"
        rf"|endpoint[=:]?|database|resolve(?: host)?|peer"
        rf"|Connection to)[:=]? ?[\"'(\[]?{_HOST}[\"')\]]?(?:(?:[:/]|,? ?\(?port ?)(?P<port>\d+))"
    ),
    re.compile(rf"(?<![\w./-]){_HOST}:(?P<port>\d{{2,5}})(?![\d:])"),
    re.compile(
        rf"\b(?:host name|[Hh]ost(?:name)?|resolve(?: host)?|upstream|UnknownHostException|server|broker"
        rf"|service)[:=]? [\"'(]?{_HOST}[\"')]?"
    ),
    re.compile(rf"[\"']{_HOST}[\"']"),
)
_NOT_HOSTS = frozenset(
    [
        "localhost",
        "tcp",
        "udp",
        "http",
        "https",
        "port",
        "host",
        "server",
        "to",
        "at",
        "from",
        "with",
        "the",
        "a",
        "an",
        "in",
        "on",
        "for",
        "is",
        "was",
        "not",
        "by",
        "of",
        "and",
        "or",
        "name",
        "error",
        "failed",
        "service",
        "database",
        "connection",
        "lookup",
        "address",
    ]
)
_MISSING = re.compile(
    r"KeyError: ['\"](\w+)['\"]|\b([A-Z][A-Z0-9]*_[A-Z0-9_]+)\b|(?:variable|env(?:ironment)?(?: var)?|setting"
    r"|option|key|property|flag)"
    r" [`'\"]?([A-Za-z][\w.-]+)[`'\"]?"
)


@dataclass(frozen=True)
class Complaint:
    """A line that complains, and what about."""

    kind: str
    line: Line
    log: Log
    score: float
    host: str = ""
    port: int = 0
    healed: bool = False  # a later line says that it was overcome

    @property
    def is_inbound(self) -> bool:
        """Whether it tells what a caller did wrong: that is the caller's trouble, and strangers often are."""
        theirs = self.kind in ("login", "certificate", "reset", "throttled", "bug", "") and _INBOUND.search(
            self.line.text
        )
        return bool(theirs or _GONE.search(self.line.text))

    @property
    def quote(self) -> str:
        """The line without its time and level: what it says."""
        return said(self.line.text)

    def missing(self) -> str:
        """The variable or setting that it names."""
        match = _MISSING.search(said(self.line.text))
        return next((each for each in match.groups() if each), "") if match else ""


_PREFIX = re.compile(
    r"""^\s*(?:[\[(]?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d\S*[\])]?\s*|\d\d:\d\d:\d\d\S*\s+
    |[A-Z][a-z]{2}\s+\d{1,2}\s\d\d:\d\d:\d\d\s+
    |[IWEF]\d{4}\s\S+\s+\d+\s\S+\]\s*
    |[DIWEF],\s\[[^\]]*\]\s+\w+\s--\s[^:]*:\s+
    |\w+\.(?:DEBUG|INFO|NOTICE|WARNING|ERROR|CRITICAL|ALERT|EMERGENCY):\s+
    |(?:info|warn|fail|crit):\s\S+\[\d+\]\s+|<\d+\.\d+\.\d+>\s+
    |(?:\[?(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|SEVERE|CRITICAL|FATAL|PANIC
        |error|fatal|warn|warning|info)(?:/[\w-]+)?\]?:?)(?:\s+|(?=\[))
    |\[\S{1,40}\]\s+|-\s+|UTC\s+|\d+\ ---\ \[[^\]]*\]\s+\S+\s*:\s+|\d+\#\d+:\s+(?:\*\d+\s+)?)+""",
    re.VERBOSE,
)
_JSON = re.compile(
    r"\"(?:msg|message|error|err|event|log|detail|exception|cause|reason|@mt|@m|@x)\"\s*:\s*\"((?:[^\"\\]|\\.)*)\""
)
_IS_FMT = re.compile(r"(?:^|\s)(?:level|lvl|severity|ts|time|t|at|msg)=")
_FMT = re.compile(r"\b(?:err|error|reason)=(\"(?:[^\"\\]|\\.)*\"|\S+)|\b(?:msg|message)=(\"(?:[^\"\\]|\\.)*\"|\S+)")
_LONGEST, _BEFORE = 160, 70


def said(text: str) -> str:
    """What a line says: without time and level, and of structured lines the message with its error; a part of it."""
    found = [match.group(1) for match in _JSON.finditer(text)] if text.lstrip().startswith("{") else []
    if not found and _IS_FMT.search(text):
        found = [(match.group(1) or match.group(2)).strip('"') for match in _FMT.finditer(text)]
    found = [part.strip(" :,") for each in found for part in each.partition("\\n")[0].split('\\"')]
    found = [each for each in found if each and "\\" not in each]
    if found:
        text = max(found, key=lambda each: (kind_of(each) not in ("", "bug"), len(each)))
    text = _PREFIX.sub("", text.strip()).strip() or text.strip()
    if len(text) <= _LONGEST:
        return text
    told = next((match for name, pattern in KINDS if name != "bug" and (match := pattern.search(text))), None)
    if told is not None and told.end() > _LONGEST:
        text = text[max(0, min(told.start() - _BEFORE, len(text) - _LONGEST)) :].partition(" ")[2]
    return text[:_LONGEST].rsplit(" ", 1)[0]


def target(text: str) -> tuple[str, int]:
    """The host and port a line speaks of; "" and 0 where it names none."""
    for pattern in _TARGETS:
        for match in pattern.finditer(text):
            host = match.group("host")
            port = int(match.groupdict().get("port") or 0)
            lowered = host.lower().rstrip(".")
            if (
                lowered in _NOT_HOSTS
                or re.fullmatch(r"\d{1,2}|\d{4}|\d{1,2}(?:\.\d+)?(?:m?s|h)?", lowered)
                or len(lowered) < 2
                or re.search(r"\.(?:go|py|java|rb|rs|cc?|cpp|js|ts|php|kt|scala|ex)$", lowered)
            ):
                continue
            return lowered, port
    return "", 0


_EXCEPTION = re.compile(r"\s*(?:Caused by: )?[\w.$]+(?:Exception|Error)\b: ?\S")


def complaints(log: Log) -> tuple[Complaint, ...]:
    """The lines that complain, those first that most likely say why the container ended; many rules ask for them."""
    if log.complaints is None:
        log.complaints = tuple(sorted(_read(log), key=lambda each: (-each.score, each.line.number)))
    return log.complaints


def _read(log: Log) -> list[Complaint]:
    found: list[Complaint] = []
    recovered = [line.number for line in log.lines if line.level == "info" and _RECOVERED.search(line.text)]
    errors = [line for line in log.lines if line.level in ("error", "fatal")]
    total = log.digest.lines
    for line in log.lines:
        kind = kind_of(line.text)
        if line.level == "info" and line.number != total:
            continue
        if line.level == "info" and not kind:
            continue
        score = {"fatal": 3.0, "error": 2.0, "warning": 0.5, "info": -0.5}[line.level]
        score += 0.0 if not kind else 0.6 if kind == "bug" else 2.0
        score += 1.5 if line.last > total - max(8, total * 0.1) else 0.0
        score += 1.0 if errors and line is errors[0] else 0.0
        score += 1.2 if _EXCEPTION.match(line.text) else 0.0
        score += 1.0 if line.text.startswith("Caused by: ") else 0.0
        score -= 4.0 if _HARMLESS.search(line.text) else 0.0
        healed = any(number > line.last for number in recovered)
        score -= 4.0 if healed else 0.0
        host, port = target(line.text) if kind in EDGES or kind in ("certificate", "") else ("", 0)
        if kind in EDGES and not host:
            host, port = target(_before(line))
        if kind in THEIRS and all(target(line.text)):
            host, port = target(line.text)
        found.append(Complaint(kind, line, log, score, host, port, healed))
    return found


def _before(line: Line) -> str:
    """The line above, where that says that something failed: an exception often stands below what was tried."""
    start = re.search(r"#L(\d+)", line.excerpt.source)
    lines = line.excerpt.text.split("\n")
    index = line.number - int(start.group(1)) - 1 if start else -1
    above = lines[index] if 0 <= index < len(lines) else ""
    return above if re.search(r"(?i)fail|error|could not|cannot|unable|timed? ?out|retry", above) else ""


def persistent(complaint: Complaint) -> bool:
    """Whether a complaint goes on to the end of its log, time and again, and nothing says that it was overcome."""
    total = complaint.log.digest.lines
    near_end = complaint.line.last >= total - max(5, total * 0.15)
    goes_on = complaint.line.count >= 3 and near_end and not complaint.healed
    return complaint.score > 1.5 and goes_on and not complaint.is_inbound


_STATE = re.compile(
    r"(?i)alarm|blocked|fenced|watermark|insufficient|wrong by|no selectable|not synchroni|read-?only|table full"
    r"|failed to delete .{0,60}(?:endpoint|conntrack)|established = 0|expired"
)


def names_a_fault(complaint: Complaint) -> bool:
    """Whether a line says by its own words, and not only by its level, that something goes wrong."""
    return bool(complaint.kind or _FAULT.search(said(complaint.line.text))) and not _NONE.search(complaint.line.text)


_FAULT = re.compile(
    r"(?i)\bfail|error\b|exception\b|\bunable|\bcould not|\bcannot|\brefused|\bdenied|\binvalid|\bmissing"
    r"|\btimed? ?out|\brejected"
    r"|\bcorrupt|\bdead ?lock|\baborted|\bunavailable|\bunreachable|\blost\b|\bdropp(?:ed|ing)"
)
_NONE = re.compile(r"(?i)\b(?:no|0|zero|without) (?:errors?|failures?)")


def lasting(complaint: Complaint) -> bool:
    """Whether it goes on, or tells of a state that nothing after it ends."""
    states = (
        complaint.kind in STATES
        and not complaint.healed
        and complaint.score >= 1.5
        and _STATE.search(complaint.line.text)
    )
    return persistent(complaint) or bool(states and not complaint.is_inbound)
