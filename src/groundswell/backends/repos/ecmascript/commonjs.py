"""What a CommonJS module exports."""

from ast_grep_py import SgNode

from groundswell.backends.repos import facts
from groundswell.backends.repos.ecmascript.nodes import FUNCTION_VALUES, innermost, line_of, name_or
from groundswell.backends.repos.ecmascript.values import UNKNOWN, Where, required
from groundswell.backends.repos.ecmascript.variables import Variables
from groundswell.backends.repos.facts import MODULE, Import


class CommonJs(Variables):
    """Reads `module.exports` and `exports.x`."""

    def _module_exports(self, node: SgNode, right: SgNode, at: Where) -> None:
        """`module.exports = …`, also in a row: `x = exports = module.exports = …`."""
        exports = self.builder.facts.exports
        plain = innermost(right)
        statement = node.parent() or node
        if plain.kind() == "object":
            self._exported_object(plain, at)
        elif plain.kind() in FUNCTION_VALUES:
            name = plain.field("name")
            self._function_definition(
                statement, plain, name or plain, at, parent=MODULE, flags=facts.EXPORTED, text=name_or(name, "default")
            )
            exports["="] = (name_or(name, "default"),)
        elif plain.kind() == "class":
            name = plain.field("name")
            self._read_class(statement, plain, name or plain, at, text=name_or(name, "default"))
            exports["="] = (name_or(name, "default"),)
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
                    self.builder.imported(Import("", module, "*", MODULE, line_of(child), exported="*"))
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
        text, plain = name.text().strip("\"'"), innermost(value)
        exports = self.builder.facts.exports
        if plain.kind() in FUNCTION_VALUES:
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
            self.builder.imported(Import("", module, "", MODULE, line_of(name), exported=text))
        else:
            number = self._define(text, "variable", MODULE, statement, name, statement, flags=facts.EXPORTED)
            self._typed(number, self.kinds(plain, at), at.scope, line_of(name))
            self._value(plain, number, at)
