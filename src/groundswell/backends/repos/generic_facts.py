"""Definitions and names of a file in any language whose grammar ast-grep has: no scopes, no types.

What a use means is then told by its name alone. `SHAPES` says which nodes of a grammar define something.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ast_grep_py import SgNode, SgRoot

from groundswell.backends.repos import facts
from groundswell.backends.repos.facts import MODULE, Builder, Definition, FileFacts, Import


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What of a grammar matters here: node kinds, and how imports are written."""

    definitions: Mapping[str, str]  # node kind → symbol kind
    names: tuple[str, ...]  # node kinds of names
    imports: str = ""  # a pattern over lines; its first group that matched is the module
    package: str = ""  # a pattern over lines
    comment: tuple[str, ...] = ("//", "/*", "*")  # how a line of documentation before a definition begins
    reopens: tuple[str, ...] = ()  # node kinds that hold members of a type defined elsewhere (`impl`)


_CLASSES = {"class_declaration": "class", "interface_declaration": "interface", "enum_declaration": "class"}

SHAPES: dict[str, Shape] = {
    "rust": Shape(
        definitions={
            "function_item": "function",
            "function_signature_item": "function",
            "struct_item": "class",
            "enum_item": "class",
            "union_item": "class",
            "trait_item": "interface",
            "type_item": "type",
            "const_item": "constant",
            "static_item": "constant",
            "macro_definition": "function",
            "mod_item": "module",
        },
        names=("identifier", "type_identifier", "field_identifier"),
        imports=r"^\s*(?:pub(?:\([^)]*\))?\s+)?(?:use\s+([\w:]+)|mod\s+(\w+)\s*;)",
        comment=("///", "//!", "//", "/*", "*", "#["),
        reopens=("impl_item",),
    ),
    "java": Shape(
        definitions=_CLASSES
        | {
            "record_declaration": "class",
            "annotation_type_declaration": "interface",
            "method_declaration": "method",
            "constructor_declaration": "method",
        },
        names=("identifier", "type_identifier"),
        imports=r"^\s*import\s+(?:static\s+)?([\w.]+)",
        package=r"^\s*package\s+([\w.]+)",
        comment=("//", "/*", "*", "@"),
    ),
    "c": Shape(
        definitions={
            "function_definition": "function",
            "struct_specifier": "class",
            "union_specifier": "class",
            "enum_specifier": "class",
            "type_definition": "type",
            "preproc_function_def": "function",
            "preproc_def": "constant",
        },
        names=("identifier", "type_identifier", "field_identifier"),
        imports=r'^\s*#\s*include\s*[<"]([^>"]+)',
    ),
    "cpp": Shape(
        definitions={
            "function_definition": "function",
            "class_specifier": "class",
            "struct_specifier": "class",
            "union_specifier": "class",
            "enum_specifier": "class",
            "namespace_definition": "module",
            "type_definition": "type",
            "alias_declaration": "type",
            "preproc_function_def": "function",
        },
        names=("identifier", "type_identifier", "field_identifier"),
        imports=r'^\s*#\s*include\s*[<"]([^>"]+)',
    ),
    "csharp": Shape(
        definitions=_CLASSES
        | {
            "struct_declaration": "class",
            "record_declaration": "class",
            "method_declaration": "method",
            "constructor_declaration": "method",
            "property_declaration": "method",
            "delegate_declaration": "type",
        },
        names=("identifier",),
        imports=r"^\s*(?:global\s+)?using\s+(?:static\s+)?([\w.]+)\s*;",
        package=r"^\s*namespace\s+([\w.]+)",
        comment=("//", "/*", "*", "["),
    ),
    "ruby": Shape(
        definitions={"method": "method", "singleton_method": "method", "class": "class", "module": "module"},
        names=("identifier", "constant"),
        imports=r"""^\s*(?:require|require_relative|load|autoload\s+:\w+,)\s*\(?\s*['"]([^'"]+)""",
        comment=("#",),
    ),
    "php": Shape(
        definitions=_CLASSES
        | {"trait_declaration": "class", "function_definition": "function", "method_declaration": "method"},
        names=("name",),
        imports=r"^\s*use\s+([\w\\]+)",
        package=r"^\s*namespace\s+([\w\\]+)",
        comment=("//", "/*", "*", "#"),
    ),
    "kotlin": Shape(
        definitions={
            "class_declaration": "class",
            "object_declaration": "class",
            "function_declaration": "function",
            "type_alias": "type",
        },
        names=("simple_identifier", "type_identifier"),
        imports=r"^\s*import\s+([\w.]+)",
        package=r"^\s*package\s+([\w.]+)",
        comment=("//", "/*", "*", "@"),
    ),
    "swift": Shape(
        definitions={
            "class_declaration": "class",
            "protocol_declaration": "interface",
            "function_declaration": "function",
            "protocol_function_declaration": "function",
            "typealias_declaration": "type",
        },
        names=("simple_identifier", "type_identifier"),
        imports=r"^\s*(?:@\w+\s+)?import\s+(?:\w+\s+)?([\w.]+)",
        comment=("//", "/*", "*", "@"),
    ),
    "scala": Shape(
        definitions={
            "class_definition": "class",
            "object_definition": "class",
            "trait_definition": "interface",
            "enum_definition": "class",
            "function_definition": "function",
            "function_declaration": "function",
            "type_definition": "type",
        },
        names=("identifier", "type_identifier"),
        imports=r"^\s*import\s+([\w.]+)",
        package=r"^\s*package\s+([\w.]+)",
        comment=("//", "/*", "*", "@"),
    ),
    "lua": Shape(
        definitions={"function_declaration": "function"},
        names=("identifier",),
        imports=r"""\brequire\s*\(?\s*['"]([^'"]+)""",
        comment=("--",),
    ),
    "bash": Shape(
        definitions={"function_definition": "function"},
        names=("word",),
        imports=r"""^\s*(?:source|\.)\s+["']?([^\s"';]+)""",
        comment=("#",),
    ),
    "python": Shape(
        definitions={"class_definition": "class", "function_definition": "function"},
        names=("identifier",),
        imports=r"^\s*(?:from\s+([\w.]+)\s+import|import\s+([\w.]+))",
        comment=("#", "@"),
    ),
}

_LAST_NAME = re.compile(r"([A-Za-z_$][\w$]*[?!=]?)\W*$")
_TYPE_KINDS = frozenset(("class", "interface", "module"))
_PRIVATE = re.compile(r"\b(private|fileprivate)\b")
_BEFORE = re.compile(r"([A-Za-z_$][\w$]*)\s*(?:\?\.|\.|->|::|\\)\s*$")


def extract_roughly(language: str, path: str, text: str) -> FileFacts:
    """Read a file by its grammar; `language` is one of `SHAPES`."""
    del path
    shape = SHAPES[language]
    lines = text.split("\n")
    builder = Builder(language, len(lines))
    root = SgRoot(text, language).root()
    _definitions(root, shape, lines, builder)
    _uses(root, shape, lines, builder)
    _imports(shape, lines, builder)
    builder.facts.doc = leading_comment(lines, shape.comment)
    return builder.facts


def leading_comment(lines: Sequence[str], marks: Sequence[str]) -> tuple[int, int]:
    """The comment at the head of a file, licences left out."""
    start = 0
    for number, line in enumerate(lines[:80], 1):
        text = line.strip()
        is_comment = text.startswith(tuple(mark for mark in marks if mark not in ("@", "[", "#[")))
        if is_comment and not text.startswith("#!"):
            start = start or number
        elif start:
            block = (start, number - 1)
            if _is_licence(lines[block[0] - 1 : block[1]]):
                start = 0
                continue
            return block
        elif text and not text.startswith(("#!", "<?php")):
            break
    return (0, 0)


def _is_licence(lines: Sequence[str]) -> bool:
    text = " ".join(lines).lower()
    return "copyright" in text or "license" in text or "licence" in text


def _definitions(root: SgNode, shape: Shape, lines: Sequence[str], builder: Builder) -> None:
    wanted = [*shape.definitions, *shape.reopens]
    found = root.find_all({"rule": {"any": [{"kind": kind} for kind in wanted]}})
    spans = [(node.range(), node) for node in found]
    spans.sort(key=lambda span: (span[0].start.index, -span[0].end.index))
    stack: list[tuple[int, int, str]] = []  # end index, definition, owner's name
    for span, node in spans:
        while stack and stack[-1][0] <= span.start.index:
            stack.pop()
        parent, owner = (stack[-1][1], stack[-1][2]) if stack else (MODULE, "")
        if node.kind() in shape.reopens:
            name = _type_name(node)
            stack.append((span.end.index, _numbered(builder, name), name))
            continue
        named = _name_node(node)
        name = named and _LAST_NAME.search(named.text())
        if named is None or not name:
            continue
        if node.kind().endswith("_specifier") and node.field("body") is None:
            continue  # `struct s x;` uses a type
        symbol = shape.definitions[node.kind()]
        number = _define(builder, lines, node, shape, (name.group(1), symbol, parent, owner))
        stack.append((span.end.index, number, ""))


def _define(builder: Builder, lines: Sequence[str], node: SgNode, shape: Shape, what: tuple[str, str, int, str]) -> int:
    name, symbol, parent, owner = what
    span = node.range()
    line, end = span.start.line + 1, span.end.line + 1
    if span.end.column == 0 and end > line:
        end -= 1
    named = _name_node(node)
    name_line = named.range().start.line + 1 if named is not None else line
    in_type = parent != MODULE and builder.facts.definitions[parent].kind in ("class", "interface")
    if symbol == "function" and (in_type or owner):
        symbol = "method"
    elif symbol == "method" and not in_type and not owner:
        symbol = "function"
    doc = _comment_above(lines, line, shape.comment)
    visible = 0 if _PRIVATE.search(lines[line - 1]) or name.startswith("_") else facts.EXPORTED
    return builder.define(
        Definition(
            name,
            symbol,
            parent,
            line,
            end,
            name_line,
            min(end, max(name_line, line) + 2),
            doc=doc,
            flags=visible,
            owner=owner if parent == MODULE else "",
        )
    )


def _name_node(node: SgNode) -> SgNode | None:
    """The node that holds a definition's name; in C it lies inside declarators."""
    inner = node.field("name")
    if inner is not None:
        return inner
    inner = node.field("declarator")
    while inner is not None:
        deeper = inner.field("declarator")
        if deeper is None:
            return inner
        inner = deeper
    wanted = ("identifier", "type_identifier", "simple_identifier", "word", "constant", "name")
    return next((child for child in node.children() if child.kind() in wanted), None)


def _type_name(node: SgNode) -> str:
    inner = node.field("type")
    found = re.match(r"[\w:]+", inner.text()) if inner is not None else None
    return found.group().rsplit("::", 1)[-1] if found else ""


def _numbered(builder: Builder, name: str) -> int:
    """The definition of a type in this file, else the module."""
    definitions = builder.facts.definitions
    for number, definition in enumerate(definitions):
        if definition.name == name and definition.kind in _TYPE_KINDS:
            return number
    return MODULE


def _comment_above(lines: Sequence[str], line: int, marks: Sequence[str]) -> str:
    """The comment right above a line, without its marks."""
    found: list[str] = []
    number = line - 1
    while number > 0 and lines[number - 1].strip().startswith(tuple(marks)) and len(found) < 30:
        found.append(lines[number - 1].strip())
        number -= 1
    texts = [text.lstrip("/*#-! ").rstrip("*/ ") for text in reversed(found) if text[:1] not in ("@", "[")]
    paragraph: list[str] = []
    for text in texts:
        if not text and paragraph:
            break
        paragraph.append(text)
    return " ".join(paragraph).strip()[:400]


def _uses(root: SgNode, shape: Shape, lines: Sequence[str], builder: Builder) -> None:
    scopes = _Scopes(builder.facts.definitions)
    own = {(d.name_line, d.name) for d in builder.facts.definitions}
    for node in root.find_all({"rule": {"any": [{"kind": kind} for kind in shape.names]}}):
        name = node.text()
        span = node.range()
        line = span.start.line + 1
        if (line, name) in own or not _LAST_NAME.fullmatch(name) or len(name) > 200:
            continue
        text = lines[span.start.line]
        column, after = span.start.column, span.end.column
        before = text[max(0, column - 80) : column]
        kind = "call" if text[after : after + 40].lstrip().startswith("(") else "use"
        builder.use((*_receiver(before), name), kind, line, scopes.around(line))


def _receiver(before: str) -> tuple[str, ...]:
    if found := _BEFORE.search(before):
        return (found.group(1),)
    return ("@unknown",) if before.rstrip().endswith((".", "->", "::")) else ()


class _Scopes:
    """Finds the innermost definition around a line; asked in the order of lines it is fast."""

    def __init__(self, definitions: Sequence[Definition]) -> None:
        self._inner: dict[int, int] = {}
        for number, definition in enumerate(definitions):
            if definition.end_line - definition.line < 20_000:
                for line in range(definition.line, definition.end_line + 1):
                    self._inner[line] = number

    def around(self, line: int) -> int:
        """The number of a definition, or MODULE."""
        return self._inner.get(line, MODULE)


def _imports(shape: Shape, lines: Sequence[str], builder: Builder) -> None:
    for line, module in _matches(shape.imports, lines):
        local = re.split(r"[.:\\/]", module)[-1]
        builder.imported(Import(local, module, "", MODULE, line))
    for _, package in _matches(shape.package, lines):
        builder.facts.package = package
        break


def _matches(pattern: str, lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    if not pattern:
        return
    compiled = re.compile(pattern)
    for number, line in enumerate(lines, 1):
        if len(line) < 1000 and (found := compiled.search(line)):
            yield number, next((group for group in found.groups() if group), "")
