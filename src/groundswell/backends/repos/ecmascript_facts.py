"""The facts of a TypeScript or JavaScript file, from its syntax tree."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from ast_grep_py import SgNode, SgRoot

from groundswell.backends.repos import facts
from groundswell.backends.repos.ecmascript_types import Kind, documented, generics_of, given_to, kinds_of
from groundswell.backends.repos.ecmascript_values import UNKNOWN, Values, Where, required
from groundswell.backends.repos.facts import MODULE, Builder, Chain, Definition, FileFacts, Import, Typed

# the grammar of TSX reads JavaScript, too; TypeScript's own also reads `<Foo>x`
GRAMMARS = {".ts": "typescript", ".mts": "typescript", ".cts": "typescript"}
_FUNCTIONS = frozenset(
    "arrow_function function_expression function generator_function function_declaration "
    "generator_function_declaration".split()
)
_FUNCTION_VALUES = frozenset("arrow_function function_expression function generator_function".split())
_ELEMENT_CALLBACKS = frozenset(
    "forEach map filter find findIndex findLast some every flatMap sort toSorted".split()
)
_WRAPPERS = frozenset("parenthesized_expression as_expression satisfies_expression non_null_expression".split())
_GIVEN = 3  # parameters of a callback that are looked for
_DEEP = 400  # levels of nesting that are read
_TYPES = 8  # of one definition that are kept
# possessive, for else a long comment between lines would be tried in every way it can be cut
_UNPARTED = re.compile(r"([>\w\])}\"'`])((?:\s|//[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)++)(?=[<(])")
_EXPORTS = re.compile(r"(?:module\s*\.\s*)?exports")


def extract(language: str, path: str, text: str) -> FileFacts:
    """Read a file."""
    grammar = GRAMMARS.get(path[path.rfind(".") :].lower(), "tsx")
    reader = _Reader(Builder(language, text.count("\n") + 1), text)
    reader.module(_parsed(text, grammar))
    return reader.builder.facts


def _parsed(text: str, grammar: str) -> SgNode:
    """The tree; the grammar runs signatures that no semicolon parts into each other: those are given one."""
    root = SgRoot(text, grammar).root()
    if grammar == "typescript" and root.kind() == "ERROR":
        parted = SgRoot(_UNPARTED.sub(_part, text), grammar).root()
        return root if parted.kind() == "ERROR" else parted
    return root


def _part(found: re.Match[str]) -> str:
    last, gap = found.groups()
    return f"{last};{gap}" if "\n" in gap else found.group()


class _Reader(Values):
    def __init__(self, builder: Builder, text: str) -> None:
        super().__init__(builder)
        self.lines = text.split("\n")
        self.depth = 0
        self.named: dict[tuple[int, str], int] = {}  # (parent, name) → definition
        self.bound: dict[tuple[int, str], int] = {}  # how many variables of a name a scope has
        self.brought: set[str] = set()  # locals that are imports
        self._visitors: dict[str, Callable[[SgNode, Where], None]] = {
            "comment": self._skip,
            "property_identifier": self._skip,
            "private_property_identifier": self._skip,
            "predefined_type": self._skip,
            "statement_identifier": self._skip,
            "program": self._block,
            "statement_block": self._block,
            "identifier": self._identifier,
            "shorthand_property_identifier": self._identifier,
            "type_identifier": self._type_name,
            "nested_type_identifier": self._nested_type,
            "member_expression": self._member_expression,
            "call_expression": self._call_expression,
            "new_expression": self._new_expression,
            "pair": self._pair,
            "jsx_opening_element": self._jsx,
            "jsx_closing_element": self._jsx,
            "jsx_self_closing_element": self._jsx,
            "function_declaration": self._declared_function,
            "generator_function_declaration": self._declared_function,
            "function_signature": self._declared_function,
            "arrow_function": self._anonymous,
            "function_expression": self._anonymous,
            "generator_function": self._anonymous,
            "method_definition": self._loose_method,
            "return_statement": self._return,
            "class_declaration": self._class,
            "abstract_class_declaration": self._class,
            "class": self._class_value,
            "interface_declaration": self._interface,
            "type_alias_declaration": self._type_alias,
            "object_type": self._object_type,
            "required_parameter": self._loose_parameter,
            "optional_parameter": self._loose_parameter,
            "enum_declaration": self._enum,
            "internal_module": self._namespace,
            "module": self._namespace,
            "lexical_declaration": self._declaration,
            "variable_declaration": self._declaration,
            "for_in_statement": self._for_in,
            "for_statement": self._for,
            "catch_clause": self._catch,
            "assignment_expression": self._assignment,
            "import_statement": self._import,
            "export_statement": self._export,
        }

    def module(self, root: SgNode) -> None:
        """Read all of it."""
        children = root.children()
        self._head_comment(children)
        self._all(children, Where())

    def _head_comment(self, children: Sequence[SgNode]) -> None:
        comments: list[SgNode] = []
        for child in children:
            if child.kind() == "hash_bang_line":
                continue
            if child.kind() != "comment" or (comments and _gap(comments[-1], child) > 1):
                break
            comments.append(child)
        if comments:
            self.builder.facts.doc = (_line(comments[0]), _last(comments[-1]))

    # -- walking

    def visit(self, node: SgNode, at: Where) -> None:
        visitor = self._visitors.get(node.kind())
        if visitor is not None:
            if self.depth < _DEEP:
                self.depth += 1
                visitor(node, at)
                self.depth -= 1
            return
        if self.depth < _DEEP:
            self.depth += 1
            self._all(node.named_children(), at)
            self.depth -= 1

    def _all(self, nodes: Iterable[SgNode], at: Where) -> None:
        for child in nodes:
            self.visit(child, at)

    def _field(self, node: SgNode, name: str, at: Where) -> None:
        child = node.field(name)
        if child is not None:
            self.visit(child, at)

    def _skip(self, node: SgNode, at: Where) -> None:
        """Nothing in it is a use."""

    def _block(self, node: SgNode, at: Where) -> None:
        top = at.top and node.kind() == "program"
        self._all(node.named_children(), at.inside(end=min(at.end, _last(node)), top=top))

    # -- names that are used

    def _identifier(self, node: SgNode, at: Where, kind: str = "use") -> None:
        name = node.text()
        known = at.names.get(name, name)
        if name not in at.names or known in self.brought:
            self.builder.use((known,), kind, _line(node), at.scope)

    def _type_name(self, node: SgNode, at: Where) -> None:
        if node.text() not in at.generics:
            self.builder.use((node.text(),), "use", _line(node), at.scope)

    def _nested_type(self, node: SgNode, at: Where) -> None:
        parts = tuple(re.split(r"\s*\.\s*", node.text()))
        for length in range(1, len(parts) + 1):
            self.builder.use(parts[:length], "use", _last(node), at.scope)

    def _member_expression(self, node: SgNode, at: Where) -> None:
        self._use_member(node, "use", at)

    def _use_member(self, node: SgNode, kind: str, at: Where) -> None:
        name, receiver = node.field("property"), node.field("object")
        if name is not None and receiver is not None and _EXPORTS.fullmatch(receiver.text()):
            self._identifier(name, at, kind)
            return
        if name is not None:
            receivers = self.kinds(receiver, at) or ((UNKNOWN, -1),)
            for chain in dict.fromkeys(chain for chain, slot in receivers if slot < 0):
                self.builder.use((*chain, name.text()), kind, _line(name), at.scope)
        if receiver is not None:
            self.visit(receiver, at)

    def _use(self, node: SgNode | None, kind: str, at: Where) -> None:
        """Use what an expression names, in this way."""
        if node is None:
            return
        if node.kind() in ("identifier", "type_identifier"):
            self._identifier(node, at, kind)
        elif node.kind() == "member_expression":
            self._use_member(node, kind, at)
        else:
            self.visit(node, at)

    def _call_expression(self, node: SgNode, at: Where) -> None:
        function, arguments = node.field("function"), node.field("arguments")
        if module := required(node):
            self.require(node, module, at)
            return
        self._use(function, "call", at)
        self._field(node, "type_arguments", at)
        if arguments is not None:
            self._arguments(function, arguments, at)
        self._inherits(function, arguments, at)

    def _arguments(self, function: SgNode | None, arguments: SgNode, at: Where) -> None:
        """Visit arguments; of functions among them the parameters are what the called function says."""
        hints = self._hints(function, at)
        listed = [child for child in arguments.named_children() if child.kind() != "comment"]
        for number, child in enumerate(listed):
            if child.kind() not in _FUNCTION_VALUES:
                self.visit(child, at)
                continue
            called = [] if hints else [chain for chain, slot in self.kinds(function, at) if slot < 0]
            given = [[((*chain, f"<{number}:{one}>"), -1) for chain in called] for one in range(_GIVEN)]
            self._anonymous(child, at, hints or given)

    def _hints(self, function: SgNode | None, at: Where) -> Sequence[Sequence[Kind]]:
        """What a callback's parameters will be, where the method called is known for it."""
        if function is None or function.kind() != "member_expression":
            return ()
        name = function.field("property")
        step = name.text() if name else ""
        if step not in _ELEMENT_CALLBACKS and step not in ("then", "reduce"):
            return ()
        receivers = [chain for chain, slot in self.kinds(function.field("object"), at) if slot < 0]
        if step == "then":
            return ([(chain, -1) for chain in receivers],)
        elements = [((*chain, "[]"), -1) for chain in receivers]
        if step == "reduce":
            return ((), elements)
        return (elements, elements if step.endswith("ort") else ())

    def _inherits(self, function: SgNode | None, arguments: SgNode | None, at: Where) -> None:
        """`util.inherits(A, B)`."""
        if function is None or arguments is None or not function.text().endswith("inherits"):
            return
        given = arguments.named_children()
        if len(given) == 2 and (number := self.named.get((MODULE, given[0].text()))) is not None:
            self.builder.amend(number, bases=(self.chain(given[1], at),))

    def _new_expression(self, node: SgNode, at: Where) -> None:
        constructor, arguments = node.field("constructor"), node.field("arguments")
        self._use(constructor, "call", at)
        self._field(node, "type_arguments", at)
        if arguments is not None:
            self._arguments(constructor, arguments, at)

    def _pair(self, node: SgNode, at: Where) -> None:
        key = node.field("key")
        if key is not None and key.kind() == "computed_property_name":
            self.visit(key, at)
        self._field(node, "value", at)

    def _jsx(self, node: SgNode, at: Where) -> None:
        name = node.field("name")
        if name is not None and (name.kind() != "identifier" or not name.text()[:1].islower()):
            self._use(name, "call", at)
        for child in node.named_children():
            if name is None or child.range().start.index != name.range().start.index:
                self.visit(child, at)

    # -- functions

    def _anonymous(self, node: SgNode, at: Where, hints: Sequence[Sequence[Kind]] = ()) -> None:
        """A function without a name: its parameters are locals of a few lines of the scope around it."""
        this = at.this if node.kind() == "arrow_function" else "@unknown"
        generics = generics_of(node, at.generics)
        last = _last(node)
        inner = at.function(this=this, end=last, last=last, anonymous=True, generics=generics)
        self._parameters(node, inner, hints=hints)
        self._body(node, inner)

    def _body(self, node: SgNode, at: Where) -> None:
        self._field(node, "return_type", at)
        body = node.field("body")
        if body is None:
            return
        if body.kind() != "statement_block":
            at.returns.extend(self.kinds(body, at))
        self.visit(body, at)

    def _parameters(
        self,
        node: SgNode,
        at: Where,
        *,
        hints: Sequence[Sequence[Kind]] = (),
        told: Mapping[str, Sequence[Kind]] | None = None,
    ) -> None:
        self._field(node, "type_parameters", at)
        if (single := node.field("parameter")) is not None:
            self._bind(single, hints[0] if hints else (), at, parameter=True)
            return
        parameters = node.field("parameters")
        listed = parameters.named_children() if parameters else ()
        for number, parameter in enumerate(one for one in listed if one.kind() != "comment"):
            if not at.anonymous:
                self._passed(parameter, number, at)
            self._parameter(parameter, at, hints[number] if number < len(hints) else (), told or {})

    def _passed(self, parameter: SgNode, number: int, at: Where) -> None:
        """Remember what a parameter that is a function will be given."""
        for given, kinds in enumerate(given_to(parameter.field("type"), at.generics)):
            typed = [Typed(at.scope, _line(parameter), chain, slot) for chain, slot in kinds]
            if typed:
                self.builder.bind(at.scope, f"<{number}:{given}>", typed)

    def _parameter(
        self, node: SgNode, at: Where, hint: Sequence[Kind], told: Mapping[str, Sequence[Kind]]
    ) -> None:
        pattern = node.field("pattern") or node
        annotation, value = node.field("type"), node.field("value")
        for child in node.named_children():
            if child.kind() in ("type_annotation", "decorator"):
                self.visit(child, at)
        if value is not None:
            self.visit(value, at)
        types = kinds_of(annotation, at.generics) or told.get(pattern.text(), ()) or hint
        if pattern.kind() == "rest_pattern":
            types = [(chain[:-1], -1) if chain[-1] == "*" else (chain, -1) for chain, _ in types]
            types = [((*chain, "*"), -1) for chain, _ in types]
        self._bind(pattern, types or self.kinds(value, at), at, parameter=True)

    def _function_definition(
        self,
        node: SgNode,
        function: SgNode,
        name: SgNode,
        at: Where,
        *,
        parent: int,
        kind: str = "function",
        this: str = "@unknown",
        flags: int = 0,
        text: str = "",
    ) -> int:
        """Define a function that has a name, and read it. `node` is all of the statement."""
        comment = self._comment(node)
        if function.text().startswith("async"):
            flags |= facts.ASYNC
        number = self._define(text or name.text(), kind, parent, node, name, function, flags=flags, comment=comment)
        self._read_function(number, function, at, this, comment)
        return number

    def _read_function(self, number: int, function: SgNode, at: Where, this: str, comment: str = "") -> None:
        if function.kind() == "arrow_function":
            this = at.this
        last = _last(function)
        generics = generics_of(function, at.generics)
        inner = at.function(scope=number, this=this, end=last, last=last, anonymous=False, generics=generics)
        told = documented(comment) if "@" in comment and self.builder.facts.language == "javascript" else {}
        self._parameters(function, inner, told=told)
        self._body(function, inner)
        annotated = kinds_of(function.field("return_type"), inner.generics) or told.get("return", ())
        if function.field("return_type") is None or annotated:
            self._typed(number, annotated or inner.returns, inner.scope, _last(function))

    def _typed(self, number: int, kinds: Iterable[Kind], scope: int, line: int) -> None:
        types = tuple(Typed(scope, line, chain, slot) for chain, slot in dict.fromkeys(kinds) if chain != UNKNOWN)
        known = self.builder.facts.definitions[number].types
        if types:
            self.builder.amend(number, types=tuple(dict.fromkeys((*known, *types)))[:_TYPES])

    def _declared_function(self, node: SgNode, at: Where) -> None:
        name = node.field("name")
        if name is None:
            self._default_function(node, at)
            return
        flags = facts.OVERLOAD if node.field("body") is None else 0
        self._function_definition(node, node, name, at, parent=at.scope, flags=flags | self._visible(node, at))

    def _default_function(self, node: SgNode, at: Where) -> None:
        self._function_definition(node, node, node, at, parent=at.scope, flags=facts.EXPORTED, text="default")

    def _loose_method(self, node: SgNode, at: Where) -> None:
        """A method of an object literal that has no name."""
        self._anonymous(node, at)

    def _return(self, node: SgNode, at: Where) -> None:
        for child in node.named_children():
            if child.kind() != "comment":
                at.returns.extend(self.kinds(child, at))
            self.visit(child, at)

    # -- definitions

    def _define(
        self,
        name: str,
        kind: str,
        parent: int,
        node: SgNode,
        named: SgNode,
        body: SgNode,
        *,
        flags: int = 0,
        comment: str | None = None,
        bases: Sequence[Chain] = (),
    ) -> int:
        comment = self._comment(node) if comment is None else comment
        inner = body.field("body")
        head = _line(inner) if inner is not None else _line(node)
        number = self.builder.define(
            Definition(
                name.strip("\"'"),
                kind,
                parent,
                _line(node),
                _last(node),
                _line(named),
                max(_line(node), min(head, _line(node) + 12)),
                doc=paragraph(comment),
                bases=tuple(bases),
                flags=flags,
            )
        )
        self.named.setdefault((parent, name), number)
        return number

    def _comment(self, node: SgNode) -> str:
        """The comment right above a statement."""
        parent = node.parent()
        if parent is not None and parent.kind() in ("export_statement", "ambient_declaration"):
            node = parent
        before, parts, line = node.prev(), list[str](), _line(node)
        while before is not None and before.kind() in ("comment", "decorator") and line - _last(before) <= 1:
            if before.kind() == "comment":
                parts.insert(0, before.text())
            line, before = _line(before), before.prev()
        return "\n".join(parts)

    def _visible(self, node: SgNode, at: Where) -> int:
        parent = node.parent()
        while parent is not None and parent.kind() in ("lexical_declaration", "variable_declaration"):
            parent = parent.parent()
        exported = parent is not None and parent.kind() in ("export_statement", "ambient_declaration")
        return facts.EXPORTED if exported and at.top else 0

    # -- classes and interfaces

    def _class(self, node: SgNode, at: Where) -> None:
        name = node.field("name")
        self._read_class(node, node, name or node, at, text="" if name else "default")

    def _read_class(
        self, statement: SgNode, node: SgNode, name: SgNode, at: Where, *, text: str = "", kind: str = "class"
    ) -> int:
        self._decorators(statement, at)
        if node is not statement:
            self._decorators(node, at)
        inner = at.inside(generics=generics_of(node, at.generics))
        self._field(node, "type_parameters", inner)
        bases = self._heritage(node, inner)
        number = self._define(
            text or name.text(), kind, at.scope, statement, name, node, flags=self._visible(statement, at), bases=bases
        )
        inner = inner.inside(scope=number, this="@self", top=False, returns=[], end=_last(node), anonymous=False)
        body = node.field("body")
        for child in body.named_children() if body else ():
            self._class_member(child, number, inner)
        return number

    def _class_value(self, node: SgNode, at: Where) -> None:
        """A class in the middle of an expression: known inside the scope it stands in."""
        name = node.field("name")
        self._read_class(node, node, name or node, at, text=_name(name, "<class>"))

    def _decorators(self, node: SgNode, at: Where) -> None:
        for child in node.named_children():
            if child.kind() == "decorator":
                self.visit(child, at)

    def _heritage(self, node: SgNode, at: Where) -> list[Chain]:
        """What a class extends and implements; each is used."""
        bases: list[Chain] = []
        for child in node.named_children():
            if child.kind() in ("class_heritage", "extends_clause", "implements_clause", "extends_type_clause"):
                bases += self._heritage(child, at)
            elif node.kind() in ("class_declaration", "abstract_class_declaration", "class", "interface_declaration"):
                continue
            elif child.kind() == "type_arguments":
                self.visit(child, at)
            else:
                bases += self._base(child, at)
        return bases

    def _base(self, node: SgNode, at: Where) -> list[Chain]:
        plain = node
        if node.kind() == "generic_type" and (name := node.field("name")) is not None:
            self._field(node, "type_arguments", at)
            plain = name
        if plain.kind() == "nested_type_identifier":
            parts = tuple(re.split(r"\s*\.\s*", plain.text()))
            for length in range(1, len(parts)):
                self.builder.use(parts[:length], "use", _line(plain), at.scope)
            self.builder.use(parts, "inherit", _last(plain), at.scope)
            return [parts]
        self._use(plain, "inherit", at)
        if plain.kind() == "type_identifier":
            return [(plain.text(),)]
        return [chain for chain, _ in self.kinds(plain, at)]

    def _class_member(self, node: SgNode, parent: int, at: Where) -> None:
        kind = node.kind()
        if kind in ("method_definition", "method_signature", "abstract_method_signature"):
            self._method(node, parent, at)
        elif kind in ("public_field_definition", "field_definition", "property_signature"):
            self._class_field(node, parent, at)
        elif kind == "class_static_block":
            self.visit(node, at.inside(this="@class"))
        else:
            self.visit(node, at)

    def _method(self, node: SgNode, parent: int, at: Where) -> None:
        self._decorators(node, at)
        name = node.field("name")
        if name is None:
            return
        if name.kind() == "computed_property_name":
            self.visit(name, at)
        words = {child.text() for child in node.children() if child.kind() in ("static", "get", "set", "async")}
        flags = _member_flags(node, name.text())
        flags |= facts.STATIC if "static" in words else 0
        flags |= facts.PROPERTY if words & {"get", "set"} else 0
        flags |= facts.ASYNC if "async" in words else 0
        flags |= facts.CONSTRUCTOR if name.text() == "constructor" else 0
        if node.kind() == "method_signature":
            flags |= facts.OVERLOAD
        comment = self._comment(node)
        number = self._define(name.text(), "method", parent, node, name, node, flags=flags, comment=comment)
        self._read_function(number, node, at, "@class" if "static" in words else "@self", comment)
        if name.text() == "constructor":
            self._parameter_properties(node, parent, number, at)

    def _parameter_properties(self, node: SgNode, parent: int, number: int, at: Where) -> None:
        """`constructor(private pool: Pool)` declares a field."""
        parameters = node.field("parameters")
        for parameter in parameters.named_children() if parameters else ():
            name = parameter.field("pattern")
            modifiers = {child.kind() for child in parameter.children()}
            if name is None or not modifiers & {"accessibility_modifier", "readonly", "override_modifier"}:
                continue
            field = self._define(
                name.text(), "variable", parent, parameter, name, parameter, flags=facts.INSTANCE, comment=""
            )
            self._typed(field, kinds_of(parameter.field("type"), at.generics), number, _line(parameter))

    def _class_field(self, node: SgNode, parent: int, at: Where) -> None:
        self._decorators(node, at)
        name = node.field("name") or node.field("property")
        value, annotation = node.field("value"), node.field("type")
        if name is None:
            return
        static = any(child.kind() == "static" for child in node.children())
        flags = _member_flags(node, name.text()) | (facts.STATIC if static else 0)
        this = "@class" if static else "@self"
        if value is not None and value.kind() in _FUNCTION_VALUES:
            if annotation is not None:
                self.visit(annotation, at)
            inner = at.inside(this=this)
            self._function_definition(node, value, name, inner, parent=parent, kind="method", this=this, flags=flags)
            return
        if annotation is not None:
            self.visit(annotation, at)
        callable_type = annotation is not None and any(
            child.kind() == "function_type" for child in annotation.named_children()
        )
        kind = "method" if callable_type and node.kind() == "property_signature" else "variable"
        flags |= 0 if static else facts.INSTANCE
        number = self._define(name.text(), kind, parent, node, name, node, flags=flags)
        types = kinds_of(annotation, at.generics)
        if kind == "method":
            types = [(chain[:-1], slot) for chain, slot in types if chain[-1] == "->"]
        self._typed(number, types or self.kinds(value, at.inside(this=this)), at.scope, _line(node))
        if value is not None:
            self._value(value, number, at.inside(this=this))

    def _interface(self, node: SgNode, at: Where) -> None:
        name = node.field("name")
        if name is not None:
            self._read_class(node, node, name, at, kind="interface")

    def _type_alias(self, node: SgNode, at: Where) -> None:
        name, value = node.field("name"), node.field("value")
        if name is None or value is None:
            return
        inner = at.inside(generics=generics_of(node, at.generics))
        self._field(node, "type_parameters", inner)
        flags = self._visible(node, at)
        number = self._define(name.text(), "type", at.scope, node, name, node, flags=flags)
        self._typed(number, kinds_of(value, inner.generics), at.scope, _line(node))
        self._type_members(value, number, inner)

    def _type_members(self, node: SgNode, parent: int, at: Where) -> None:
        """The members that a type's own braces declare belong to it, also in an intersection."""
        if node.kind() == "object_type":
            for child in node.named_children():
                self._class_member(child, parent, at.inside(scope=parent, this="@self", top=False))
        elif node.kind() in ("intersection_type", "parenthesized_type", "union_type"):
            for child in node.named_children():
                self._type_members(child, parent, at)
        else:
            self.visit(node, at)

    def _object_type(self, node: SgNode, at: Where) -> None:
        """An anonymous type: its members have no owner, what they mention is used."""
        for child in node.named_children():
            for part in child.named_children():
                if part.kind() in ("type_annotation", "formal_parameters", "object_type"):
                    self.visit(part, at)
                elif part.kind() not in ("property_identifier", "string", "accessibility_modifier"):
                    self.visit(part, at)

    def _loose_parameter(self, node: SgNode, at: Where) -> None:
        """A parameter in a type: `(x: Foo) => Bar`."""
        self._field(node, "type", at)
        self._field(node, "value", at)

    def _enum(self, node: SgNode, at: Where) -> None:
        name, body = node.field("name"), node.field("body")
        if name is None:
            return
        number = self._define(
            name.text(), "class", at.scope, node, name, node, flags=self._visible(node, at)
        )
        for child in body.named_children() if body else ():
            member = child.field("name") if child.kind() == "enum_assignment" else child
            if member is not None and member.kind() in ("property_identifier", "string"):
                self._define(member.text(), "constant", number, child, member, child, flags=facts.EXPORTED)
            self._field(child, "value", at)

    def _namespace(self, node: SgNode, at: Where) -> None:
        name, body = node.field("name"), node.field("body")
        if name is None or body is None:
            return
        if name.kind() == "string":  # `declare module "x"`: somebody else's
            self._all(body.named_children(), at)
            return
        number = self._define(
            name.text(), "module", at.scope, node, name, node, flags=self._visible(node, at)
        )
        self._all(body.named_children(), at.inside(scope=number, end=_last(node)))

    # -- variables

    def _declaration(self, node: SgNode, at: Where) -> None:
        constant = node.text().startswith("const")
        one = [child for child in node.named_children() if child.kind() == "variable_declarator"]
        for child in one:
            self._declarator(child, node if len(one) == 1 else child, at, constant=constant)

    def _declarator(self, node: SgNode, statement: SgNode, at: Where, *, constant: bool) -> None:
        name, value, annotation = node.field("name"), node.field("value"), node.field("type")
        if name is None:
            return
        if annotation is not None:
            self.visit(annotation, at)
        if value is not None and self._required_names(name, value, at):
            return
        plain = _unwrapped(value)
        if name.kind() == "identifier" and plain is not None:
            if plain.kind() in _FUNCTION_VALUES and not at.anonymous:
                flags = self._visible(statement, at)
                number = self._function_definition(statement, plain, name, at, parent=at.scope, flags=flags)
                self._typed(number, _returned(annotation, at), at.scope, _line(node))
                return
            if plain.kind() == "class":
                self._read_class(statement, plain, name, at)
                return
        told = documented(self._comment(statement)).get("type", ()) if at.top else ()
        types = kinds_of(annotation, at.generics) or told or self.kinds(value, at)
        if at.top and name.kind() == "identifier":
            kind = "constant" if constant else "variable"
            number = self._define(
                name.text(), kind, at.scope, statement, name, node, flags=self._visible(statement, at)
            )
            self._typed(number, types, at.scope, _line(node))
            self._value(value, number, at)
            return
        if value is not None:
            self.visit(value, at)
        if name.kind() == "identifier" and statement.text().startswith("var "):
            self._bind_name(name, types, at, parameter=False, hoisted=True)
        else:
            self._bind(name, types, at)

    def _value(self, value: SgNode | None, number: int, at: Where) -> None:
        """Read a definition's value; the members of an object literal are its own."""
        plain = _unwrapped(value)
        if plain is not None and plain.kind() == "call_expression" and plain.text().startswith("Object."):
            arguments = plain.field("arguments")
            inner = arguments.named_children() if arguments else []
            if plain.text().startswith("Object.freeze") and inner and inner[0].kind() == "object":
                plain = inner[0]
        if plain is not None and plain.kind() == "object":
            self._object_members(plain, number, at)
        elif value is not None:
            self.visit(value, at)

    def _object_members(self, node: SgNode, parent: int, at: Where) -> None:
        for child in node.named_children():
            kind = child.kind()
            if kind == "method_definition":
                self._method(child, parent, at.inside(scope=parent, this="@self", top=False))
            elif kind == "pair":
                self._object_pair(child, parent, at)
            elif kind == "shorthand_property_identifier":
                self._identifier(child, at)
                number = self._define(child.text(), "variable", parent, child, child, child, comment="")
                self._typed(number, [((child.text(),), -1)], at.scope, _line(child))
            else:
                self.visit(child, at)

    def _object_pair(self, node: SgNode, parent: int, at: Where) -> None:
        key, value = node.field("key"), node.field("value")
        if key is None or value is None or key.kind() not in ("property_identifier", "string"):
            self._pair(node, at)
            return
        if value.kind() in _FUNCTION_VALUES:
            self._function_definition(node, value, key, at, parent=parent, kind="method", this="@self")
            return
        number = self._define(key.text(), "variable", parent, node, key, node)
        self._typed(number, self.kinds(value, at), at.scope, _line(node))
        self._value(value, number, at)

    def _bind(self, pattern: SgNode, types: Sequence[Kind], at: Where, *, parameter: bool = False) -> None:
        """Bind the names of a pattern."""
        kind = pattern.kind()
        if kind in ("identifier", "shorthand_property_identifier_pattern"):
            self._bind_name(pattern, types, at, parameter=parameter)
        elif kind == "object_pattern":
            for child in pattern.named_children():
                self._bind_property(child, types, at, parameter=parameter)
        elif kind == "array_pattern":
            for number, child in enumerate(pattern.named_children()):
                self._bind(child, _slot(types, number), at, parameter=parameter)
        elif kind in ("assignment_pattern", "object_assignment_pattern"):
            left, right = pattern.field("left"), pattern.field("right")
            if left is not None:
                self._bind(left, [*types, *self.kinds(right, at)], at, parameter=parameter)
            if right is not None:
                self.visit(right, at)
        elif kind == "rest_pattern":
            for child in pattern.named_children():
                self._bind(child, types, at, parameter=parameter)
        elif kind in ("member_expression", "subscript_expression"):
            self.visit(pattern, at)

    def _bind_name(
        self, node: SgNode, types: Sequence[Kind], at: Where, *, parameter: bool, hoisted: bool = False
    ) -> None:
        if at.top:
            number = self._define(node.text(), "variable", at.scope, node, node, node, comment="")
            self._typed(number, types, at.scope, _line(node))
            return
        name, line, end = node.text(), _line(node), at.end
        if parameter and not at.anonymous:
            line, end = 0, facts.LAST_LINE
        if name not in at.own:  # another variable of this name in this scope is called otherwise
            at.own.add(name)
            count = self.bound[at.scope, name] = self.bound.get((at.scope, name), 0) + 1
            at.names[name] = name if count == 1 else f"{name}~{count}"
        if hoisted:
            at.outer[name], end = at.names[name], at.last
        typed = [Typed(at.scope, _line(node), chain, slot) for chain, slot in types if chain != UNKNOWN]
        self.builder.bind(at.scope, at.names[name], typed, parameter=parameter, line=line, end_line=end)

    def _bind_property(self, node: SgNode, types: Sequence[Kind], at: Where, *, parameter: bool) -> None:
        key = node.field("key") or node.field("left") or node
        if node.kind() == "rest_pattern" or key.kind() not in (
            "property_identifier",
            "shorthand_property_identifier_pattern",
        ):
            self._bind(node.field("value") or node, [] if node.field("value") else types, at, parameter=parameter)
            return
        chains = [(*chain, key.text()) for chain, slot in types if slot < 0]
        for chain in chains[:1]:
            self.builder.use(chain, "use", _line(key), at.scope)
        self._bind(node.field("value") or node, [(chain, -1) for chain in chains], at, parameter=parameter)

    def _for_in(self, node: SgNode, at: Where) -> None:
        left, right = node.field("left"), node.field("right")
        inner = at.inside(end=min(at.end, _last(node)), top=False)
        if left is not None:
            operator = node.field("operator")
            over = operator is not None and operator.text() == "of"
            elements = [((*c, "[]"), -1) for c, slot in self.kinds(right, at) if slot < 0] if over else []
            declared = any(child.kind() in ("const", "let", "var") for child in node.children())
            if declared:
                self._bind(left, elements, inner)
            else:
                self.visit(left, at)
        if right is not None:
            self.visit(right, at)
        self._field(node, "body", inner)

    def _for(self, node: SgNode, at: Where) -> None:
        self._all(node.named_children(), at.inside(end=min(at.end, _last(node)), top=False))

    def _catch(self, node: SgNode, at: Where) -> None:
        parameter = node.field("parameter")
        inner = at.inside(end=min(at.end, _last(node)), top=False)
        if parameter is not None:
            self._bind(parameter, kinds_of(node.field("type"), at.generics), inner)
        self._field(node, "body", inner)

    # -- assignments: fields, prototypes and CommonJS

    def _assignment(self, node: SgNode, at: Where) -> None:
        left, right = node.field("left"), node.field("right")
        if left is None or right is None:
            return
        if left.kind() == "member_expression" and self._assigned_member(node, left, right, at):
            return
        if left.kind() == "identifier" and not at.top:
            types = self.kinds(right, at)
            if types and types[0][0] not in (UNKNOWN, ("@literal",)):
                typed = [Typed(at.scope, _line(node), chain, slot) for chain, slot in types]
                self._again(left.text(), typed, at)
        elif left.kind() == "identifier" and (number := self.named.get((at.scope, left.text()))) is not None:
            self._typed(number, self.kinds(right, at), at.scope, _line(node))
        self.visit(left, at)
        self._nested_exports(right, at)

    def _again(self, name: str, typed: Sequence[Typed], at: Where) -> None:
        """A variable of this function assigned again may be that, too."""
        known = at.names.get(name, name)
        for row in list(self.builder.facts.bindings(at.scope, known)):
            self.builder.bind(at.scope, known, typed, line=row.line, end_line=row.end_line)

    def _nested_exports(self, right: SgNode, at: Where) -> None:
        self.visit(right, at)

    def _assigned_member(self, node: SgNode, left: SgNode, right: SgNode, at: Where) -> bool:
        owner, name = left.field("object"), left.field("property")
        if owner is None or name is None:
            return False
        written = owner.text()
        if at.scope == MODULE and not at.anonymous:
            if left.text() in ("module.exports", "exports"):
                self._module_exports(node, right, at)
                return True
            if _EXPORTS.fullmatch(written):
                self._export_member(node, name, right, at)
                return True
        if owner.kind() == "this" and at.this in ("@self", "@class"):
            return self._this_member(node, left, name, right, at)
        prototype = written.removesuffix(".prototype")
        parent = self.named.get((MODULE, prototype))
        if parent is None or at.anonymous or not re.fullmatch(r"[\w$]+", prototype) or at.scope != MODULE:
            return False
        if prototype != written:
            self.builder.amend(parent, kind="class")
        self.builder.use((prototype,), "use", _line(owner), at.scope)
        self._attached(node, name, right, parent, at)
        return True

    def _attached(self, node: SgNode, name: SgNode, right: SgNode, parent: int, at: Where) -> None:
        """`Foo.prototype.bar = function …`, `app.get = function …`."""
        statement = node.parent() or node
        statement = statement if statement.kind() == "expression_statement" else node
        plain = _innermost(right)
        if plain.kind() in _FUNCTION_VALUES:
            self._function_definition(
                statement, plain, name, at, parent=parent, kind="method", this="@self", flags=facts.EXPORTED
            )
            self._chained(right, name, at)
            return
        if (number := self.named.get((parent, name.text()))) is None:
            number = self._define(name.text(), "variable", parent, statement, name, node, flags=facts.EXPORTED)
        self._typed(number, self.kinds(plain, at), at.scope, _line(node))
        self._value(right, number, at)

    def _chained(self, right: SgNode, name: SgNode, at: Where) -> None:
        """`a.x = a.y = function …`: the other names hold the same."""
        while right.kind() == "assignment_expression":
            left, inner = right.field("left"), right.field("right")
            if left is not None and left.kind() == "member_expression":
                owner, other = left.field("object"), left.field("property")
                parent = self.named.get((MODULE, owner.text().removesuffix(".prototype"))) if owner else None
                if parent is not None and other is not None and other.text() != name.text():
                    number = self._define(other.text(), "method", parent, right, other, right, comment="")
                    self.builder.amend(number, types=(Typed(at.scope, _line(right), (*self._owner(left), name.text())),))
            if inner is None:
                return
            right = inner

    def _owner(self, left: SgNode) -> Chain:
        owner = left.field("object")
        return (owner.text().removesuffix(".prototype"),) if owner else UNKNOWN

    def _this_member(self, node: SgNode, left: SgNode, name: SgNode, right: SgNode, at: Where) -> bool:
        """`this.x = …` declares x the first time, and may say more of its type later."""
        parent = self._class_around(at.scope)
        if parent is None:
            return False
        known = self.named.get((parent, name.text()))
        plain = _innermost(right)
        if known is None and plain.kind() in _FUNCTION_VALUES:
            self._function_definition(node, plain, name, at, parent=parent, kind="method", this="@self")
            return True
        if known is None:
            flags = facts.INSTANCE if at.this == "@self" else facts.STATIC
            known = self._define(name.text(), "variable", parent, node, name, node, flags=flags)
        else:
            self.visit(left, at)
        if self.builder.facts.definitions[known].kind == "variable":
            self._typed(known, self.kinds(right, at), at.scope, _line(node))
        if plain is right:
            self._value(right, known, at)
        else:
            self.visit(right, at)
        return True

    def _class_around(self, scope: int) -> int | None:
        """The class, or function used as one, whose instance `this` is."""
        definitions = self.builder.facts.definitions
        while scope != MODULE:
            parent = definitions[scope].parent
            if definitions[scope].kind == "method" and parent != MODULE:
                return parent
            scope = parent
        return None

    def _module_exports(self, node: SgNode, right: SgNode, at: Where) -> None:
        """`module.exports = …`, also in a row: `x = exports = module.exports = …`."""
        exports = self.builder.facts.exports
        plain = _innermost(right)
        statement = node.parent() or node
        if plain.kind() == "object":
            self._exported_object(plain, at)
        elif plain.kind() in _FUNCTION_VALUES:
            name = plain.field("name")
            self._function_definition(
                statement, plain, name or plain, at, parent=MODULE, flags=facts.EXPORTED, text=_name(name, "default")
            )
            exports["="] = (_name(name, "default"),)
        elif plain.kind() == "class":
            name = plain.field("name")
            self._read_class(statement, plain, name or plain, at, text=_name(name, "default"))
            exports["="] = (_name(name, "default"),)
        else:
            chain = self.chain(plain, at)
            if chain != UNKNOWN:
                exports["="] = chain
            self.visit(plain, at)
        while right.kind() == "assignment_expression":
            left = right.field("left")
            if left is not None and left.kind() == "identifier" and left.text() != "exports":
                exports["="] = (left.text(),)
            right = right.field("right") or plain

    def _exported_object(self, node: SgNode, at: Where) -> None:
        exports = self.builder.facts.exports
        for child in node.named_children():
            kind, key, value = child.kind(), child.field("key"), child.field("value")
            if kind == "shorthand_property_identifier":
                exports[child.text()] = (child.text(),)
                self._identifier(child, at)
            elif kind == "spread_element":
                inner = child.named_children()
                if inner and (module := required(inner[0])):
                    self.builder.imported(Import("", module, "*", MODULE, _line(child), exported="*"))
                else:
                    self.visit(child, at)
            elif kind == "method_definition" and (name := child.field("name")) is not None:
                self._function_definition(child, child, name, at, parent=MODULE, flags=facts.EXPORTED)
            elif kind == "pair" and key is not None and value is not None:
                self._exported_value(child, key, value, at)

    def _export_member(self, node: SgNode, name: SgNode, right: SgNode, at: Where) -> None:
        parent = node.parent()
        statement = parent if parent is not None and parent.kind() == "expression_statement" else node
        self._exported_value(statement, name, right, at)

    def _exported_value(self, statement: SgNode, name: SgNode, value: SgNode, at: Where) -> None:
        """A value exported under a name: `exports.x = …`, `module.exports = {x: …}`."""
        text, plain = name.text().strip("\"'"), _innermost(value)
        exports = self.builder.facts.exports
        if plain.kind() in _FUNCTION_VALUES:
            self._function_definition(statement, plain, name, at, parent=MODULE, flags=facts.EXPORTED)
            if (inner := plain.field("name")) is not None and inner.text() != text:
                self.named.setdefault((MODULE, inner.text()), self.named[MODULE, text])
        elif plain.kind() == "class":
            self._read_class(statement, plain, name, at)
        elif plain.kind() in ("identifier", "member_expression"):
            chain = self.chain(plain, at)
            if chain != UNKNOWN:
                exports[text] = chain
            self.visit(plain, at)
        elif module := required(plain):
            self.builder.imported(Import("", module, "", MODULE, _line(name), exported=text))
        else:
            number = self._define(text, "variable", MODULE, statement, name, statement, flags=facts.EXPORTED)
            self._typed(number, self.kinds(plain, at), at.scope, _line(name))
            self._value(plain, number, at)

    # -- imports and exports

    def _import(self, node: SgNode, at: Where) -> None:
        source = node.field("source")
        line = _line(node)
        for child in node.named_children():
            if child.kind() == "import_require_clause":  # `import x = require("y")`
                names = [part for part in child.named_children() if part.kind() == "identifier"]
                module = next((p.text()[1:-1] for p in child.named_children() if p.kind() == "string"), "")
                if names and module:
                    self.builder.imported(Import(names[0].text(), module, "", at.scope, line))
                return
        if source is None:
            return
        module = source.text()[1:-1]
        clauses = [child for child in node.named_children() if child.kind() == "import_clause"]
        if not clauses:
            self.builder.imported(Import("", module, "", at.scope, line))
        for part in clauses[0].named_children() if clauses else ():
            if part.kind() == "identifier":
                self.builder.imported(Import(part.text(), module, "default", at.scope, _line(part)))
            elif part.kind() == "namespace_import":
                self.builder.imported(Import(part.named_children()[-1].text(), module, "", at.scope, _line(part)))
            elif part.kind() == "named_imports":
                self._named_imports(part, module, at)

    def _named_imports(self, node: SgNode, module: str, at: Where) -> None:
        for specifier in node.named_children():
            name, alias = specifier.field("name"), specifier.field("alias")
            if name is not None:
                local = (alias or name).text()
                self.builder.imported(Import(local, module, name.text().strip("\"'"), at.scope, _line(name)))

    def _export(self, node: SgNode, at: Where) -> None:
        source = node.field("source")
        if source is not None:
            self._export_from(node, source.text()[1:-1], at)
            return
        declaration, value = node.field("declaration"), node.field("value")
        words = {child.kind() for child in node.children()}
        self._decorators(node, at)
        if declaration is not None:
            self.visit(declaration, at)
            name = declaration.field("name")
            if "default" in words:
                self.builder.facts.exports["default"] = (_name(name, "default"),)
        elif value is not None:
            self._export_default(node, value, at)
        elif "=" in words:  # `export = x`
            inner = node.named_children()
            self.builder.facts.exports["="] = self.chain(inner[-1], at) if inner else UNKNOWN
            self._all(inner, at)
        for clause in node.named_children():
            if clause.kind() == "export_clause":
                for specifier in clause.named_children():
                    self._export_specifier(specifier, at)

    def _export_specifier(self, node: SgNode, at: Where) -> None:
        name, alias = node.field("name"), node.field("alias")
        if name is not None:
            self.builder.facts.exports[(alias or name).text().strip("\"'")] = (name.text(),)
            self.builder.use((name.text(),), "import", _line(name), at.scope)

    def _export_default(self, node: SgNode, value: SgNode, at: Where) -> None:
        exports, plain = self.builder.facts.exports, _unwrapped(value) or value
        if plain.kind() in _FUNCTION_VALUES:
            name = plain.field("name")
            self._function_definition(
                node, plain, name or plain, at, parent=MODULE, flags=facts.EXPORTED, text=_name(name, "default")
            )
            exports["default"] = (_name(name, "default"),)
        elif plain.kind() == "class":
            name = plain.field("name")
            self._read_class(node, plain, name or plain, at, text=_name(name, "default"))
            exports["default"] = (_name(name, "default"),)
        elif plain.kind() == "identifier":
            exports["default"] = (plain.text(),)
            self.builder.use((plain.text(),), "import", _line(plain), at.scope)
        else:
            number = self._define("default", "variable", MODULE, node, plain, node, flags=facts.EXPORTED)
            self._typed(number, self.kinds(value, at), at.scope, _line(node))
            self._value(value, number, at)

    def _export_from(self, node: SgNode, module: str, at: Where) -> None:
        line = _line(node)
        clauses = [child for child in node.named_children() if child.kind() in ("export_clause", "namespace_export")]
        if not clauses:
            self.builder.imported(Import("", module, "*", at.scope, line, exported="*"))
        for clause in clauses:
            if clause.kind() == "namespace_export":
                name = clause.named_children()[-1].text()
                self.builder.imported(Import("", module, "", at.scope, line, exported=name))
                continue
            for specifier in clause.named_children():
                name, alias = specifier.field("name"), specifier.field("alias")
                if name is not None:
                    exported = (alias or name).text().strip("\"'")
                    entry = Import("", module, name.text().strip("\"'"), at.scope, _line(name), exported=exported)
                    self.builder.imported(entry)

    def _required_names(self, name: SgNode, value: SgNode, at: Where) -> bool:
        """`const x = require("m")`, `const {a, b: c} = require("m")`, `const d = require("m").e`."""
        inner, step = value, ""
        if value.kind() == "member_expression":
            owner, member = value.field("object"), value.field("property")
            if owner is None or member is None:
                return False
            inner, step = owner, member.text()
        module = required(inner)
        if not module:
            return False
        if name.kind() == "identifier":
            self.builder.imported(Import(self._local(name, at), module, step, at.scope, _line(name)))
            return True
        if name.kind() != "object_pattern" or step:
            return False
        for part in name.named_children():
            key, local = part.field("key"), part.field("value")
            if part.kind() == "shorthand_property_identifier_pattern":
                self.builder.imported(Import(self._local(part, at), module, part.text(), at.scope, _line(part)))
            elif key is not None and local is not None and local.kind() == "identifier":
                self.builder.imported(Import(self._local(local, at), module, key.text(), at.scope, _line(part)))
        return True

    def _local(self, node: SgNode, at: Where) -> str:
        """What the facts call a module, or a member of one, that is required inside a function."""
        name = node.text()
        if at.top:
            return name
        count = self.bound[at.scope, name] = self.bound.get((at.scope, name), 1) + 1
        at.own.add(name)
        at.names[name] = f"{name}~{count}"
        self.brought.add(at.names[name])
        return at.names[name]


def paragraph(comment: str, limit: int = 400) -> str:
    """The first paragraph of a comment, without its decoration and tags."""
    lines: list[str] = []
    for raw in comment.split("\n"):
        line = re.sub(r"^\s*(/\*+!?|\*+/|\*+|//+!?)\s?|\s*\*+/\s*$", "", raw).strip()
        if line.startswith("@") or (lines and not line):
            break
        if line:
            lines.append(line)
    return " ".join(lines)[:limit]


def _line(node: SgNode) -> int:
    return node.range().start.line + 1


def _last(node: SgNode) -> int:
    return node.range().end.line + 1


def _gap(before: SgNode, after: SgNode) -> int:
    return _line(after) - _last(before)


def _name(node: SgNode | None, otherwise: str) -> str:
    return node.text() if node is not None else otherwise


def _member_flags(node: SgNode, name: str) -> int:
    private = name.startswith(("#", "_")) or any(
        child.kind() == "accessibility_modifier" and child.text() != "public" for child in node.children()
    )
    return 0 if private else facts.EXPORTED


def _unwrapped(node: SgNode | None) -> SgNode | None:
    while node is not None and node.kind() in _WRAPPERS:
        inner = node.named_children()
        node = inner[0] if inner else None
    return node


def _innermost(node: SgNode) -> SgNode:
    """The value at the end of a row of assignments."""
    while node.kind() == "assignment_expression" and (right := node.field("right")) is not None:
        node = right
    return _unwrapped(node) or node


def _slot(types: Sequence[Kind], number: int) -> list[Kind]:
    apart = [(chain, -1) for chain, slot in types if slot == number]
    return apart or [((*chain, f"#{number}"), -1) for chain, slot in types if slot < 0]


def _returned(annotation: SgNode | None, at: Where) -> list[Kind]:
    """What a variable's function type returns: `const f: (x: A) => B = …`."""
    return [(chain[:-1], slot) for chain, slot in kinds_of(annotation, at.generics) if chain[-1] == "->"]
