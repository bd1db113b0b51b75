"""What one file says: a pure function of (language, path, bytes), packed small, and read back piece by piece.

**Scopes.** A scope is the number of a definition in `definitions`, or `MODULE` for the file itself.

**Chains.** An expression is a tuple of steps: a name, then what is done to it. `self.pool.open().run` is
`("self", "pool", "open", "()", "run")`. A step that is no name is an operator:

| step | meaning |
| --- | --- |
| `()` | the result of calling it; of a class: an instance |
| `!`  | an instance of the type it names, as in an annotation: `x: pkg.Foo` gives x the type `("pkg", "Foo", "!")` |
| `*`  | a container, iterator, mapping or channel of it: `list[Foo]` is `("Foo", "!", "*")` |
| `[]` | an element (a mapping's value) of it, by subscript or iteration |
| `#0` | the first of several results, or of a tuple; `#1` the second … |
| `^0` | several results or a tuple, of which the first is it; `^1` the second … |
| `with` | what a context manager gives |
| `->` | a function that returns it: `Callable[..., Foo]` is `("Foo", "!", "->")` |
| `await` | what an awaitable gives; most results need none, since async functions say their inner result |

A step `<1:0>` asks a function what it gives to a function it gets: to the first parameter of its second argument. The
answer is a binding of that name.

A chain may begin with a marker in place of a name: `@self` is the instance whose method the scope is in, `@class` that
class itself, `@super` its bases, `@literal` a value of the language's own (a string, a number: never ours), `@unknown`
something nobody can know from the file. Generic arguments, pointers and nullability are left out by extractors; of a
union each member is a type of its own.

**Types.** `Typed` is a chain and where to evaluate it. A variable holds its types, a function returns them.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import ormsgpack

VERSION = 4  # of extractors and format: facts of another version are made anew

MODULE = -1
LAST_LINE = 1 << 30

Chain = tuple[str, ...]
Key = TypeVar("Key", str, int)

# flags of a definition
EXPORTED = 1  # other modules may use it by name
STATIC = 2  # a method without a receiver
CLASS_METHOD = 4  # its receiver is the class
PROPERTY = 8  # using its name is calling it
ASYNC = 16
INSTANCE = 32  # an attribute of instances, found where it is assigned (`self.x = …`) or declared
OVERLOAD = 64  # a declaration without a body, beside others of the same name
CONSTRUCTOR = 128  # creating an instance calls it
EMBEDDED = 256  # a field whose members are its owner's members, too (Go)


class Typed(NamedTuple):
    """What something may hold or return. `slot` ≥ 0: one of several results, or of a tuple's elements."""

    scope: int
    line: int
    chain: Chain
    slot: int = -1


class Definition(NamedTuple):
    """Something that has a name outside one function's body, or is a function or class inside one."""

    name: str
    kind: str  # of `core.records.code.SymbolKind`
    parent: int  # the definition it stands in, or belongs to (a Go method belongs to its receiver's type)
    line: int  # first line, decorators included
    end_line: int
    name_line: int  # where its name stands
    head: int  # the last line of its head: signature and the first paragraph of its documentation
    doc: str = ""  # the first paragraph
    bases: tuple[Chain, ...] = ()  # evaluated where the definition stands
    decorators: tuple[Chain, ...] = ()
    types: tuple[Typed, ...] = ()  # what it returns (functions) or holds (variables, fields, aliases)
    flags: int = 0
    owner: str = ""  # the parent's name where the parent stands in another file of the module (Go, C++)


class Import(NamedTuple):
    """One name brought in.

    `import a.b as c` is `("c", "a.b", "")`, `from m import f as g` is `("g", "m", "f")`; a star is `("", "m", "*")`.
    Python's `import a.b` binds only `a` but needs `a.b`: `("a", "a.b", "", binds="a")`.
    """

    local: str  # "" where nothing is bound here (stars, side effects, `export … from`)
    module: str  # as written; relative ones keep their dots
    name: str  # "" for the module itself, "*" for all its names, "default" (ECMAScript)
    scope: int
    line: int
    binds: str = ""
    exported: str = ""  # the name under which it is exported at once (`export {x as y} from`), "*" for all


class Use(NamedTuple):
    """A place that uses a name. The last name of the chain is the name used; what is before says of what."""

    chain: Chain
    kind: str  # call, use, inherit
    line: int
    scope: int  # the innermost definition around it


class Binding(NamedTuple):
    """A parameter or a local variable: it hides outer names from `line` to `end_line` of its scope."""

    scope: int
    name: str
    types: tuple[Typed, ...] = ()
    parameter: bool = False
    line: int = 0
    end_line: int = LAST_LINE


@dataclass(slots=True)
class FileFacts:
    """What one file says. Build it with `Builder`; read it with `unpack`."""

    language: str
    lines: int
    package: str = ""  # its package or namespace clause, where the language has one
    doc: tuple[int, int] = (0, 0)  # first and last line of the module's documentation; (0, 0): none
    definitions: list[Definition] = field(default_factory=list[Definition])
    imports: list[Import] = field(default_factory=list[Import])
    exports: dict[str, Chain] = field(default_factory=dict[str, Chain])  # where it differs from the local name
    settings: dict[str, Any] = field(default_factory=dict[str, Any])  # what a project file (go.mod) says
    problem: str = ""  # "syntax": parsed only roughly
    # rows; of facts that were unpacked still bytes, since most of them are never asked for
    _uses: dict[str, list[Any] | bytes] = field(default_factory=dict[str, list[Any] | bytes])
    _bindings: dict[int, list[Any] | bytes] = field(default_factory=dict[int, list[Any] | bytes])

    def names(self) -> Iterator[str]:
        """Every name used or imported here: what the postings hold."""
        yield from self._uses
        for entry in self.imports:
            for name in (entry.name, entry.local, entry.exported, *module_marks(entry.module)):
                if name and name != "*" and name not in self._uses:
                    yield name

    def uses(self, name: str) -> Iterator[Use]:
        """Where a name is used."""
        for prefix, kind, line, scope in _rows(self._uses, name):
            yield Use((*_split(prefix), name) if prefix else (name,), kind, line, scope)

    def all_uses(self) -> Iterator[Use]:
        """Every use, for tests and measurements."""
        for name in self._uses:
            yield from self.uses(name)

    def bindings(self, scope: int, name: str = "") -> Iterator[Binding]:
        """What is bound in a scope: all of it, or one name."""
        for row in _rows(self._bindings, scope):
            if not name or row[0] == name:
                yield Binding(scope, row[0], _types(row[1]), row[2], row[3], row[4])

    def has_bindings(self, scope: int) -> bool:
        """Whether anything is bound in a scope."""
        return scope in self._bindings


class Builder:
    """Gathers the facts of one file."""

    def __init__(self, language: str, lines: int) -> None:
        self.facts = FileFacts(language, lines)
        self._bound: dict[tuple[int, str, int, int], list[Any]] = {}

    def define(self, definition: Definition) -> int:
        """Add a definition; returns its number, which is a scope."""
        self.facts.definitions.append(definition)
        return len(self.facts.definitions) - 1

    def amend(self, number: int, **changes: Any) -> None:
        """Change fields of a definition: what is known of it only after its body was read."""
        definitions = self.facts.definitions
        definitions[number] = definitions[number]._replace(**changes)

    def imported(self, entry: Import) -> None:
        """Add an import."""
        self.facts.imports.append(entry)

    def use(self, chain: Sequence[str], kind: str, line: int, scope: int) -> None:
        """Add the use of a chain's last step, which is a name."""
        if not chain or not is_name(chain[-1]):
            return
        row = (_join(chain[:-1]), kind, line, scope)
        _add(self.facts._uses, chain[-1], row)  # pyright: ignore[reportPrivateUsage]

    def bind(
        self,
        scope: int,
        name: str,
        types: Iterable[Typed] = (),
        *,
        parameter: bool = False,
        line: int = 0,
        end_line: int = LAST_LINE,
    ) -> None:
        """Add a parameter or local; a second assignment of the same variable adds its types."""
        packed = [(t.scope, t.line, _join(t.chain), t.slot) for t in types]
        key = (scope, name, line, end_line)
        if (row := self._bound.get(key)) is not None:
            row[1].extend(kind for kind in packed if kind not in row[1])
            row[2] = row[2] or parameter
            return
        row = self._bound[key] = [name, packed, parameter, line, end_line]
        _add(self.facts._bindings, scope, row)  # pyright: ignore[reportPrivateUsage]


def module_marks(module: str) -> tuple[str, ...]:
    """What the postings hold for a module that is imported: the last two parts of its name, apart from names used."""
    parts = [part for part in _MODULE_PARTS.split(module) if part]
    return tuple(f"<{part}>" for part in parts[-2:])


_MODULE_PARTS = re.compile(r"[/.:\\\\]+")


def is_name(step: str) -> bool:
    """Whether a step is a name and not an operator or a marker."""
    return step not in _OPERATORS and step[:1] != "@" and not (step[:1] in "#^" and step[1:].isdigit())


_OPERATORS = frozenset(("()", "!", "*", "[]", "->", "with", "await", ""))


def pack(facts: FileFacts) -> bytes:
    """Facts as bytes: a head, which every index reads, and a body, read when the file matters."""
    head = (
        facts.language,
        facts.lines,
        facts.package,
        facts.settings,
        [d.name for d in facts.definitions],
        list(facts.names()),
        facts.problem,
    )
    body = (
        facts.doc,
        [_pack_definition(d) for d in facts.definitions],
        [tuple(entry) for entry in facts.imports],
        {name: _join(chain) for name, chain in facts.exports.items()},
        {name: _packed(rows) for name, rows in facts._uses.items()},  # pyright: ignore[reportPrivateUsage]
        {scope: _packed(rows) for scope, rows in facts._bindings.items()},  # pyright: ignore[reportPrivateUsage]
    )
    return ormsgpack.packb(
        (head, zlib.compress(ormsgpack.packb(body, option=ormsgpack.OPT_NON_STR_KEYS), 1)),
        option=ormsgpack.OPT_NON_STR_KEYS,
    )


class Head(NamedTuple):
    """The part of a file's facts that an index holds in memory."""

    language: str
    lines: int
    package: str
    settings: Mapping[str, Any]
    defined: Sequence[str]
    names: Sequence[str]
    problem: str


def unpack_head(data: bytes) -> Head:
    """Only the head."""
    return Head(*ormsgpack.unpackb(data)[0])


def unpack(data: bytes) -> FileFacts:
    """All of a file's facts; uses and bindings are made into objects when they are asked for."""
    raw_head, raw_body = ormsgpack.unpackb(data)
    head = Head(*raw_head)
    doc, definitions, imports, exports, uses, bindings = ormsgpack.unpackb(
        zlib.decompress(raw_body), option=ormsgpack.OPT_NON_STR_KEYS
    )
    return FileFacts(
        head.language,
        head.lines,
        package=head.package,
        doc=(doc[0], doc[1]),
        definitions=[_unpack_definition(row) for row in definitions],
        imports=[Import(*row) for row in imports],
        exports={name: _split(chain) for name, chain in exports.items()},
        settings=dict(head.settings),
        problem=head.problem,
        _uses=uses,
        _bindings=bindings,
    )


def _rows(table: dict[Key, list[Any] | bytes], key: Key) -> Sequence[Any]:
    """The rows under a key, decoded where they are still bytes."""
    rows = table.get(key, ())
    if isinstance(rows, bytes):
        rows = table[key] = ormsgpack.unpackb(rows)
    return rows


def _add(table: dict[Key, list[Any] | bytes], key: Key, row: Any) -> None:
    rows = table.setdefault(key, [])
    assert isinstance(rows, list)  # nobody adds to facts that were unpacked
    rows.append(row)


def _packed(rows: list[Any] | bytes) -> bytes:
    return rows if isinstance(rows, bytes) else ormsgpack.packb(rows)


def _join(chain: Sequence[str]) -> str:
    return ".".join(chain)


@lru_cache(1 << 16)
def _split(chain: str) -> Chain:
    return tuple(chain.split(".")) if chain else ()


def _types(rows: Iterable[Any]) -> tuple[Typed, ...]:
    return tuple(Typed(scope, line, _split(chain), slot) for scope, line, chain, slot in rows)


def _pack_definition(d: Definition) -> tuple[Any, ...]:
    return (
        *d[:8],
        [_join(chain) for chain in d.bases],
        [_join(chain) for chain in d.decorators],
        [(t.scope, t.line, _join(t.chain), t.slot) for t in d.types],
        d.flags,
        d.owner,
    )


def _unpack_definition(row: Sequence[Any]) -> Definition:
    name, kind, parent, line, end_line, name_line, head, doc, bases, decorators, types, flags, owner = row
    return Definition(
        name,
        kind,
        parent,
        line,
        end_line,
        name_line,
        head,
        doc,
        tuple(_split(chain) for chain in bases),
        tuple(_split(chain) for chain in decorators),
        _types(types),
        flags,
        owner,
    )
