"""The kinds of complaint that logs and statuses make, by the words of servers, libraries and languages."""

import re

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
        r"no such host|Name or service not known|[Cc]ould not resolve|getaddrinfo|ENOTFOUND|EAI_AGAIN|NXDOMAIN"
        r"|SERVFAIL"
        r"|Temporary failure in name resolution|server misbehaving|UnknownHostException|name resolution"
        r"|nodename nor servname"
        r"|host(?:name)? (?:lookup|not found)|lookup \S+ on \S+:53|dns error|failed to lookup address"
        r"|could not translate host name|Name does not resolve",
    ),
    (
        "disk",
        r"[Nn]o space left on device|ENOSPC|disk (?:is )?full|[Dd]isk quota exceeded|disk resource limit alarm"
        r"|[Ff]ree disk space is insufficient|flood.stage disk watermark|[Dd]isk usage exceeded|low on disk"
        r"|could not extend file|volume is full|blocked until this alarm",
    ),
    (
        "read-only",
        r"[Rr]ead-only file ?system|EROFS|[Rr]ead.?only (?:transaction|mode|replica)|READONLY\b|--read-only option"
        r"|fenced read-only",
    ),
    (
        "clock",
        r"[Cc]lock (?:skew|drift|is|was)\b.{0,40}|[Ss]ystem clock wrong|token used before issued|[Nn]ot yet valid"
        r"|ImmatureSignature|time (?:is )?out of sync|RequestTimeTooSkewed|no selectable sources|clock offset"
        r"|not synchroni[sz]ed",
    ),
    (
        "slow",
        r"slow fdatasync|took too long|fsync .{0,20}(?:slow|took)|disk (?:is )?too slow"
        r"|leader failed to send out heartbeat",
    ),
    (
        "network",
        r"nf_conntrack: table full|[Ff]ailed to delete .{0,60}(?:endpoint|conntrack)"
        r"|BGP\b.{0,40}(?:not established|down)"
        r"|peering established = 0\b|no active (?:BGP )?peers|unable to allocate IP|no (?:free|available) (?:IP"
        r"|address)",
    ),
    (
        "memory",
        r"OutOfMemory(?:Error)?|[Oo]ut of memory|Cannot allocate memory|heap out of memory|MemoryError\b"
        r"|bad_alloc|ENOMEM|OOM command not allowed|maxmemory",
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
        r"|expired)",
    ),
    (
        "limit",
        r"[Tt]oo many (?:open files|connections|clients)|EMFILE|remaining connection slots"
        r"|[Pp]ool (?:is )?(?:exhausted"
        r"|timeout|empty|full|overflow)|QueuePool limit|Connection is not available, request timed out"
        r"|[Tt]im(?:ed ?out|eout)\b.{0,30}(?:acquiring|waiting for|getting|obtaining).{0,20}(?:connection|pool)"
        r"|(?:acquir\w*|obtain\w*) .{0,30}connection.{0,30}tim|max(?:imum)? (?:pool size"
        r"|connections) (?:was )?reached"
        r"|PoolExhausted|PoolTimeout|connection pool",
    ),
    (
        "throttled",
        r"\b429\b|[Tt]oo [Mm]any [Rr]equests|rate.?limit|TooManyRequests|toomanyrequests|[Tt]hrottl|SlowDown\b"
        r"|daily quota|quota exceeded|QuotaExceeded|RESOURCE_EXHAUSTED",
    ),
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
        r"[Nn]o such file or directory|ENOENT|FileNotFound|file (?:does not exist|not found)|[Cc]annot open"
        r"|NoSuchFile",
    ),
    (
        "bug",
        r"panic:|nil pointer|NullPointerException|SIGSEGV|[Ss]egmentation fault|Traceback|[Uu]nhandled"
        r"|[Uu]ncaught|assertion|\w+(?:Error|Exception)\b",
    ),
)
KINDS = tuple((name, re.compile(pattern)) for name, pattern in _KINDS)


def kind_of(text: str) -> str:
    """What a line complains about; "" for nothing that is known."""
    return next((name for name, pattern in KINDS if pattern.search(text)), "")
