"""Goes through a syntax tree: names that are used, definitions, names that are bound."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from ast_grep_py import SgNode

from groundswell.backends.repos import facts
from groundswell.backends.repos.ecmascript.nodes import last_of, line_of, paragraph, slot_of
from groundswell.backends.repos.ecmascript.types import Kind
from groundswell.backends.repos.ecmascript.values import UNKNOWN, Values, Where
from groundswell.backends.repos.facts import Builder, Chain, Definition, Typed

DEPTHS = (200, 60, 20)  # levels of nesting that are read: the first that fits the stack
_TYPES = 8  # of one definition that are kept
EXPORTS = re.compile(r"(?:module\s*\.\s*)?exports")


class Walker(Values):
    """Reads names; what else a node means is for the classes above this one."""

    def __init__(self, builder: Builder, deepest: int) -> None:
        super().__init__(builder)
        self.depth, self.deepest = 0, deepest
        self.named: dict[tuple[int, str], int] = {}  # (parent, name) → definition
        self.bound: dict[tuple[int, str], int] = {}  # how many variables of a name a scope has
        self.brought: set[str] = set()  # locals that are imports
        self.visitors: Mapping[str, Callable[[SgNode, Where], None]] = {}

    def visit(self, node: SgNode, at: Where) -> None:
        """Read a node: as its kind is read, or what is in it."""
        visitor = self.visitors.get(node.kind())
        if visitor is not None:
            if self.depth < self.deepest:
                self.depth += 1
                visitor(node, at)
                self.depth -= 1
            return
        if self.depth < self.deepest:
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

    def _spine(self, node: SgNode, at: Where) -> None:
        """`a + b + c …`, `A | B | C …`: each operand stands one level deeper than the next."""
        operands: list[SgNode] = []
        kind = node.kind()
        while node.kind() == kind and (parts := node.named_children()):
            operands += reversed(parts[1:])
            node = parts[0]
        if node.kind() != kind:
            operands.append(node)
        self._all(reversed(operands), at)

    def _skip(self, node: SgNode, at: Where) -> None:
        """Nothing in it is a use."""

    def _block(self, node: SgNode, at: Where) -> None:
        top = at.top and node.kind() == "program"
        self._all(node.named_children(), at.inside(end=min(at.end, last_of(node)), top=top))

    def _identifier(self, node: SgNode, at: Where, kind: str = "use") -> None:
        name = node.text()
        known = at.names.get(name, name)
        if name not in at.names or known in self.brought:
            self.builder.use((known,), kind, line_of(node), at.scope)

    def _type_name(self, node: SgNode, at: Where) -> None:
        if node.text() not in at.generics:
            self.builder.use((node.text(),), "use", line_of(node), at.scope)

    def _nested_type(self, node: SgNode, at: Where) -> None:
        parts = tuple(re.split(r"\s*\.\s*", node.text()))
        for length in range(1, len(parts) + 1):
            self.builder.use(parts[:length], "use", last_of(node), at.scope)

    def _member_expression(self, node: SgNode, at: Where) -> None:
        self._use_member(node, "use", at)

    def _use_member(self, node: SgNode, kind: str, at: Where) -> None:
        name, receiver = node.field("property"), node.field("object")
        if name is not None and receiver is not None and EXPORTS.fullmatch(receiver.text()):
            self._identifier(name, at, kind)
            return
        if name is not None:
            receivers = self.kinds(receiver, at) or ((UNKNOWN, -1),)
            for chain in dict.fromkeys(chain for chain, slot in receivers if slot < 0):
                self.builder.use((*chain, name.text()), kind, line_of(name), at.scope)
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

    def _pair(self, node: SgNode, at: Where) -> None:
        key = node.field("key")
        if key is not None and key.kind() == "computed_property_name":
            self.visit(key, at)
        self._field(node, "value", at)

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
        head = line_of(inner) if inner is not None else line_of(node)
        number = self.builder.define(
            Definition(
                name.strip("\"'"),
                kind,
                parent,
                line_of(node),
                last_of(node),
                line_of(named),
                max(line_of(node), min(head, line_of(node) + 12)),
                doc=paragraph(comment),
                bases=tuple(bases),
                flags=flags,
            )
        )
        self.named.setdefault((parent, name), number)
        return number

    def _typed(self, number: int, kinds: Iterable[Kind], scope: int, line: int) -> None:
        types = tuple(Typed(scope, line, chain, slot) for chain, slot in dict.fromkeys(kinds) if chain != UNKNOWN)
        known = self.builder.facts.definitions[number].types
        if types:
            self.builder.amend(number, types=tuple(dict.fromkeys((*known, *types)))[:_TYPES])

    def _comment(self, node: SgNode) -> str:
        """The comment right above a statement."""
        parent = node.parent()
        if parent is not None and parent.kind() in ("export_statement", "ambient_declaration"):
            node = parent
        before, parts, line = node.prev(), list[str](), line_of(node)
        while before is not None and before.kind() in ("comment", "decorator") and line - last_of(before) <= 1:
            if before.kind() == "comment":
                parts.insert(0, before.text())
            line, before = line_of(before), before.prev()
        return "\n".join(parts)

    def _visible(self, node: SgNode, at: Where) -> int:
        parent = node.parent()
        while parent is not None and parent.kind() in ("lexical_declaration", "variable_declaration"):
            parent = parent.parent()
        exported = parent is not None and parent.kind() in ("export_statement", "ambient_declaration")
        return facts.EXPORTED if exported and at.top else 0

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
                self._bind(child, slot_of(types, number), at, parameter=parameter)
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
            self._typed(number, types, at.scope, line_of(node))
            return
        name, line, end = node.text(), line_of(node), at.end
        if parameter and not at.anonymous:
            line, end = 0, facts.LAST_LINE
        if name not in at.own:  # another variable of this name in this scope is called otherwise
            at.own.add(name)
            count = self.bound[at.scope, name] = self.bound.get((at.scope, name), 0) + 1
            at.names[name] = name if count == 1 else f"{name}~{count}"
        if hoisted:
            at.outer[name], end = at.names[name], at.last
        typed = [Typed(at.scope, line_of(node), chain, slot) for chain, slot in types if chain != UNKNOWN]
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
            self.builder.use(chain, "use", line_of(key), at.scope)
        self._bind(node.field("value") or node, [(chain, -1) for chain in chains], at, parameter=parameter)
