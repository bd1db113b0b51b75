"""What tools say about a repository. Lines count from 1 and are inclusive; paths are relative to its root, with `/`."""

from typing import Literal

from groundswell.core.records.base import Record
from groundswell.core.records.evidence import Excerpt

SymbolKind = Literal["function", "method", "class", "interface", "type", "variable", "constant", "module"]


class Symbol(Record):
    """A definition. `excerpt` is its head: signature and the first lines of its documentation."""

    name: str
    qualified: str  # as its language would write it, from the repository's root: `pkg.module.Class.method`
    kind: SymbolKind
    language: str
    path: str
    line: int
    end_line: int
    doc: str = ""  # the first paragraph
    test: bool = False  # it stands in a test file
    excerpt: Excerpt


class Reference(Record):
    """A place that uses a symbol."""

    target: str  # the qualified name of the symbol used
    kind: Literal["call", "import", "use", "inherit"]
    path: str
    line: int
    caller: str  # the qualified name of the innermost definition around it, or its module's
    confidence: float  # 1.0: resolved through scopes and imports; lower: by name alone, shared among candidates
    reason: str  # how it was resolved, in a few words
    test: bool = False
    excerpt: Excerpt


class Hit(Record):
    """A passage that was found."""

    path: str
    start: int
    end: int
    score: float = 0.0
    symbol: str = ""  # the qualified name of the definition it stands in
    excerpt: Excerpt


class FileSlice(Record):
    """Some lines of a file."""

    path: str
    start: int
    end: int
    lines: int  # in the whole file
    language: str = ""
    excerpt: Excerpt


class Outline(Record):
    """What a module defines, what it needs, and who needs it."""

    path: str
    language: str
    lines: int
    doc: Excerpt | None = None  # the module's own documentation, or the comment at its head
    symbols: tuple[Symbol, ...] = ()
    imports: tuple[str, ...] = ()  # repository paths it imports, then names from outside
    imported_by: tuple[str, ...] = ()


class Frame(Record):
    """One frame of a traceback, and where it is in the repository (empty path: not here)."""

    file: str
    line: int
    function: str = ""
    path: str = ""
    excerpt: Excerpt | None = None


class Coverage(Record):
    """What an index covers, so that an answer can say what it does not."""

    revision: str  # `commit`, or `commit+dirty`
    files: int
    parsed: int
    languages: dict[str, int] = {}
    skipped: dict[str, int] = {}  # reason → files: binary, too large, unreadable, beyond the limit
    embedded: int = 0  # symbols with a dense vector
    to_embed: int = 0
    seconds: float = 0.0
    complete: bool = True
    stale: str = ""  # of a clone that could not be fetched anew: what is not known of it, and why
