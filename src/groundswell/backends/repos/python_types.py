"""Python expressions and annotations as chains (`facts.py`)."""

import ast
import re

from groundswell.backends.repos.facts import Chain

ALTERNATIVES = 4  # of one expression that are kept

LITERAL: Chain = ("@literal",)
UNKNOWN: Chain = ("@unknown",)

_SAME = frozenset(("list", "tuple", "set", "frozenset", "sorted", "reversed", "iter", "copy", "deepcopy", "aiter"))
_LITERALS = (ast.Constant, ast.JoinedStr, ast.Compare)

_INNER = frozenset(
    ("Optional", "Annotated", "Final", "ClassVar", "Required", "NotRequired", "ReadOnly", "InitVar", "Awaitable")
)
_CONTAINERS = frozenset(
    re.findall(
        r"\w+",
        "list List set Set frozenset FrozenSet deque Deque Sequence MutableSequence Collection Iterable Iterator "
        "AsyncIterable AsyncIterator Generator AsyncGenerator AbstractSet MutableSet Queue ContextManager "
        "AsyncContextManager AbstractContextManager AbstractAsyncContextManager KeysView ValuesView Future Task "
        "ContextVar ReferenceType ref",
    )
)
_OTHER_GENERICS = frozenset(("Union", "Callable", "Type", "type", "Tuple", "tuple", "Coroutine", "TypeGuard"))
_MAPPINGS = frozenset(
    ("dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "DefaultDict", "OrderedDict", "ItemsView")
)


def value_chains(node: ast.expr | None) -> tuple[Chain, ...]:
    """What an expression may be, at most a few alternatives."""
    match node:
        case ast.Name():
            return ((node.id,),)
        case ast.Attribute():
            return tuple((*chain, node.attr) for chain in value_chains(node.value))
        case ast.Call():
            return _call_chains(node)
        case ast.Await():
            return tuple((*chain, "await") for chain in value_chains(node.value))
        case ast.Subscript():
            return tuple((*chain, _subscript(node.slice)) for chain in value_chains(node.value))
        case ast.IfExp():
            return _union(node.body, node.orelse)
        case ast.BoolOp():
            return _union(*node.values)
        case ast.NamedExpr() | ast.Starred():
            return value_chains(node.value)
        case ast.List() | ast.Set() | ast.Tuple():
            return _contained(*node.elts[:ALTERNATIVES])
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
            return _contained(node.elt)
        case ast.Dict():
            return _contained(*node.values[:ALTERNATIVES])
        case ast.DictComp():
            return _contained(node.value)
        case _:
            return (LITERAL,) if isinstance(node, _LITERALS) else (UNKNOWN,)


def typed_values(node: ast.expr | None) -> list[tuple[Chain, int]]:
    """As `value_chains`, with the slots of a tuple kept apart."""
    if isinstance(node, ast.Tuple):
        return [(chain, slot) for slot, item in enumerate(node.elts) for chain in value_chains(item)]
    return [(chain, -1) for chain in value_chains(node)]


def annotation(node: ast.expr | None) -> list[tuple[Chain, int]]:
    """What a value with this annotation may be: chains with their slots."""
    match node:
        case None:
            return []
        case ast.Constant():
            return annotation(parsed(node)) if isinstance(node.value, str) else [(LITERAL, -1)]
        case ast.Name() | ast.Attribute():
            return [(_named(node), -1)]
        case ast.BinOp():
            return (annotation(node.left) + annotation(node.right))[: 2 * ALTERNATIVES]
        case ast.Subscript():
            return _generic(node)
        case _:
            return [(UNKNOWN, -1)]


def parsed(node: ast.Constant) -> ast.expr | None:
    """The expression in a string annotation, placed on the string's line; None where it is none."""
    if not isinstance(node.value, str) or len(node.value) > 1000:
        return None
    try:
        expression = ast.parse(node.value.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for child in ast.walk(expression):
        if hasattr(child, "lineno"):
            child.lineno = child.end_lineno = node.lineno  # type: ignore[attr-defined]
    return expression


def is_generic(name: str) -> bool:
    """Whether a name's subscript holds types, strings included: `Union["A", str]`."""
    return name in _INNER or name in _CONTAINERS or name in _MAPPINGS or name in _OTHER_GENERICS


def last_name(node: ast.expr) -> str:
    """`Foo` of `a.b.Foo`; "" where the expression is no dotted name."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return node.attr
        case _:
            return ""


def _call_chains(node: ast.Call) -> tuple[Chain, ...]:
    name = last_name(node.func)
    if name == "super" and isinstance(node.func, ast.Name):
        return (("@super",),)
    if name == "cast" and len(node.args) == 2:
        return tuple(chain for chain, slot in annotation(node.args[0]) if slot < 0) or (UNKNOWN,)
    if name in _SAME and node.args and isinstance(node.func, ast.Name):
        return value_chains(node.args[0])
    if name in ("next", "anext") and node.args and isinstance(node.func, ast.Name):
        return tuple((*chain, "[]") for chain in value_chains(node.args[0]))
    if name == "type" and len(node.args) == 1 and isinstance(node.func, ast.Name):
        return tuple((*chain, "__class__") for chain in value_chains(node.args[0]))
    if name == "partial" and node.args:
        return value_chains(node.args[0])
    if name in ("enter_context", "enter_async_context") and node.args:
        return tuple((*chain, "with") for chain in value_chains(node.args[0]))
    if name == "TypeVar":
        return _type_variable(node)
    if name == "NewType" and len(node.args) == 2:
        return value_chains(node.args[1])
    return tuple((*chain, "()") for chain in value_chains(node.func))


def _type_variable(node: ast.Call) -> tuple[Chain, ...]:
    """A type variable stands for its bound, as a type."""
    bound = next((word.value for word in node.keywords if word.arg == "bound"), None)
    if isinstance(bound, ast.Constant):
        bound = parsed(bound)
    return value_chains(bound) if bound is not None else (UNKNOWN,)


def _subscript(index: ast.expr) -> str:
    if isinstance(index, ast.Constant) and isinstance(index.value, int) and 0 <= index.value < 10:
        return f"#{index.value}"
    return "[]"


def _union(*nodes: ast.expr) -> tuple[Chain, ...]:
    chains = dict.fromkeys(chain for node in nodes for chain in value_chains(node))
    chains.pop(LITERAL, None)
    return tuple(chains)[:ALTERNATIVES] or (LITERAL,)


def _contained(*nodes: ast.expr | None) -> tuple[Chain, ...]:
    return tuple((*chain, "*") for chain in _union(*[node for node in nodes if node is not None]))


def _named(node: ast.Name | ast.Attribute) -> Chain:
    name = last_name(node)
    if name == "Self":
        return ("@self",)
    if name in ("Any", "object"):
        return UNKNOWN
    chain = value_chains(node)[0]
    return (*chain, "!")


def _generic(node: ast.Subscript) -> list[tuple[Chain, int]]:
    name = last_name(node.value)
    arguments = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if name in _INNER or name == "TypeGuard":
        return annotation(arguments[0])
    if name == "Union":
        return [one for argument in arguments[:ALTERNATIVES] for one in annotation(argument)]
    if name in ("type", "Type"):
        inner = [parsed(a) if isinstance(a, ast.Constant) else a for a in arguments[:1]]
        return [
            (("@class",) if chain == ("Self",) else chain, -1)
            for one in inner
            for chain in (_type_alternatives(one) if one is not None else ())
        ]
    if name in _CONTAINERS:
        return _inside(arguments[0])
    if name in _MAPPINGS:
        return _inside(arguments[-1])
    if name == "Coroutine":
        return annotation(arguments[-1])
    if name == "Callable":
        return [((*chain, "->"), -1) for chain, slot in annotation(arguments[-1]) if slot < 0]
    if name in ("tuple", "Tuple"):
        return _tuple(arguments)
    if name == "Literal":
        return [(LITERAL, -1)]
    return annotation(node.value)


def _type_alternatives(node: ast.expr) -> tuple[Chain, ...]:
    if isinstance(node, ast.BinOp):
        return (_type_alternatives(node.left) + _type_alternatives(node.right))[:ALTERNATIVES]
    return value_chains(node)


def _inside(argument: ast.expr) -> list[tuple[Chain, int]]:
    return [((*chain, "*") if slot < 0 else (*chain, f"^{slot}", "*"), -1) for chain, slot in annotation(argument)]


def _tuple(arguments: list[ast.expr]) -> list[tuple[Chain, int]]:
    if len(arguments) == 2 and isinstance(arguments[1], ast.Constant) and arguments[1].value is ...:
        return _inside(arguments[0])
    return [
        (chain, slot) for slot, argument in enumerate(arguments) for chain, inner in annotation(argument) if inner < 0
    ]
