"""Classes, interfaces, types, enumerations, namespaces, and objects with members."""

import re

from ast_grep_py import SgNode

from groundswell.backends.repos import facts
from groundswell.backends.repos.ecmascript.functions import Functions
from groundswell.backends.repos.ecmascript.nodes import (
    FUNCTION_VALUES,
    last_of,
    line_of,
    member_flags,
    name_or,
    unwrapped,
)
from groundswell.backends.repos.ecmascript.types import generics_of, kinds_of
from groundswell.backends.repos.ecmascript.values import Where
from groundswell.backends.repos.facts import Chain


class Classes(Functions):
    """Reads what has members."""

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
        inner = inner.inside(scope=number, this="@self", top=False, returns=[], end=last_of(node), anonymous=False)
        body = node.field("body")
        for child in body.named_children() if body else ():
            self._class_member(child, number, inner)
        return number

    def _class_value(self, node: SgNode, at: Where) -> None:
        """A class in the middle of an expression: known inside the scope it stands in."""
        name = node.field("name")
        self._read_class(node, node, name or node, at, text=name_or(name, "<class>"))

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
                self.builder.use(parts[:length], "use", line_of(plain), at.scope)
            self.builder.use(parts, "inherit", last_of(plain), at.scope)
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
        flags = member_flags(node, name.text())
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
            self._typed(field, kinds_of(parameter.field("type"), at.generics), number, line_of(parameter))

    def _class_field(self, node: SgNode, parent: int, at: Where) -> None:
        self._decorators(node, at)
        name = node.field("name") or node.field("property")
        value, annotation = node.field("value"), node.field("type")
        if name is None:
            return
        static = any(child.kind() == "static" for child in node.children())
        flags = member_flags(node, name.text()) | (facts.STATIC if static else 0)
        this = "@class" if static else "@self"
        if value is not None and value.kind() in FUNCTION_VALUES:
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
        self._typed(number, types or self.kinds(value, at.inside(this=this)), at.scope, line_of(node))
        if value is not None:
            self._value(value, number, at.inside(this=this))

    def _value(self, value: SgNode | None, number: int, at: Where) -> None:
        """Read a definition's value; the members of an object literal are its own."""
        plain = unwrapped(value)
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
                self._typed(number, [((child.text(),), -1)], at.scope, line_of(child))
            else:
                self.visit(child, at)

    def _object_pair(self, node: SgNode, parent: int, at: Where) -> None:
        key, value = node.field("key"), node.field("value")
        if key is None or value is None or key.kind() not in ("property_identifier", "string"):
            self._pair(node, at)
            return
        if value.kind() in FUNCTION_VALUES:
            self._function_definition(node, value, key, at, parent=parent, kind="method", this="@self")
            return
        number = self._define(key.text(), "variable", parent, node, key, node)
        self._typed(number, self.kinds(value, at), at.scope, line_of(node))
        self._value(value, number, at)

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
        self._typed(number, kinds_of(value, inner.generics), at.scope, line_of(node))
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
                if part.kind() in ("type_annotation", "formal_parameters", "object_type") or part.kind() not in (
                    "property_identifier",
                    "string",
                    "accessibility_modifier",
                ):
                    self.visit(part, at)

    def _loose_parameter(self, node: SgNode, at: Where) -> None:
        """A parameter in a type: `(x: Foo) => Bar`."""
        self._field(node, "type", at)
        self._field(node, "value", at)

    def _enum(self, node: SgNode, at: Where) -> None:
        name, body = node.field("name"), node.field("body")
        if name is None:
            return
        number = self._define(name.text(), "class", at.scope, node, name, node, flags=self._visible(node, at))
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
        number = self._define(name.text(), "module", at.scope, node, name, node, flags=self._visible(node, at))
        self._all(body.named_children(), at.inside(scope=number, end=last_of(node)))
