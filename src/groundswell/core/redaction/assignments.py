"""Secrets that only their name gives away: `password = "…"`, `TOKEN=…`, `--api-key …`, `"secret": "…"`, `<password>…`.

An assignment from an expression is not a secret, a literal is. Where code and settings look alike (`password = value`),
letters alone are read as code, unless the line stands under an ini section.
"""

import re
from collections.abc import Iterator

from groundswell.core.redaction.literals import (
    is_annotation,
    is_chosen,
    is_generated,
    is_name,
    is_type,
    is_words,
)
from groundswell.core.redaction.spans import Span

CHOSEN = r"pass(?:word|wd|phrase|code)|passw|pwd|secret|(?<=[_\-.])pass(?![a-z])|(?<![A-Za-z])PASS(?![A-Za-z])"
_OWNER = (
    r"api|app|application|access|secret|private|account|encryption|signing|signature|master|auth|authentication"
    r"|subscription|storage|consumer|deploy|service|license|webhook|session|shared|client|hmac|jwt|cookie"
)
GENERATED = (
    rf"secret[_\-]?access[_\-]?key|(?:{_OWNER})[_\- ]?key|token|credentials?|session[_\-]?id|connection[_\-]?string"
)
KEYWORD = rf"(?:(?:{GENERATED})|(?:{CHOSEN}))"
BREAKS = r"\r\n\v\f\x1c-\x1e\x85\u2028\u2029"
_QUOTED = (
    r"""(?P<prefix>[bBrRuUfF@$]{0,2})(?P<quote>\\*+["'`])"""
    rf"(?P<text>(?:(?!(?P=quote))[^{BREAKS}])*)(?P<end>(?P=quote)|\Z)"
)
_ASSIGN = re.compile(
    rf"""(?P<key>{KEYWORD})\d{{0,2}}(?P<after>\\*+["'`]?\]?\)?)
    (?P<operator>[ \t]{{0,16}}+(?: :[ \t]*+[\w.\[\]|, ]{{1,60}}?=(?!=) | =>|:=|\?=|[:=](?![:=]))[ \t]{{0,16}}+)
    (?: {_QUOTED} | (?P<bare>[^\s"'`]{{1,256}}+) )""",
    re.VERBOSE | re.IGNORECASE,
)
_OPTION = re.compile(
    rf"""(?<![\w\-])--?(?:[a-z]+-)*{KEYWORD}[ ](?P<quote>["']?)(?P<text>[^\s"'`\-=:][^\s"'`]*+)(?P=quote)""",
    re.VERBOSE | re.IGNORECASE,
)
_ELEMENT = re.compile(rf"<(?P<tag>[\w:.\-]{{0,40}}?{KEYWORD})>(?P<text>[^<>{BREAKS}]+)</", re.IGNORECASE)
_PAIRED = re.compile(
    rf"""["']?(?:name|key)["']?\s{{0,4}}[:=]\s{{0,4}}["']?[\w.\-]{{0,60}}?{KEYWORD}["']?\s{{0,4}},?\s{{1,4}}
    ["']?value["']?\s{{0,4}}[:=]\s{{0,4}}["'](?P<text>[^"'{BREAKS}]+)["']""",
    re.VERBOSE | re.IGNORECASE,
)
_LAST_WORD = re.compile(r"(?:[A-Z]?[a-z]+|[A-Z]+)\Z")
_TYPE_NAME = re.compile(r"::\w*\Z")  # AWS::IAM::AccessKey
_BENIGN = re.compile(  # next_token, pageToken, max_token, existingSecret: these name no secret
    r"next|page|continuation|continue|prev|previous|last|first|max|min|num|pad|eos|bos|unk|sep|cls|mask|stop"
    r"|special|start|end|cancel|cancellation|csrf|xsrf|csrfmiddleware|sync|cursor|sub|lex|current|existing|tls"
    r"|pull|image|has|is|use|with|show|hide|forgot|reset|change|confirm|no|old|text|word|type|total|prompt"
    r"|completion|input|output|foreign|primary|sort|public|key",
    re.IGNORECASE,
)
_FUNCTION_WORDS = re.compile(
    r"(?:to|is|or|and|for|with|the|an?|option|options|flag|flags|argument|arguments|instead|if|when|from|as|in|on|can|will"
    r"|must|requires?|required|needs?|may|should|are|was|has|prompts?|not|file|parameter|switch|which|that|this|at|it|of|by|but|without|via)[.,:;]?",
    re.IGNORECASE,
)
_KINDS = (
    ("authorization", re.compile(r"authorization|\Aauth\Z", re.IGNORECASE)),
    ("cookie", re.compile(r"cookies?\Z", re.IGNORECASE)),
    ("password", re.compile(r"pass|pwd", re.IGNORECASE)),
    ("private-key", re.compile(r"private", re.IGNORECASE)),
    ("token", re.compile(r"token|session", re.IGNORECASE)),
    ("api-key", re.compile(r"key", re.IGNORECASE)),
    ("credential", re.compile(r"credential|connection", re.IGNORECASE)),
)
_RUN = re.compile(r"[^\s\"'`]*+")
_PACKED = re.compile(r"[^\s\"'`&;,)\]}>|]*+")
_REST = re.compile(r"[^\s\"'`]*+[ \t\r]*+(?:\Z|#|//)")
_PATTERN = re.compile(r"[\[\\]")
_REPEATED = re.compile(r"[ \t]*\*[ \t]*\d")  # b"a" * 1024
_UNNESTED = re.compile(r"[(\[{<]|\\[nrt]|\|\||&&")
_CHOSEN = re.compile(CHOSEN, re.IGNORECASE)
_SENSITIVE = re.compile(rf"(?:{KEYWORD}|authorization|(?:set-?)?cookies?|apikey|auth)s?\d{{0,2}}\Z", re.IGNORECASE)
_NAMED = re.compile(
    rf"""\s*(?:-\s+)?["']?(?:name|key)["']?\s{{0,4}}[:=]\s{{0,4}}["']?[\w.\-]{{0,60}}?{KEYWORD}["']?,?\s*\Z""",
    re.IGNORECASE,
)


def _is_benign(prefix: str) -> bool:
    """Whether what stands before `token` or `secret` in a name makes it the name of something else."""
    if _TYPE_NAME.search(prefix):
        return True
    word = _LAST_WORD.search(prefix[:-1] if prefix.endswith(("_", "-")) else prefix)
    return word is not None and _BENIGN.fullmatch(word[0]) is not None


def kind_of(key: str) -> str:
    """The kind of secret a name announces."""
    return next((kind for kind, pattern in _KINDS if pattern.search(key)), "secret")


def is_sensitive(key: str) -> bool:
    """Whether a mapping's key announces a secret."""
    match = _SENSITIVE.search(key)
    return match is not None and not _is_benign(key[: match.start()])


def names_a_secret(line: str) -> bool:
    """Whether a line is the `name:` half of a name and value pair, and the name announces a secret."""
    return _NAMED.match(line) is not None


def is_value(value: str, key: str) -> bool:
    """Whether a literal under this name is a secret."""
    if _CHOSEN.search(key) and not re.search("key", key, re.IGNORECASE):
        return is_chosen(value) and value.lower() != key.lower()
    return is_generated(value, 6)


def spans(line: str, settings: bool = False) -> Iterator[Span]:
    """The values in a line that their names give away; `settings` when the line stands under an ini section."""
    position = 0
    while match := _ASSIGN.search(line, position):
        span = _assigned(line, match, settings)
        if span is not None:
            yield span
        position = match.start("operator") if span is None else span.end
    for match in _OPTION.finditer(line):
        value = match["text"]
        wordy = value.isupper() and is_words(value)
        if is_chosen(value) and not (_UNNESTED.search(value) or wordy or _FUNCTION_WORDS.fullmatch(value)):
            yield Span(*match.span("text"), kind_of(match[0]))
    for pattern in (_ELEMENT, _PAIRED):
        for match in pattern.finditer(line):
            if is_value(match["text"], match[0][: match.start("text") - match.start()]):
                yield Span(*match.span("text"), kind_of(match[0]))


def _assigned(line: str, match: re.Match[str], settings: bool) -> Span | None:
    if _is_benign(line[max(0, match.start() - 24) : match.start()]):
        return None
    key, kind = match["key"], kind_of(match["key"])
    if match["quote"] is None:
        return _bare(line, match, settings)
    text = match["text"]
    prefix = match["prefix"].lower()
    if ("f" in prefix and "{" in text) or ("r" in prefix and _PATTERN.search(text)) or not is_value(text, key):
        return None
    if not match["end"] and len(text) < 3:
        return None
    if is_annotation(text) or _REPEATED.match(line, match.end()):
        return None
    return Span(*match.span("text"), kind, "" if match["end"] else match["quote"][-1])


def _run_end(run: re.Pattern[str], line: str, start: int) -> int:
    match = run.match(line, start)
    assert match is not None  # a run may be empty
    return match.end()


def _bare(line: str, match: re.Match[str], settings: bool) -> Span | None:
    key, operator, value = match["key"], match["operator"], match["bare"]
    if operator == ":" or _UNNESTED.search(value):
        return None
    start, kind = match.start("bare"), kind_of(key)
    if operator.strip() in ("=", "?=") and operator[-1] in "=":  # PASSWORD=x, ?token=x&…, Password=x;…
        end = _run_end(_RUN if match["after"] else _PACKED, line, start)
        return _packed(line, match, Span(start, end, kind), line[start : min(end, match.end())])
    if not _REST.match(line, match.end()):
        return _inside(line, match, kind)
    if "=" in operator:
        literal = _is_setting(value, key) if settings else _is_unlike_code(value, key)
    else:
        literal = operator[0] == ":" and _is_yaml(value, key)
    return Span(start, _run_end(_RUN, line, start), kind) if literal else None


def _inside(line: str, match: re.Match[str], kind: str) -> Span | None:
    """`password: x` with more after it, in a header, a log or a sentence: only a value that no code would hold."""
    value = match["bare"]
    if match["operator"][0] != ":" or match["operator"].strip() != ":" or value[-1] in ",;&)}]>:=":
        return None
    if len(value) < 6 or not any(c.isdigit() for c in value) or not is_generated(value, 6):
        return None
    return Span(match.start("bare"), _run_end(_RUN, line, match.start("bare")), kind)


def _packed(line: str, match: re.Match[str], span: Span, value: str) -> Span | None:
    """`key=value` without spaces: the environment, query strings, connection strings, logs, and arguments in code."""
    key, after = match["key"], line[span.end : span.end + 1]
    variable = key.isupper() and len(value) >= 6 and is_chosen(value) and not is_type(value)
    if not (_is_setting(value, key) or (variable and value.isalpha())):
        return None
    if is_name(value):
        called = line.count("(", 0, match.start()) > line.count(")", 0, match.start())
        ended = after in (",", ")", "]", "}", ">") or (after == ";" and not line[span.end + 1 :].strip())
        if called or ended or key.lower() in value.lower():
            return None
    return span if not value.isdecimal() or len(value) > 3 else None


def _is_setting(value: str, key: str) -> bool:
    return is_value(value, key) and not is_type(value) and not ("." in value and is_name(value))


def _is_yaml(value: str, key: str) -> bool:
    if ")" in value or value[-1] in ",;:&}]>" or value[0] in "&*!|>[{":
        return False
    return _is_setting(value, key)


def _is_unlike_code(value: str, key: str) -> bool:
    if is_name(value) or value.isdecimal() or value[-1] in ",;:\\" or "*" in value:
        return False
    identifier = re.fullmatch(r"[A-Za-z_]\w*", value) is not None
    return _is_setting(value, key) and not (identifier and (len(value) < 6 or key.lower() in value.lower()))
