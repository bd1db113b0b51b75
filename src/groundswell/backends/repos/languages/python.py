"""Python: its standard library reads it; what is no Python 3 is read roughly."""

import builtins
from collections.abc import Iterator, Sequence
from posixpath import dirname, join, normpath

from groundswell.backends.repos.facts import FileFacts
from groundswell.backends.repos.generic_facts import extract_roughly
from groundswell.backends.repos.language import Language, Project
from groundswell.backends.repos.python_facts import extract as extract_exactly

_COMMON_ROOTS = ("", "src", "lib", "python")


def extract(path: str, text: str) -> FileFacts:
    """Read a file."""
    try:
        return extract_exactly(path, text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        facts = extract_roughly("python", path, text)
        facts.problem = "syntax"
        return facts


def module(path: str, project: Project) -> str:
    """A file is a module."""
    del project
    return path


def members(key: str, project: Project) -> Sequence[str]:
    """A module is one file; a folder without `__init__.py` (`a/b/`) is a module without any."""
    del project
    return () if key.endswith("/") or not key else (key,)


def resolve(specifier: str, path: str, project: Project) -> Sequence[str]:
    """The modules a specifier may mean: relative ones from the file's folder, others from every source root."""
    dots = len(specifier) - len(specifier.lstrip("."))
    parts = [part for part in specifier[dots:].split(".") if part]
    if dots:
        folder = dirname(path)
        for _ in range(dots - 1):
            folder = dirname(folder)
        return _at(folder, parts, project)
    key = ("python", specifier, dirname(path))
    return project.memo(key, lambda: _absolute(parts, path, project))


def _absolute(parts: Sequence[str], path: str, project: Project) -> Sequence[str]:
    namespace: Sequence[str] = ()
    for root in _roots_for(path, project):
        if found := _at(root, parts, project):
            if not found[0].endswith("/"):
                return found
            namespace = namespace or found
    return namespace


def submodule(key: str, name: str, project: Project) -> str:
    """`package.name`, where that is a file or folder."""
    if key.endswith("/__init__.py") or key == "__init__.py" or key.endswith("/__init__.pyi"):
        folder = dirname(key)
    elif key.endswith("/"):
        folder = key.rstrip("/")
    else:
        return ""
    found = _at(folder, [name], project)
    return found[0] if found else ""


def qualified(path: str, project: Project) -> str:
    """`package.module`, from the outermost package, or from the source root."""
    name = path.rsplit(".", 1)[0]
    folder = dirname(path)
    while folder and _is_package(folder, project):
        folder = dirname(folder)
    root = folder if _is_package(dirname(path), project) else _plain_root(path)
    name = name[len(root) :].strip("/") if root else name
    name = name.removesuffix("/__init__")
    return name.replace("/", ".")


def _plain_root(path: str) -> str:
    first = path.split("/", 1)[0]
    return first if first in _COMMON_ROOTS and "/" in path else ""


def _is_package(folder: str, project: Project) -> bool:
    return project.has(join(folder, "__init__.py")) or project.has(join(folder, "__init__.pyi"))


def _roots_for(path: str, project: Project) -> Iterator[str]:
    """Source roots, those around the importing file first."""
    known = project.memo("python roots", lambda: _roots(project))
    folder = dirname(path)
    around: list[str] = []
    while True:
        if not _is_package(folder, project) or not folder:
            around.append(folder)
        if not folder:
            break
        folder = dirname(folder)
    yield from around
    yield from (root for root in known if root not in around)
    yield dirname(path)  # a script's own folder, also where it is a package


def _roots(project: Project) -> tuple[str, ...]:
    roots: dict[str, None] = dict.fromkeys(_COMMON_ROOTS)
    for name in ("__init__.py", "__init__.pyi"):
        for file in project.named(name):
            folder = dirname(file)
            parent = dirname(folder)
            if folder and not _is_package(parent, project):
                roots.setdefault(parent)
    return tuple(roots)


def _at(folder: str, parts: Sequence[str], project: Project) -> Sequence[str]:
    base = normpath(join(folder, *parts)) if folder or parts else ""
    base = "" if base == "." else base
    candidates = [f"{base}/__init__.py", f"{base}.py", f"{base}.pyi", f"{base}/__init__.pyi"]
    if not base:
        candidates = ["__init__.py"]
    for candidate in candidates:
        if project.has(candidate):
            return (candidate,)
    return (f"{base}/",) if base and project.has_folder(base) else ()


languages = (
    Language(
        name="python",
        extensions=(".py", ".pyi", ".pyw"),
        extract=extract,
        module=module,
        members=members,
        resolve=resolve,
        submodule=submodule,
        qualified=qualified,
        class_scope=True,
        builtins=frozenset(dir(builtins)),
    ),
)
