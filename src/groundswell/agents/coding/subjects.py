"""What a question about code is about: names, paths, or a description in words."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from groundswell.agents.words import STOP, stem

EXTENSIONS = (
    "py|pyi|ts|tsx|js|jsx|mjs|cjs|go|rs|java|kt|kts|rb|php|c|h|cc|cpp|hpp|cs|swift|scala|lua|sh|bash|ex|exs|hs|nix|sol|"
    "vue|svelte|md|rst|txt|toml|yaml|yml|json|ini|cfg|html|css|scss|sql|proto|tf|hcl|mod|lock|gradle|xml"
)
_TICKED = re.compile(r"`([^`\n]{1,200})`")
_QUOTED = re.compile(r"[\"“”']([A-Za-z_$][\w$.:#/-]{1,120}(?:\(\))?)[\"“”']")
_PATH = re.compile(rf"(?<![\w/@:.])(?:\./)?((?:[\w.@+-]+/)*[\w@+-][\w.@+-]*\.(?:{EXTENSIONS}))(?::(\d+))?(?![\w/])")
_FOLDER = re.compile(r"(?<![\w/:@.])((?:[\w.@+-]+/)+[\w.@+-]*)(?![\w/:])")
_IDENTIFIER = re.compile(
    r"(?<![\w./$@-])("
    r"[A-Za-z_$][\w$]*(?:(?:\.|::|#|->)~?[A-Za-z_$][\w$]*)+"  # qualified
    r"|_*[A-Za-z][A-Za-z0-9]*_[\w]+|__\w+__|_[a-z]\w+"  # snake_case, _private, CONSTANT_CASE
    r"|[a-z]+[a-z0-9]*[A-Z]\w*"  # camelCase
    r"|[A-Z][a-z0-9]+[A-Z]\w*|[A-Z]{2,}[a-z]\w+"  # CamelCase
    r"|[A-Za-z_$][\w$]*(?=\(\)|\(\.\.\.\))"  # called()
    r")(?:\([^()\n]*\))?(?![\w/])"
)
_PROPER = re.compile(r"(?<![\w.`])([A-Z][a-z0-9]{2,})\b")
_KIND = (
    r"(?:function|method|class|interface|type|struct|enum|trait|variable|constant|module|package|macro|decorator|hook|"
    r"component|symbol|property|attribute|field|object|helper|util|exception|error class|dataclass|mixin|protocol)"
)
_KINDS = frozenset(re.findall(r"[a-z]+", _KIND)) | {"one", "file", "code"}
_AFTER_KIND = re.compile(rf"\b{_KIND}s?\s+(?:called\s+|named\s+)?([A-Za-z_$][\w$.]*)", re.IGNORECASE)
_BEFORE_KIND = re.compile(rf"\b([A-Za-z_$][\w$.]*)\s+{_KIND}\b", re.IGNORECASE)
_ABBREVIATIONS = frozenset({"e.g", "i.e", "etc", "vs", "a.k.a"})
_PRODUCTS = frozenset(
    """GitHub GitLab JavaScript TypeScript PostgreSQL MySQL MongoDB GraphQL OpenAI README PyPI macOS iOS VSCode DevOps
    LaTeX YouTube LinkedIn WebSocket OAuth Node.js Vue.js Next.js""".split()  # noqa: SIM905
)
_LEADING = re.compile(
    rf"^(?:the|a|an|this|that|our|my|all|any|your|every|each|some|of|for|to|in|on|code|source|{_KIND}|called|named)\s+",
    re.IGNORECASE,
)
_TRAILING = re.compile(
    rf"\s+(?:{_KIND}|code|file|logic|is|are|get|gets|was|were|been|being|actually|exactly|really|currently|here|"
    r"in this (?:repo(?:sitory)?|project|codebase|code base|code)|in the (?:repo(?:sitory)?|project|codebase|code base|"
    r"code)|anywhere|please|for me|itself)$",
    re.IGNORECASE,
)


class Subjects(NamedTuple):
    """What is named, most explicit first."""

    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    phrase: str = ""  # what a pattern of the question left as its object, in the user's words


def explicit(text: str) -> Subjects:
    """The names and paths that a text spells as code."""
    names: dict[str, None] = {}
    paths: dict[str, None] = {}
    for ticked in _TICKED.findall(text):
        _sort_in(ticked.strip(), names, paths)
    bare = _TICKED.sub(" ", re.sub(r"https?://\S+", " ", text))
    for match in _PATH.finditer(bare):
        paths[match.group(1)] = None
    bare = _PATH.sub(" ", bare)
    for folder in _FOLDER.findall(bare):
        if folder.count("/") > 1 or folder.endswith("/"):
            paths[folder.rstrip("/")] = None
    bare = re.sub(r"(?<![\w/:@.])(?:[\w.@+-]+/){2,}[\w.@+-]*|(?<![\w/:@.])[\w.@+-]+/(?=\s|$)", " ", bare)
    for quoted in _QUOTED.findall(bare):
        if not quoted.islower() or "_" in quoted or "." in quoted or "(" in quoted:
            _sort_in(quoted, names, paths)
    for match in _IDENTIFIER.finditer(bare):
        name = match.group(1)
        if name.lower() not in _ABBREVIATIONS and name not in _PRODUCTS:
            names[name] = None
    return Subjects(tuple(names), tuple(paths))


def implied(text: str) -> tuple[str, ...]:
    """Names that only their place gives away: `the retry function`, `class Session`, `Session`."""
    found: dict[str, None] = {}
    for pattern in (_AFTER_KIND, _BEFORE_KIND):
        for word in pattern.findall(text):
            if _may_name(word):
                found[word] = None
    for match in _PROPER.finditer(text):
        begins = not text[: match.start()].strip() or text[: match.start()].rstrip()[-1:] in ".?!:"
        if not begins and match.group(1).lower() not in STOP and match.group(1) not in _PRODUCTS:
            found[match.group(1)] = None
    return tuple(found)


def object_of(phrase: str) -> Subjects:
    """The name, or the description, in what a question pattern captured."""
    given = explicit(phrase)
    if given.names or given.paths:
        return given
    words = trimmed(phrase)
    if re.fullmatch(r"[A-Za-z_$][\w$.:#-]*", words) and words.lower() not in STOP | _KINDS:
        return Subjects((words.rstrip(".:"),), (), words)
    inner = implied(phrase)
    return Subjects(inner, (), words)


def trimmed(phrase: str) -> str:
    """A phrase without articles, kinds and fillers around it."""
    phrase = phrase.strip(" \t\n?!.,;:'\"`()")
    before = ""
    while phrase != before:
        before = phrase
        phrase = _TRAILING.sub("", _LEADING.sub("", phrase)).strip(" ?!.,;:'\"`")
    return phrase


def spellings(phrase: str) -> list[str]:
    """How a name of a few words could be written: `rate limiter` as `rate_limiter` or `RateLimiter`."""
    words = [word for word in re.findall(r"[A-Za-z0-9]+", phrase) if word.lower() not in STOP]
    if not 1 <= len(words) <= 4:
        return []
    lower = [word.lower() for word in words]
    if len(lower) == 1:
        return [words[0]]
    return ["_".join(lower), "".join(lower)]


def keywords(text: str) -> list[str]:
    """The words of a question that say what it is about."""
    found = dict.fromkeys(word for word in re.findall(r"[A-Za-z][A-Za-z0-9_]+", text) if word.lower() not in _ASKING)
    return [word for word in found if word.lower() not in STOP]


_ASKING = frozenset(
    """where what who which how does do is are the code file files function method class module repo repository project
    codebase find show tell explain describe handled handle happens happen implemented defined located used work works
    please me we our us use uses using part place responsible logic about there any get gets""".split()  # noqa: SIM905
)


def _sort_in(text: str, names: dict[str, None], paths: dict[str, None]) -> None:
    text = text.strip().removesuffix("()")
    bare = re.sub(r"\([^()]*\)$", "", text)
    if _PATH.fullmatch(bare):
        match = _PATH.fullmatch(bare)
        assert match is not None
        paths[match.group(1)] = None
    elif "/" in bare and " " not in bare and not bare.startswith("//"):
        paths[bare.strip("/")] = None
    elif re.fullmatch(r"[@*&]?[A-Za-z_$][\w$]*(?:(?:\.|::|#|->|:)~?[A-Za-z_$][\w$]*)*", bare):
        names[bare.lstrip("@*&")] = None
    else:
        words: Iterable[str] = _words(bare)
        for word in words:
            names.setdefault(word, None)


def _words(text: str) -> Iterator[str]:
    """The name in a piece of code: `def retry(`, `class A(B):`, `import x`."""
    match = re.match(rf"(?:export\s+|async\s+|pub\s+)*(?:def|func|fn|const|let|var|new|{_KIND})\s+([\w$.]+)", text)
    if match:
        yield match.group(1)
    elif re.fullmatch(r"[A-Z_][A-Z0-9_-]+|--?[a-z][\w-]+", text):
        yield text


def _may_name(word: str) -> bool:
    if re.search(r"[A-Z_.$0-9]", word):
        return word.lower() not in STOP
    return len(word) > 2 and word not in STOP and word not in _ASKING and stem(word) not in _NOT_NAMES


_NOT_NAMES = frozenset(
    stem(word)
    for word in """that which this call use do main new same other first every each all these those public private
    defined used calls uses does handles responsible called named return parse test tests takes has
    have contain define helper base abstract static async own whole entire particular specific
    single current""".split()  # noqa: SIM905
)
