"""What a line of an application's log means: what it complains about, and whom it spoke to."""

import re
from dataclasses import dataclass

from groundswell.agents.observability.world import Line, Log

_KINDS: tuple[tuple[str, str], ...] = (
    ("rbac", r"\bis forbidden: User\b|cannot (?:get|list|watch|create|update|patch|delete) resource"),
    (
        "certificate",
        r"x509:|certificate (?:has )?expired|certificate is not yet valid|certificate verify failed|CERT_HAS_EXPIRED"
        r"|unknown (?:certificate )?authority|self.signed certificate|PKIX path|SSLHandshake|tls: (?:bad"
        r"|failed|handshake)"
        r"|SSL: CERT|NotAfter|UNABLE_TO_VERIFY_LEAF",
    ),
    (
        "dns",
        r"no such host|Name or service not known|[Cc]ould not resolve|getaddrinfo|ENOTFOUND|EAI_AGAIN|NXDOMAIN|SERVFAIL"
        r"|Temporary failure in name resolution|server misbehaving|UnknownHostException|name resolution"
        r"|nodename nor servname"
        r"|host(?:name)? (?:lookup|not found)|lookup \S+ on \S+:53|could not translate host name|Name does not resolve",
    ),
    ("disk", r"[Nn]o space left on device|ENOSPC|disk (?:is )?full|[Dd]isk quota exceeded"),
    ("read-only", r"[Rr]ead-only file ?system|EROFS|[Rr]ead.?only (?:transaction|mode)"),
    (
        "memory",
        r"OutOfMemory(?:Error)?|[Oo]ut of memory|Cannot allocate memory|heap out of memory|MemoryError\b"
        r"|bad_alloc|ENOMEM",
    ),
    ("port", r"[Aa]ddress already in use|EADDRINUSE|port \d+ (?:is )?already (?:in use|allocated)|[Cc]ould not bind"),
    (
        "login",
        r"password authentication failed|[Aa]ccess denied for user|[Ii]nvalid credentials|WRONGPASS|NOAUTH|SASL auth"
        r"|[Aa]uthentication (?:failed|error|required)|401 Unauthorized|status(?:[ =:]+|Code[ =:]+)401"
        r"|[Ii]nvalid (?:api key|password|token)"
        r"|role \"[^\"]*\" does not exist|no pg_hba.conf entry",
    ),
    (
        "schema",
        r"relation \"[^\"]*\" does not exist|[Tt]able '?\S+'? doesn't exist|no such (?:table|column)"
        r"|[Uu]nknown (?:column|database)"
        r"|column \S+ does not exist|pending migrations?|[Mm]igration .{0,40}fail"
        r"|database \"[^\"]*\" does not exist|dirty database",
    ),
    (
        "lease",
        r"leader ?election lost|lost (?:the )?(?:leader|lease)|failed to renew lease|[Ll]ease (?:lost"
        r"|expired)|clock (?:skew|drift)"
        r"|token used before issued|[Nn]ot yet valid|time (?:is )?out of sync|RequestTimeTooSkewed",
    ),
    (
        "limit",
        r"[Tt]oo many (?:open files|connections|clients)|EMFILE|remaining connection slots|pool (?:exhausted"
        r"|timeout)|QueuePool limit",
    ),
    ("throttled", r"\b429\b|[Tt]oo [Mm]any [Rr]equests|rate limit|TooManyRequests|toomanyrequests"),
    (
        "refused",
        r"[Cc]onnection ?[Rr]efused|ECONNREFUSED|actively refused|[Cc]onnect(?:ion)? (?:to \S+ )?refused|Errno 111",
    ),
    (
        "timeout",
        r"i/o timeout|context deadline exceeded|ETIMEDOUT|[Tt]imed ?-?[Oo]ut"
        r"|[Cc]onnect(?:ion)?[ _]?[Tt]imeout|deadline exceeded"
        r"|ReadTimeout|ConnectTimeout|SocketTimeoutException|no route to host|EHOSTUNREACH"
        r"|[Nn]etwork is unreachable|timeout (?:of|after|waiting)",
    ),
    (
        "reset",
        r"ECONNRESET|[Cc]onnection reset|[Bb]roken pipe|EPIPE|unexpected EOF|server closed the connection"
        r"|[Ss]ocket hang up",
    ),
    (
        "upstream",
        r"\b50[234]\b.{0,30}(?:Bad Gateway|Service Unavailable|Gateway Time)|(?:status|code"
        r"|HTTP)\D{0,12}50[0234]\b|upstream"
        r"|[Ss]ervice [Uu]navailable|[Bb]ad [Gg]ateway|no healthy (?:upstream|host)|LEADER_NOT_AVAILABLE"
        r"|broker .{0,20}not available",
    ),
    (
        "program",
        r"exec format error|executable file not found|command not found|[Mm]odule ?NotFound"
        r"|Cannot find module|No module named"
        r"|ClassNotFound|NoClassDefFound|Could not find or load main class|shared librar(?:y|ies)"
        r"|Unable to access jarfile|ImportError"
        r"|can't open file '|exec: .*no such file",
    ),
    (
        "setting",
        r"[Ee]nv(?:ironment)?[ _]?(?:var(?:iable)?s?)?\b.{0,60}(?:not set|missing|required|undefined"
        r"|not (?:found|defined)|empty|unset)"
        r"|(?:missing|required|unset|undefined)\b.{0,40}(?:env|environment|config|setting|option|variable"
        r"|parameter|flag|property|key)"
        r"|KeyError|unbound variable|must (?:be set|not be empty|be (?:one|a|an)\b)|is (?:required|not set"
        r"|unset)|[Ii]nvalid (?:value|config|option|argument|"
        r"configuration|port|url|URL|setting|log level|duration)|unknown (?:field|option|flag|key|directive"
        r"|property|argument|log level|command)"
        r"|unrecognized (?:option|argument|configuration)|unrecogni[sz]ed|(?:yaml|toml|json|YAML|JSON"
        r"|TOML)\b.{0,40}(?:error|line \d|unmarshal|pars)"
        r"|(?:parse|parsing|load|read|loading|reading|decode|unmarshal|open)\w*\b.{0,40}\bconf(?:ig)?"
        r"|[Cc]onfig(?:uration)?\b.{0,50}(?:error|invalid|fail|missing|not found|malformed|no such)"
        r"|could not convert|No enum constant|invalid literal|cannot unmarshal|strconv\.|ValidationError"
        r"|unexpected (?:key|token|character)|Could not resolve placeholder"
        r"|emerg\]|[Ss]yntax error|host not found in upstream|flag provided but not defined|bad (?:value"
        r"|configuration)|FATAL:\s+could not access file",
    ),
    (
        "permission",
        r"[Pp]ermission denied|EACCES|[Oo]peration not permitted|EPERM|Access is denied|AccessDenied|not writable",
    ),
    (
        "file",
        r"[Nn]o such file or directory|ENOENT|FileNotFound|file (?:does not exist|not found)|[Cc]annot open|NoSuchFile",
    ),
    (
        "bug",
        r"panic:|nil pointer|NullPointerException|SIGSEGV|[Ss]egmentation fault|Traceback|[Uu]nhandled"
        r"|[Uu]ncaught|assertion|\w+(?:Error|Exception)\b",
    ),
)
_KIND = tuple((name, re.compile(pattern)) for name, pattern in _KINDS)
EDGES = frozenset({"dns", "refused", "timeout", "reset", "upstream", "login", "throttled"})
_HARMLESS = re.compile(
    r"\b(?:optional|ignor(?:ed|ing)|continu(?:e|es|ing)|skipp(?:ed|ing)|fall(?:s|ing)? ?back|fallback"
    r"|using (?:the )?defaults?|non-?fatal"
    r"|deprecat\w+|best.effort|harmless|not enabled|disabled|will be created|expected|dry.?run)\b",
    re.IGNORECASE,
)
_RECOVERED = re.compile(
    r"\b(?:re-?connected|recovered|connection (?:restored|established)|connected (?:to|after)|succeeded"
    r"|successful(?:ly)?"
    r"|back online|healthy again|resumed|now (?:ready|leader|healthy))\b",
    re.IGNORECASE,
)
_HOST = r"(?P<host>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9-]+)*|\d+\.\d+\.\d+\.\d+)"
_TARGETS = (
    re.compile(rf"\b[a-z][a-z0-9+.-]*://(?:[^@\s/\"']*@)?{_HOST}(?::(?P<port>\d+))?"),
    re.compile(rf"\blookup {_HOST}(?P<port>(?!))?"),
    re.compile(
        rf"\b(?:dial tcp|dial udp|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET):? {_HOST}(?::(?P<port>\d+))?"
    ),
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

    @property
    def quote(self) -> str:
        """The line without its time and level: what it says."""
        return said(self.line.text)

    def missing(self) -> str:
        """The variable or setting that it names."""
        match = _MISSING.search(said(self.line.text))
        return next((each for each in match.groups() if each), "") if match else ""


_PREFIX = re.compile(
    r"""^\s*(?:[\[(]?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d\S*[\])]?\s*|\d\d:\d\d:\d\d\S*\s+"
    r"|[IWEF]\d{4}\s\S+\s+\d+\s\S+\]\s*
    |(?:\[?(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|SEVERE|CRITICAL|FATAL|PANIC|error|fatal|warn|warning|info)\]?:?)(?:\s+|(?=\[))
    |\[\S{1,40}\]\s+|-\s+|UTC\s+|\d+\ ---\ \[[^\]]*\]\s+\S+\s*:\s+|\d+\#\d+:\s+(?:\*\d+\s+)?)+""",
    re.VERBOSE,
)
_JSON = re.compile(r"\"(?:msg|message|error|err|event|log)\"\s*:\s*\"((?:[^\"\\]|\\.)*)\"")
_FMT = re.compile(r"\b(?:err|error)=(\"(?:[^\"\\]|\\.)*\"|\S+)|\b(?:msg|message)=(\"(?:[^\"\\]|\\.)*\"|\S+)")
_LONGEST = 160


def said(text: str) -> str:
    """What a line says: without time and level, and of structured lines the message with its error; a part of it."""
    found = [match.group(1) for match in _JSON.finditer(text)] if text.lstrip().startswith("{") else []
    if not found:
        found = [(match.group(1) or match.group(2)).strip('"') for match in _FMT.finditer(text)]
    found = [each for each in found if each and "\\" not in each]
    if found:
        text = max(found, key=lambda each: (kind_of(each) not in ("", "bug"), len(each)))
    text = _PREFIX.sub("", text.strip()).strip() or text.strip()
    if len(text) <= _LONGEST:
        return text
    return text[:_LONGEST].rsplit(" ", 1)[0]


def kind_of(text: str) -> str:
    """What a line complains about; "" for nothing that is known."""
    return next((name for name, pattern in _KIND if pattern.search(text)), "")


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
            ):
                continue
            return lowered, port
    return "", 0


_EXCEPTION = re.compile(r"\s*(?:Caused by: )?[\w.$]+(?:Exception|Error)\b: ?\S")


def complaints(log: Log) -> list[Complaint]:
    """The lines that complain, those first that most likely say why the container ended."""
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
        score -= 4.0 if any(number > line.last for number in recovered) else 0.0
        host, port = target(line.text) if kind in EDGES or kind in ("certificate", "") else ("", 0)
        found.append(Complaint(kind, line, log, score, host, port))
    return sorted(found, key=lambda each: (-each.score, each.line.number))


def persistent(complaint: Complaint) -> bool:
    """Whether a complaint goes on to the end of its log, time and again, and nothing says that it was overcome."""
    total = complaint.log.digest.lines
    near_end = complaint.line.last >= total - max(5, total * 0.15)
    return complaint.score > 1.5 and complaint.line.count >= 3 and near_end
