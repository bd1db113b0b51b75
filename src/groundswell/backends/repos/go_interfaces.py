"""Which Go types satisfy which interfaces: nobody writes it down, the names of their methods say it.

A method is its name with the number of its results: enough to tell `String() string` from another `String`.
"""

from groundswell.backends.repos.facts import MODULE, Definition
from groundswell.backends.repos.index import Index
from groundswell.backends.repos.resolve import Resolver

Type = tuple[str, int]  # a file and the number of a definition in it
Method = tuple[str, int]  # a name and how many results it has


def related(resolver: Resolver, one: Type, other: Type) -> bool:
    """Whether one of two types is an interface that the other satisfies."""
    index = resolver.index
    for interface, concrete in ((one, other), (other, one)):
        view = index.view(interface[0])
        if view.facts.language != "go" or view.definitions[interface[1]].kind != "interface":
            continue
        wanted = methods(resolver, interface)
        if wanted and wanted <= methods(resolver, concrete):
            return True
    return False


def methods(resolver: Resolver, kind: Type) -> frozenset[Method]:
    """A type's methods, those of what it embeds included."""
    index = resolver.index
    return index.memo(("go methods", kind), lambda: frozenset(_found(resolver, kind)))


def _method(definition: Definition) -> Method:
    return definition.name, len({kind.slot for kind in definition.types})


def _found(resolver: Resolver, kind: Type) -> set[Method]:
    found: set[Method] = set()
    for path, number in resolver.lineage(*kind):
        view = resolver.index.view(path)
        found |= {_method(d) for d in view.definitions if d.parent == number and d.kind == "method"}
        name = view.definitions[number].name
        for file in _package_files(resolver.index, path):
            found |= {
                _method(d)
                for d in resolver.index.view(file).definitions
                if d.parent == MODULE and d.owner == name and d.kind == "method"
            }
    return found


def _package_files(index: Index, path: str) -> list[str]:
    language = index.language(path)
    if language is None:
        return []
    return [file for file in language.members(language.module(path, index), index) if index.has(file)]
