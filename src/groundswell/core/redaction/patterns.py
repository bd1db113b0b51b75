"""Secrets that show themselves: keys with a prefix, JWTs, PEM on one line, headers, URLs, hashes, commands."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from groundswell.core.redaction.literals import is_chosen, is_generated, is_stand_in
from groundswell.core.redaction.spans import Span

Accept = Callable[["re.Match[str]"], bool]


class Rule(NamedTuple):
    """A pattern whose groups `s…` are secrets, tried only in lines where one of the hints stands.

    Those of `LINE_RULES` are looked for in lower case, those of `WORD_RULES` as they are.
    """

    kind: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    accept: Accept | None = None

    def spans(self, line: str) -> Iterator[Span]:
        """The secrets of this kind in a line."""
        for match in self.pattern.finditer(line):
            if self.accept is not None and not self.accept(match):
                continue
            for group in self.pattern.groupindex:
                if group.startswith("s") and match[group]:
                    yield Span(*match.span(group), self.kind)


def _prefixed(kind: str, literals: str, pattern: str, accept: Accept | None = None) -> Rule:
    return _word(kind, literals, rf"(?<![A-Za-z0-9_])(?P<s>{pattern})", accept)


def _word(kind: str, literals: str, pattern: str, accept: Accept | None = None) -> Rule:
    """A rule for a secret without a space in it; `hints.words` knows where those may stand."""
    return Rule(kind, tuple(literals.split()), re.compile(pattern), accept)


def _has_digit(match: re.Match[str]) -> bool:
    return any(c.isdigit() for c in match["s"])


def _is_jwt(match: re.Match[str]) -> bool:
    head = match["s"].partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict)


def _is_url_secret(match: re.Match[str]) -> bool:
    return is_chosen(match["s"]) and not (match["s"].isdecimal() and len(match["s"]) < 6 and not match["user"])


def _is_mixed(match: re.Match[str]) -> bool:
    """40 characters of base64 and not a digest: upper and lower case and a digit."""
    value = match["s"]
    return not (value.islower() or value.isupper()) and _has_digit(match) and value.count("/") < 6


def _is_credential(match: re.Match[str]) -> bool:
    return is_generated(match["s"], 12)


def _is_header(match: re.Match[str]) -> bool:
    return len(match["s"]) > 3 and "{" not in match["s"] and not is_stand_in(match["s"])


def _is_argument(match: re.Match[str]) -> bool:
    return is_chosen(match["s"])


def _is_quoted(match: re.Match[str]) -> bool:
    return is_chosen(match["s"].strip("\\\"'"))


def is_base64(value: str) -> bool:
    """Whether the value can be the data of a Kubernetes Secret rather than an ordinary setting."""
    if len(value) < 8 or len(value) % 4:
        return False
    try:
        data = base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
    return value.endswith("=") or len(value) >= 24 or all(32 <= byte < 127 for byte in data)


_TOKENS = (
    _prefixed("github-token", "ghp_ gho_ ghs_ ghu_ ghr_", r"gh[pousr]_[A-Za-z0-9]{20,}+"),
    _prefixed("github-token", "github_pat_", r"github_pat_[A-Za-z0-9_]{20,}+"),
    _prefixed("gitlab-token", "gl", r"gl(?:pat|dt|rt|ptt|ft|cbt|soat)-[A-Za-z0-9_\-]{16,}+(?:\.[A-Za-z0-9_\-]+)*"),
    _prefixed("grafana-token", "glsa_ glc_", r"gl(?:sa|c)_[A-Za-z0-9_=+/]{24,}+"),
    _prefixed("slack-token", "xox xapp-", r"(?:xox[abeoprs]|xapp)-[A-Za-z0-9\-]{10,}+", _has_digit),
    _prefixed("stripe-key", "k_live_ k_test_ whsec_", r"(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9+/=]{10,}+"),
    _prefixed("anthropic-key", "sk-ant-", r"sk-ant-[A-Za-z0-9_\-]{10,}+"),
    _prefixed("openai-key", "sk-", r"(?<!-)sk-(?!ant-)[A-Za-z0-9_\-]{20,}+", _has_digit),
    _prefixed("google-key", "AIza", r"AIza[A-Za-z0-9_\-]{30,}+"),
    _prefixed("google-key", "GOCSPX- ya29.", r"(?:GOCSPX-|ya29\.)[A-Za-z0-9_\-]{20,}+(?:\.[A-Za-z0-9_\-]+)*"),
    _prefixed("npm-token", "npm_", r"npm_[A-Za-z0-9]{30,}+"),
    _prefixed("pypi-token", "pypi-", r"pypi-[A-Za-z0-9_\-]{16,}+(?<=[A-Za-z0-9_\-]{50})|pypi-AgE[A-Za-z0-9_\-]{16,}+"),
    _prefixed("huggingface-token", "hf_", r"hf_[A-Za-z0-9]{30,}+"),
    _prefixed("sendgrid-key", "SG.", r"SG\.[A-Za-z0-9_\-]{16,}+\.[A-Za-z0-9_\-]{16,}+"),
    _prefixed("twilio-key", "SK", r"SK[0-9a-f]{32}(?![A-Za-z0-9])"),
    _prefixed("vault-token", "hvs. hvb. hvr.", r"hv[sbr]\.[A-Za-z0-9_\-]{20,}+"),
    _prefixed("digitalocean-token", "_v1_", r"do[opr]_v1_[a-f0-9]{40,}+"),
    _prefixed("docker-token", "dckr_", r"dckr_(?:pat|oat)_[A-Za-z0-9_\-]{16,}+"),
    _prefixed("linear-key", "lin_", r"lin_(?:api|oauth)_[A-Za-z0-9]{20,}+"),
    _prefixed("groundswell-key", "gsk_", r"gsk_[A-Za-z0-9_\-]{16,}+", lambda m: is_generated(m["s"], 16)),
    _prefixed("databricks-token", "dapi", r"dapi[a-f0-9]{32,}+(?:-\d)?"),
    _prefixed("shopify-token", "shp", r"shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32,}+"),
    _prefixed("atlassian-token", "ATATT3", r"ATATT3[A-Za-z0-9_\-=.]{40,}+"),
    _prefixed("newrelic-key", "NRAK-", r"NRAK-[A-Z0-9]{20,}+"),
    _prefixed("age-key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[A-Z0-9]{40,}+"),
    _prefixed("aws-access-key", "AKIA ASIA ABIA ACCA", r"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _word("slack-webhook", "hooks.slack.com",
          r"hooks\.slack\.com/(?:services|workflows)/(?P<s>[A-Za-z0-9]+/[A-Za-z0-9]+/[A-Za-z0-9/]{8,}+)"),
    _word("jwt", "eyJ",
          r"(?<![A-Za-z0-9_\-.])(?P<s>eyJ[A-Za-z0-9_\-]{8,}+\.[A-Za-z0-9_\-]{4,}+(?:\.[A-Za-z0-9_\-]*){1,3})",
          _is_jwt),
    _word("password-hash", "$",
          r"(?P<s>\$(?:apr1|2[abxy]|[1567y]|argon2(?:id|i|d)|pbkdf2[a-z0-9\-]*|scrypt)\$"
          r"[A-Za-z0-9./$=,+_\-]{20,}+)"),
    _word("password-hash", "{SHA {SSHA", r"(?P<s>\{S?SHA(?:256|512)?\}[A-Za-z0-9+/=]{20,}+)"),
    # the password ends at the last @ before the path, so that one with an @ in it goes whole
    _word("url-password", "://",
          r"://(?P<user>[^\s/:@?#\"'<>`\[]*+):(?P<s>[^\s/\"'<>`]+)@(?=[\w.\[\]\0%{}$-])",
          _is_url_secret),
    _word("url-password", "://",
          r"(?<!ssh)://(?P<s>[A-Za-z0-9_\-]{20,}+)(?::[^\s/@\"'<>`]*+)?@(?=[\w.\[])",
          _is_credential),
    _word("signature", "sig= ignature=", r"(?i)[?&;](?:sig|x-(?:amz|goog)-signature)=(?P<s>[A-Za-z0-9%+/=_\-]{20,}+)"),
)  # fmt: skip

_PEM = (
    r"-----BEGIN[A-Z0-9 ]{0,20} ?PRIVATE KEY(?: BLOCK)?-----(?:\\+[nr]|[ ])*[A-Za-z0-9+/=]{16,}+"
    r"(?:\\+[nr]|[A-Za-z0-9+/= ])*(?:-----END[A-Z0-9 ]{0,30}-----(?:\\+[nr])*)?"
)
_LITERAL = r"""[^\s"'`;,<>()&|]"""

_LINES = (
    Rule("private-key", ("-----begin",), re.compile(rf"(?P<s>{_PEM})")),
    Rule("aws-secret-key", ("aws", "akia", "asia"),
         re.compile(r"(?:(?i:aws)|A[KS]IA[A-Z0-9]{16}).{0,80}?"
                    r"(?<![A-Za-z0-9/+])(?P<s>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"), _is_mixed),
    Rule("azure-key", ("accountkey=", "sharedaccesskey=", "sharedsecret"),
         re.compile(r"(?i)(?:AccountKey|SharedAccessKey|SharedSecret(?:Value)?)=(?P<s>[A-Za-z0-9+/=]{16,}+)")),
    Rule("authorization", ("authorization",),
         re.compile(r"(?i)authorization[\\\"'\]]{0,4}[ \t]{0,4}(?:=>|[:=,])[ \t]{0,4}[bf]?[\\\"'`]{0,4}"
                    r"(?:Bearer|Basic|Digest|Token|ApiKey|Splunk|Negotiate|GenieKey|Key)[ \t]{1,4}"
                    rf"(?P<s>{_LITERAL}+)"),
         _is_header),
    Rule("authorization", ("bearer",),
         re.compile(r"(?i)\bBearer[ \t]{1,4}(?P<s>[A-Za-z0-9._~+/=\-]{12,}+)"), _is_credential),
    Rule("password", ("sshpass", "redis-cli", "login"),
         re.compile(r"\b(?:sshpass\b.{0,40}? -p ?|redis-cli\b.{0,80}? -a ?"
                    rf"|(?:docker|podman|helm|oras|crane|az|oc)\b.{{0,40}}?\blogin\b.{{0,120}}? -p[ =]?)"
                    rf"(?P<s>{_LITERAL}+)"), _is_argument),
    Rule("password", ("mysql", "mariadb"),
         re.compile(rf"\b(?:mysql|mariadb)[a-z]*\b.{{0,120}}? -p(?P<s>[^\s\"'`;,<>()&|=]{_LITERAL}+)"), _is_argument),
    Rule("password", ("machine", "default"),
         re.compile(r"\b(?:machine[ \t]+\S+|default)[ \t]+login[ \t]+\S+[ \t]+(?:account[ \t]+\S+[ \t]+)?"
                    r"password[ \t]+(?P<s>\"(?:[^\"\\]|\\.)*\"|\S+)"), _is_quoted),
    Rule("password", ("curl",),
         re.compile(rf"\bcurl\b.{{0,200}}? (?:-u|--user|--proxy-user)[ =]?[\"']?[^\s:\"']+:(?P<s>{_LITERAL}+)"),
         _is_argument),
)  # fmt: skip

_COOKIE = re.compile(r"(?i)\b(?P<set>set-)?cookie[\\\"']{0,4}[ \t]{0,4}[:=][ \t]{0,4}[\\\"']{0,4}(?=[\w.\-]+=)")
_PAIR = re.compile(r"(?P<name>[\w.\-]+)=(?P<value>[^\s;,\"'\\<>(){}]+)(?P<more>;[ \t]*)?")
_SESSION = re.compile(r"(?i)sess|sid|auth|token|csrf|xsrf|jwt|login|remember|id$")


class _Cookies:
    """The values of a Cookie header, and the first of a Set-Cookie header (what follows it are attributes)."""

    hints = ("cookie",)

    def spans(self, line: str) -> Iterator[Span]:
        """The session values in a line."""
        for header in _COOKIE.finditer(line):
            position = header.end()
            while pair := _PAIR.match(line, position):
                named = _SESSION.search(pair["name"]) and len(pair["value"]) >= 6 and not is_stand_in(pair["value"])
                if named or is_generated(pair["value"], 24):
                    yield Span(*pair.span("value"), "cookie")
                if header["set"] or not pair["more"]:
                    break
                position = pair.end()


_INLINE = re.compile(r"""\\*["']?(?:data|stringData)\\*["']\s*:\s*\{(?P<pairs>[^{}]*)""")
_INLINE_PAIR = re.compile(r""":\s*\\*["'](?P<s>[^"'\\]+)""")
_INLINE_SECRET = re.compile(r"""\\*["']kind\\*["']\s*:\s*\\*["']Secret\\*["']""")


class _Manifests:
    """The values of a Kubernetes Secret that is written as JSON on one line, as annotations have it."""

    hints = ("data'", 'data"', "data\\")

    def spans(self, line: str) -> Iterator[Span]:
        """The values in a line, all of them where it says that it is a Secret."""
        secret = _INLINE_SECRET.search(line) is not None
        for block in _INLINE.finditer(line) if secret or "apiVersion" in line else ():
            for pair in _INLINE_PAIR.finditer(line, *block.span("pairs")):
                if not is_stand_in(pair["s"]) and (secret or is_base64(pair["s"])):
                    yield Span(*pair.span("s"), "kubernetes-secret")


WORD_RULES = _TOKENS
LINE_RULES = (*_LINES, _Manifests(), _Cookies())
