"""Where a text may hold a secret: a few literal searches, each hit confirmed by what stands next to it.

Ordinary text is passed over at the speed of `str.find`; only lines with a confirmed hit are read by the rules.
"""

import re
from collections.abc import Iterator

# prefixes of tokens, seen from their last character, which is one of three
_MARK = re.compile(
    r"[_\-.](?=[A-Za-z0-9_.+/=\-]{10})(?:(?<=gh[pousr]_)|(?<=github_pat_)|(?<=glsa_)|(?<=glc_)|(?<=[sr]k_live_)|(?<=[sr]k_test_)|(?<=whsec_)"
    r"|(?<=npm_)|(?<=hf_)|(?<=do[opr]_v1_)|(?<=dckr_pat_)|(?<=dckr_oat_)|(?<=lin_api_)|(?<=lin_oauth_)|(?<=gsk_)"
    r"|(?<=shp[acps][ats]_)|(?<=gl[dr]t-)|(?<=gl[pfc]at-)|(?<=glptt-)|(?<=glft-)|(?<=glcbt-)|(?<=glsoat-)"
    r"|(?<=xox[abeoprs]-)|(?<=xapp-)|(?<=sk-)|(?<=pypi-)|(?<=GOCSPX-)|(?<=NRAK-)|(?<=AGE-SECRET-KEY-)"
    r"|(?<=hv[sbr]\.)|(?<=SG\.)|(?<=ya29\.))"
)
_WORDS = tuple(
    (literal, re.compile(pattern))
    for literal, pattern in (
        ("eyJ", r"eyJ[A-Za-z0-9_\-]{8}"),
        ("AIza", r"AIza[A-Za-z0-9_\-]{30}"),
        ("AKIA", r"AKIA[A-Z0-9]{16}"),
        ("SIA", r"SIA[A-Z0-9]{16}"),
        ("ABIA", r"ABIA[A-Z0-9]{16}"),
        ("ACCA", r"ACCA[A-Z0-9]{16}"),
        ("SK", r"SK[0-9a-f]{32}"),
        ("dapi", r"dapi[a-f0-9]{32}"),
        ("ATATT3", r"ATATT3"),
        (".slack.com/", r".slack.com/[sw]"),
        ("SHA", r"SHA(?:256|512)?\}"),
        ("://", r"://[^\s/\"'<>`]*@"),
        ("$", r"\$(?:apr1|2[abxy]|[1567y]|argon2|pbkdf2|scrypt)"),
        ("ig=", r"ig="),
        ("ignature=", r"ignature="),
    )
)
_NAME = re.compile(
    r"(?:pass(?:word|wd|phrase|code|w)?|pwd|secret|token|credentials?|key|session[_\-]?id|connection[_\-]?string)"
    r"\d{0,2}(?:[\\\"'`\])]{0,9}[ \t]{0,16}(?:[:=>]|\?=)(?!\n)|(?P<space> [^\s\-])"
    r"|(?P<pair>[\"']?[ \t]{0,4},?\s{0,4}(?:\n|\Z|[\"']?value)))"
)
_NAMES = ("pass", "pwd", "secret", "token", "credential", "key", "session", "connection")
_LINES = (
    ("-----begin", re.compile(r"-----begin[a-z0-9 ]{0,20} ?private")),
    ("aws", re.compile(r"aws.*[a-z0-9/+]{40}")),
    ("sharedsecret", re.compile("sharedsecret")),
    ("authorization", re.compile(r"authorization[\\\"'\]]{0,4}[ \t]{0,4}[:=,]")),
    ("bearer", re.compile(r"bearer[ \t]{1,4}[a-z0-9._~+/=\-]{12}")),
    ("sshpass", re.compile(r"sshpass.* -p")),
    ("redis-cli", re.compile(r"redis-cli.* -a")),
    ("mysql", re.compile(r"mysql.* -p")),
    ("mariadb", re.compile(r"mariadb.* -p")),
    ("login", re.compile(r"login(?:.* -p|\s+\S+)")),
    ("curl", re.compile(r"curl.* (?:-u|--user|--proxy-user)")),
    ("cookie", re.compile(r"cookie[\\\"']{0,4}[ \t]{0,4}[:=]")),
    ("machine", re.compile(r"machine\s+\S")),
    ("apiversion", re.compile(r"apiversion.{0,8}:")),
    ("kind", re.compile(r"kind[\\\"']{0,4}\s*:\s*[\\\"']{0,4}secret")),
    (":543", re.compile(r":543\d:")),
    (":6432", re.compile(r":6432:")),
    (":*:", re.compile(r":\*:")),
)


def _hits(text: str, literal: str, pattern: re.Pattern[str]) -> Iterator[int]:
    at = text.find(literal)
    while at >= 0:
        if pattern.match(text, at):
            yield at
            end = text.find("\n", at)
            at = text.find(literal, end) if end >= 0 else -1
        else:
            at = text.find(literal, at + 1)


def words(text: str) -> Iterator[int]:
    """Where a secret may stand that shows itself; at least one place for each line that has any."""
    yield from (match.start() for match in _MARK.finditer(text))
    for literal, pattern in _WORDS:
        if literal in text:
            yield from _hits(text, literal, pattern)


def names(lowered: str) -> Iterator[int]:
    """Where a name stands that may announce a secret."""
    for name in _NAMES:
        at = lowered.find(name)
        while at >= 0:
            match = _NAME.match(lowered, at)
            if match and _confirmed(lowered, match):
                yield at
                end = lowered.find("\n", at)
                at = lowered.find(name, end) if end >= 0 else -1
            else:
                at = lowered.find(name, at + 1)


def _confirmed(lowered: str, match: re.Match[str]) -> bool:
    """An option before a space needs its dashes, a name and value pair the word `name`."""
    if match.lastgroup is None:
        return True
    line = max(lowered.rfind("\n", 0, match.start()) + 1, match.start() - 100)
    before = lowered[line : match.start()]
    return "-" in before if match.lastgroup == "space" else "name" in before or "key" in before


def lines(lowered: str) -> Iterator[int]:
    """Where a header, a command or a block may begin that has a secret in it."""
    for literal, pattern in _LINES:
        if literal in lowered:
            yield from _hits(lowered, literal, pattern)


def any_of(places: Iterator[int]) -> bool:
    """Whether there is one place at all."""
    return next(places, None) is not None
