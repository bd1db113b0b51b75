"""What is asked of nodes of the syntax tree of JavaScript and TypeScript."""

import re
from collections.abc import Sequence

from ast_grep_py import SgNode

from groundswell.backends.repos import facts
from groundswell.backends.repos.ecmascript.types import Generics, Kind, kinds_of

FUNCTION_VALUES = frozenset(["arrow_function", "function_expression", "function", "generator_function"])
_WRAPPERS = frozenset(["parenthesized_expression", "as_expression", "satisfies_expression", "non_null_expression"])


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


def line_of(node: SgNode) -> int:
    """The line a node begins on."""
    return node.range().start.line + 1


def last_of(node: SgNode) -> int:
    """The line a node ends on."""
    return node.range().end.line + 1


def name_or(node: SgNode | None, otherwise: str) -> str:
    """The text of a name, or what stands for one."""
    return node.text() if node is not None else otherwise


def member_flags(node: SgNode, name: str) -> int:
    """Whether a member may be used from outside its class."""
    private = name.startswith(("#", "_")) or any(
        child.kind() == "accessibility_modifier" and child.text() != "public" for child in node.children()
    )
    return 0 if private else facts.EXPORTED


def unwrapped(node: SgNode | None) -> SgNode | None:
    """An expression without parentheses and casts."""
    while node is not None and node.kind() in _WRAPPERS:
        inner = node.named_children()
        node = inner[0] if inner else None
    return node


def innermost(node: SgNode) -> SgNode:
    """The value at the end of a row of assignments."""
    while node.kind() == "assignment_expression" and (right := node.field("right")) is not None:
        node = right
    return unwrapped(node) or node


def slot_of(types: Sequence[Kind], number: int) -> list[Kind]:
    """One of several results, or of an array's elements."""
    apart = [(chain, -1) for chain, slot in types if slot == number]
    return apart or [((*chain, f"#{number}"), -1) for chain, slot in types if slot < 0]


def returned_by(annotation: SgNode | None, generics: Generics) -> list[Kind]:
    """What a variable's function type returns: `const f: (x: A) => B = …`."""
    return [(chain[:-1], slot) for chain, slot in kinds_of(annotation, generics) if chain[-1] == "->"]
