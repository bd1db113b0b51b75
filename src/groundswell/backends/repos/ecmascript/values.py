"""What an expression of JavaScript or TypeScript evaluates to, as chains."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ast_grep_py import SgNode

from groundswell.backends.repos.ecmascript.types import LITERAL, Generics, Kind, kinds_of
from groundswell.backends.repos.facts import LAST_LINE, MODULE, Builder, Chain, Import

UNKNOWN: Chain = ("@unknown",)
_LITERALS = frozenset(
    """
    string template_string number true false null undefined regex this_type unary_expression
    update_expression
    """.split()  # noqa: SIM905
)
_INNER = frozenset(
    ["parenthesized_expression", "non_null_expression", "satisfies_expression", "await_expression", "spread_element"]
)
_ELEMENT_OF = frozenset(("get", "at", "find", "findLast", "pop", "shift", "next"))  # what a container's method gives
_SAME_AS = frozenset(("filter", "slice", "concat", "reverse", "sort", "values", "toSorted", "splice"))
_ALTERNATIVES = 6  # of one expression that are kept
_DEPTH = 60  # of nesting that is followed: generated code nests without end


@dataclass(frozen=True)
class Where:
    """The scope code stands in."""

    scope: int = MODULE
    this: str = "@unknown"  # what `this` is
    end: int = LAST_LINE  # the last line of the innermost block: where its variables end
    top: bool = True  # whether a variable is a definition
    anonymous: bool = False  # inside a function without a name
    generics: Generics = field(default_factory=dict[str, tuple[Kind, ...]])
    returns: list[Kind] = field(default_factory=list[Kind])
    names: dict[str, str] = field(default_factory=dict[str, str])  # locals seen here, and what the facts call them
    own: set[str] = field(default_factory=set[str])  # those of the innermost block
    outer: dict[str, str] = field(default_factory=dict[str, str])  # `names` of the function: where `var` is seen
    last: int = LAST_LINE  # the last line of the function

    def inside(self, **changes: Any) -> "Where":
        """This, a step deeper: a block of its own."""
        return replace(self, **{"names": dict(self.names), "own": set[str](), **changes})

    def function(self, **changes: Any) -> "Where":
        """This, inside a function."""
        names = dict(self.names)
        return self.inside(names=names, outer=names, top=False, returns=[], **changes)


class Values:
    """Evaluates expressions of one file; `require` and `import()` among them become imports."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self._required: dict[tuple[int, int], str] = {}

    def chain(self, node: SgNode | None, at: Where) -> Chain:
        """The likeliest value."""
        found = self.kinds(node, at)
        return found[0][0] if found else UNKNOWN

    def kinds(self, node: SgNode | None, at: Where, depth: int = 0) -> Sequence[Kind]:
        """Everything it may be, likeliest first; [] where that is not known."""
        if node is None or depth > _DEPTH:
            return ()
        kind = node.kind()
        if kind in ("identifier", "shorthand_property_identifier"):
            name = node.text()
            return (((at.names.get(name, name),), -1),)
        if kind == "this":
            return (((at.this,), -1),)
        if kind == "super":
            return ((("@super",), -1),)
        if kind in _LITERALS:
            return (LITERAL,)
        if kind in _INNER:
            inner = [child for child in node.named_children() if child.kind() != "comment"]
            return self.kinds(inner[0], at, depth + 1) if inner else ()
        evaluate = self._EVALUATORS.get(kind)
        return list(dict.fromkeys(evaluate(self, node, at, depth + 1)))[:_ALTERNATIVES] if evaluate else ()

    def _member(self, node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
        name = node.field("property")
        step = name.text() if name else ""
        step = "!" if step == "prototype" else step  # what instances have
        owner = node.field("object")
        if step and owner is not None and owner.text() in ("exports", "module.exports"):
            return (((step,), -1),)
        return [((*chain, step), -1) for chain, slot in self._object(node, at, depth) if slot < 0] if step else ()

    def _object(self, node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
        return self.kinds(node.field("object"), at, depth) or ((UNKNOWN, -1),)

    def _subscript(self, node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
        index = node.field("index")
        text = index.text() if index else ""
        step = text[1:-1] if text[:1] in "\"'" and text[1:-1].isidentifier() else "[]"
        return [((*chain, step), -1) for chain, slot in self._object(node, at, depth) if slot < 0]

    def _call(self, node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
        function = node.field("function")
        if function is None:
            return ()
        if module := required(node):
            return (((self.require(node, module, at),), -1),)
        found: list[Kind] = [
            ((*chain, "()"), slot) for chain, slot in self.kinds(function, at, depth) if chain != UNKNOWN
        ]
        if function.kind() == "member_expression":
            found += self._container(function, at, depth)
            found += self._copied(function, node, at, depth)
        return found

    def _container(self, function: SgNode, at: Where, depth: int) -> Sequence[Kind]:
        """What a call gives if its receiver is an array, set or map."""
        name = function.field("property")
        step = name.text() if name else ""
        if step not in _ELEMENT_OF and step not in _SAME_AS:
            return ()
        receivers = [chain for chain, slot in self.kinds(function.field("object"), at, depth) if slot < 0]
        if step in _ELEMENT_OF:
            return [((*chain, "[]"), -1) for chain in receivers]
        return [((*chain, "[]", "*"), -1) for chain in receivers]

    def _copied(self, function: SgNode, node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
        """`Object.freeze(x)`, `Object.assign(x, …)`, `Object.values(x)`."""
        arguments = node.field("arguments")
        first = arguments.named_children()[:1] if arguments else []
        written = function.text()
        if written in ("Object.freeze", "Object.assign", "Object.seal"):
            return self.kinds(first[0], at, depth) if first else ()
        if written in ("Object.values", "Array.from"):
            return [((*c, "[]", "*"), -1) for c, _ in self.kinds(first[0], at, depth)] if first else ()
        return ()

    def _new(self, node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
        constructor = node.field("constructor")
        if constructor is not None and constructor.text() in ("Map", "Set", "WeakMap", "Array", "Promise"):
            arguments = node.field("type_arguments")
            given = arguments.named_children() if arguments else []
            promised = constructor.text() == "Promise"
            return [(c if promised else (*c, "*"), -1) for c, _ in kinds_of(given[-1], at.generics)] if given else ()
        return [((*chain, "()"), -1) for chain, _ in self.kinds(constructor, at, depth)]

    def _choice(self, node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
        return [
            *self.kinds(node.field("consequence"), at, depth),
            *self.kinds(node.field("alternative"), at, depth),
        ]

    def _binary(self, node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
        operator = node.field("operator")
        if operator is None or operator.text() not in ("||", "??", "&&"):
            return (LITERAL,)
        right = self.kinds(node.field("right"), at, depth)
        if operator.text() == "&&":
            return right
        return [*(kind for kind in self.kinds(node.field("left"), at, depth) if kind != LITERAL), *right]

    def _assigned(self, node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
        return self.kinds(node.field("right"), at, depth)

    def _cast(self, node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
        inner = node.named_children()
        if node.kind() == "type_assertion":  # `<Foo>x`
            arguments = inner[0].named_children() if inner else []
            return kinds_of(arguments[0], at.generics) if arguments else ()
        if len(inner) < 2:  # `x as const`
            return self.kinds(inner[0], at, depth) if inner else ()
        return kinds_of(inner[-1], at.generics) or self.kinds(inner[0], at, depth)

    def _array(self, node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
        found: list[Kind] = []
        for child in node.named_children()[:_ALTERNATIVES]:
            spread = child.kind() == "spread_element"
            found += [((*c, *(("[]", "*") if spread else ("*",))), -1) for c, _ in self.kinds(child, at, depth)]
        return found

    def _sequence(self, node: SgNode, at: Where, depth: int) -> Sequence[Kind]:
        parts = node.named_children()
        return self.kinds(parts[-1], at, depth) if parts else ()

    def require(self, node: SgNode, module: str, at: Where) -> str:
        """The local name that stands for a module required in the middle of an expression."""
        start = node.range().start
        key = (start.line, start.column)
        if key not in self._required:
            self._required[key] = f"<{start.line + 1}:{start.column}>"
            self.builder.imported(Import(self._required[key], module, "", at.scope, start.line + 1))
        return self._required[key]

    _EVALUATORS = {
        "member_expression": _member,
        "subscript_expression": _subscript,
        "call_expression": _call,
        "new_expression": _new,
        "ternary_expression": _choice,
        "binary_expression": _binary,
        "assignment_expression": _assigned,
        "as_expression": _cast,
        "type_assertion": _cast,
        "array": _array,
        "sequence_expression": _sequence,
    }


def required(node: SgNode) -> str:
    """The module that `require("m")` or `import("m")` names; "" for anything else."""
    if node.kind() == "await_expression":
        inner = node.named_children()
        return required(inner[0]) if inner else ""
    function, arguments = node.field("function"), node.field("arguments")
    if function is None or arguments is None or function.kind() not in ("identifier", "import"):
        return ""
    if function.text() not in ("require", "import"):
        return ""
    given = arguments.named_children()
    return given[0].text()[1:-1] if given and given[0].kind() == "string" else ""
