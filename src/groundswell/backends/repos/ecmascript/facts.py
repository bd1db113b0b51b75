"""The facts of a TypeScript or JavaScript file, from its syntax tree."""

import re
from collections.abc import Sequence

from ast_grep_py import SgNode, SgRoot

from groundswell.backends.repos.ecmascript.exports import Exports
from groundswell.backends.repos.ecmascript.nodes import last_of, line_of
from groundswell.backends.repos.ecmascript.values import Where
from groundswell.backends.repos.ecmascript.walker import DEPTHS
from groundswell.backends.repos.facts import Builder, FileFacts

# the grammar of TSX reads JavaScript, too; TypeScript's own also reads `<Foo>x`
GRAMMARS = {".ts": "typescript", ".mts": "typescript", ".cts": "typescript"}
# possessive, for else a long comment between lines would be tried in every way it can be cut
_UNPARTED = re.compile(r"([>\w\])}\"'`])((?:\s|//[^\n]*+|/\*(?:[^*]|\*(?!/))*\*/)+)(?=[<(])")


def extract(language: str, path: str, text: str) -> FileFacts:
    """Read a file."""
    grammar = GRAMMARS.get(path[path.rfind(".") :].lower(), "tsx")
    root, reader = _parsed(text, grammar), None
    for depth in DEPTHS:  # generated code nests deeper than the interpreter's stack
        reader = _Reader(Builder(language, text.count("\n") + 1), depth)
        try:
            reader.module(root)
        except RecursionError:
            continue
        break
    assert reader is not None
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


class _Reader(Exports):
    def __init__(self, builder: Builder, depth: int) -> None:
        super().__init__(builder, depth)
        self.visitors = {
            **dict.fromkeys(("binary_expression", "union_type", "intersection_type"), self._spine),
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
            if child.kind() != "comment" or (comments and line_of(child) - last_of(comments[-1]) > 1):
                break
            comments.append(child)
        if comments:
            self.builder.facts.doc = (line_of(comments[0]), last_of(comments[-1]))
