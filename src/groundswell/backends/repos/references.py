"""Who uses a definition."""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from groundswell.backends.repos import facts
from groundswell.backends.repos.facts import MODULE, Import, Use
from groundswell.backends.repos.go_interfaces import related
from groundswell.backends.repos.index import FileView, Index
from groundswell.backends.repos.resolve import WHOLE, Place, Resolver, Value, Values
from groundswell.backends.repos.symbols import Site

# methods so common on values of the languages themselves that a name alone says little
_COMMON = frozenset(
    """get set add append extend insert remove pop clear update copy items keys values join split strip format replace
    read write close open flush seek send recv run start stop next iter len sort index count find encode decode lower
    upper map filter reduce push shift slice concat forEach then catch toString String Error Close Read Write Len Next
    """.split()  # noqa: SIM905
)
_KINDS = {"call": 0, "inherit": 1, "import": 2, "use": 3}
_ROUNDS = 3  # of aliases followed


class Found(NamedTuple):
    """A use of a target."""

    path: str
    line: int
    kind: str
    scope: int
    target: Site
    confidence: float
    reason: str


class Targets:
    """The definitions asked for, with what else counts as using them."""

    def __init__(self, index: Index, sites: Iterable[Site]) -> None:
        self.sites: set[Site] = set()
        self.modules: set[str] = set()
        self.classes: dict[Site, Site] = {}  # class → its constructor, where that was asked for
        self.owners: dict[str, set[Site]] = defaultdict(set)  # name → classes whose method was asked for
        self.families: set[str] = set()
        for site in sites:
            self._add(index, site)

    def _add(self, index: Index, site: Site) -> None:
        view = index.view(site.path)
        definition = view.definitions[site.number]
        for number in view.children.get((definition.parent, definition.name), ()):
            if view.definitions[number].owner == definition.owner:
                self.sites.add(Site(site.path, number))
        language = index.language(site.path)
        if language is not None:
            self.families.add(language.family or language.name)
        if (owner := owner_of(index, site)) is not None:
            self.owners[definition.name].add(owner)
            if definition.flags & facts.CONSTRUCTOR:
                self.classes[owner] = site

    def names(self, index: Index) -> set[str]:
        """The names the targets are used by, aliases aside."""
        names = {index.view(site.path).definitions[site.number].name for site in self.sites}
        return names | {index.view(site.path).definitions[site.number].name for site in self.classes}

    def hit(self, value: Value, kind: str) -> Site | None:
        """The target that using a value in this way uses: calling a class calls its constructor."""
        if value.kind != "definition":
            return None
        site = Site(value.path, value.number)
        if site in self.sites:
            return site
        return self.classes.get(site) if kind == "call" else None


def owner_of(index: Index, site: Site) -> Site | None:
    """The class a definition is a member of; a Go method's may stand in another file."""
    definition = index.view(site.path).definitions[site.number]
    if definition.parent != MODULE:
        return Site(site.path, definition.parent)
    language = index.language(site.path)
    if not definition.owner or language is None:
        return None
    for path in language.members(language.module(site.path, index), index):
        for number in index.view(path).children.get((MODULE, definition.owner), ()) if index.has(path) else ():
            return Site(path, number)
    return None


def find(index: Index, sites: Sequence[Site]) -> list[Found]:
    """Every use of some definitions, once a line and kind, surest first."""
    targets = Targets(index, sites)
    search = _Search(index, targets)
    best: dict[tuple[str, int], Found] = {}
    for found in search.run():
        key = (found.path, found.line)
        known = best.get(key)
        if known is None or (-found.confidence, _KINDS[found.kind]) < (-known.confidence, _KINDS[known.kind]):
            best[key] = found
    tests = {path: index.is_test(path) for path in {found.path for found in best.values()}}
    return sorted(
        best.values(),
        key=lambda found: (-found.confidence, tests[found.path], _KINDS[found.kind], found.path, found.line),
    )


class _Search:
    def __init__(self, index: Index, targets: Targets) -> None:
        self.index, self.targets = index, targets
        self.resolver = Resolver(index)
        self.candidates: dict[str, int] = {}

    def run(self) -> Iterator[Found]:
        names = self.targets.names(self.index)
        plain = frozenset(names)
        names |= self._exported_as()
        seen: set[tuple[str, str]] = set()
        for _ in range(_ROUNDS):
            aliases: set[str] = set()
            for path in self.index.using(names):
                view = self.index.view(path)
                for entry in view.facts.imports:
                    if entry.name in names and (entry.local or entry.exported):
                        aliases.update({entry.local, entry.exported} - {"", "*"} - names)
                for name in names:
                    if (path, name) not in seen:
                        seen.add((path, name))
                        yield from self._in_file(view, name, is_alias=name not in plain)
            if not aliases:
                return
            names = aliases

    def _exported_as(self) -> set[str]:
        """What importers call a target that its module exports under another name, as default or as a whole."""
        names: set[str] = set()
        for site in self.targets.sites:
            view = self.index.view(site.path)
            if view.definitions[site.number].parent != MODULE:
                continue
            name = view.definitions[site.number].name
            keys = {key for key, chain in view.facts.exports.items() if chain == (name,)}
            names |= keys - {name, "default", WHOLE}
            if keys & {"default", WHOLE}:
                names |= self._default_names(site.path)
        return names

    def _default_names(self, path: str) -> set[str]:
        names: set[str] = set()
        folder, file = posixpath.split(path)
        marks = {f"<{file.partition('.')[0]}>", f"<{posixpath.basename(folder)}>", "<>"}
        for importer in self.index.using(marks):
            for entry in self.index.view(importer).facts.imports:
                if entry.name in ("", "default") and (entry.local or entry.exported):
                    values = self.resolver.named(importer, entry)
                    if any(self.targets.hit(value, "call") for value in values):
                        names |= {entry.local, entry.exported} - {"", "*", "default"}
        return names

    def _in_file(self, view: FileView, name: str, *, is_alias: bool) -> Iterator[Found]:
        language = self.index.language(view.path)
        if language is None or (language.family or language.name) not in self.targets.families:
            return
        for use in view.facts.uses(name):
            if found := self._use(view, use, is_alias=is_alias, is_deep=language.deep):
                yield found
        for entry in view.facts.imports:
            if name in (entry.name, entry.local) and entry.name not in ("", "*"):
                yield from self._import(view, entry)

    def _import(self, view: FileView, entry: Import) -> Iterator[Found]:
        for value in self.resolver.imported(view.path, entry):
            if target := self.targets.hit(value, "import"):
                yield Found(view.path, entry.line, "import", entry.scope, target, 1.0, "imported by name")

    def _use(self, view: FileView, use: Use, *, is_alias: bool, is_deep: bool) -> Found | None:
        if not is_deep:
            return self._by_name(view, use, {"unknown"}, is_deep=False)
        values = self.resolver.symbols(Place(view.path, use.scope, use.line), use.chain)
        hits = [(value, target) for value in values if (target := self.targets.hit(value, use.kind))]
        if hits:
            value, target = hits[0]
            return self._found(view, use, target, self._confidence(values, use.kind), self._reason(use, value))
        if dispatched := self._dispatched(values):
            language = self.index.language(view.path)
            likely = language.dispatch if language is not None else 0.0
            return self._found(view, use, dispatched, likely, "may be this one through its class")
        kinds = {value.kind for value in values}
        if is_alias or not kinds or not kinds <= {"unknown", "external"} or kinds == {"external"}:
            return None
        return self._by_name(view, use, kinds, is_deep=True)

    def _confidence(self, values: Values, kind: str) -> float:
        definitions = sum(value.kind == "definition" for value in values)
        sites = {self.targets.hit(value, kind) is not None for value in values if value.kind == "definition"}
        if definitions == len(values) and sites == {True}:
            return 1.0
        return 0.9 if sites == {True} else 0.8

    def _reason(self, use: Use, value: Value) -> str:
        if len(use.chain) == 1:
            return "resolved through scopes and imports"
        return "resolved through the receiver's type" if value.inner else "resolved through its module or class"

    def _dispatched(self, values: Values) -> Site | None:
        """A target that overrides, or is overridden by, what a use was resolved to."""
        for value in values:
            if value.kind != "definition":
                continue
            definition = self.resolver.definition(value)
            owners = self.targets.owners.get(definition.name)
            here = owner_of(self.index, Site(value.path, value.number)) if owners else None
            if not owners or here is None:
                continue
            for owner in owners:
                if here in self._lineage(owner) or owner in self._lineage(here) or related(self.resolver, owner, here):
                    return next(iter(self._targets_of(owner, definition.name)), None)
        return None

    def _targets_of(self, owner: Site, name: str) -> list[Site]:
        return [
            site
            for site in sorted(self.targets.sites)
            if self._name_of(site) == name and owner_of(self.index, site) == owner
        ]

    def _lineage(self, owner: Site) -> set[tuple[str, int]]:
        return set(self.resolver.lineage(*owner))

    def _by_name(self, view: FileView, use: Use, kinds: set[str], *, is_deep: bool) -> Found | None:
        """A use that could not be followed: how likely it is one of ours, by its name alone."""
        name = use.chain[-1]
        is_member = len(use.chain) > 1
        if is_deep and not is_member:
            return None
        sites = [site for site in self.targets.sites if self._name_of(site) == name]
        if is_deep:
            sites = [site for site in sites if self._is_member(site)]
        if not sites:
            return None
        count = self._count(name, members=is_deep)
        share = min(1.0, len(sites) / max(1, count))
        same_file = next((site for site in sites if site.path == view.path), None)
        target = same_file or sorted(sites)[0]
        if is_deep:
            confidence = 0.45 * share * (0.3 if name in _COMMON else 1.0)
        else:
            confidence = 0.9 * share if name not in _COMMON or count == 1 else 0.4 * share
            if same_file and not is_member:
                confidence = max(confidence, 0.8)
        reason = "by name alone" + (f", one of {count} of this name" if count > 1 else ", the only one of this name")
        return self._found(view, use, target, round(confidence, 2), reason)

    def _name_of(self, site: Site) -> str:
        return self.index.view(site.path).definitions[site.number].name

    def _is_member(self, site: Site) -> bool:
        definition = self.index.view(site.path).definitions[site.number]
        return definition.parent != MODULE or bool(definition.owner)

    def _count(self, name: str, *, members: bool) -> int:
        if name not in self.candidates:
            self.candidates[name] = sum(
                definition.name == name and (not members or definition.parent != MODULE or bool(definition.owner))
                for path in self.index.defining(name)
                for definition in self.index.view(path).definitions
            )
        return self.candidates[name]

    def _found(self, view: FileView, use: Use, target: Site, confidence: float, reason: str) -> Found:
        return Found(view.path, use.line, use.kind, use.scope, target, confidence, reason)
