"""Which folder a Go import means: module paths from `go.mod`, packages by folder."""

import re
from collections.abc import Iterator, Sequence
from posixpath import basename, dirname, join, normpath

from groundswell.backends.repos.facts import FileFacts
from groundswell.backends.repos.language import Project

_MODULE = re.compile(r'^\s*module\s+"?([^\s"]+)', re.MULTILINE)
_REPLACE = re.compile(r"^\s*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s+=>\s+(\.\.?/\S*)", re.MULTILINE)


def project_facts(path: str, text: str) -> FileFacts:
    """What `go.mod` says: the module's path, and which modules are replaced by folders."""
    del path
    facts = FileFacts("go-module", text.count("\n") + 1)
    if found := _MODULE.search(text):
        facts.settings["module"] = found[1]
    facts.settings["replace"] = dict(_REPLACE.findall(text))
    return facts


def module(path: str, project: Project) -> str:
    """A package: its folder and its name, since a folder may hold its external tests and a `main` beside it."""
    return f"{dirname(path)}:{project.package(path)}"


def members(key: str, project: Project) -> Sequence[str]:
    """The files of a package."""
    folder, _, package = key.rpartition(":")
    return project.memo(("go members", key), lambda: _files(folder, package, project))


def _files(folder: str, package: str, project: Project) -> tuple[str, ...]:
    files = (path for path in project.in_folder(folder) if path.endswith(".go"))
    return tuple(path for path in files if project.package(path) == package)


def resolve(specifier: str, path: str, project: Project) -> Sequence[str]:
    """The package an import path means."""
    del path
    return project.memo(("go", specifier), lambda: tuple(_resolve(specifier, project)))


def _resolve(specifier: str, project: Project) -> Iterator[str]:
    for name, folder in project.memo("go modules", lambda: _modules(project)):
        if specifier == name or specifier.startswith(f"{name}/"):
            target = normpath(join(folder, specifier[len(name) + 1 :])) if specifier != name else folder
            yield from _package(target, project)


def _modules(project: Project) -> list[tuple[str, str]]:
    """Module paths and their folders, the longest path first."""
    found: list[tuple[str, str]] = []
    for path in project.named("go.mod"):
        said, folder = project.settings(path), dirname(path)
        if isinstance(name := said.get("module"), str):
            found.append((name, folder))
        for old, new in said.get("replace", {}).items():
            target = normpath(join(folder, new))
            if not target.startswith(".."):
                found.append((old, "" if target == "." else target))
    return sorted(found, key=lambda pair: -len(pair[0]))


def _package(folder: str, project: Project) -> Iterator[str]:
    """The package others see in a folder: not its external tests, nor a `main` that lies beside it."""
    folder = "" if folder == "." else folder
    names = dict.fromkeys(project.package(path) for path in project.in_folder(folder) if path.endswith(".go"))
    plain = [name for name in names if name and not name.endswith("_test")]
    for name in sorted(plain, key=lambda name: (name in ("main", "documentation"), name)):
        yield f"{folder}:{name}"
        return


def submodule(key: str, name: str, project: Project) -> str:
    """Packages do not nest."""
    del key, name, project
    return ""


def qualified(path: str, project: Project) -> str:
    """A package as people write it: its folder, or its own name at the root."""
    package, folder = project.package(path), dirname(path)
    if not folder or basename(folder) == package:
        return folder or package
    return f"{folder}_test" if package.endswith("_test") else folder
