"""Definitions by name, as people ask for them, and as records."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from groundswell.backends.repos import facts
from groundswell.backends.repos.facts import MODULE
from groundswell.backends.repos.index import Index
from groundswell.backends.repos.ranks import rank
from groundswell.backends.repos.resolve import Place, Resolver
from groundswell.core.records.code import Symbol, SymbolKind
from groundswell.core.records.evidence import Excerpt

_SEPARATORS = ("::", "->", "/", "\\", ":")
_MEMBER_OF = re.compile(r"(?<=\w)#")  # `Class#method`; but `#x` is the name of a private member
_HEAD_LINES = 14
_KIND_ORDER = {
    "class": 0,
    "interface": 0,
    "function": 0,
    "type": 1,
    "method": 1,
    "module": 2,
    "constant": 2,
    "variable": 3,
}


class Site(NamedTuple):
    """Where a definition stands in the index."""

    path: str
    number: int


def find(index: Index, name: str, *, kind: str = "", path: str = "") -> list[Site]:
    """Definitions a plain or qualified name means, best first; re-exports lead to what they export."""
    steps = split_name(name)
    if not steps:
        return []
    exact = [site for site in _named(index, steps[-1], kind, path) if matches(index, site, steps)]
    if not exact and len(steps) > 1:
        exact = [site for site in _through_modules(index, steps) if _fits(index, site, kind, path)]
    if not exact and len(steps) == 1:
        folded = name.lower()
        exact = [
            site
            for other in index.memo("folded names", lambda: _folded(index)).get(folded, ())
            if other != name
            for site in _named(index, other, kind, path)
        ]
    return sorted(exact, key=lambda site: _order(index, site, steps))


def meant(index: Index, name: str, *, path: str = "", most: int = 50) -> list[Site]:
    """The definitions whose users are asked for: those with exactly this name, else all that `find` gives."""
    sites = find(index, name, path=path)[:most]
    steps = split_name(name)
    exact = [site for site in sites if split_name(index.qualified(*site)) == steps]
    return exact or sites


def split_name(name: str) -> tuple[str, ...]:
    """The parts of a qualified name, in any language's way of writing."""
    name = name.strip().removesuffix("()")
    name = _MEMBER_OF.sub(".", name)
    for separator in _SEPARATORS:
        name = name.replace(separator, ".")
    return tuple(part.strip("*&()<> ") for part in name.split(".") if part.strip("*&()<> "))


def matches(index: Index, site: Site, steps: Sequence[str]) -> bool:
    """Whether a definition's qualified name ends in these steps."""
    if len(steps) == 1:
        return True
    own = split_name(index.qualified(site.path, site.number))
    if tuple(own[-len(steps) :]) == tuple(steps):
        return True
    by_path = (*site.path.rsplit(".", 1)[0].split("/"), *index.view(site.path).qualified(site.number).split("."))
    return tuple(by_path[-len(steps) :]) == tuple(steps)


def _named(index: Index, name: str, kind: str, path: str) -> Iterator[Site]:
    for file in index.defining(name):
        if path and not _in_path(file, path):
            continue
        for number, definition in enumerate(index.view(file).definitions):
            if definition.name == name and (not kind or definition.kind == kind):
                yield Site(file, number)


def _fits(index: Index, site: Site, kind: str, path: str) -> bool:
    definition = index.view(site.path).definitions[site.number]
    return (not kind or definition.kind == kind) and (not path or _in_path(site.path, path))


def _in_path(file: str, path: str) -> bool:
    path = path.strip("/")
    return file == path or file.startswith(f"{path}/") or file.endswith(f"/{path}")


def _through_modules(index: Index, steps: Sequence[str]) -> list[Site]:
    """`pkg.Name` where pkg only re-exports Name, and `Class.method` where a base has the method."""
    resolver = Resolver(index)
    found: dict[Site, None] = {}
    for owner in find(index, ".".join(steps[:-1]))[:5]:
        view = index.view(owner.path)
        if view.definitions[owner.number].kind in ("class", "interface"):
            for site, at in resolver.lineage(owner.path, owner.number):
                for number in index.view(site).children.get((at, steps[-1]), ()):
                    found.setdefault(Site(site, number))
                if found:
                    break
    for path in _modules_named(index, steps[:-1]):
        place = Place(path, MODULE, facts.LAST_LINE)
        for value in resolver.symbols(place, (steps[-1],)):
            if value.kind == "definition":
                found.setdefault(Site(value.path, value.number))
    return list(found)


def _modules_named(index: Index, steps: Sequence[str]) -> Iterable[str]:
    """Files whose module's qualified name ends in these steps."""
    table: dict[str, list[str]] = index.memo("modules", lambda: _module_table(index))
    wanted = ".".join(steps)
    return [
        path
        for path in table.get(steps[-1], ())
        if f".{'.'.join(split_name(index.module_name(path)))}".endswith(f".{wanted}")
    ]


def modules_named(index: Index, name: str) -> list[str]:
    """Files whose module a dotted name means, the best first."""
    steps = split_name(name)
    found = _modules_named(index, steps) if steps else ()
    return sorted(found, key=lambda path: (rank(path), path.count("/"), path))


def _module_table(index: Index) -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    for path in index.paths:
        language = index.language(path)
        if language is None or not index.module_name(path):
            continue
        steps = split_name(index.module_name(path))
        if steps:
            table.setdefault(steps[-1], []).append(path)
    return table


def _folded(index: Index) -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    for name in index.names():
        table.setdefault(name.lower(), []).append(name)
    return table


def _order(index: Index, site: Site, steps: Sequence[str]) -> tuple[object, ...]:
    view = index.view(site.path)
    definition = view.definitions[site.number]
    qualified = split_name(index.qualified(site.path, site.number))
    depth = 0 if definition.parent == MODULE else 1
    parent_kind = view.definitions[definition.parent].kind if definition.parent != MODULE else ""
    is_inner = parent_kind in ("function", "method")
    return (
        qualified != tuple(steps),
        bool(definition.flags & facts.INSTANCE),
        rank(site.path),
        is_inner,
        bool(view.facts.settings.get("generated")),
        _KIND_ORDER.get(definition.kind, 3),
        bool(definition.flags & facts.OVERLOAD),
        not definition.flags & facts.EXPORTED,
        depth,
        len(qualified),
        site.path,
        definition.line,
    )


def record(index: Index, site: Site, lines: Sequence[str]) -> Symbol:
    """A definition as a record; `lines` are those of its file now."""
    view = index.view(site.path)
    definition = view.definitions[site.number]
    kind: SymbolKind = definition.kind  # type: ignore[assignment]
    last = min(max(definition.head, definition.name_line), definition.name_line + _HEAD_LINES - 1, len(lines))
    return Symbol(
        name=definition.name,
        qualified=index.qualified(site.path, site.number),
        kind=kind,
        language=view.facts.language,
        path=site.path,
        line=definition.name_line,
        end_line=definition.end_line,
        doc=definition.doc,
        test=index.is_test(site.path),
        excerpt=excerpt(site.path, lines, definition.name_line, last),
    )


def excerpt(path: str, lines: Sequence[str], start: int, end: int) -> Excerpt:
    """Lines of a file, word for word."""
    end = max(start, min(end, len(lines)))
    span = f"L{start}" if start == end else f"L{start}-L{end}"
    return Excerpt(source=f"repo:{path}#{span}", text="\n".join(lines[start - 1 : end]))
