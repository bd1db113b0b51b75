"""What of a cluster one caller may see: namespaces, and single objects of kinds that have none."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from groundswell.backends.kube.kinds import BY_NAME, Kind, is_name
from groundswell.backends.kube.shapes import Object, mapping, text
from groundswell.core.errors import Denied

# a machine is shared: of one that is granted a tenant sees how it is, not what else it carries
_NODE = frozenset({"kind", "name", "created", "unschedulable", "taints", "conditions"})


@dataclass(frozen=True)
class Bounds:
    """Patterns with `*` and `?`; None: everything."""

    namespaces: tuple[str, ...] | None = None
    cluster_objects: tuple[str, ...] | None = None  # `Kind/name`
    custom_kinds: tuple[str, ...] | None = None  # `PLURAL.GROUP`

    @property
    def everything(self) -> bool:
        """Whether nothing is held back."""
        return self.namespaces is None and self.cluster_objects is None

    @property
    def nothing(self) -> bool:
        """Whether nothing is granted."""
        return self.namespaces == () and self.cluster_objects == ()

    @property
    def patterns(self) -> bool:
        """Whether names must be matched with those that there are."""
        return any(_is_pattern(name) for name in self.namespaces or ())

    def has(self, namespace: str) -> bool:
        """Whether a namespace may be seen."""
        return self.namespaces is None or any(fnmatchcase(namespace, pattern) for pattern in self.namespaces)

    def among(self, there: Iterable[str]) -> tuple[str, ...]:
        """The namespaces to look at: those of `there` that may be seen, and all that are granted by name."""
        named = [name for name in self.namespaces or () if not _is_pattern(name)]
        return tuple(sorted({*named, *(name for name in there if self.has(name))}))

    def keeps(self, kind: str, namespace: str, name: str) -> bool:
        """Whether an object may be seen. A namespace's own object is seen with what is in it."""
        if kind == "Namespace":
            return self.has(name)
        known = BY_NAME.get(kind)
        if known.namespaced if known else namespace:
            return self.has(namespace) if namespace else self.everything  # one that does not say where it is
        return self.cluster_objects is None or any(fnmatchcase(f"{kind}/{name}", each) for each in self.cluster_objects)

    def keeps_raw(self, kind: str, item: Object) -> bool:
        """The same of an object as the API has it; of an event also what it is about must be for them to see."""
        metadata = mapping(item.get("metadata"))
        if not self.keeps(kind, text(metadata.get("namespace")), text(metadata.get("name"))):
            return False
        about = mapping(item.get("involvedObject")) or mapping(item.get("regarding"))
        if kind != "Event" or not about:
            return True
        return self.keeps(text(about.get("kind")), text(about.get("namespace")), text(about.get("name")))

    def may_list(self, kind: Kind) -> bool:
        """Whether any object of a kind may be seen."""
        if not self.has_kind(kind):
            return False
        if kind.namespaced or kind.name == "Namespace":
            return self.namespaces != ()
        return self.cluster_objects is None or any(each.startswith(f"{kind.name}/") for each in self.cluster_objects)

    def has_kind(self, kind: Kind) -> bool:
        """Whether a kind that is not Kubernetes' own is granted; its own kinds need no grant."""
        is_own = kind.name in BY_NAME and BY_NAME[kind.name].group == kind.group
        return is_own or self.custom_kinds is None or f"{kind.plural}.{kind.group}" in self.custom_kinds

    def names_kind(self, kind: str, group: str) -> bool:
        """The same of an object, which does not tell its kind's plural: that begins as the kind does."""
        return (
            kind in BY_NAME
            or self.custom_kinds is None
            or any(each.partition(".")[2] == group and each.startswith(kind.lower()[:-1]) for each in self.custom_kinds)
        )

    def knows(self, kind: str) -> bool:
        """Whether a list shows all there is of a kind, so that what it lacks is absent and not just unseen."""
        if self.everything:
            return True
        if kind in BY_NAME and not BY_NAME[kind].namespaced:
            return self.cluster_objects is None or f"{kind}/*" in self.cluster_objects
        return self.namespaces != ()

    def reduced(self, shaped: Object) -> Object:
        """What may be seen of an object that is shared."""
        if self.everything or shaped.get("kind") != "Node":
            return shaped
        return {key: value for key, value in shaped.items() if key in _NODE}

    def check_namespace(self, namespace: str) -> None:
        """Raise Denied for a namespace that may not be seen, whether it is there or not."""
        if not (is_name(namespace) and self.has(namespace)):
            hint = "`namespaces` of the tenant in policy.toml lists what it may see"
            raise Denied("namespace_not_allowed", f"namespace {namespace!r} is not granted", hint)

    def check_object(self, kind: Kind, namespace: str, name: str) -> None:
        """Raise Denied for an object that may not be seen, whether it is there or not."""
        self._check_custom(kind)
        if kind.namespaced:
            self.check_namespace(namespace)
        elif not self.keeps(kind.name, "", name):
            hint = f'cluster_objects = ["{kind.name}/{name}"] of the tenant in policy.toml would grant it'
            raise Denied("object_not_allowed", f"{kind.name} {name!r} is not granted", hint)

    def check_kind(self, kind: Kind) -> None:
        """Raise Denied for a kind of which nothing may be seen."""
        self._check_custom(kind)
        if not self.may_list(kind):
            hint = f'cluster_objects = ["{kind.name}/NAME"] of the tenant in policy.toml would grant some'
            raise Denied("kind_not_allowed", f"no {kind.plural} are granted", hint)

    def _check_custom(self, kind: Kind) -> None:
        if not self.has_kind(kind):
            hint = f'custom_kinds = ["{kind.plural}.{kind.group}"] of the tenant in policy.toml would grant it'
            raise Denied("custom_kind_not_allowed", f"no {kind.plural}.{kind.group} are granted", hint)


def _is_pattern(name: str) -> bool:
    return any(mark in name for mark in "*?[")


EVERYTHING = Bounds()
