"""What TypeScript's type annotations, and JSDoc's, say a value is."""

import re
from collections.abc import Iterable, Iterator, Mapping

from ast_grep_py import SgNode

from groundswell.backends.repos.facts import Chain

Kind = tuple[Chain, int]  # a chain, and which of several results it is (-1: the only one)
Generics = Mapping[str, tuple[Kind, ...]]  # a type parameter and what it extends

ELEMENTS = frozenset(
    """
    Array ReadonlyArray ArrayLike Set ReadonlySet WeakSet Iterable Iterator IterableIterator Generator
    AsyncIterable AsyncIterator AsyncIterableIterator AsyncGenerator Map ReadonlyMap WeakMap Record
    """.split()  # noqa: SIM905
)
VALUE_IS_SECOND = frozenset(("Map", "ReadonlyMap", "WeakMap", "Record"))
TRANSPARENT = frozenset(
    """
    Promise PromiseLike Awaited Readonly Partial Required NonNullable Pick Omit Extract Exclude Mutable
    Writable ThisType WeakRef InstanceType
    """.split()  # noqa: SIM905
)
_MEMBERS = 12  # of a union that are looked at
LITERAL: Kind = (("@literal",), -1)


def kinds_of(node: SgNode | None, generics: Generics) -> list[Kind]:
    """What a value of this annotation may be; [] where nothing is known."""
    if node is None:
        return []
    read = _READERS.get(node.kind())
    return list(read(node, generics)) if read else []


def _each(nodes: Iterable[SgNode], generics: Generics) -> Iterator[Kind]:
    for child in nodes:
        yield from kinds_of(child, generics)


def _named(node: SgNode, generics: Generics) -> Iterator[Kind]:
    name = node.text()
    if name in generics:
        yield from generics[name]
    else:
        yield (name, "!"), -1


def _nested(node: SgNode, _: Generics) -> Iterator[Kind]:
    yield (*re.split(r"\s*\.\s*", node.text()), "!"), -1


def _generic(node: SgNode, generics: Generics) -> Iterator[Kind]:
    name, arguments = node.field("name"), node.field("type_arguments")
    given = arguments.named_children() if arguments else []
    plain = name.text() if name else ""
    if plain in ELEMENTS and given:
        value = given[1] if plain in VALUE_IS_SECOND and len(given) > 1 else given[0]
        yield from ((chain + ("*",), -1) for chain, _ in kinds_of(value, generics))
    elif plain in TRANSPARENT and given:
        for chain, slot in kinds_of(given[0], generics):
            yield ((*chain, "!") if plain == "InstanceType" else chain), slot
    elif plain == "ReturnType" and given:
        yield from (((*chain, "()"), -1) for chain, _ in kinds_of(given[0], generics))
    else:
        yield from kinds_of(name, generics)


def _array(node: SgNode, generics: Generics) -> Iterator[Kind]:
    yield from (((*chain, "*"), -1) for chain, _ in _each(node.named_children(), generics))


def _tuple(node: SgNode, generics: Generics) -> Iterator[Kind]:
    for number, child in enumerate(node.named_children()):
        member = child.field("type") or child
        inner = member.named_children() if member.kind() == "type_annotation" else [member]
        yield from ((chain, number) for chain, _ in _each(inner, generics))


def _function(node: SgNode, generics: Generics) -> Iterator[Kind]:
    yield from (((*chain, "->"), -1) for chain, _ in kinds_of(node.field("return_type"), generics))


def _query(node: SgNode, _: Generics) -> Iterator[Kind]:
    inner = node.named_children()
    if inner and re.fullmatch(r"[\w$]+(\s*\.\s*[\w$]+)*", inner[0].text()):
        yield tuple(re.split(r"\s*\.\s*", inner[0].text())), -1


def _lookup(node: SgNode, generics: Generics) -> Iterator[Kind]:
    parts = node.named_children()
    if len(parts) == 2 and (key := re.fullmatch(r"""["']([\w$]+)["']""", parts[1].text())):
        yield from (((*chain, key[1]), -1) for chain, _ in kinds_of(parts[0], generics))
    elif len(parts) == 2 and parts[1].text() == "number":
        yield from (((*chain, "[]"), -1) for chain, _ in kinds_of(parts[0], generics))


def _conditional(node: SgNode, generics: Generics) -> Iterator[Kind]:
    yield from kinds_of(node.field("consequence"), generics)
    yield from kinds_of(node.field("alternative"), generics)


def _inner(node: SgNode, generics: Generics) -> Iterator[Kind]:
    yield from _each(node.named_children(), generics)


def _members(node: SgNode, generics: Generics) -> Iterator[Kind]:
    """Of a union the first members: each stands one level deeper than the next."""
    kind = node.kind()
    members: list[SgNode] = []
    while node.kind() == kind and (parts := node.named_children()):
        members += reversed(parts[1:])
        node = parts[0]
    yield from _each([node, *reversed(members)][:_MEMBERS], generics)


def _this(*_: object) -> Iterator[Kind]:
    yield ("@self",), -1


def _literal(*_: object) -> Iterator[Kind]:
    yield LITERAL


_READERS = {
    "type_identifier": _named,
    "identifier": _named,
    "nested_type_identifier": _nested,
    "generic_type": _generic,
    "array_type": _array,
    "tuple_type": _tuple,
    "function_type": _function,
    "type_query": _query,
    "lookup_type": _lookup,
    "conditional_type": _conditional,
    "this_type": _this,
    "union_type": _members,
    "intersection_type": _members,
    "predefined_type": _literal,
    "literal_type": _literal,
    "template_literal_type": _literal,
    **dict.fromkeys(
        ("type_annotation", "parenthesized_type", "readonly_type",
         "optional_type", "rest_type", "flow_maybe_type"),
        _inner,
    ),
}  # fmt: skip


def given_to(annotation: SgNode | None, generics: Generics) -> list[list[Kind]]:
    """What a parameter that is a function will be given: the types of its own parameters."""
    if annotation is None:
        return []
    if annotation.kind() == "function_type":
        parameters = annotation.field("parameters")
        inner = generics_of(annotation, generics)
        return [kinds_of(one.field("type"), inner) for one in (parameters.named_children() if parameters else ())]
    if annotation.kind() in ("type_annotation", "union_type", "parenthesized_type", "optional_type"):
        for child in annotation.named_children():
            if found := given_to(child, generics):
                return found
    return []


def generics_of(node: SgNode, outer: Generics) -> Generics:
    """The type parameters a declaration brings, beside those around it."""
    parameters = node.field("type_parameters")
    if parameters is None:
        return outer
    inner = dict(outer)
    for parameter in parameters.named_children():
        if parameter.kind() == "type_parameter" and (name := parameter.field("name")):
            constraint = parameter.field("constraint")
            bound = constraint.named_children() if constraint else []
            inner[name.text()] = tuple(_each(bound, inner))
    return inner


_PRIMITIVES = frozenset(("string", "number", "boolean", "bigint", "symbol", "String", "Number", "Boolean"))
_UNTOLD = frozenset(("null", "undefined", "any", "unknown", "void", "Object", "object", "Function", "never"))
_TAG = re.compile(r"@(param|arg|argument|returns?|type)\s*\{((?:[^{}]|\{[^{}]*\})*)\}\s*\[?([\w$.]*)")


def documented(comment: str) -> dict[str, list[Kind]]:
    """What a JSDoc comment says of parameters (by name), `return` and `type`."""
    found: dict[str, list[Kind]] = {}
    for tag, written, name in _TAG.findall(comment):
        key = name if tag in {"param", "arg", "argument"} else "return" if tag.startswith("return") else "type"
        if key and "." not in key and (kinds := list(_jsdoc(written))):
            found[key] = kinds
    return found


def _jsdoc(written: str) -> Iterator[Kind]:
    """Read a JSDoc type: names, arrays, unions and the containers, which is what people write."""
    text = written.strip().strip("?!=.").strip()
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    for member in re.split(r"\|(?![^<(]*[>)])", text):
        member = member.strip().strip("?!=").strip()
        if element := re.fullmatch(r"(.+)\[\]|(?:Array|Set|Iterable|ReadonlyArray)\.?<(.+)>", member):
            yield from (((*chain, "*"), -1) for chain, _ in _jsdoc(element[1] or element[2]))
        elif element := re.fullmatch(r"(?:Map|Record|Object)\.?<[^,]+,(.+)>", member):
            yield from (((*chain, "*"), -1) for chain, _ in _jsdoc(element[1]))
        elif element := re.fullmatch(r"(?:Promise|Readonly|Partial|Required)\.?<(.+)>", member):
            yield from _jsdoc(element[1])
        elif element := re.fullmatch(r"([A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*)(?:\.?<.*>)?", member):
            if element[1] in _PRIMITIVES:
                yield LITERAL
            elif element[1] not in _UNTOLD:
                yield (*element[1].split("."), "!"), -1
