"""Languages that are read by grammar alone: definitions, names, and imports as far as paths tell."""

import posixpath
from collections.abc import Callable, Sequence
from functools import partial

from groundswell.backends.repos.facts import FileFacts
from groundswell.backends.repos.generic_facts import extract_roughly
from groundswell.backends.repos.language import Language, Project

_EXTENSIONS: dict[str, tuple[str, ...]] = {
    "rust": (".rs",),
    "java": (".java",),
    "c": (".c", ".h"),
    "cpp": (".cc", ".cpp", ".cxx", ".hpp", ".hh", ".hxx", ".ipp", ".cu", ".cuh"),
    "csharp": (".cs",),
    "ruby": (".rb", ".rake", ".gemspec"),
    "php": (".php",),
    "kotlin": (".kt", ".kts"),
    "swift": (".swift",),
    "scala": (".scala", ".sc"),
    "lua": (".lua",),
    "bash": (".sh", ".bash"),
}
_SEPARATORS = {
    "rust": "::",
    "java": ".",
    "csharp": ".",
    "php": "\\",
    "kotlin": ".",
    "scala": ".",
    "swift": ".",
    "lua": ".",
}
_DOTTED = frozenset(("rust", "java", "csharp", "php", "kotlin", "scala", "lua", "swift"))


def _module(path: str, project: Project) -> str:
    del project
    return path


def _members(key: str, project: Project) -> Sequence[str]:
    del project
    return (key,)


def _resolve(language: str, specifier: str, path: str, project: Project) -> Sequence[str]:
    """Files whose path ends as the specifier says; the nearest to the importing file first."""
    key = ("generic", language, specifier, posixpath.dirname(path))
    return project.memo(key, lambda: _find(language, specifier, path, project))


def _find(language: str, specifier: str, path: str, project: Project) -> Sequence[str]:
    if language in _DOTTED:
        parts = [p for p in specifier.split(_SEPARATORS[language]) if p not in ("", "crate", "self", "super")]
        tails = ["/".join(parts[: len(parts) - cut]) for cut in range(min(2, len(parts)))]
    else:
        tails = [specifier.lstrip("./")]
    for tail in tails:
        if tail and (found := _ending(language, tail, path, project)):
            return found
    return ()


def _ending(language: str, tail: str, path: str, project: Project) -> Sequence[str]:
    name = posixpath.basename(tail)
    has_ending = posixpath.splitext(name)[1] in _EXTENSIONS[language] or language in ("c", "cpp")
    names = [name] if has_ending else [name + ending for ending in _EXTENSIONS[language]]
    found = [
        file
        for wanted in names
        for file in project.named(wanted)
        if f"/{file}".endswith(f"/{posixpath.join(posixpath.dirname(tail), wanted)}") and file != path
    ]
    found.sort(key=lambda file: -len(posixpath.commonpath((posixpath.dirname(file), posixpath.dirname(path)))))
    return tuple(found[:1])


def _submodule(key: str, name: str, project: Project) -> str:
    del key, name, project
    return ""


def _qualified(language: str, path: str, project: Project) -> str:
    """The package clause, else the path, written as the language does."""
    separator = _SEPARATORS.get(language, ".")
    if package := project.package(path):
        return package
    return posixpath.splitext(path)[0].replace("/", separator)


def _language(name: str) -> Language:
    extract: Callable[[str, str], FileFacts] = partial(extract_roughly, name)
    return Language(
        name=name,
        extensions=_EXTENSIONS[name],
        extract=extract,
        module=_module,
        members=_members,
        resolve=partial(_resolve, name),
        submodule=_submodule,
        qualified=partial(_qualified, name),
        deep=False,
    )


languages = tuple(_language(name) for name in _EXTENSIONS)
