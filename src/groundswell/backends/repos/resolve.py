"""What a chain of names means: scopes, imports, receivers, results of calls (`facts.py` says what chains are).

A language knows its imports (`language.py`); everything else is the same for all of them. Where a chain cannot be
followed the answer contains UNKNOWN; where it leads out of the repository, EXTERNAL.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from groundswell.backends.repos import facts
from groundswell.backends.repos.facts import LAST_LINE, MODULE, Chain, Definition, Import, Typed, is_name
from groundswell.backends.repos.index import FileView, Index
from groundswell.backends.repos.language import Language, languages

WHOLE = "="  # the export that is the module itself: `module.exports = …`

_DEPTH = 40  # of evaluations inside each other
_BASES = 40  # classes looked at for one member
_TYPES = frozenset(("class", "interface"))
_FUNCTIONS = frozenset(("function", "method"))
_SCOPES = _FUNCTIONS | {"module"}  # what stands directly in these is seen from within
_EMBEDDING = frozenset(("go",))  # where fields may be EMBEDDED
_OPEN_TYPES = frozenset(("go", "rust", "cpp"))  # where members of a type stand in other files, too
_CONTAINER_SAME = frozenset(
    "values copy keys items union difference intersection filter slice concat reverse sort entries toSorted".split()  # noqa: SIM905
)
_CONTAINER_ELEMENT = frozenset("get pop popleft setdefault popitem result get_nowait find at shift next".split())  # noqa: SIM905


class Value(NamedTuple):
    """One thing a chain may mean.

    kind `module` (path: its key; inner: its language's name), `definition` (inner: the receiver of a bound method),
    `instance` of the class at path and number, `super`: the bases of that class, `container` of inner, `function`
    that returns inner, `several`: results by slot, `local`: a variable of a function, `external`, `unknown`.
    """

    kind: str
    path: str = ""
    number: int = MODULE
    inner: "tuple[Value, ...]" = ()
    name: str = ""


EXTERNAL = Value("external")
UNKNOWN = Value("unknown")
Values = frozenset[Value]
_UNKNOWN: Values = frozenset((UNKNOWN,))
_EXTERNAL: Values = frozenset((EXTERNAL,))
_NONE: Values = frozenset()
_Step = Callable[[Value], Values]


class Place(NamedTuple):
    """Where a chain is evaluated."""

    path: str
    scope: int
    line: int


class Resolver:
    """Evaluates chains over an index. Keeps what it found; use one for one question, or for a few."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._values: dict[tuple[Place, Chain, Value | None], Values] = {}
        self._members: dict[tuple[str, str], tuple[Value, ...]] = {}
        self._active: set[object] = set()

    # the two questions

    def symbols(self, place: Place, chain: Chain) -> Values:
        """What the last name of a chain names: definitions, modules, or locals."""
        if len(chain) == 1:
            return self._each(self._first(place, chain[0], None), self._or_whole)
        return self._attributes(self.values(place, chain[:-1]), chain[-1])

    def values(self, place: Place, chain: Chain, receiver: Value | None = None) -> Values:
        """What a chain's value may be."""
        key = (place, chain, receiver)
        if (known := self._values.get(key)) is not None:
            return known
        if key in self._active or len(self._active) > _DEPTH:
            return _UNKNOWN
        self._active.add(key)
        try:
            found = self._evaluate(place, chain, receiver)
        finally:
            self._active.discard(key)
        if len(self._active) <= _DEPTH // 2:
            self._values[key] = found
        return found

    def _evaluate(self, place: Place, chain: Chain, receiver: Value | None) -> Values:
        step = chain[-1]
        if len(chain) == 1:
            return self._each(self._first(place, step, receiver), self.value_of)
        before = self.values(place, chain[:-1], receiver)
        if is_name(step):
            return self._each(self._attributes(before, step), self.value_of)
        match step:
            case "()":
                return self._each(before, self._called)
            case "!":
                return self._each(before, self._instance)
            case "*":
                return frozenset(Value("container", inner=(value,)) for value in before)
            case "->":
                return frozenset(Value("function", inner=(value,)) for value in before)
            case "[]":
                return self._each(before, self._element)
            case "with":
                return self._each(before, self._entered)
            case _ if step[0] == "^":
                return frozenset(
                    Value("several", inner=(Value("slot", number=int(step[1:]), inner=(value,)),)) for value in before
                )
            case "await":
                return self._each(before, self._awaited)
            case _:
                return self._slots(before, int(step[1:]))

    def _each(self, values: Values, step: _Step) -> Values:
        if len(values) == 1:
            return step(next(iter(values)))
        found: set[Value] = set()
        for value in values:
            found |= step(value)
        return frozenset(found)

    # the first name

    def _first(self, place: Place, name: str, receiver: Value | None) -> Values:
        match name:
            case "@self":
                return frozenset((receiver,)) if receiver else self._enclosing(place, "instance")
            case "@class":
                if receiver is not None:
                    return frozenset((receiver._replace(kind="definition"),))
                return self._enclosing(place, "definition")
            case "@super":
                return self._enclosing(place, "super")
            case "@literal":
                return _EXTERNAL
            case "@unknown":
                return _UNKNOWN
            case _:
                return self._lookup(place, name)

    def _enclosing(self, place: Place, kind: str) -> Values:
        """The class around a scope."""
        view = self.index.view(place.path)
        scope = place.scope
        while scope != MODULE:
            definition = view.definitions[scope]
            if definition.kind in _TYPES:
                return frozenset((Value(kind, place.path, scope),))
            if definition.kind == "method" and definition.parent != MODULE:
                owner = view.definitions[definition.parent]
                if owner.kind not in _TYPES:  # of an object literal, or attached to a function: it is the object
                    return frozenset((Value("definition", place.path, definition.parent),))
            if definition.owner:
                return frozenset(
                    Value(kind, value.path, value.number)
                    for value in self.member(
                        self.index.language(place.path), self._module(place.path), definition.owner
                    )
                    if value.kind == "definition"
                )
            scope = definition.parent
        return _UNKNOWN

    def _lookup(self, place: Place, name: str) -> Values:
        view = self.index.view(place.path)
        language = self.index.language(place.path)
        scope = place.scope
        is_direct = True
        while scope != MODULE:
            definition = view.definitions[scope]
            hidden = definition.kind not in _SCOPES and not (is_direct and language and language.class_scope)
            if found := self._in_scope(view, scope, name, place.line, is_class=hidden):
                return found
            is_direct = False
            scope = definition.parent
        if found := self._in_module(view, place, name):
            return found
        return _EXTERNAL if language is not None and name in language.builtins else _UNKNOWN

    def _in_scope(self, view: FileView, scope: int, name: str, line: int, *, is_class: bool) -> Values:
        """A name bound directly in a function or class. Of a class only type parameters are seen from within."""
        if view.facts.has_bindings(scope) and self._binding(view, scope, name, line):
            return frozenset((Value("local", view.path, scope, name=f"{name}@{line}"),))
        if is_class:
            return _NONE
        found = {
            Value("definition", view.path, number)
            for number in view.children.get((scope, name), ())
            if not view.definitions[number].flags & facts.INSTANCE
        }
        return frozenset(found) or self._imported(view, name, scope)

    def _in_module(self, view: FileView, place: Place, name: str) -> Values:
        if view.facts.has_bindings(MODULE) and (bound := self._binding(view, MODULE, name, place.line)):
            is_ranged = bound[0][0] > 0
            if is_ranged or (MODULE, name) not in view.children:
                return frozenset((Value("local", view.path, MODULE, name=f"{name}@{place.line}"),))
        found: set[Value] = set()
        for path in self._module_files(view.path):
            other = self.index.view(path)
            found.update(
                Value("definition", path, number)
                for number in other.children.get((MODULE, name), ())
                if not other.definitions[number].owner
            )
        found |= self._imported(view, name, MODULE)
        if found:
            return _settled(found)
        for entry in view.facts.imports:
            if entry.name == "*" and not entry.local and not entry.exported:
                for key in self._targets(view.path, entry):
                    if starred := self.member(self.index.language(view.path), key, name):
                        return frozenset(starred)
        return _NONE

    def _binding(self, view: FileView, scope: int, name: str, line: int) -> list[tuple[int, tuple[Typed, ...]]]:
        """The bindings of a name that hold on a line: of those with a range only the narrowest."""
        holding = [bound for bound in view.facts.bindings(scope, name) if bound.line <= line <= bound.end_line]
        if not holding:
            return []
        narrowest = min(bound.end_line - bound.line for bound in holding)
        return [(bound.line, bound.types) for bound in holding if bound.end_line - bound.line == narrowest]

    def _module_files(self, path: str) -> Sequence[str]:
        language = self.index.language(path)
        if language is None:
            return (path,)
        return [member for member in language.members(self._module(path), self.index) if self.index.has(member)]

    def _module(self, path: str) -> str:
        language = self.index.language(path)
        return language.module(path, self.index) if language is not None else path

    # what imports bring in

    def _imported(self, view: FileView, name: str, scope: int) -> Values:
        entries = [entry for entry in view.imports.get(name, ()) if entry.scope == scope]
        if not entries:
            return _NONE
        found: set[Value] = set()
        for entry in entries:
            found.update(self.imported(view.path, entry))
        return _settled(found)

    def imported(self, path: str, entry: Import) -> Values:
        """What an import brings in."""
        keys = self._targets(path, entry)
        if not keys:
            return _EXTERNAL
        if not entry.name or (entry.name == "*" and entry.local):
            return frozenset(self._module_value(key, path) for key in keys[:1])
        active = ("import", path, entry)
        if active in self._active:
            return _UNKNOWN
        self._active.add(active)
        try:
            for key in keys:
                if found := self.member(self.index.language(path), key, entry.name):
                    return frozenset(found)
            return self._interoperating(self._module_value(keys[0], path), entry.name)
        finally:
            self._active.discard(active)

    def named(self, path: str, entry: Import) -> Values:
        """What an import names: of a CommonJS module that which it is."""
        return self._each(self.imported(path, entry), self._or_whole)

    def _interoperating(self, module: Value, name: str) -> Values:
        """What `import x` and `import {x}` bring from a CommonJS module: all of it, and a member of that."""
        language = languages().get(module.name)
        if language is None or not language.private_imports:
            return _UNKNOWN
        return self._whole(module, frozenset((module,))) if name == "default" else self._module_attribute(module, name)

    def _or_whole(self, value: Value) -> Values:
        """A name that stands for a CommonJS module also names what that module is."""
        if value.kind != "module":
            return frozenset((value,))
        return frozenset(self.member(languages().get(value.name), value.path, WHOLE)) or frozenset((value,))

    def _module_value(self, key: str, path: str) -> Value:
        language = self.index.language(path)
        return Value("module", key, name=language.name if language else "")

    def _targets(self, path: str, entry: Import) -> Sequence[str]:
        language = self.index.language(path)
        return language.resolve(entry.binds or entry.module, path, self.index) if language is not None else ()

    def dependencies(self, path: str, entry: Import) -> Iterator[str]:
        """The files an import needs."""
        language = self.index.language(path)
        if language is None:
            return
        for key in language.resolve(entry.module, path, self.index)[:1]:
            inner = language.submodule(key, entry.name, self.index) if entry.name not in ("", "*") else ""
            files = [one for one in language.members(inner or key, self.index) if self.index.has(one)]
            yield from files

    # members

    def member(self, language: Language | None, key: str, name: str) -> tuple[Value, ...]:
        """What a module offers under a name; `language` is that of who asks."""
        if self.index.has(key):
            language = self.index.language(key)
        if language is None:
            return ()
        known = self._members.get((key, name))
        if known is not None:
            return known
        active = ("member", key, name)
        if active in self._active:
            return ()
        self._active.add(active)
        try:
            found = tuple(self._find_member(language, key, name))
        finally:
            self._active.discard(active)
        if not self._active:
            self._members[key, name] = found
        return found

    def _find_member(self, language: Language, key: str, name: str) -> Iterable[Value]:
        files = [path for path in language.members(key, self.index) if self.index.has(path)]
        found: set[Value] = set()
        for path in files:
            found |= self._offered(self.index.view(path), name, private=language.private_imports)
        if not found - {UNKNOWN, EXTERNAL}:
            found |= self._passed_on(files, name)
        settled = _settled(found)
        if not settled - {UNKNOWN, EXTERNAL} and (inner := language.submodule(key, name, self.index)):
            return (Value("module", inner, name=language.name),)
        return settled

    def _offered(self, view: FileView, name: str, *, private: bool) -> set[Value]:
        """What one file offers under a name, stars aside."""
        if chain := view.facts.exports.get(name):
            return set(self.symbols(Place(view.path, MODULE, LAST_LINE), chain))
        found = {
            Value("definition", view.path, number)
            for number in view.children.get((MODULE, name), ())
            if not view.definitions[number].owner
        }
        for entry in view.passed_on.get(name, ()):
            found |= self.imported(view.path, entry)
        if not private:
            found |= self._imported(view, name, MODULE)
        return found

    def _passed_on(self, files: Iterable[str], name: str) -> set[Value]:
        """What files offer through `from m import *` and `export * from`."""
        found: set[Value] = set()
        for path in files:
            view = self.index.view(path)
            for entry in view.facts.imports:
                is_star = entry.exported == "*" or (entry.name == "*" and not entry.local and not entry.exported)
                if not is_star or name == "default":
                    continue
                for key in self._targets(path, entry):
                    found.update(self.member(self.index.language(path), key, name))
        return found

    def _attributes(self, values: Values, name: str) -> Values:
        return self._each(values, lambda value: self._attribute(value, name))

    def _attribute(self, value: Value, name: str) -> Values:
        match value.kind:
            case "module":
                return self._module_attribute(value, name)
            case "instance" | "super":
                return frozenset(self.class_member(value, name)) or _UNKNOWN
            case "definition":
                return self._definition_attribute(value, name)
            case "container":
                return _container_attribute(value, name)
            case "external" | "several" | "function":
                return _EXTERNAL
            case _:
                return _UNKNOWN

    def _module_attribute(self, value: Value, name: str) -> Values:
        language = languages().get(value.name)
        if found := self.member(language, value.path, name):
            return frozenset(found)
        if whole := self.member(language, value.path, WHOLE):
            return self._each(self._each(frozenset(whole), self.value_of), lambda v: self._attribute(v, name))
        return _UNKNOWN

    def _definition_attribute(self, value: Value, name: str) -> Values:
        definition = self.definition(value)
        if name == "__class__":
            return frozenset((value,))
        if name[0] == "<":
            return self._passed(value, name)
        if definition.kind in _TYPES:
            return frozenset(self.class_member(value, name)) or _UNKNOWN
        view = self.index.view(value.path)
        children = view.children.get((value.number, name), ())
        if definition.kind in _FUNCTIONS:  # what stands in a function is no member of it; what was attached to it is
            children = [number for number in children if view.definitions[number].kind not in ("function", "class")]
        if children:
            return frozenset(Value("definition", value.path, number) for number in children)
        return _EXTERNAL if definition.kind in _FUNCTIONS else _UNKNOWN

    def _passed(self, value: Value, name: str) -> Values:
        """What a function given as an argument will get: `<1:0>`, its first parameter where it is the second."""
        functions = [value]
        if self.definition(value).kind in _TYPES:
            functions = [one for one in self.class_member(value, "constructor") if one.kind == "definition"]
        for function in functions:
            bound = self.index.view(function.path).facts.bindings(function.number, name)
            if types := [kind for binding in bound for kind in binding.types]:
                return self._results(function, types)
        return _UNKNOWN

    def class_member(self, value: Value, name: str) -> tuple[Value, ...]:
        """A member of a class, its instances, or (`super`) of its bases: that of the nearest class that has it."""
        if name == "__class__":
            return (Value("definition", value.path, value.number),)
        receiver = value if value.kind == "instance" else None
        if value.kind == "definition":
            receiver = Value("instance", value.path, value.number)
        for number, owner in enumerate(self.lineage(value.path, value.number)):
            if number == 0 and value.kind == "super":
                continue
            if found := self._own(owner, name):
                return tuple(Value("definition", path, at, (receiver,) if receiver else ()) for path, at in found)
        return ()

    def lineage(self, path: str, number: int) -> Iterator[tuple[str, int]]:
        """A class, then its bases, breadth first; each once."""
        seen = {(path, number)}
        queue = [(path, number)]
        while queue and len(seen) < _BASES:
            current = queue.pop(0)
            yield current
            for base in self.bases(*current):
                if base not in seen:
                    seen.add(base)
                    queue.append(base)

    def bases(self, path: str, number: int) -> Iterator[tuple[str, int]]:
        """The classes of the repository a class inherits from, or has embedded."""
        view = self.index.view(path)
        definition = view.definitions[number]
        place = Place(path, definition.parent, definition.line)
        for chain in definition.bases:
            for value in self.values(place, chain):
                if value.kind in ("definition", "instance"):
                    yield value.path, value.number
        for other, at in self._embedded(path, number):
            for kind in self.index.view(other).definitions[at].types:
                for value in self.values(Place(other, kind.scope, kind.line), kind.chain):
                    if value.kind in ("instance", "definition"):
                        yield value.path, value.number

    def _embedded(self, path: str, number: int) -> Iterator[tuple[str, int]]:
        view = self.index.view(path)
        if view.facts.language not in _EMBEDDING:
            return
        for at, definition in enumerate(view.definitions):
            if definition.parent == number and definition.flags & facts.EMBEDDED:
                yield path, at

    def _own(self, owner: tuple[str, int], name: str) -> list[tuple[str, int]]:
        """What a class itself has under a name, also in other files of its module."""
        path, number = owner
        view = self.index.view(path)
        found = [(path, at) for at in view.children.get((number, name), ())]
        if found or view.facts.language not in _OPEN_TYPES:
            return found
        class_name = view.definitions[number].name
        for other in self._module_files(path):
            members = self.index.view(other)
            found.extend(
                (other, at) for at in members.members.get(class_name, ()) if members.definitions[at].name == name
            )
        return found

    # operators

    def definition(self, value: Value) -> Definition:
        """The definition a value stands for."""
        return self.index.view(value.path).definitions[value.number]

    def value_of(self, value: Value) -> Values:
        """The value of what is named: a variable's types, a property's result."""
        if value.kind == "local":
            return self._local_value(value)
        if value.kind != "definition":
            return frozenset((value,))
        definition = self.definition(value)
        if definition.kind in _FUNCTIONS:
            if definition.flags & facts.PROPERTY:
                return self._called(value)
            return self._decorated(value, definition) if definition.decorators else frozenset((value,))
        if definition.kind in _TYPES or definition.kind == "module":
            return frozenset((value,))
        results = self._results(value, definition.types)
        if value.number in self.index.view(value.path).owners:  # an object literal: its members are its own
            return results - _UNKNOWN | {value}
        return results

    def _decorated(self, value: Value, definition: Definition) -> Values:
        """A function whose decorator makes an instance of a class of ours is that instance (`@click.group()`)."""
        place = Place(value.path, definition.parent, definition.line)
        for chain in definition.decorators:
            made = self.values(place, (*chain, "()"))
            if instances := frozenset(one for one in made if one.kind == "instance"):
                return instances
        return frozenset((value,))

    def _local_value(self, value: Value) -> Values:
        name, _, line = value.name.rpartition("@")
        view = self.index.view(value.path)
        bound = self._binding(view, value.number, name, int(line))
        types = [kind for _, kinds in bound for kind in kinds]
        if not types and value.number != MODULE and view.definitions[value.number].kind == "method":
            return self._inherited_parameter(value, name)
        return self._results(value, types)

    def _inherited_parameter(self, value: Value, name: str) -> Values:
        """What a base says of a parameter that an overriding method leaves open."""
        view = self.index.view(value.path)
        method = view.definitions[value.number]
        for owner in list(self.lineage(value.path, method.parent))[1:]:
            for path, number in self._own(owner, method.name):
                for bound in self.index.view(path).facts.bindings(number, name):
                    if bound.parameter and bound.types:
                        return self._results(Value("local", path, number), bound.types)
        return _UNKNOWN

    def _results(self, value: Value, types: Iterable[Typed]) -> Values:
        """The values of some types: those in slots together as one `several`."""
        receiver = value.inner[0] if value.kind == "definition" and value.inner else None
        found: set[Value] = set()
        slots: list[Value] = []
        for kind in types:
            values = self.values(Place(value.path, kind.scope, kind.line), kind.chain, receiver)
            if kind.slot < 0:
                found |= values
            else:
                slots.extend(Value("slot", number=kind.slot, inner=(one,)) for one in values)
        if slots:
            found.add(Value("several", inner=tuple(slots)))
        return frozenset(found) or _UNKNOWN

    def _called(self, value: Value) -> Values:
        match value.kind:
            case "definition":
                definition = self.definition(value)
                if definition.kind in _TYPES:
                    return frozenset((Value("instance", value.path, value.number),))
                if definition.kind == "type":
                    return self._instance(value)
                return self._results(value, definition.types)
            case "instance":
                found = self.class_member(value, "__call__")
                return self._each(frozenset(found), self._called) if found else _UNKNOWN
            case "function":
                return frozenset(value.inner)
            case "module":
                return self._each(self._whole(value), self._called)
            case "external":
                return _EXTERNAL
            case _:
                return _UNKNOWN

    def _whole(self, value: Value, otherwise: Values = _UNKNOWN) -> Values:
        """What a module is when it is used as a value (`module.exports = …`)."""
        found = self.member(languages().get(value.name), value.path, WHOLE)
        return self._each(frozenset(found), self.value_of) if found else otherwise

    def _instance(self, value: Value) -> Values:
        match value.kind:
            case "definition":
                definition = self.definition(value)
                if definition.kind in _TYPES:
                    return frozenset((Value("instance", value.path, value.number),))
                if definition.kind == "type":  # it may have members of its own, beside those of what it stands for
                    means = self._results(value, definition.types) - _UNKNOWN
                    return means | {Value("instance", value.path, value.number)}
                return _UNKNOWN
            case "module":
                return self._each(self._whole(value), self._instance)
            case _:
                return frozenset((value,))

    def _element(self, value: Value) -> Values:
        match value.kind:
            case "container":
                return frozenset(value.inner)
            case "several":
                return frozenset(inner for slot in value.inner for inner in slot.inner)
            case "instance":
                for name in ("__getitem__", "__iter__", "__aiter__"):
                    if found := self.class_member(value, name):
                        results = self._each(frozenset(found), self._called)
                        return results if name == "__getitem__" else self._each(results, self._iterated)
                return _UNKNOWN
            case "definition" | "external":
                return frozenset((value,))
            case _:
                return _UNKNOWN

    def _iterated(self, value: Value) -> Values:
        if value.kind != "instance":
            return self._element(value)
        found = self.class_member(value, "__next__") or self.class_member(value, "__anext__")
        return self._each(frozenset(found), self._called) if found else _UNKNOWN

    def _slots(self, values: Values, slot: int) -> Values:
        """One of several results; of alternatives those that have it."""
        found = [
            one
            for value in values
            if value.kind == "several"
            for row in value.inner
            if row.number == slot
            for one in row.inner
        ]
        return frozenset(found) or self._each(values, self._slot)

    def _slot(self, value: Value) -> Values:
        if value.kind == "instance":
            return self._element(value)
        return self._element(value) if value.kind in ("container", "external", "definition") else _UNKNOWN

    def _entered(self, value: Value) -> Values:
        if value.kind == "container":
            return frozenset(value.inner)
        if value.kind != "instance":
            return frozenset((value,))
        found = self.class_member(value, "__enter__") or self.class_member(value, "__aenter__")
        results = self._each(frozenset(found), self._called) if found else _NONE
        return results - {UNKNOWN, EXTERNAL} or frozenset((value,))

    def _awaited(self, value: Value) -> Values:
        if value.kind == "instance" and (found := self.class_member(value, "__await__")):
            return self._each(self._each(frozenset(found), self._called), self._element)
        return frozenset((value,))


def _container_attribute(value: Value, name: str) -> Values:
    if name in _CONTAINER_SAME:
        inner = value
        if name in ("items", "entries"):
            pair = (Value("slot", number=1, inner=value.inner),)
            inner = Value("container", inner=(Value("several", inner=pair),))
        elif name == "keys":
            inner = EXTERNAL
        return frozenset((Value("function", inner=(inner,)),))
    if name in _CONTAINER_ELEMENT:
        return frozenset((Value("function", inner=value.inner),))
    return _EXTERNAL


def _settled(found: Iterable[Value]) -> Values:
    """Of alternatives (`try: import …`) those that lead into the repository, if any do."""
    values = frozenset(found)
    return values - {UNKNOWN, EXTERNAL} or values
