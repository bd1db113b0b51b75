"""Variables, and modules that are required into them."""

from ast_grep_py import SgNode

from groundswell.backends.repos.ecmascript.classes import Classes
from groundswell.backends.repos.ecmascript.nodes import FUNCTION_VALUES, last_of, line_of, returned_by, unwrapped
from groundswell.backends.repos.ecmascript.types import documented, kinds_of
from groundswell.backends.repos.ecmascript.values import Where, required
from groundswell.backends.repos.facts import Import


class Variables(Classes):
    """Reads declarations of variables."""

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
        plain = unwrapped(value)
        if name.kind() == "identifier" and plain is not None:
            if plain.kind() in FUNCTION_VALUES and not at.anonymous:
                flags = self._visible(statement, at)
                number = self._function_definition(statement, plain, name, at, parent=at.scope, flags=flags)
                self._typed(number, returned_by(annotation, at.generics), at.scope, line_of(node))
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
            self._typed(number, types, at.scope, line_of(node))
            self._value(value, number, at)
            if value is not None and _is_exported(value):
                self.builder.facts.exports["="] = (name.text(),)
            return
        if value is not None:
            self.visit(value, at)
        if name.kind() == "identifier" and statement.text().startswith("var "):
            self._bind_name(name, types, at, parameter=False, hoisted=True)
        else:
            self._bind(name, types, at)

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
            self.builder.imported(Import(self._local(name, at), module, step, at.scope, line_of(name)))
            return True
        if name.kind() != "object_pattern" or step:
            return False
        for part in name.named_children():
            key, local = part.field("key"), part.field("value")
            if part.kind() == "shorthand_property_identifier_pattern":
                self.builder.imported(Import(self._local(part, at), module, part.text(), at.scope, line_of(part)))
            elif key is not None and local is not None and local.kind() == "identifier":
                self.builder.imported(Import(self._local(local, at), module, key.text(), at.scope, line_of(part)))
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

    def _for_in(self, node: SgNode, at: Where) -> None:
        left, right = node.field("left"), node.field("right")
        inner = at.inside(end=min(at.end, last_of(node)), top=False)
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
        self._all(node.named_children(), at.inside(end=min(at.end, last_of(node)), top=False))

    def _catch(self, node: SgNode, at: Where) -> None:
        parameter = node.field("parameter")
        inner = at.inside(end=min(at.end, last_of(node)), top=False)
        if parameter is not None:
            self._bind(parameter, kinds_of(node.field("type"), at.generics), inner)
        self._field(node, "body", inner)


def _is_exported(value: SgNode) -> bool:
    """`var app = exports = module.exports = {}`."""
    while value.kind() == "assignment_expression":
        left, right = value.field("left"), value.field("right")
        if left is not None and left.text() == "module.exports":
            return True
        if right is None:
            return False
        value = right
    return False
