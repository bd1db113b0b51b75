"""What a question is about: which namespaces and which objects it names, if it names any."""

import re
from dataclasses import dataclass

from groundswell.agents.observability.world import WORKLOADS, Ref, World

_WORD = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_NAMESPACE = re.compile(
    r"\b(?:namespace|ns)[ :=]+[`'\"]?([a-z0-9][a-z0-9-]*)|\b([a-z0-9][a-z0-9-]*)[`'\"]? namespace\b"
)
_ORDINARY = frozenset(
    """the a an is are was why what which how who when where in on of to from for with and or not my our its it
    this that there wrong broken failing fails failed down slow up pod pods service services deployment
    deployments cluster namespace node nodes app application apps errors error problem problems any anything
    everything something all happening happened going cause root crash crashing crashes restarting restarts
    pending stuck running health healthy ok okay status check look kubernetes k8s can you please tell me do does
    did be been has have default job jobs volume ingress config web api db data test server client worker""".split()  # noqa: SIM905
)
_DOUBT = re.compile(r"\s*(?:hi|hello|hey|so|and|please|,|\s)*(?:is|are|does|do|did|has|have|was|were|can)\b")
_KINDS = (*WORKLOADS, "Service", "Ingress", "Pod", "PersistentVolumeClaim", "Node", "HorizontalPodAutoscaler")
_NAMES = 12  # of a question
_SURE = frozenset({"web", "api", "db", "data", "test", "server", "client", "worker", "app", "default", "config"})


@dataclass(frozen=True)
class Focus:
    """What the question names; empty where it looks wide."""

    namespaces: frozenset[str] = frozenset()
    objects: frozenset[Ref] = frozenset()
    doubts: bool = False  # it asks whether anything is wrong with that, not what is

    def __bool__(self) -> bool:
        return bool(self.namespaces or self.objects)

    def nearness(self, ref: Ref) -> float:
        """How near an object is to what was asked about."""
        if ref in self.objects:
            return 1.0
        if ref.namespace in self.namespaces:
            return 0.6
        if any(ref.namespace == each.namespace for each in self.objects) and ref.namespace:
            return 0.25
        return 0.15 if ref.kind == "Node" else 0.0

    def named(self) -> str:
        """What was asked about, in a few words."""
        if self.objects:
            return str(min(self.objects, key=lambda ref: (_KINDS.index(ref.kind), ref.name)))
        return f"namespace {min(self.namespaces)}" if self.namespaces else ""


def names_in(question: str) -> tuple[str, ...]:
    """The words of a question that may name something, before anybody knows what there is."""
    words = [word for word in _WORD.findall(question.lower()) if word not in _ORDINARY and len(word) > 2]
    return tuple(dict.fromkeys(words))[:_NAMES]


def focus_of(question: str, world: World) -> Focus:
    """Read a question against the names that the cluster has."""
    text = question.lower()
    words = set(_WORD.findall(text)) | {part for word in _WORD.findall(text) for part in word.split("/")}
    for match in _WORD.finditer(text):
        if "/" in text[match.end() : match.end() + 1]:
            words.add(match.group())
    spaces = {ref.namespace for ref in world.by_ref if ref.namespace} | {
        each.ref.name for each in world.all("Namespace")
    }
    explicit = {name for pair in _NAMESPACE.findall(text) for name in pair if name}
    namespaces = {name for name in spaces if name in explicit or (name in words and name not in _ORDINARY)}
    objects: set[Ref] = set()
    for kind in _KINDS:
        for thing in world.all(kind):
            name = thing.ref.name.lower()
            said = name in words and (name not in _ORDINARY or _is_named(name, text))
            if said and (not namespaces or thing.ref.namespace in namespaces or not thing.ref.namespace):
                objects.add(thing.ref)
    if not objects:
        objects = {
            thing.ref
            for kind in ("Deployment", "StatefulSet", "DaemonSet", "CronJob")
            for thing in world.all(kind)
            if _parts(thing.ref.name) & words - _ORDINARY and (not namespaces or thing.ref.namespace in namespaces)
        }
    doubts = _DOUBT.match(text) is not None and not re.search(r"\b(?:why|what|which|root|cause)\b", text)
    return Focus(frozenset(namespaces), frozenset(objects), doubts)


def _is_named(name: str, text: str) -> bool:
    """Whether a word that may be ordinary is meant as a name: it stands in quotes, or beside its kind."""
    word = re.escape(name)
    return name in _SURE and (
        re.search(
            rf"[`'\"]{word}[`'\"]|\b(?:deployment|service|pod|statefulset|job|the) {word}\b"
            rf"|\b{word} (?:deployment|service|pod|job)",
            text,
        )
        is not None
    )


def _parts(name: str) -> set[str]:
    return {part for part in name.lower().split("-") if len(part) > 3}
