"""What a question is about: which namespaces, objects and kinds it names, what it complains of, and how it asks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from groundswell.agents.observability.topology import downstream
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
    did be been has have default job jobs volume ingress config web api db data test server client worker
    logs log say says said get gets new old time times since still only one two three""".split()  # noqa: SIM905
)
_DOUBT = re.compile(r"\s*(?:hi|hello|hey|so|and|please|,|\s)*(?:is|are|does|do|did|has|have|was|were|can)\b")
_CALM = re.compile(r"\b(?:healthy|okay|ok|fine|all right|alright|well|everything|anything|overview|status|state of)\b")
_BACK = re.compile(
    r"^\W*(?:and|but|so|also|ok|why|how come|since when|what else|what about)\b|\b(?:it|that|this|they|them"
    r"|those|there|its)\b"
)
_KINDS = (*WORKLOADS, "Service", "Ingress", "Pod", "PersistentVolumeClaim", "Node", "HorizontalPodAutoscaler")
_UNNAMED = frozenset(
    {"Namespace", "ReplicaSet", "EndpointSlice", "Endpoints", "Lease", "Secret", "ServiceAccount", "Event"}
)
_SPEED = re.compile(
    r"\b(?:slow(?:er|ly|ness)?|latenc\w*|sluggish\w*|lag(?:s|gy|ging)?|crawl(?:s|ing)?|unresponsive"
    r"|tak(?:es?|ing) (?:so |too |very )?(?:long|ages|forever|minutes|seconds))\b"
)
_NAMES = 12  # of a question
_SURE = frozenset({"web", "api", "db", "data", "test", "server", "client", "worker", "app", "default", "config"})
# what people say, and the causes that it speaks of
_SYMPTOMS = tuple(
    (re.compile(said), re.compile(causes))
    for said, causes in (
        (r"\bdns\b|resolv|look ?-?ups?\b|name resolution", r"dns|dependency\.name"),
        (r"certificat|\btls\b|\bssl\b|x509", r"certificate"),
        (r"\bpending\b|schedul|\bnode pool|no node", r"schedule|volume|preempt"),
        (r"preempt|priorit", r"preempt"),
        (r"evict|drain|upgrad", r"evict|budget|node|network"),
        (r"deploy|rollout|admission|webhook|release", r"webhook|rollout|quota|refus|image|pod-security"),
        (r"quota|no pods|pods do(?:n't| not) come", r"quota|limit-range|refus|webhook"),
        (r"\bdisk|\bspace\b|storage|volume", r"disk|volume"),
        (r"memory|\boom", r"memory|oom"),
        (r"throttl|429|rate limit", r"throttled"),
        (r"log ?-?in|\b40[13]\b|auth|credential|password|token", r"login|clock|rbac|auth"),
        (r"scal(?:e|es|ing)\b|\bhpa\b", r"autoscal|metrics"),
        (r"slow|latenc|time ?-?outs?\b|crawl|late\b", r"timeout|limit|slow|throttl|cpu|dns"),
        (r"restart|crash", r"crash|oom|memory|probe|lease"),
        (r"\bwrites?\b|read-only", r"read-only|disk"),
        (r"network|reach|connect|talk to", r"network|refused|timeout|dns|service|policy"),
    )
)


@dataclass(frozen=True)
class Focus:
    """What the question names; empty where it looks wide."""

    namespaces: frozenset[str] = frozenset()
    objects: frozenset[Ref] = frozenset()
    kinds: frozenset[str] = frozenset()
    doubts: bool = False  # it asks whether anything is wrong with that, not what is
    reports: bool = False  # it says that something is wrong
    text: str = ""
    path: dict[Ref, int] = field(default_factory=dict[Ref, int], compare=False)  # what those rest on

    @property
    def names_logs(self) -> bool:
        """Whether it asks what a log says."""
        return re.search(r"\b(?:what|which|show|any)\b.{0,40}\b(?:logs?|errors?)\b|\blogs? of\b", self.text) is not None

    @property
    def of_speed(self) -> bool:
        """Whether it complains of how fast something is, which objects, events and most logs do not tell."""
        return _SPEED.search(self.text) is not None

    def __bool__(self) -> bool:
        return bool(self.namespaces or self.objects)

    def nearness(self, ref: Ref) -> float:
        """How near an object is to what was asked about."""
        if ref in self.objects:
            return 1.0
        if ref.namespace in self.namespaces and not any(each.namespace == ref.namespace for each in self.objects):
            return 0.6  # where an object of it is named, the namespace only says where that is
        if ref in self.path:
            return 0.55 - 0.05 * self.path[ref]
        if ref.kind in self.kinds and not self.objects:
            return 0.5  # where an object is named, its kind only says what that is
        if any(ref.namespace == each.namespace for each in self.objects) and ref.namespace:
            return 0.25
        return 0.15 if ref.kind == "Node" else 0.0

    def fits(self, cause: str) -> bool:
        """Whether a cause is of the kind that the question complains of."""
        return any(said.search(self.text) and causes.search(cause) for said, causes in _SYMPTOMS)

    def named(self) -> str:
        """What was asked about, in a few words."""
        if self.objects:
            return str(min(self.objects, key=_order))
        return f"namespace {min(self.namespaces)}" if self.namespaces else ""


def _order(ref: Ref) -> tuple[int, Ref]:
    return (_KINDS.index(ref.kind) if ref.kind in _KINDS else len(_KINDS), ref)


def names_in(question: str) -> tuple[str, ...]:
    """The words of a question that may name something, before anybody knows what there is."""
    words = [word for word in _WORD.findall(question.lower()) if word not in _ORDINARY and len(word) > 2]
    return tuple(dict.fromkeys(words))[:_NAMES]


def in_thread(question: str, earlier: Sequence[str]) -> str:
    """The question, with the last one of its thread where it only points back."""
    text = question.lower()
    if earlier and len(text.split()) <= 14 and _BACK.search(text):
        return earlier[-1]
    return ""


def focus_of(question: str, world: World, earlier: Sequence[str] = ()) -> Focus:
    """Read a question against the names that the cluster has; a follow-up that names nothing means what was named."""
    text = question.lower()
    namespaces, objects = _names(text, world)
    if not namespaces and not objects and (before := in_thread(question, earlier)):
        namespaces, objects = _names(before.lower(), world)
    asks = re.search(r"\b(?:why|what|which|root|cause)\b", text)
    doubts = _DOUBT.match(text) is not None and not asks
    return Focus(
        frozenset(namespaces),
        frozenset(objects),
        frozenset(_kinds(text, world)),
        doubts,
        reports=not doubts and not _CALM.search(text) and (bool(namespaces or objects) or _tells(text)),
        text=text,
        path=downstream(world, sorted(objects)),
    )


def _tells(text: str) -> bool:
    """Whether a question that names nothing tells of a failure all the same, and does not only ask for any."""
    return len(text.split()) > 8 or any(said.search(text) for said, _ in _SYMPTOMS)


def _names(text: str, world: World) -> tuple[set[str], set[Ref]]:
    words = set(_WORD.findall(text))
    spaces = {ref.namespace for ref in world.by_ref if ref.namespace} | {
        each.ref.name for each in world.all("Namespace")
    }
    explicit = {name for pair in _NAMESPACE.findall(text) for name in pair if name}
    namespaces = {name for name in spaces if name in explicit or (name in words and name not in _ORDINARY)}
    objects: set[Ref] = set()
    for kind, things in world.things.items():
        for thing in things if kind not in _UNNAMED else ():
            names = {thing.ref.name.lower(), _short(thing.data, thing.ref)}
            said = any(name in words and (name not in _ORDINARY or _is_named(name, text)) for name in names)
            if said and (not namespaces or thing.ref.namespace in namespaces or not thing.ref.namespace):
                objects.add(thing.ref)
    if not objects:
        objects = {
            thing.ref
            for kind in ("Deployment", "StatefulSet", "DaemonSet", "CronJob")
            for thing in world.all(kind)
            if _parts(thing.ref.name) & words - _ORDINARY and (not namespaces or thing.ref.namespace in namespaces)
        }
    return namespaces, objects


def _short(data: dict[str, object], ref: Ref) -> str:
    """What people call a pod that its node owns: without the node's name."""
    owner = str(data.get("owner", ""))
    return ref.name.lower().removesuffix(f"-{owner[5:].lower()}") if owner.startswith("Node/") else ref.name.lower()


def _kinds(text: str, world: World) -> set[str]:
    """The kinds that a question names, in one word or in several, one or many of them."""
    run = re.sub(r"[^a-z0-9]+", "", text)
    return {
        kind for kind in world.things if len(kind) > 4 and kind.lower() in run and kind not in ("Event", "Namespace")
    }


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
