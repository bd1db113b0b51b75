"""What a file, package or module defines, needs, and who needs it."""

import posixpath
from collections.abc import Sequence

from groundswell.backends.repos.facts import MODULE, module_marks
from groundswell.backends.repos.index import Index
from groundswell.backends.repos.ranks import rank
from groundswell.backends.repos.resolve import Resolver
from groundswell.backends.repos.symbols import Site, modules_named

_HEADS = ("__init__.py", "index.ts", "index.tsx", "index.js", "mod.rs", "lib.rs", "main.rs", "main.go", "doc.go")
_READMES = ("README.md", "README.rst", "README.txt", "README", "readme.md", "Readme.md")
_INNER = frozenset(("class", "interface", "module", "type"))


def locate(index: Index, asked: str) -> str:
    """The file that a path, folder or dotted module means; "" for none."""
    path = posixpath.normpath(asked.strip().strip("/") or ".")
    if index.has(path):
        return path
    folder = "" if path == "." else path
    if index.has_folder(folder) and (found := _head_of_folder(index, folder)):
        return found
    named = modules_named(index, asked)
    if named:
        return named[0]
    ending = [file for file in index.named(posixpath.basename(path)) if f"/{file}".endswith(f"/{path}")]
    return min(ending, key=lambda file: (rank(file), file)) if ending else ""


def _head_of_folder(index: Index, folder: str) -> str:
    """The file that speaks for a folder."""
    for name in (*_HEADS, f"{posixpath.basename(folder)}.go", *_READMES):
        if index.has(path := posixpath.join(folder, name)):
            return path
    files = index.in_folder(folder)
    code = [path for path in files if (language := index.language(path)) is not None and language.deep]
    return min(code or files, key=lambda path: (index.is_test(path), path), default="")


def top_symbols(index: Index, path: str, limit: int = 200) -> list[Site]:
    """Definitions of a file: its own, and the members of its classes."""
    definitions = index.view(path).definitions
    found = [
        Site(path, number)
        for number, definition in enumerate(definitions)
        if (definition.parent == MODULE or definitions[definition.parent].kind in _INNER)
        and definition.name[0] != "<"  # a type without a name
    ]
    found.sort(key=lambda site: definitions[site.number].line)
    return found[:limit]


def imports(index: Index, path: str) -> tuple[str, ...]:
    """Repository paths a file imports, then names from outside."""
    resolver = Resolver(index)
    inside: dict[str, None] = {}
    outside: dict[str, None] = {}
    for entry in index.view(path).facts.imports:
        files = [file for file in resolver.dependencies(path, entry) if file != path]
        if files:
            inside.update(dict.fromkeys(files[:20]))
        elif not entry.module.startswith("."):
            outside.setdefault(entry.module)
    return (*inside, *outside)


def imported_by(index: Index, path: str, limit: int = 200) -> tuple[str, ...]:
    """Files that import a file."""
    resolver = Resolver(index)
    found: list[str] = []
    for candidate in index.using(_marks(index, path)):
        if candidate != path and any(
            path in resolver.dependencies(candidate, entry) for entry in index.view(candidate).facts.imports
        ):
            found.append(candidate)
    return tuple(sorted(found, key=lambda one: (rank(one), one))[:limit])


def _marks(index: Index, path: str) -> set[str]:
    """What the postings of an importing file may hold: the names a module goes by."""
    folder, name = posixpath.split(path)
    stem = name.split(".", 1)[0]
    words = {stem, posixpath.basename(folder)} - {"", "__init__"}
    marks = {f"<{word}>" for word in words} | words | set(module_marks(index.module_name(path)))
    if not folder or stem in ("__init__", "index", "mod", "lib"):
        marks.update(d.name for d in index.view(path).definitions if d.parent == MODULE)
    language = index.language(path)
    if language is not None and (key := language.module(path, index)) != path:
        marks.update(module_marks(key), module_marks(language.qualified(path, index)))
    return marks


def documentation(index: Index, path: str) -> tuple[str, int, int]:
    """Where a module's documentation is: file, first and last line; ("", 0, 0) for none."""
    facts = index.view(path).facts
    if facts.doc[0]:
        return path, facts.doc[0], min(facts.doc[1], facts.doc[0] + 24)
    if facts.language in ("markdown", "restructuredtext"):
        return path, 1, min(facts.lines, 25)
    folder, name = posixpath.split(path)
    if name in _HEADS:
        for readme in _READMES:
            if index.has(found := posixpath.join(folder, readme)):
                return found, 1, min(index.view(found).facts.lines, 25)
    return "", 0, 0


def first_lines(lines: Sequence[str], start: int, end: int) -> int:
    """The last line of the first paragraphs: documentation is quoted, not copied."""
    blank = 0
    for number in range(start, min(end, len(lines)) + 1):
        blank += not lines[number - 1].strip()
        if blank >= 3:
            return max(start, number - 1)
    return min(end, len(lines))
