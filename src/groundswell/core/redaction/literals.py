"""Whether a value written next to a secret's name is a secret, or code, a stand-in or prose.

Kept on purpose, because they tell nothing: `xxxx`, `***`, `…`, `sk-...`, `<your-password>`, `your-…`, `changeme`,
`example`, names such as `password` itself, variables (`$PASSWORD`, `%PW%`, `{{ … }}`, `${…}`, `{name}`), paths, types.
"""

import re

_STAND_IN = re.compile(
    r"""[\0]+ | [*.\-_\#?•…]+ | x{2,}[x\-]* | <[^<>]*>? | \[[\w .-]*\]? | \([\w .-]*\)?
    | \$[A-Z_][A-Z0-9_]* | \$[a-z_]+ | %\w+% | %\(?\w*\)?[sdr]
    | (?:your|my|some|the|this|insert|enter|replace|put|not|no)[-_ ].*
    | (?:change[-_]?(?:me|it|this)|example|sample|placeholder|redacted|masked|hidden|removed|dummy|todo|tbd|n/?a|fixme
        |none|null|nil|true|false|undefined|yes|no|on|off|empty|unset|default|required|optional|deprecated|missing
        |pass(?:word|wd|phrase|code)?s?|pwd|user(?:name)?|secrets?|tokens?|keys?|value|string|credentials?|basic|bearer
        |abc|foo|bar|baz|test|\.\.\.)[.!,;:]?""",
    re.VERBOSE | re.IGNORECASE,
)
_ELIDED = re.compile(r"\*{3}|\.{3}|…|[xX]{4}|#[0-9a-fA-F]{3,8}\Z|\A[\w.]+\(.*\)\Z")
_CASED = re.compile(r"\$[A-Z_][A-Z0-9_]*|\$[a-z_]+")
_TEMPLATE = re.compile(r"\$\{|\$\(|\{\{|\{%|<%|%\(\w|\{[\w.!:\[\]()-]*\}|%[sdr]\b|#\{")
_PATH = re.compile(r"(?:~|\.{1,2})?/[\w.@+-]+(?:/[\w.@+*-]*)+|/[\w.-]+|[A-Za-z]:\\.*|[a-z][a-z+.-]*://.*")
_TYPE = re.compile(
    r"""(?:str|string|bytes|bytearray|int|integer|bool|boolean|any|object|number|char|void|float|text|varchar|binary
        |uuid|secretstr|unknown|never|symbol|dict|list|tuple|set|map|self|this|cls|byte
        |incomplete|u?int\d+|u8|hash|interface)[?!;]?
    | (?-i:(?:[A-Z]\w*)?(?:Str|String|Type|Types|Token|Tokens|Secret|Password|Key|Auth|Bytes|Text|Field|Credentials?
        |Provider|Callable|Any|Info|Model|Union|Optional|Iterator|Source|Kind|Enum|Value|Config|Options?|Params?))[?!;]?""",
    re.VERBOSE | re.IGNORECASE,
)
_ANNOTATION = re.compile(
    r"(?:typing\.|t\.)?(?:Annotated|Callable|ClassVar|Final|Iterable|List|Literal|Mapping|NotRequired|Optional|Required"
    r"|Sequence|Set|Tuple|Union)\[[\w., |\[\]]+\]|(?:boolean|bytes|number|string)\?"
)
_WORDS = re.compile(r"[A-Za-z]+(?:[-_. /:|+]+[A-Za-z]+)*[-_.:!?]?")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:(?:\.|->|::|\?\.)[A-Za-z_]\w*)+")
_NAME = re.compile(r"[A-Za-z_]+")
_PROSE = re.compile(
    r"\b(?:the|an?|your?|is|are|for|to|of|enter|please|passwords?|tokens?|secrets?|keys?|not|or|and|must|with|in|be)\b"
    r"|[,.;:?!)] |[=(%]",
    re.IGNORECASE,
)


def is_stand_in(value: str) -> bool:
    """Whether the value stands for a secret without being one."""
    matched = _STAND_IN.fullmatch(value)
    if matched and value[0] == "$":
        return _CASED.fullmatch(value) is not None
    return bool(matched or _TEMPLATE.search(value) or _ELIDED.search(value))


def is_words(value: str) -> bool:
    """Whether the value is letters with separators, as names and types are and generated secrets are not."""
    if not _WORDS.fullmatch(value):
        return False
    return not (len(value) >= 20 and value.isalpha() and not value.islower() and not value.isupper())


def is_name(value: str) -> bool:
    """Whether code would read the value as a name or an attribute."""
    return bool(_NAME.fullmatch(value) or _DOTTED.fullmatch(value))


def is_type(value: str) -> bool:
    """Whether the value is what stands after a colon in code: a type."""
    return _TYPE.fullmatch(value) is not None


def is_annotation(value: str) -> bool:
    """Whether a text in quotes is a type: `'Optional[str]'`, `"string?"`."""
    return _ANNOTATION.fullmatch(value) is not None


def is_generated(value: str, least: int = 8) -> bool:
    """Whether a machine could have made this value: long enough, in one piece, and not words."""
    if len(value) < least or any(c.isspace() for c in value):
        return False
    return not (is_stand_in(value) or is_words(value) or _PATH.fullmatch(value) or value.isdecimal())


def is_chosen(value: str) -> bool:
    """Whether a person could have chosen this value as a password."""
    if not value or is_stand_in(value) or _PATH.fullmatch(value):
        return False
    return not (any(c.isspace() for c in value) and (len(value) > 200 or _PROSE.search(value)))
