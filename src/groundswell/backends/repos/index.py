"""What a repository says, as far as it is held in memory: which names are where. A file's facts are read on demand.

The facts themselves lie in a file that only this process can see; the tables here hold numbers of files.
"""

import posixpath
import tempfile
import threading
import weakref
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from groundswell.backends.repos.facts import MODULE, FileFacts, Import, unpack, unpack_head
from groundswell.backends.repos.language import Language, languages
from groundswell.backends.repos.ranks import is_test

_DECODED = 400  # files whose facts are kept decoded


class Stored(NamedTuple):
    """A file's facts as they are stored: `key` says of which content and by which extractor they are."""

    key: str
    data: bytes


class FactStore(Protocol):
    """Where facts survive a restart."""

    async def load(self, tenant: str, repo: str) -> Mapping[str, Stored]:
        """All facts of a repository, by path."""
        ...

    async def replace(self, tenant: str, repo: str, changed: Mapping[str, Stored], removed: Collection[str]) -> None:
        """Store the facts of some files, and forget others."""
        ...


class FileView:
    """A file's facts with the tables that resolving needs."""

    def __init__(self, path: str, facts: FileFacts) -> None:
        self.path, self.facts = path, facts
        self.definitions = facts.definitions

    @cached_property
    def children(self) -> dict[tuple[int, str], list[int]]:
        """Definitions by where they stand and how they are called."""
        found: dict[tuple[int, str], list[int]] = defaultdict(list)
        for number, definition in enumerate(self.definitions):
            found[definition.parent, definition.name].append(number)
        return dict(found)

    @cached_property
    def owners(self) -> frozenset[int]:
        """Definitions that others stand in, or belong to."""
        return frozenset(definition.parent for definition in self.definitions)

    @cached_property
    def members(self) -> dict[str, list[int]]:
        """Definitions that belong to a type in another file of the module, by the type's name (Go)."""
        found: dict[str, list[int]] = defaultdict(list)
        for number, definition in enumerate(self.definitions):
            if definition.owner and definition.parent == MODULE:
                found[definition.owner].append(number)
        return dict(found)

    @cached_property
    def imports(self) -> dict[str, list[Import]]:
        """Imports by the name they bind here."""
        found: dict[str, list[Import]] = defaultdict(list)
        for entry in self.facts.imports:
            if entry.local:
                found[entry.local].append(entry)
        return dict(found)

    @cached_property
    def passed_on(self) -> dict[str, list[Import]]:
        """Imports by the name they are exported under at once."""
        found: dict[str, list[Import]] = defaultdict(list)
        for entry in self.facts.imports:
            if entry.exported and entry.exported != "*":
                found[entry.exported].append(entry)
        return dict(found)

    def qualified(self, number: int) -> str:
        """`Class.method`: a definition's name inside its module."""
        names: list[str] = []
        while number != MODULE and len(names) < 20:
            definition = self.definitions[number]
            names.append(definition.name)
            if definition.parent == MODULE and definition.owner:
                names.append(definition.owner)
            number = definition.parent
        return ".".join(reversed(names))


class Index:
    """One state of a repository. Implements `language.Project`."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.digests: list[str] = []
        self._places: list[tuple[int, int]] = []
        self._languages: list[Language | None] = []
        self._numbers: dict[str, int] = {}
        self._uses: dict[str, int | list[int]] = {}
        self._defined: dict[str, int | list[int]] = {}
        self._settings: dict[str, dict[str, Any]] = {}
        self._packages: dict[str, str] = {}
        self._named: dict[str, list[str]] = {}
        self._folders: dict[str, list[str]] = {"": []}
        self._memo: dict[Any, Any] = {}
        self._decoded: OrderedDict[str, FileView] = OrderedDict()
        self._spool = tempfile.TemporaryFile(prefix="groundswell-facts-")  # noqa: SIM115 - as long as the index
        weakref.finalize(self, self._spool.close)
        self.lock = threading.RLock()  # what is asked decodes and remembers: one thread at a time
        self._end = 0
        self.counted: dict[str, int] = {}  # language → files
        self.rough: int = 0  # files that were parsed only roughly
        self.lines: list[int] = []

    # what is added, once, before anything is asked

    def add(self, path: str, digest: str, data: bytes) -> str:
        """Add a file; returns the reason where it was left out instead."""
        head = unpack_head(data)
        if head.problem not in ("", "syntax"):
            return head.problem
        number = len(self.paths)
        self._numbers[path] = number
        self.paths.append(path)
        self.digests.append(digest)
        self.lines.append(head.lines)
        language = languages().get(head.language)
        self._languages.append(language)
        self.counted[head.language] = self.counted.get(head.language, 0) + 1
        self.rough += bool(head.problem)
        self._write(data)
        for name in head.names:
            _post(self._uses, name, number)
        for name in dict.fromkeys(head.defined):
            _post(self._defined, name, number)
        if head.settings:
            self._settings[path] = dict(head.settings)
        if head.package:
            self._packages[path] = head.package
        self._place(path)
        return ""

    def _write(self, data: bytes) -> None:
        self._spool.write(data)
        self._places.append((self._end, len(data)))
        self._end += len(data)

    def _place(self, path: str) -> None:
        self._named.setdefault(posixpath.basename(path), []).append(path)
        folder = posixpath.dirname(path)
        self._folders.setdefault(folder, []).append(path)
        while folder:
            folder = posixpath.dirname(folder)
            if folder in self._folders:
                break
            self._folders[folder] = []

    # what is asked

    def number(self, path: str) -> int:
        """The number of a file; raises KeyError."""
        return self._numbers[path]

    def view(self, path: str) -> FileView:
        """A file's facts; raises KeyError for what is not indexed."""
        if (known := self._decoded.get(path)) is not None:
            self._decoded.move_to_end(path)
            return known
        at, size = self._places[self._numbers[path]]
        self._spool.seek(at)
        view = FileView(path, unpack(self._spool.read(size)))
        self._decoded[path] = view
        if len(self._decoded) > _DECODED:
            self._decoded.popitem(last=False)
        return view

    def language(self, path: str) -> Language | None:
        """The language a file is read as."""
        return self._languages[self._numbers[path]]

    def using(self, names: Iterable[str]) -> Iterator[str]:
        """Files that use or import one of these names."""
        return self._files(self._uses, names)

    def defining(self, name: str) -> Iterator[str]:
        """Files that define a name."""
        return self._files(self._defined, (name,))

    def names(self) -> Iterable[str]:
        """All names that are defined."""
        return self._defined

    def _files(self, table: Mapping[str, int | list[int]], names: Iterable[str]) -> Iterator[str]:
        found: set[int] = set()
        for name in names:
            numbers = table.get(name, ())
            found.update((numbers,) if isinstance(numbers, int) else numbers)
        return (self.paths[number] for number in sorted(found))

    # language.Project

    def has(self, path: str) -> bool:
        """Whether this file is indexed."""
        return path in self._numbers

    def has_folder(self, path: str) -> bool:
        """Whether any indexed file lies below this folder; "" is the root."""
        return path in self._folders

    def in_folder(self, folder: str) -> Sequence[str]:
        """Indexed files that lie directly in a folder."""
        return self._folders.get(folder, ())

    def settings(self, path: str) -> dict[str, Any]:
        """What the project file at this path says."""
        return self._settings.get(path, {})

    def named(self, name: str) -> Sequence[str]:
        """All indexed files of this name, shallow ones first."""
        return sorted(self._named.get(name, ()), key=lambda path: (path.count("/"), path))

    def package(self, path: str) -> str:
        """The package clause of a file."""
        return self._packages.get(path, "")

    def memo(self, key: Any, make: Callable[[], Any]) -> Any:
        """Compute once."""
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]

    # names for people

    def module_name(self, path: str) -> str:
        """`pkg.module`: a file's module as its language writes it."""
        language = self.language(path)
        return language.qualified(path, self) if language is not None else path

    def qualified(self, path: str, number: int) -> str:
        """`pkg.module.Class.method`."""
        inner = self.view(path).qualified(number)
        module = self.module_name(path)
        return f"{module}.{inner}" if module and inner else module or inner

    def is_test(self, path: str) -> bool:
        """Whether a file holds tests."""
        return is_test(path)


def _post(table: dict[str, int | list[int]], name: str, number: int) -> None:
    """Most names stand in one file only: those cost one integer."""
    known = table.get(name)
    if known is None:
        table[name] = number
    elif isinstance(known, int):
        table[name] = [known, number]
    else:
        known.append(number)
