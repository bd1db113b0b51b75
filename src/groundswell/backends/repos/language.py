"""What a language tells the index: how to read a file, and what its imports mean.

One module in `languages/` is one language (or a family); each has `languages`, a tuple of `Language` objects, and is
found by the extensions and file names they state.
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import groundswell.backends.repos.languages as catalogue
from groundswell.backends.repos.facts import FileFacts


class Project(Protocol):
    """What a language may ask of the repository when it resolves an import."""

    def has(self, path: str) -> bool:
        """Whether this file is indexed."""
        ...

    def has_folder(self, path: str) -> bool:
        """Whether any indexed file lies below this folder; "" is the root."""
        ...

    def in_folder(self, folder: str) -> Sequence[str]:
        """Indexed files that lie directly in a folder."""
        ...

    def settings(self, path: str) -> dict[str, Any]:
        """What the project file at this path says (`FileFacts.settings`); {} where there is none."""
        ...

    def named(self, name: str) -> Sequence[str]:
        """All indexed files of this name (`go.mod`, `__init__.py`), shallow ones first."""
        ...

    def package(self, path: str) -> str:
        """The package clause of a file (`FileFacts.package`)."""
        ...

    def memo(self, key: Any, make: Callable[[], Any]) -> Any:
        """Compute once for this state of the repository."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language. The functions are pure; `extract` runs in a worker process.

    `extract(path, text)` gives the facts.
    `module(path, project)`: the key of the module (the scope of top-level names) a file belongs to: the file's own
    path in most languages, the folder in Go.
    `members(module, project)`: the files that make up a module.
    `resolve(specifier, path, project)`: the modules an import means, best first; empty: outside the repository.
    `submodule(module, name, project)`: the module that `module.name` is, where modules nest; "" for none.
    `qualified(path, project)`: a file's module as the language writes it, for people: `pkg.module`.
    """

    name: str
    extensions: tuple[str, ...] = ()
    filenames: tuple[str, ...] = ()
    extract: Callable[[str, str], FileFacts]
    module: Callable[[str, Project], str]
    members: Callable[[str, Project], Sequence[str]]
    resolve: Callable[[str, str, Project], Sequence[str]]
    submodule: Callable[[str, str, Project], str]
    qualified: Callable[[str, Project], str]
    deep: bool = True  # scopes and imports are known; otherwise names alone
    private_imports: bool = False  # an imported name is not a member of the module unless it is exported (ECMAScript)
    class_scope: bool = False  # names of a class body are seen by the statements directly in it (Python)
    family: str = ""  # languages of one family call each other (`c` and `cpp`); the name where empty
    dispatch: float = 0.45  # how likely a call of a method means one that overrides it, or that it overrides
    builtins: frozenset[str] = frozenset()  # names that mean something of the language where nothing else binds them


@cache
def languages() -> dict[str, Language]:
    """All languages, by name."""
    found: dict[str, Language] = {}
    for module in pkgutil.iter_modules(catalogue.__path__, f"{catalogue.__name__}."):
        for language in importlib.import_module(module.name).languages:
            found[language.name] = language
    return found


@cache
def _by_ending() -> tuple[dict[str, Language], dict[str, Language]]:
    extensions = {ending: one for one in languages().values() for ending in one.extensions}
    filenames = {name: one for one in languages().values() for name in one.filenames}
    return extensions, filenames


def language_of(path: str) -> Language | None:
    """The language of a file, by its name."""
    extensions, filenames = _by_ending()
    name = path.rpartition("/")[2]
    stem, dot, ending = name.rpartition(".")
    return filenames.get(name) or (extensions.get(f".{ending.lower()}") if dot and stem else None)
