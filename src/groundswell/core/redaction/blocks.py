"""Secrets that only the lines before give away: PEM blocks, Kubernetes Secrets, name and value pairs, `.netrc`."""

import re

from groundswell.core.redaction.assignments import is_value, names_a_secret
from groundswell.core.redaction.literals import is_stand_in
from groundswell.core.redaction.patterns import is_base64
from groundswell.core.redaction.spans import Span

_BEGIN = re.compile(
    r"(?P<s>-----BEGIN[A-Z0-9 ]{0,20} ?PRIVATE KEY(?: BLOCK)?-----)"
    r"(?P<escape>(?:\\+[nr])*)(?P<quote>[\"']?)[\s+,\\]*+\Z"
)
_BODY = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/=]++(?=(?:\\+[nr])*[\"',;)+\\\s]*+\Z)")
_LAST_BODY = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/=]{4,}+(?:\\+[nr])*\Z")
_END = re.compile(r"-----END[A-Z0-9 ]{0,30}-----")
_PEM_HEADER = re.compile(r"\W*(?P<s>(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset): [^\r\n]*?)\s*\Z")
_LEAD = re.compile(r"[\s>#|*\"'+\-b]*")

_KEY = r"""["']?(?P<key>[\w.\-/]+)["']?[ \t]*:[ \t]*"""
_KIND = re.compile(r"""(?P<indent>[\s\-]*)["']?kind["']?\s*:\s*["']?(?P<kind>\w+)["']?,?\s*\Z""")
_API = re.compile(r"""[\s\-{]*["']?apiVersion["']?\s*:\s*["']?(?P<version>[\w./]+)["']?,?\s*\Z""")
_DATA = re.compile(r"""(?P<indent>[ \t\-]*)["']?(?:data|stringData)["']?\s*:\s*\{?\s*\Z""")
_ENTRY = re.compile(rf"""\s*+{_KEY}(?P<s>.*)""")
_SCALAR = re.compile(r"[|>][+\-\d]*\s*")
_MACHINE = re.compile(r"\s*(?:machine\s+\S+|default)(?:\s+login\s+\S+)?\s*\Z")
_NETRC_LINE = re.compile(r"\s*(?:login|account|password|macdef)\s+\S+")
_NETRC_PASSWORD = re.compile(r"\s*(?:login\s+\S+\s+)?password\s+(?P<s>\S+)\s*\Z")
_PGPASS = re.compile(r"\s*[\w.\-*\[\]:]+?:(?:543\d|6432|\*):[A-Za-z_*][\w\-]*:[A-Za-z_*][\w.\-]*:(?P<s>[^\s\"']+)\s*\Z")
_VALUE = re.compile(r"""\s*+["']?value["']?\s*+[:=]\s*+(?P<s>.*)""")
_SECTION = re.compile(r"\[[\w .:\"/\-]+\]\s*\Z")
_SETTING = re.compile(r"\s*(?:[#;].*|[\w.\- ]+[=:].*)?\Z")


_AROUND = "\0 \t\r>#|*+-\"'\\n,;"  # may stand around a secret that is a line


def _unquoted(line: str, start: int) -> tuple[int, int]:
    """Where the value that starts there is, without its quotes and what follows it."""
    value = line[start:].rstrip(" \t\r,}")
    end = start + len(value)
    if len(value) > 1 and value[0] in "\"'" and value[-1] == value[0]:
        return start + 1, end - 1
    return start, end


def _is_data(value: str) -> bool:
    """Whether the value is base64; a long one may have been cut off anywhere."""
    return is_base64(value[: len(value) // 4 * 4] if len(value) > 2000 else value)


class Blocks:
    """What the lines so far say about the next one."""

    def __init__(self) -> None:
        self._pem = 0  # lines of a PEM block read so far
        self._named = self._netrc = False
        self._secret: int | None = None  # the indent of a `kind: Secret`
        self._previous = ""  # "v1" after `apiVersion: v1`, "kind" after a kind
        self._data: int | None = None  # the indent of an open data: block
        self._scalar: int | None = None  # the indent of a key whose block scalar is open
        self.settings = False

    @property
    def quiet(self) -> bool:
        """Whether a line without a hint can be skipped."""
        return not (self.holding or self._previous or self._secret is not None or self.settings)

    @property
    def holding(self) -> bool:
        """Whether any part of the next line may be a secret."""
        return bool(self._pem or self._named or self._netrc or self._data is not None)

    def spans(self, line: str) -> list[Span]:
        """The secrets of a whole line that come from its place, remembering what it says about the next one."""
        if "\0" in line and not line.strip(_AROUND):
            return []  # redacted before: says nothing
        spans = self._in_pem(line) if self._pem else self.begin(line)
        if self._pem > 1 or (spans and not line[: spans[0].start].strip(_AROUND)):
            return spans
        self._note_settings(line)
        return [*spans, *self._pair(line), *self._manifest(line), *self._login(line)]

    def _note_settings(self, line: str) -> None:
        if _SECTION.match(line):
            self.settings = True
        elif self.settings and not _SETTING.match(line):
            self.settings = False

    def begin(self, line: str) -> list[Span]:
        """The heading of a PEM block at the end of a line."""
        match = _BEGIN.search(line) if "-----BEGIN" in line else None
        if match is None or (match["quote"] and not match["escape"]):  # a quoted heading alone is code about keys
            return []
        self._pem = 1
        return [Span(*match.span("s"), "private-key")]

    def _in_pem(self, line: str) -> list[Span]:
        self._pem += 1
        if end := _END.search(line):
            self._pem = 0
            body = _LAST_BODY.search(line, 0, end.start())
            return [Span(body.start() if body else end.start(), end.end(), "private-key")]
        if header := _PEM_HEADER.match(line):
            return [Span(*header.span("s"), "private-key")]
        if not line.strip(" \t\r>#|*+-"):
            return []
        body = _BODY.search(line)
        if body and (len(body[0]) >= 16 or (self._pem > 2 and _LEAD.fullmatch(line, 0, body.start()))):
            return [Span(*body.span(), "private-key")]
        self._pem = 0
        return self.begin(line)

    def _pair(self, line: str) -> list[Span]:
        named, self._named = self._named, names_a_secret(line)
        match = _VALUE.match(line) if named else None
        if match is None:
            return []
        start, end = _unquoted(line, match.start("s"))
        return [Span(start, end, "secret")] if is_value(line[start:end], "password") else []

    def _manifest(self, line: str) -> list[Span]:
        if not line.strip():
            return []
        if line.startswith("---"):
            self._data = self._scalar = self._secret = None
            self._previous = ""
            return []
        if self._data is not None:
            inside = self._entry(line)
            if inside is not None:
                return inside
        previous, self._previous = self._previous, ""
        if api := _API.match(line):
            self._secret = self._secret if previous == "kind" else None
            self._previous = "v1" if api["version"] == "v1" else ""
        elif kind := _KIND.match(line):
            if kind["kind"] == "Secret":
                self._secret, self._previous = len(kind["indent"]), "kind"
            elif self._secret is not None and len(kind["indent"]) <= self._secret:
                self._secret = None
        elif (self._secret is not None or previous == "v1") and (data := _DATA.match(line)):
            self._data = len(data["indent"])
        return []

    def _entry(self, line: str) -> list[Span] | None:
        indent = len(line) - len(line.lstrip())
        assert self._data is not None
        if self._scalar is not None and indent > self._scalar:
            return [] if "\0" in line else [Span(indent, len(line.rstrip()), "kubernetes-secret")]
        self._scalar = None
        entry = _ENTRY.match(line) if indent > self._data else None
        if entry is None:
            self._data = None
            return None
        start, end = _unquoted(line, entry.start("s"))
        value = line[start:end]
        if _SCALAR.fullmatch(value):
            self._scalar = indent if self._secret is not None else None
            return []
        if not value or value in "{}" or is_stand_in(value) or (self._secret is None and not _is_data(value)):
            return []
        return [Span(start, end, "kubernetes-secret")]

    def _login(self, line: str) -> list[Span]:
        if match := _PGPASS.match(line):
            return [Span(*match.span("s"), "password")] if match["s"] != "*" else []
        if not (self._netrc and _NETRC_LINE.match(line)):
            self._netrc = _MACHINE.match(line) is not None
            return []
        match = _NETRC_PASSWORD.match(line)
        return [Span(*match.span("s"), "password")] if match and is_value(match["s"], "password") else []
