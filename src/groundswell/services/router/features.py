"""What a text shows of itself: signs that can be named, and the words, word pairs and letter groups it is made of.

Standard library alone, and bounded: a pasted log costs no more than its first and last lines.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

BUCKETS = 2**14
HEAD, TAIL = 600, 300  # characters of a text that are read: of a log or a trace the ends say most
LETTERS = 400  # characters whose letter groups are read
GROUPS = (3, 4, 5)
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+|[?!{}()=;<>@#*/\\|+%$&^~-]")


@dataclass(frozen=True)
class Sign:
    """Something a pattern sees, and how people call it."""

    name: str
    said: str  # as in "it …"
    pattern: re.Pattern[str]


def _sign(name: str, said: str, pattern: str, flags: int = re.I) -> Sign:
    return Sign(name, said, re.compile(pattern, flags))


_CODE_ENDINGS = "py|pyi|js|jsx|ts|tsx|mjs|go|rs|java|kt|c|h|cc|cpp|hpp|cs|rb|php|swift|scala|sh|sql|vue|css|toml"
_CODE_VERBS = "add|implement|refactor|rename|extract|split|replace|convert|fix|rewrite|remove|write|review|make|support"
_ERRANDS = (
    "book|reserve|order|buy|pay|send|text|call|email|mail|post|tweet|forward|reply|transfer|refund|cancel|delete|drop"
    "|restart|scale|drain|cordon|evict|deploy|push|merge|publish|release|trigger|approve|create|close|reset|upload"
    "|grant|rotate|empty|move|turn|set|lock|unlock|open|play|start|stop|wake|remind|note|put|kill|roll"
)
_KUBERNETES = (
    r"pods?|kubectl|kubelet|namespaces?|deployments?|replica ?sets?|stateful ?sets?|daemon ?sets?|nodes?|clusters?|k8s"
    r"|kubernetes|ingress(?:es)?|pvcs?|pv|config ?maps?|cron ?jobs?|hpa|autoscaler|sidecars?|containers?|helm|replicas?"
    r"|svc|endpoints?|probes?|rollouts?|prometheus|promql|grafana|istio|staging|prod|production|role ?bindings?"
    r"|cluster ?roles?|service ?accounts?|network ?polic(?:y|ies)|webhooks?|taints?|volumes?|contenedor(?:es)?|nodos?"
)
_CODE_WORDS = (
    r"attributes?|callbacks?|callers?|components?|constants?|constructors?|controllers?|decorators?|docstrings?|enums?"
    r"|fields?|fixtures?|handlers?|hooks?|implements?|inherits?|interfaces?|loops?|middlewares?|migrations?|mocks?|models?"
    r"|parsers?|properties|props|raises?|regex|resolvers?|returns?|routes?|schemas?|structs?|subclass(?:es)?|templates?"
    r"|tests?|traits?|types?|validators?|views?|imports?|endpoints?|exceptions?|flags?|strings?|async|sql"
)

SIGNS: tuple[Sign, ...] = (
    _sign("code file", "names a source file", rf"\w\.(?:{_CODE_ENDINGS})\b"),
    _sign("call", "names a function", r"\w\(\)|`[^`\n]{1,80}`"),
    _sign("identifier", "has names as code has them", r"\b(?:[a-z0-9]+_[a-z0-9_]+|[a-z]+[A-Z]\w+|_\w+)\b", 0),
    _sign("class name", "has names as code has them", r"\b(?:[A-Z][a-z0-9]+){2,}\b(?!-)", 0),
    _sign("constant", "names a constant", r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", 0),
    _sign(
        "trace",
        "has a stack trace",
        r"traceback \(most|file \"[^\"]{1,200}\", line \d+|^[ \t]+at \S+ ?\(?\S{1,200}:\d+|goroutine \d+"
        r"|\.(?:py|js|ts|go|rs|java|rb|php):\d+|\b\w+(?:Error|Exception)\b:|^panic:|error\[E\d+\]|error TS\d+",
        re.M,
    ),
    _sign(
        "code",
        "has code in it",
        r"(?:^|\s)(?:def|class|func|fn|function|return|import|const|let|var|public|private|elif|else) \w|=>|\);"
        r"|[{};]\s*$|\w\([^()\n]*\)\s*[:{]|\bself\.|==|!=|\bselect\b.{1,80}\bfrom\b",
        re.M,
    ),
    _sign(
        "diff", "has a diff", r"^(?:@@ |\+\+\+ |--- |diff --git)|\b(?:pull request|patch|diff|merge conflict)\b", re.M
    ),
    _sign(
        "this code",
        "asks about the code",
        r"\b(?:code ?base|repo(?:sitory)?|(?:this|our|the|in) (?:code|project|sources?|module|package|class|function)"
        r"|functions?|methods?|class(?:es)?|modules?|refactor\w*|unit tests?|variable|parameter|argument)\b",
    ),
    _sign("words of code", "uses words of programming", rf"\b(?:{_CODE_WORDS})\b"),
    _sign(
        "many words of code",
        "uses words of programming",
        rf"(?s)\b(?:{_CODE_WORDS})\b.*\b(?:{_CODE_WORDS}|code|class|file)\b",
    ),
    _sign("change of code", "asks for a change", rf"^\s*(?:please |can you |could you )?(?:{_CODE_VERBS})\b"),
    _sign("cluster", "mentions cluster things", rf"\b(?:{_KUBERNETES})\b"),
    _sign(
        "cluster reason",
        "has a reason as Kubernetes gives it",
        r"\b(?:\w{1,30}BackOff|OOM ?Killed|Evicted|NotReady|Err\w*Pull\w*|Failed(?:Scheduling|Mount|Attach\w*)"
        r"|Failed(?:Create|Get)\w*|Create\w+Error|Unschedulable|ProgressDeadlineExceeded|ContainerCreating|PodInitializing|Terminating"
        r"|Pending|Unhealthy|CrashLoop\w*|Kube[A-Z]\w+|taints?|exit code \d+|readiness|liveness)\b",
    ),
    _sign("workload", "names a workload", r"[a-z0-9]-(?:[0-9a-f]{4,10}(?:-[a-z0-9]{3,5})?|\d)\b", 0),
    _sign(
        "log line",
        "has log lines",
        r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\blevel=\w+|^[EWIF]\d{4} \d\d:|\b(?:ERROR|WARN(?:ING)?|FATAL)\b|x\d+ over \d+",
        re.M,
    ),
    _sign(
        "metric",
        "asks for figures of a system",
        r"\b(?:p9\d|latency|throughput|cpu|memory|error rate|requests per|utili[sz]ation|throttl\w+|lag|quota|limits?"
        r"|alerts?|firing|paged|timeouts?|503|502|504)\b|\[\d+[smhd]\]|\w+\{\w+=",
    ),
    _sign(
        "trouble now",
        "tells of trouble in something that runs",
        r"\b(?:stuck|pending|down|unhealthy|restart(?:s|ed|ing)|crash\w*|killed|evicted|unreachable|refused|slow|hangs?"
        r"|firing|failing|failed|broken|flapping|not ready|timed? out)\b",
    ),
    _sign("address", "has an address of a page", r"https?://"),
    _sign(
        "documents",
        "asks what documents say",
        r"\b(?:according to|documentation|docs|documents?|handbook|manual|guide(?:line)?s?|polic(?:y|ies)|wiki\w*"
        r"|pages?|articles?|sources?|citation|cite|quote|papers?|pdfs?|reports?|release notes|literature|stud(?:y|ies)"
        r"|contracts?|collection|look(?: it)? up|research|summari[sz]e)\b",
    ),
    _sign(
        "question of fact",
        "is a question of fact",
        r"^\s*(?:who|when|what (?:is|are|was|were|does|do|did)|what's|which|how (?:many|much|long|far|high|deep|fast"
        r"|tall|big|large|heavy|wide|old|is|are|does|do|did)|where (?:is|are|was|does|do|did)|in which"
        r"|does|is|are|wann|wer|wie viele|quand|qui|cu[aá]ndo)\b",
    ),
    _sign(
        "past",
        "asks about the past",
        r"\b(?:was|were|did|founded|invented|discovered|century|first|1\d\d\d|20[012]\d)\b",
    ),
    _sign("myself", "is about a person", r"\b(?:my|me|i|i'm|im|mine|mich|mein\w*|mir|ich|mon|ma|mes|je|mi|mis)\b"),
    _sign("ours", "says our or we", r"\b(?:our|we|us|unser\w*|wir|notre|nous|nuestr\w+)\b"),
    _sign("you", "talks to the platform itself", r"\b(?:you|your|you're|du|dich|dein|tu|vous)\b"),
    _sign("errand", "is an errand", rf"^\s*(?:please |can you |could you )?(?:{_ERRANDS})\b"),
    _sign(
        "errand in a cluster",
        "is an errand",
        rf"^\s*(?:please |can you |could you |bitte )?(?:{_ERRANDS}|apply|edit|patch|increase|raise|lower|reboot"
        r"|upgrade|add|bounce|kubectl (?:apply|delete|scale|edit)|l[öo]sche|starte|skaliere|redeploy|exec|silence)\b"
        rf"(?s:.*)\b(?:{_KUBERNETES})\b",
    ),
    _sign(
        "text to write",
        "wants a text written",
        r"\b(?:poem|story|joke|essay|song|haiku|lyrics|speech|cover letter|translate|rewrite|rephrase|proofread"
        r"|recipe)\b",
    ),
    _sign("advice", "asks for advice", r"\b(?:should i|recommend|suggest|for me|for my|what should|ideas?|tips)\b"),
    _sign("sum", "is a sum", r"^[\d\s+*/^().=x%-]{3,}$|\b\d+\s*(?:times|plus|minus|mal|percent of|[*/^])\s*\d*"),
    _sign("few words", "has few words", r"^\s*\S+(?:\s+\S+)?\s*$"),
    _sign("three words", "has few words", r"^\s*\S+(?:\s+\S+){2,3}\s*$"),
    _sign("long", "is long", r"(?s)^.{160,}"),
)


def read(text: str) -> str:
    """The part of a text that is looked at."""
    text = text.strip()
    return text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"


def signs(text: str) -> list[int]:
    """Which signs a text shows, as places in `SIGNS`."""
    return [number for number, sign in enumerate(SIGNS) if sign.pattern.search(text)]


def words(text: str) -> list[str]:
    """Its words in order, in lower case; any number is `0`."""
    return ["0" if word.isdigit() else word for word in WORD.findall(text.lower())]


def parts(word: str) -> Iterator[str]:
    """The letter groups of a word, with its ends marked: what survives a typo or an ending."""
    framed = f"<{word}>"
    for size in GROUPS:
        for start in range(len(framed) - size + 1):
            yield framed[start : start + size]


def bucket(feature: str) -> int:
    """The place of a word, a pair or a letter group; different ones may share it."""
    return zlib.crc32(feature.encode("utf-8", "surrogatepass")) % BUCKETS


def buckets(text: str) -> set[int]:
    """The places of all that a text is made of."""
    found = words(text)
    places = {bucket(f"w{word}") for word in found}
    places |= {bucket(f"p{first} {second}") for first, second in zip(["^", *found], [*found, "$"], strict=True)}
    letters = 0
    for word in found:
        letters += len(word)
        if letters > LETTERS:
            break
        if len(word) > 2:
            places.update(bucket(f"c{part}") for part in parts(word))
    return places
