"""The facts of a Go file, from its syntax tree."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from ast_grep_py import SgNode, SgRoot

from groundswell.backends.repos import facts
from groundswell.backends.repos.facts import MODULE, Builder, Definition, FileFacts, Import, Typed
from groundswell.backends.repos.go_types import (
    UNKNOWN,
    Generics,
    Kind,
    Where,
    chain_of,
    generics_of,
    kinds,
    kinds_of,
    results,
    unnamed,
)

_DEPTHS = (200, 60, 20)  # levels of nesting that are read: the first that fits the stack
_VERSION = re.compile(r"v\d+")


def extract(path: str, text: str) -> FileFacts:
    """Read a file."""
    del path
    root, reader = SgRoot(text, "go").root(), None
    for depth in _DEPTHS:  # generated code nests deeper than the interpreter's stack
        reader = _Reader(Builder("go", text.count("\n") + 1), depth)
        try:
            reader.file(root)
        except RecursionError:
            continue
        break
    assert reader is not None
    return reader.builder.facts


class _Reader:
    def __init__(self, builder: Builder, deepest: int) -> None:
        self.builder = builder
        self.depth, self.deepest = 0, deepest
        self.types: dict[str, int] = {}  # types of this file
        self.bound: dict[tuple[int, str], int] = {}  # how many variables of a name a function has
        self._visitors: dict[str, Callable[[SgNode, Where], None]] = {
            "comment": _nothing,
            "binary_expression": self._spine,
            "field_identifier": _nothing,
            "label_name": _nothing,
            "package_clause": _nothing,
            "import_declaration": self._imports,
            "identifier": self._identifier,
            "type_identifier": self._type_name,
            "package_identifier": self._identifier,
            "qualified_type": self._qualified_type,
            "selector_expression": self._selector,
            "call_expression": self._call,
            "composite_literal": self._composite,
            "function_declaration": self._function,
            "method_declaration": self._method,
            "type_declaration": self._type_declaration,
            "const_declaration": self._constants,
            "var_declaration": self._variables,
            "short_var_declaration": self._short,
            "range_clause": self._range,
            "type_switch_statement": self._type_switch,
            "func_literal": self._anonymous,
            "parameter_declaration": self._type_only,
            "type_parameter_declaration": self._type_only,
            "variadic_parameter_declaration": self._type_only,
            "struct_type": self._loose_struct,
            "interface_type": self._loose_interface,
            "receive_statement": self._short,
            **dict.fromkeys(
                (
                    "block",
                    "if_statement",
                    "for_statement",
                    "expression_switch_statement",
                    "expression_case",
                    "default_case",
                    "communication_case",
                    "select_statement",
                ),
                self._block,
            ),
        }

    def file(self, root: SgNode) -> None:
        """Read all of it."""
        children = root.named_children()
        self._package(children)
        for child in children:  # a type may stand below its methods
            if child.kind() == "type_declaration":
                self.visit(child, Where())
        for child in children:
            if child.kind() != "type_declaration":
                self.visit(child, Where())

    def _package(self, children: Sequence[SgNode]) -> None:
        for child in children:
            if child.kind() == "package_clause":
                self.builder.facts.package = child.named_children()[0].text()
                if (comments := _comments(child)) and comments[0].text().startswith(("// Package", "/*", "// Command")):
                    self.builder.facts.doc = (_line(comments[0]), _last(comments[-1]))
                return

    # -- walking

    def visit(self, node: SgNode, at: Where) -> None:
        if self.depth >= self.deepest:
            return
        self.depth += 1
        visitor = self._visitors.get(node.kind())
        if visitor is not None:
            visitor(node, at)
        else:
            self._all(node.named_children(), at)
        self.depth -= 1

    def _all(self, nodes: Iterable[SgNode], at: Where) -> None:
        for child in nodes:
            self.visit(child, at)

    def _field(self, node: SgNode, name: str, at: Where) -> None:
        child = node.field(name)
        if child is not None:
            self.visit(child, at)

    def _block(self, node: SgNode, at: Where) -> None:
        self._all(node.named_children(), at.inside(end=min(at.end, _last(node)), top=False))

    def _spine(self, node: SgNode, at: Where) -> None:
        """`a + b + c …`: each operand stands one level deeper than the next."""
        operands: list[SgNode] = []
        while node.kind() == "binary_expression" and len(parts := node.named_children()) > 1:
            operands += reversed(parts[1:])
            node = parts[0]
        if node.kind() != "binary_expression":
            operands.append(node)
        self._all(reversed(operands), at)

    def _type_only(self, node: SgNode, at: Where) -> None:
        self._field(node, "type", at)

    # -- names that are used

    def _identifier(self, node: SgNode, at: Where, kind: str = "use") -> None:
        name = node.text()
        if name != "_" and name not in at.names:
            self._plain(name, kind, node, at)

    def _type_name(self, node: SgNode, at: Where) -> None:
        if node.text() not in at.generics:
            self._plain(node.text(), "use", node, at)

    def _plain(self, name: str, kind: str, node: SgNode, at: Where) -> None:
        """A name from outside the function: a variable called the same is called otherwise from here on."""
        self.bound.setdefault((at.scope, name), 1)
        self.builder.use((name,), kind, _line(node), at.scope)

    def _qualified_type(self, node: SgNode, at: Where) -> None:
        package, name = node.field("package"), node.field("name")
        if package is not None and name is not None:
            self._identifier(package, at)
            self.builder.use((package.text(), name.text()), "use", _line(name), at.scope)

    def _selector(self, node: SgNode, at: Where) -> None:
        self._use_selector(node, "use", at)

    def _use_selector(self, node: SgNode, kind: str, at: Where) -> None:
        name = node.field("field")
        if name is not None:
            operand = chain_of(node.field("operand"), at)
            self.builder.use((*operand, name.text()), kind, _line(name), at.scope)
        self._field(node, "operand", at)

    def _call(self, node: SgNode, at: Where) -> None:
        function = node.field("function")
        if function is not None and function.kind() == "identifier":
            self._identifier(function, at, "call")
        elif function is not None and function.kind() == "selector_expression":
            self._use_selector(function, "call", at)
        elif function is not None and function.kind() in ("index_expression", "type_instantiation_expression"):
            self._generic_call(function, at)
        elif function is not None:
            self.visit(function, at)
        self._field(node, "type_arguments", at)
        self._field(node, "arguments", at)

    def _generic_call(self, node: SgNode, at: Where) -> None:
        """`Map[int](x)`, which looks like calling an element."""
        called, *arguments = node.named_children()
        if called.kind() == "identifier":
            self._identifier(called, at, "call")
        elif called.kind() == "selector_expression":
            self._use_selector(called, "call", at)
        else:
            self.visit(called, at)
        self._all(arguments, at)

    def _composite(self, node: SgNode, at: Where) -> None:
        self._field(node, "type", at)
        made = node.field("type")
        types = [chain for chain, _ in kinds_of(made, at.generics)]
        body = node.field("body")
        for child in body.named_children() if body else ():
            is_field = made is not None and made.kind() in ("type_identifier", "qualified_type", "generic_type")
            if child.kind() == "keyed_element" and is_field:
                self._keyed_field(child, types[:1], at)
            else:
                self._element(child, at)

    def _keyed_field(self, node: SgNode, types: Sequence[tuple[str, ...]], at: Where) -> None:
        """`Name: value` in a struct names a field; of a named map it may be a constant."""
        key, *values = node.named_children()
        for chain in types:
            self.builder.use((*chain, key.text()), "use", _line(key), at.scope)
        for value in values:
            self._element(value, at)

    def _element(self, node: SgNode, at: Where) -> None:
        """A value inside braces; where its type is left out, its keys are fields we do not know."""
        if node.kind() == "literal_value":
            for child in node.named_children():
                parts = child.named_children() if child.kind() == "keyed_element" else [child]
                for part in parts[1:] if len(parts) > 1 else parts:
                    self._element(part, at)
        elif node.kind() in ("literal_element", "keyed_element"):
            for part in node.named_children():
                self._element(part, at)
        else:
            self.visit(node, at)

    # -- functions

    def _function(self, node: SgNode, at: Where) -> None:
        name = node.field("name")
        if name is not None:
            self._define_function(node, name, at, "function", MODULE)

    def _method(self, node: SgNode, at: Where) -> None:
        name, receiver = node.field("name"), node.field("receiver")
        parameter = receiver.named_children() if receiver else []
        if name is None or not parameter:
            return
        owner = re.sub(r"[*()\s]|\[.*", "", (parameter[0].field("type") or name).text())
        parent = self.types.get(owner, MODULE)
        inner = at.inside(generics=_receiver_generics(parameter[0].field("type")))
        receivers = [child for child in parameter[0].named_children() if child.kind() == "identifier"]
        number = self._define_function(node, name, inner, "method", parent, owner, receivers)
        self.builder.use((owner,), "use", _line(node), number)

    def _define_function(
        self,
        node: SgNode,
        name: SgNode,
        at: Where,
        kind: str,
        parent: int,
        owner: str = "",
        receivers: Sequence[SgNode] = (),
    ) -> int:
        generics = generics_of(node, at.generics)
        types = results(node.field("result"), generics)
        number = self._define(node, name, kind, parent, types, owner=owner if parent == MODULE else "")
        inner = Where(number, _last(node), top=False, generics=generics)
        for receiver in receivers:
            self._bind(receiver, [((owner, "!"), -1)], inner, parameter=True)
        self._signature(node, inner)
        self._field(node, "body", inner)
        return number

    def _signature(self, node: SgNode, at: Where) -> None:
        """Parameters and named results are locals; the types they mention are used."""
        for name in ("type_parameters", "parameters", "result"):
            self._field(node, name, at)
        for name in ("parameters", "result"):
            listed = node.field(name)
            if listed is None or listed.kind() != "parameter_list":
                continue
            for parameter in listed.named_children():
                types = kinds_of(parameter.field("type"), at.generics)
                if parameter.kind() == "variadic_parameter_declaration":
                    types = [((*chain, "*"), -1) for chain, _ in types]
                for child in parameter.named_children():
                    if child.kind() == "identifier":
                        self._bind(child, types, at, parameter=True)

    def _anonymous(self, node: SgNode, at: Where) -> None:
        """A function without a name: its parameters are locals of a few lines of the scope around it."""
        inner = at.inside(end=_last(node), top=False, anonymous=True)
        self._signature(node, inner)
        self._field(node, "body", inner)

    def _bind(self, node: SgNode, types: Iterable[Kind], at: Where, *, parameter: bool = False) -> None:
        name = node.text()
        if name == "_":
            return
        whole = parameter and not at.anonymous
        if name not in at.own:  # another variable of this name in this function is called otherwise
            at.own.add(name)
            count = self.bound[at.scope, name] = self.bound.get((at.scope, name), 0) + 1
            at.names[name] = name if count == 1 else f"{name}~{count}"
        typed = [Typed(at.scope, _line(node), chain, slot) for chain, slot in types if chain != UNKNOWN]
        self.builder.bind(
            at.scope,
            at.names[name],
            typed,
            parameter=parameter,
            line=0 if whole else _line(node),
            end_line=facts.LAST_LINE if whole else at.end,
        )

    # -- definitions

    def _define(
        self,
        node: SgNode,
        name: SgNode,
        kind: str,
        parent: int,
        types: Iterable[Kind] = (),
        *,
        flags: int = 0,
        owner: str = "",
        bases: Sequence[tuple[str, ...]] = (),
        scope: int = MODULE,
        text: str = "",
    ) -> int:
        body = node.field("body")
        line = _line(node)
        text = text or name.text()
        if text[:1].isupper():
            flags |= facts.EXPORTED
        return self.builder.define(
            Definition(
                text,
                kind,
                parent,
                line,
                _last(node),
                _line(name),
                min(_line(body) if body is not None else line, line + 12),
                doc=_documentation(node),
                bases=tuple(bases),
                types=tuple(Typed(scope, line, chain, slot) for chain, slot in types if chain != UNKNOWN),
                flags=flags,
                owner=owner,
            )
        )

    def _type_declaration(self, node: SgNode, at: Where) -> None:
        for spec in node.named_children():
            name, value = spec.field("name"), spec.field("type")
            if name is None or value is None:
                continue
            statement = node if len(node.named_children()) == 1 else spec
            inner = at.inside(generics=generics_of(spec, at.generics))
            self._field(spec, "type_parameters", inner)
            kind = {"struct_type": "class", "interface_type": "interface"}.get(value.kind(), "type")
            parent = MODULE if at.top else at.scope
            number = self._define(statement, name, kind, parent, kinds_of(value, inner.generics))
            if at.top:
                self.types.setdefault(name.text(), number)
            self._type_body(value, number, inner)

    def _type_body(self, value: SgNode, number: int, at: Where) -> None:
        if value.kind() == "struct_type":
            for part in value.named_children():
                for declared in part.named_children():
                    self._struct_field(declared, number, at)
        elif value.kind() == "interface_type":
            self._interface(value, number, at)
        else:
            self.visit(value, at)

    def _struct_field(self, node: SgNode, parent: int, at: Where, *, scope: int | None = None) -> None:
        if node.kind() != "field_declaration":
            return
        value = node.field("type")
        names = [child for child in node.named_children() if child.kind() == "field_identifier"]
        types = kinds_of(value, at.generics)
        for name in names:
            self._define(node, name, "variable", parent, types, flags=facts.INSTANCE, scope=at.scope)
        if value is None:
            return
        if not names:
            last = _embedded_name(value)
            flags = facts.INSTANCE | facts.EMBEDDED
            self._define(node, last, "variable", parent, types, flags=flags, scope=at.scope)
        of_unnamed = value.kind() == "struct_type" or "struct_type" in {n.kind() for n in value.named_children()}
        self.visit(value, at if of_unnamed else at.inside(scope=parent if scope is None else scope))

    def _interface(self, node: SgNode, number: int, at: Where) -> None:
        bases: list[tuple[str, ...]] = []
        for child in node.named_children():
            name = child.field("name")
            if child.kind() in ("method_elem", "method_spec") and name is not None:
                types = results(child.field("result"), at.generics)
                method = self._define(child, name, "method", number, types, flags=facts.OVERLOAD)
                self._signature(child, at.inside(scope=method, top=False))
                continue
            if child.kind() == "type_elem" and len(child.named_children()) == 1:
                bases += [chain[:-1] for chain, _ in kinds_of(child, at.generics) if chain[-1] == "!"]
            self.visit(child, at.inside(scope=number))
        self.builder.amend(number, bases=tuple(bases))

    def _loose_struct(self, node: SgNode, at: Where) -> None:
        """A struct type without a name, as tables of tests have: it is a type of the scope it stands in."""
        number = self._define(node, node, "class", at.scope, text=unnamed(node))
        for part in node.named_children():
            for declared in part.named_children():
                self._struct_field(declared, number, at, scope=at.scope)

    def _loose_interface(self, node: SgNode, at: Where) -> None:
        for child in node.named_children():
            for name in ("parameters", "result"):
                self._field(child, name, at)
            if child.kind() == "type_elem":
                self._all(child.named_children(), at)

    # -- constants and variables

    def _constants(self, node: SgNode, at: Where) -> None:
        types: Sequence[Kind] = ()
        for spec in node.named_children():
            if spec.kind() != "const_spec":
                continue
            declared, value = spec.field("type"), spec.field("value")
            if declared is not None or value is not None:  # else it repeats the one above: iota
                types = kinds_of(declared, at.generics)
                values = value.named_children() if value is not None else []
                types = types or (kinds(values[0], at) if values else ())
            self._declared(spec, node, types, at, "constant")
            for child in (declared, value):
                if child is not None:
                    self.visit(child, at)

    def _declared(self, spec: SgNode, whole: SgNode, types: Sequence[Kind], at: Where, kind: str) -> None:
        statement = whole if len(whole.named_children()) == 1 else spec
        for name in spec.field_children("name"):
            if name.kind() != "identifier" or name.text() == "_":
                continue
            if at.top:
                self._define(statement, name, kind, MODULE, types)
            else:
                self._bind(name, types, at)

    def _variables(self, node: SgNode, at: Where) -> None:
        for spec in _specs(node):
            declared, value = spec.field("type"), spec.field("value")
            names = [n for n in spec.named_children() if n.kind() == "identifier"]
            given = value.named_children() if value is not None else []
            for child in (declared, value):
                if child is not None:
                    self.visit(child, at)
            for slot, name in enumerate(names):
                types = kinds_of(declared, at.generics) or list(_assigned(given, slot, len(names), at))
                if at.top and name.text() != "_":
                    self._define(node if len(names) == 1 else spec, name, "variable", MODULE, types)
                elif not at.top:
                    self._bind(name, types, at)

    def _short(self, node: SgNode, at: Where) -> None:
        """`a, b := f()`, also in `case x := <-c`."""
        left, right = node.field("left"), node.field("right")
        if right is not None:
            self.visit(right, at)
        if left is None:
            return
        given = right.named_children() if right is not None and right.kind() == "expression_list" else []
        given = given or ([right] if right is not None else [])
        names = left.named_children()
        for slot, name in enumerate(names):
            if name.kind() == "identifier":
                self._bind(name, _assigned(given, slot, len(names), at), at)
            else:
                self.visit(name, at)

    def _range(self, node: SgNode, at: Where) -> None:
        left, right = node.field("left"), node.field("right")
        if right is not None:
            self.visit(right, at)
        names = left.named_children() if left is not None else []
        elements = [((*chain, "[]"), -1) for chain, slot in kinds(right, at) if slot < 0]
        for slot, name in enumerate(names):
            if name.kind() == "identifier":
                self._bind(name, elements if slot == len(names) - 1 else (), at)
            else:
                self.visit(name, at)

    def _type_switch(self, node: SgNode, at: Where) -> None:
        inner = at.inside(end=min(at.end, _last(node)), top=False)
        alias, value = node.field("alias"), node.field("value")
        for name in ("initializer", "value"):
            self._field(node, name, inner)
        bound = alias.named_children()[:1] if alias is not None else []
        for case in node.named_children():
            if case.kind() not in ("type_case", "default_case"):
                continue
            last = _last(case)
            here = inner.inside(end=last)
            listed = list(case.field_children("type"))
            for name in bound:
                types = [one for written in listed for one in kinds_of(written, at.generics)] or kinds(value, at)
                self._bind(name, types, here)
            self._all(case.named_children(), here)

    def _imports(self, node: SgNode, at: Where) -> None:
        listed = [spec for part in node.named_children() for spec in (part.named_children() or [part])]
        specs = [part for part in node.named_children() if part.kind() == "import_spec"]
        for spec in specs or listed:
            path, name = spec.field("path"), spec.field("name")
            if path is None:
                continue
            module, line = path.text().strip('"`'), _line(spec)
            if name is None:
                for local in _package_names(module):
                    self.builder.imported(Import(local, module, "", at.scope, line))
            elif name.kind() == "dot":
                self.builder.imported(Import("", module, "*", at.scope, line))
            else:
                local = "" if name.text() == "_" else name.text()
                self.builder.imported(Import(local, module, "", at.scope, line))


def _nothing(node: SgNode, at: Where) -> None:
    """Nothing in it is a use."""
    del node, at


def _assigned(given: Sequence[SgNode], slot: int, names: int, at: Where) -> Iterator[Kind]:
    """What the variable at `slot` gets."""
    if len(given) == names:
        yield from kinds(given[slot], at)
    elif len(given) == 1:
        value = given[0]
        if value.kind() == "call_expression":
            for chain, own in kinds(value, at):
                if own < 0:
                    yield (*chain, f"#{slot}"), -1
                elif own == slot:
                    yield chain, -1
        elif slot == 0:  # `v, ok := m[k]`
            yield from kinds(value, at)


def _specs(node: SgNode) -> Iterator[SgNode]:
    for child in node.named_children():
        if child.kind() == "var_spec_list":
            yield from _specs(child)
        elif child.kind() == "var_spec":
            yield child


def _package_names(module: str) -> list[str]:
    """What an import without a name may be called: only the package itself says it for sure."""
    parts = [part for part in module.split("/") if not _VERSION.fullmatch(part)] or [module]
    last = re.sub(r"\.v\d+$", "", parts[-1])
    names = [last, last.removeprefix("go-").removesuffix("-go").removesuffix(".go"), last.rpartition("-")[2]]
    return list(dict.fromkeys(name for name in names if name.isidentifier()))


def _receiver_generics(node: SgNode | None) -> Generics:
    """The type parameters a receiver names: `(t *Tree[K])`."""
    inside = re.search(r"\[(.*)\]", node.text()) if node is not None else None
    return {name.strip(): () for name in inside[1].split(",")} if inside else {}


def _embedded_name(node: SgNode) -> SgNode:
    """The node whose text is the name of an embedded field."""
    inner = node.field("name") if node.kind() == "qualified_type" else node.field("type")
    if inner is None and node.kind() == "pointer_type":
        inner = (node.named_children() or [node])[0]
    return _embedded_name(inner) if inner is not None and inner.kind() != "type_identifier" else inner or node


def _comments(node: SgNode) -> list[SgNode]:
    """The comments right above a node, in order."""
    found: list[SgNode] = []
    before, line = node.prev(), _line(node)
    while before is not None and before.kind() == "comment" and line - _last(before) == 1:
        found.insert(0, before)
        line, before = _line(before), before.prev()
    return found


def _documentation(node: SgNode) -> str:
    text = "\n".join(comment.text() for comment in _comments(node))
    lines: list[str] = []
    for raw in text.split("\n"):
        line = re.sub(r"^\s*(//|/\*|\*/)\s?|\s*\*/\s*$", "", raw).strip()
        if lines and not line:
            break
        if line and not raw.startswith("//go:"):
            lines.append(line)
    return " ".join(lines)[:400]


def _line(node: SgNode) -> int:
    return node.range().start.line + 1


def _last(node: SgNode) -> int:
    return node.range().end.line + 1
