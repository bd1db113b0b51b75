"""Assignments: fields of instances, members of prototypes and objects, exports."""

import re
from collections.abc import Sequence

from ast_grep_py import SgNode

from groundswell.backends.repos import facts
from groundswell.backends.repos.ecmascript.commonjs import CommonJs
from groundswell.backends.repos.ecmascript.nodes import FUNCTION_VALUES, innermost, line_of
from groundswell.backends.repos.ecmascript.values import UNKNOWN, Where
from groundswell.backends.repos.ecmascript.walker import EXPORTS
from groundswell.backends.repos.facts import MODULE, Chain, Typed


class Assignments(CommonJs):
    """Reads assignments."""

    def _assignment(self, node: SgNode, at: Where) -> None:
        left, right = node.field("left"), node.field("right")
        if left is None or right is None:
            return
        if left.kind() == "member_expression" and self._assigned_member(node, left, right, at):
            return
        if left.kind() == "identifier" and not at.top:
            types = self.kinds(right, at)
            if types and types[0][0] not in (UNKNOWN, ("@literal",)):
                typed = [Typed(at.scope, line_of(node), chain, slot) for chain, slot in types]
                self._again(left.text(), typed, at)
        elif left.kind() == "identifier" and (number := self.named.get((at.scope, left.text()))) is not None:
            self._typed(number, self.kinds(right, at), at.scope, line_of(node))
        self.visit(left, at)
        self.visit(right, at)

    def _again(self, name: str, typed: Sequence[Typed], at: Where) -> None:
        """A variable of this function assigned again may be that, too."""
        known = at.names.get(name, name)
        for row in list(self.builder.facts.bindings(at.scope, known)):
            self.builder.bind(at.scope, known, typed, line=row.line, end_line=row.end_line)

    def _assigned_member(self, node: SgNode, left: SgNode, right: SgNode, at: Where) -> bool:
        owner, name = left.field("object"), left.field("property")
        if owner is None or name is None:
            return False
        written = owner.text()
        if at.scope == MODULE and not at.anonymous:
            if left.text() in ("module.exports", "exports"):
                self._module_exports(node, right, at)
                return True
            if EXPORTS.fullmatch(written):
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
        self.builder.use((prototype,), "use", line_of(owner), at.scope)
        self._attached(node, name, right, parent, at)
        return True

    def _attached(self, node: SgNode, name: SgNode, right: SgNode, parent: int, at: Where) -> None:
        """`Foo.prototype.bar = function …`, `app.get = function …`."""
        statement = node.parent() or node
        statement = statement if statement.kind() == "expression_statement" else node
        plain = innermost(right)
        if plain.kind() in FUNCTION_VALUES:
            self._function_definition(
                statement, plain, name, at, parent=parent, kind="method", this="@self", flags=facts.EXPORTED
            )
            self._chained(right, name, at)
            return
        if (number := self.named.get((parent, name.text()))) is None:
            number = self._define(name.text(), "variable", parent, statement, name, node, flags=facts.EXPORTED)
        self._typed(number, self.kinds(plain, at), at.scope, line_of(node))
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
                    self.builder.amend(
                        number, types=(Typed(at.scope, line_of(right), (*self._owner(left), name.text())),)
                    )
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
        plain = innermost(right)
        if known is None and plain.kind() in FUNCTION_VALUES:
            self._function_definition(node, plain, name, at, parent=parent, kind="method", this="@self")
            return True
        if known is None:
            flags = facts.INSTANCE if at.this == "@self" else facts.STATIC
            known = self._define(name.text(), "variable", parent, node, name, node, flags=flags)
        else:
            self.visit(left, at)
        if self.builder.facts.definitions[known].kind == "variable":
            self._typed(known, self.kinds(right, at), at.scope, line_of(node))
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
            if parent == MODULE and definitions[scope].name[:1].isupper():  # `function Pool() { this.x = … }`
                self.builder.amend(scope, kind="class")
                return scope
            scope = parent
        return None
