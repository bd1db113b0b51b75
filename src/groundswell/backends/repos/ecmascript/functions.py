"""Functions, their parameters, and calls."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ast_grep_py import SgNode

from groundswell.backends.repos import facts
from groundswell.backends.repos.ecmascript.nodes import FUNCTION_VALUES, last_of, line_of
from groundswell.backends.repos.ecmascript.types import Kind, documented, generics_of, given_to, kinds_of
from groundswell.backends.repos.ecmascript.values import Where, required
from groundswell.backends.repos.ecmascript.walker import Walker
from groundswell.backends.repos.facts import MODULE, Typed

_GIVEN = 3  # parameters of a callback that are looked for
_ELEMENT_CALLBACKS = frozenset(
    """
    forEach map filter find findIndex findLast some every flatMap sort toSorted
    """.split()  # noqa: SIM905
)


class Functions(Walker):
    """Reads functions and calls."""

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
            if child.kind() not in FUNCTION_VALUES:
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

    def _jsx(self, node: SgNode, at: Where) -> None:
        name = node.field("name")
        if name is not None and (name.kind() != "identifier" or not name.text()[:1].islower()):
            self._use(name, "call", at)
        for child in node.named_children():
            if name is None or child.range().start.index != name.range().start.index:
                self.visit(child, at)

    def _anonymous(self, node: SgNode, at: Where, hints: Sequence[Sequence[Kind]] = ()) -> None:
        """A function without a name: its parameters are locals of a few lines of the scope around it."""
        this = at.this if node.kind() == "arrow_function" else "@unknown"
        generics = generics_of(node, at.generics)
        last = last_of(node)
        inner = self._given_this(node, at.function(this=this, end=last, last=last, anonymous=True, generics=generics))
        self._parameters(node, inner, hints=hints)
        self._body(node, inner)

    def _given_this(self, node: SgNode, at: Where) -> Where:
        """`function (this: Foo)` says what `this` is."""
        parameters = node.field("parameters")
        first = parameters.named_children()[:1] if parameters is not None else []
        pattern = first[0].field("pattern") if first else None
        if pattern is None or pattern.kind() != "this":
            return at
        name = f"this~{line_of(pattern)}"
        types = kinds_of(first[0].field("type"), at.generics)
        self.builder.bind(at.scope, name, [Typed(at.scope, line_of(pattern), chain, slot) for chain, slot in types])
        return replace(at, this=name)

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
            typed = [Typed(at.scope, line_of(parameter), chain, slot) for chain, slot in kinds]
            if typed:
                self.builder.bind(at.scope, f"<{number}:{given}>", typed)

    def _parameter(self, node: SgNode, at: Where, hint: Sequence[Kind], told: Mapping[str, Sequence[Kind]]) -> None:
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
        last = last_of(function)
        generics = generics_of(function, at.generics)
        inner = at.function(scope=number, this=this, end=last, last=last, anonymous=False, generics=generics)
        inner = self._given_this(function, inner)
        told = documented(comment) if "@" in comment and self.builder.facts.language == "javascript" else {}
        self._parameters(function, inner, told=told)
        self._body(function, inner)
        annotated = kinds_of(function.field("return_type"), inner.generics) or told.get("return", ())
        if function.field("return_type") is None or annotated:
            self._typed(number, annotated or inner.returns, inner.scope, last_of(function))

    def _declared_function(self, node: SgNode, at: Where) -> None:
        name = node.field("name")
        if name is None:
            self._default_function(node, at)
            return
        flags = facts.OVERLOAD if node.field("body") is None else 0
        makes_instances = self.builder.facts.language == "javascript" and name.text()[:1].isupper() and at.top
        self._function_definition(
            node,
            node,
            name,
            at,
            parent=at.scope,
            flags=flags | self._visible(node, at),
            this="@self" if makes_instances else "@unknown",
        )

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
