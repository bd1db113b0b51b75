"""What Go's types and expressions say a value is, as chains."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ast_grep_py import SgNode

from groundswell.backends.repos.facts import LAST_LINE, MODULE, Chain

Kind = tuple[Chain, int]  # a chain, and which of several results it is (-1: the only one)
Generics = Mapping[str, tuple[Kind, ...]]  # a type parameter and its constraint

UNKNOWN: Chain = ("@unknown",)
LITERAL: Kind = (("@literal",), -1)
BASIC = frozenset(
    """
    bool string int int8 int16 int32 int64 uint uint8 uint16 uint32 uint64 uintptr byte rune float32 float64
    complex64 complex128 any comparable
    """.split()  # noqa: SIM905
)
_DEPTH = 60  # of nesting that is followed
_VALUES = frozenset(
    [
        "interpreted_string_literal",
        "raw_string_literal",
        "int_literal",
        "float_literal",
        "rune_literal",
        "imaginary_literal",
        "true",
        "false",
        "nil",
        "iota",
    ]
)


@dataclass(frozen=True)
class Where:
    """The scope code stands in."""

    scope: int = MODULE
    end: int = LAST_LINE  # the last line of the innermost block: where its variables end
    top: bool = True  # whether a variable is a definition
    anonymous: bool = False  # inside a function without a name
    generics: Generics = field(default_factory=dict[str, tuple[Kind, ...]])
    names: dict[str, str] = field(
        default_factory=dict[str, str]
    )  # locals seen here, and what they are called in the facts
    own: set[str] = field(default_factory=set[str])  # those of the innermost block

    def inside(self, **changes: Any) -> "Where":
        """This, a step deeper: a block of its own."""
        return replace(self, names=dict(self.names), own=set(), **changes)


def kinds_of(node: SgNode | None, generics: Generics) -> list[Kind]:
    """What a value of this type is; [] where nothing is known."""
    if node is None:
        return []
    read = _TYPES.get(node.kind())
    return list(read(node, generics)) if read else []


def results(node: SgNode | None, generics: Generics) -> list[Kind]:
    """What a function with this `result` returns: several results are apart; each is there, known or not."""
    if node is None:
        return []
    if node.kind() != "parameter_list":
        return kinds_of(node, generics) or [LITERAL]
    every: list[list[Kind]] = []
    for parameter in node.named_children():
        names = [child for child in parameter.named_children() if child.kind() == "identifier"]
        every += [kinds_of(parameter.field("type"), generics) or [LITERAL]] * max(1, len(names))
    if len(every) == 1:
        return every[0]
    return [(chain, slot) for slot, kinds in enumerate(every) for chain, _ in kinds]


def _named(node: SgNode, generics: Generics) -> Iterator[Kind]:
    name = node.text()
    if name in generics:
        yield from generics[name]
    elif name in BASIC:
        yield LITERAL
    else:
        yield (name, "!"), -1


def _qualified(node: SgNode, _: Generics) -> Iterator[Kind]:
    package, name = node.field("package"), node.field("name")
    if package is not None and name is not None:
        yield (package.text(), name.text(), "!"), -1


def _inner(node: SgNode, generics: Generics) -> Iterator[Kind]:
    for child in node.named_children():
        yield from kinds_of(child, generics)


def _generic(node: SgNode, generics: Generics) -> Iterator[Kind]:
    yield from kinds_of(node.field("type"), generics)


def _elements(node: SgNode, generics: Generics) -> Iterator[Kind]:
    element = node.field("element") or node.field("value")
    yield from (((*chain, "*"), -1) for chain, _ in kinds_of(element, generics))


def unnamed(node: SgNode) -> str:
    """What the facts call a struct type that has no name."""
    start = node.range().start
    return f"<struct:{start.line + 1}:{start.column}>"


def _struct(node: SgNode, _: Generics) -> Iterator[Kind]:
    yield (unnamed(node), "!"), -1


def _function(node: SgNode, generics: Generics) -> Iterator[Kind]:
    for chain, slot in results(node.field("result"), generics):
        yield (*chain, "->"), slot


_TYPES = {
    "type_identifier": _named,
    "identifier": _named,
    "qualified_type": _qualified,
    "generic_type": _generic,
    "pointer_type": _inner,
    "parenthesized_type": _inner,
    "type_constraint": _inner,
    "type_elem": _inner,
    "slice_type": _elements,
    "array_type": _elements,
    "implicit_length_array_type": _elements,
    "map_type": _elements,
    "channel_type": _elements,
    "function_type": _function,
    "struct_type": _struct,
}


def generics_of(node: SgNode, outer: Generics) -> Generics:
    """The type parameters a declaration brings, beside those around it."""
    parameters = node.field("type_parameters")
    if parameters is None:
        return outer
    inner = dict(outer)
    for parameter in parameters.named_children():
        bound = tuple(kinds_of(parameter.field("type"), inner))
        for child in parameter.named_children():
            if child.kind() == "identifier":
                inner[child.text()] = bound
    return inner


def chain_of(node: SgNode | None, at: Where) -> Chain:
    """The likeliest value of an expression."""
    found = kinds(node, at)
    return found[0][0] if found else UNKNOWN


def kinds(node: SgNode | None, at: Where, depth: int = 0) -> Sequence[Kind]:
    """What an expression is; [] where that is not known."""
    if node is None or depth > _DEPTH:
        return ()
    kind = node.kind()
    if kind == "identifier":
        name = node.text()
        return (((at.names.get(name, name),), -1),)
    if kind in _VALUES:
        return (LITERAL,)
    evaluate = _EXPRESSIONS.get(kind)
    return evaluate(node, at, depth + 1) if evaluate else ()


def _steps(node: SgNode | None, at: Where, depth: int, step: str) -> list[Kind]:
    return [((*chain, step), -1) for chain, slot in kinds(node, at, depth) if slot < 0]


def _selector(node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
    name = node.field("field")
    found = _steps(node.field("operand"), at, depth, name.text()) if name else []
    return found or [((*UNKNOWN, name.text()), -1)] if name else ()


def _call(node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
    function, arguments = node.field("function"), node.field("arguments")
    given = arguments.named_children() if arguments else []
    if function is not None and function.kind() == "identifier" and given:
        if function.text() in ("make", "new"):
            return kinds_of(given[0], at.generics)
        if function.text() == "append":
            return kinds(given[0], at, depth)
    if function is not None and function.kind() in ("slice_type", "array_type", "parenthesized_type"):
        return kinds_of(function, at.generics)
    if function is not None and function.kind() == "func_literal":
        return results(function.field("result"), at.generics)
    found = _steps(_plain(function), at, depth, "()")
    if function is not None and function.kind() == "index_expression":  # `Map[int](x)`, or calling an element
        found += _steps(function.field("operand"), at, depth, "()")
    return found


def _plain(function: SgNode | None) -> SgNode | None:
    """A function without type arguments: `Map[int](x)`."""
    if function is not None and function.kind() in ("type_instantiation_expression", "parenthesized_expression"):
        return function.field("type") or (function.named_children() or [None])[0]
    return function


def _composite(node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
    del depth
    return kinds_of(node.field("type"), at.generics)


def _unary(node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
    operator, operand = node.field("operator"), node.field("operand")
    if operator is not None and operator.text() == "<-":
        return _steps(operand, at, depth, "[]")
    return kinds(operand, at, depth)


def _index(node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
    return _steps(node.field("operand"), at, depth, "[]")


def _assertion(node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
    del depth
    return kinds_of(node.field("type"), at.generics)


def _same(node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
    operand = node.field("operand") or (node.named_children() or [None])[0]
    return kinds(operand, at, depth)


def _literal_function(node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
    del depth
    return list(_function(node, at.generics))


def _value(node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
    del node, at, depth
    return (LITERAL,)


_EXPRESSIONS = {
    "selector_expression": _selector,
    "call_expression": _call,
    "type_conversion_expression": _assertion,
    "composite_literal": _composite,
    "unary_expression": _unary,
    "index_expression": _index,
    "type_assertion_expression": _assertion,
    "parenthesized_expression": _same,
    "slice_expression": _same,
    "func_literal": _literal_function,
    "binary_expression": _value,
}
