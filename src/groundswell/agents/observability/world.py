"""A cluster as one evidence pack shows it: objects by kind and name, and how they hang together."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from groundswell.core.manifests import parsed
from groundswell.core.records import ClusterEvidence, Excerpt, LogDigest

if TYPE_CHECKING:
    from groundswell.agents.observability.messages import Complaint

Data = dict[str, Any]
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet", "ReplicationController")
# each has rules of its own, or none; what is not here is a custom resource, of whatever kind
BUILT_IN = frozenset(
    """Namespace Node Pod Event Service Endpoints EndpointSlice Deployment ReplicaSet StatefulSet DaemonSet
    ReplicationController Job CronJob ConfigMap Secret ServiceAccount PersistentVolumeClaim PersistentVolume
    StorageClass VolumeAttachment Ingress IngressClass NetworkPolicy HorizontalPodAutoscaler PodDisruptionBudget
    ResourceQuota LimitRange PriorityClass Role RoleBinding ClusterRole ClusterRoleBinding
    ValidatingWebhookConfiguration MutatingWebhookConfiguration APIService Lease Certificate
    CustomResourceDefinition""".split()  # noqa: SIM905
)
_EVENT = re.compile(
    r"(?P<last>\S+) (?P<type>\S+) (?P<reason>\S*) (?P<kind>[^/\s]*)/(?P<name>[^\s\[]*)(?:\[(?P<container>[^\]]*)\])? "
    r"x(?P<count>\d+) since (?P<first>\S+): (?P<message>.*)"
)
_HASH = re.compile(r"-[a-z0-9]{5,10}$")


class Ref(NamedTuple):
    """An object by kind, namespace and name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Thing:
    """An object, and the excerpt that shows it."""

    data: Data
    excerpt: Excerpt

    @cached_property
    def ref(self) -> Ref:
        """What it is called."""
        return Ref(str(self.data.get("kind", "")), str(self.data.get("namespace", "")), str(self.data.get("name", "")))

    @property
    def spec(self) -> Data:
        """What it wants."""
        return of(self.data, "spec")

    @property
    def status(self) -> Data:
        """How it is."""
        return of(self.data, "status")

    @cached_property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return {key: str(value) for key, value in of(self.data, "labels").items()}

    @property
    def containers(self) -> list[Data]:
        """A pod's containers, in order; those that only begin it are `init`."""
        return rows(self.data, "containers")

    def condition(self, kind: str) -> Data:
        """A condition of its status; {} where it says nothing of it."""
        conditions = rows(self.data, "conditions") or rows(self.status, "conditions")
        return next((each for each in conditions if each.get("type") == kind), {})


@dataclass(frozen=True)
class Happening:
    """An event."""

    about: Ref
    container: str
    type: str
    reason: str
    message: str
    count: int
    first: str
    last: str
    excerpt: Excerpt


@dataclass(frozen=True)
class Line:
    """A line of a log that stands for those like it."""

    text: str
    number: int
    last: int  # the number of the last one like it
    count: int
    level: str
    excerpt: Excerpt


@dataclass
class Log:
    """One container's log."""

    digest: LogDigest
    lines: list[Line] = field(default_factory=list[Line])
    complaints: "tuple[Complaint, ...] | None" = field(default=None, repr=False, compare=False)  # read once: `messages`

    @property
    def pod(self) -> Ref:
        """Whose it is."""
        return Ref("Pod", self.digest.namespace, self.digest.pod)


class World:
    """The pack, indexed."""

    def __init__(self, pack: ClusterEvidence) -> None:
        self.pack = pack
        self.now = moment(pack.taken) or datetime.now(UTC)
        self.things: dict[str, list[Thing]] = defaultdict(list)
        self.by_ref: dict[Ref, Thing] = {}
        for excerpt in pack.objects:
            for data in parsed(excerpt.text):
                thing = Thing(data, excerpt)
                self.things[thing.ref.kind].append(thing)
                self.by_ref[thing.ref] = thing
        self.events: dict[Ref, list[Happening]] = defaultdict(list)
        self.happenings: list[Happening] = []
        for excerpt in pack.events:
            namespace = excerpt.source.removeprefix("k8s:").partition("/")[0]
            for line in excerpt.text.split("\n"):
                if (match := _EVENT.fullmatch(line)) is not None:
                    happening = _happening(match, namespace, excerpt)
                    self.events[happening.about].append(happening)
                    self.happenings.append(happening)
        self.named: frozenset[Ref] = frozenset()  # what the question names
        self.logs: dict[Ref, list[Log]] = defaultdict(list)
        for digest in pack.logs:
            log = Log(digest, list(_lines(digest)))
            self.logs[log.pod].append(log)

    def get(self, kind: str, namespace: str, name: str) -> Thing | None:
        """An object that stands in the pack."""
        return self.by_ref.get(Ref(kind, namespace, name))

    def all(self, *kinds: str) -> Iterator[Thing]:
        """All objects of some kinds."""
        for kind in kinds:
            yield from self.things.get(kind, ())

    def knows(self, kind: str, namespace: str) -> bool:
        """Whether every object of a kind in a namespace stands in the pack."""
        return any(
            each.kind == kind and (not each.namespaces or namespace in each.namespaces) for each in self.pack.listed
        )

    def lacks(self, kind: str, namespace: str, name: str) -> bool:
        """Whether an object is known not to be there; what was not listed is unknown."""
        return self.knows(kind, namespace) and Ref(kind, namespace, name) not in self.by_ref

    def age(self, time: Any) -> float:
        """Seconds from a time until the pack was taken; infinite for no time."""
        at = moment(time)
        return (self.now - at).total_seconds() if at else float("inf")

    def owner(self, pod: Thing) -> Ref:
        """The workload that a pod belongs to: of a ReplicaSet its Deployment, of a Job its CronJob."""
        return self._top(pod.ref, str(pod.data.get("owner", "")), pod.labels)

    def _top(self, ref: Ref, owner: str, labels: Mapping[str, str]) -> Ref:
        kind, _, name = owner.partition("/")
        if not name or kind == "Node":
            return ref
        above = Ref(kind, ref.namespace, name)
        thing = self.by_ref.get(above)
        if thing is not None and thing.data.get("owner"):
            return self._top(above, str(thing.data["owner"]), thing.labels)
        if thing is None and kind == "ReplicaSet" and labels.get("pod-template-hash"):
            deployment = Ref("Deployment", ref.namespace, name.removesuffix(f"-{labels['pod-template-hash']}"))
            return deployment if deployment in self.by_ref else above
        return above

    def above(self, ref: Ref) -> Ref:
        """What owns an object, one step up; the object itself where that is unknown."""
        thing = self.by_ref.get(ref)
        kind, _, name = str(thing.data.get("owner", "")).partition("/") if thing else ("", "", "")
        return Ref(kind, ref.namespace, name) if name else ref

    @cached_property
    def pods_of(self) -> dict[Ref, list[Thing]]:
        """Pods by the workload they belong to, and by each owner in between."""
        found: dict[Ref, list[Thing]] = defaultdict(list)
        for pod in self.all("Pod"):
            top = self.owner(pod)
            found[top].append(pod)
            kind, _, name = str(pod.data.get("owner", "")).partition("/")
            if name and (between := Ref(kind, pod.ref.namespace, name)) != top:
                found[between].append(pod)
        return found

    @cached_property
    def made_by(self) -> dict[Ref, list[Thing]]:
        """Objects by the object that owns them."""
        found: dict[Ref, list[Thing]] = defaultdict(list)
        for thing in self.by_ref.values():
            kind, _, name = str(thing.data.get("owner", "")).partition("/")
            if name:
                found[Ref(kind, thing.ref.namespace, name)].append(thing)
        return found

    @cached_property
    def by_name(self) -> dict[tuple[str, str], list[Thing]]:
        """Custom resources by namespace and name: an operator names what it makes as what it was told."""
        found: dict[tuple[str, str], list[Thing]] = defaultdict(list)
        for thing in self.by_ref.values():
            if thing.ref.kind not in BUILT_IN:
                found[thing.ref.namespace, thing.ref.name].append(thing)
        return found

    def selected(self, namespace: str, selector: Mapping[str, Any]) -> list[Thing]:
        """The pods that labels select."""
        wanted = {key: str(value) for key, value in selector.items()}
        return [pod for pod in self._pods_in[namespace] if wanted and wanted.items() <= pod.labels.items()]

    @cached_property
    def _pods_in(self) -> dict[str, list[Thing]]:
        found: dict[str, list[Thing]] = defaultdict(list)
        for pod in self.all("Pod"):
            found[pod.ref.namespace].append(pod)
        return found

    def workloads(self, namespace: str, selector: Mapping[str, Any]) -> list[Thing]:
        """The workloads whose pods labels would select."""
        wanted = {key: str(value) for key, value in selector.items()}
        return [
            thing
            for thing in self.all("Deployment", "StatefulSet", "DaemonSet")
            if thing.ref.namespace == namespace
            and wanted
            and wanted.items() <= {k: str(v) for k, v in of(thing.spec, "podLabels").items()}.items()
        ]

    def backing(self, service: Thing) -> set[Ref]:
        """The workloads behind a Service."""
        selector = of(service.spec, "selector")
        found = {self.owner(pod) for pod in self.selected(service.ref.namespace, selector)}
        return found | {thing.ref for thing in self.workloads(service.ref.namespace, selector)}

    def service(self, host: str, namespace: str) -> Thing | None:
        """The Service a host name means to a pod of a namespace; also one by its cluster address."""
        host = host.rstrip(".").lower()
        parts = host.split(".")
        names = list(zip(parts[:2], parts[1:3], strict=False)) if parts[1:] else [(parts[0], namespace)]
        if re.fullmatch(r"[\d.]+", host):
            names = []
        for name, where in names:
            if found := self.get("Service", where, name):
                return found
        return self._by_address.get(host)

    @cached_property
    def _by_address(self) -> dict[str, Thing]:
        found: dict[str, Thing] = {}
        for service in self.all("Service"):
            found.setdefault(str(service.spec.get("clusterIP")), service)
        return found


def ready(pod: Thing) -> bool:
    """Whether a pod takes traffic."""
    running = pod.data.get("phase") == "Running" and bool(pod.containers)
    return running and all(each.get("ready") for each in pod.containers) and "deleting" not in pod.data


def finished(pod: Thing) -> bool:
    """Whether a pod did what it was for."""
    return pod.data.get("phase") == "Succeeded"


def moment(value: Any) -> datetime | None:
    """A time as the API writes it."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def of(data: Data, key: str) -> Data:
    """A mapping in a mapping."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def rows(data: Data, key: str) -> list[Data]:
    """A list of mappings in a mapping."""
    value = data.get(key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def number(value: Any) -> int:
    """A whole number; 0 for what is none."""
    return value if isinstance(value, int) else 0


def all_containers(pod: Data) -> list[tuple[Data, bool]]:
    """Every container of a pod or of a template of pods, and whether it is one that only begins it."""
    first = [(each, True) for each in rows(pod, "initContainers")]
    return [*first, *((each, False) for each in rows(pod, "containers"))]


def newest(happenings: Iterable[Happening]) -> Happening | None:
    """The event that came last."""
    return max(happenings, key=lambda each: each.last, default=None)


def _happening(match: re.Match[str], namespace: str, excerpt: Excerpt) -> Happening:
    kind = match.group("kind")
    where = "" if kind in ("Node", "PersistentVolume", "Namespace") else namespace
    return Happening(
        about=Ref(kind, where, match.group("name")),
        container=(match.group("container") or ""),
        type=match.group("type"),
        reason=match.group("reason"),
        message=match.group("message"),
        count=int(match.group("count")),
        first=match.group("first"),
        last=match.group("last"),
        excerpt=excerpt,
    )


def _lines(digest: LogDigest) -> Iterator[Line]:
    """The marked lines, with the passages they stand in; lines of a passage that are not marked are not counted."""
    for mark in digest.marks:
        for excerpt in digest.excerpts:
            span = re.search(r"#L(\d+)-L(\d+)$", excerpt.source)
            if span and int(span.group(1)) <= mark.line <= int(span.group(2)):
                lines = excerpt.text.split("\n")
                index = mark.line - int(span.group(1))
                if index < len(lines) and lines[index].strip():
                    yield Line(lines[index], mark.line, mark.last, mark.count, mark.level, excerpt)
                break
