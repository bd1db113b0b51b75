"""Makes one evidence pack of what was seen of a cluster: what is in trouble whole, what is well in brief."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundswell.backends.kube.kinds import BY_NAME, EXPECTED
from groundswell.backends.kube.logs import digest
from groundswell.backends.kube.shapes import Object, healthy_pod, mapping, mappings, slim, text, whole
from groundswell.core.manifests import SEPARATOR, written
from groundswell.core.records import Blind, ClusterEvidence, Excerpt, Listed, LogDigest

BUNDLE = 40  # objects that share one excerpt
WHOLE = 1_200  # objects with an excerpt of their own, at most
TROUBLED = 300  # pods in trouble that are kept whole
MANY = 400  # pods; beyond them, few of those that are alike and well are kept
ALIKE = 3
EVENTS = 150  # of a namespace
LOG_LINES, LOG_LINES_WELL = 3_000, 300  # of one container
LOGS = 300  # containers whose logs are read
LINES = 150_000  # of all logs together
OBJECTS = 250_000  # bytes; an object's text that is longer is cut
_TELLING = frozenset(
    """Killing ScalingReplicaSet SuccessfulRescale NodeNotReady Rebooted NodeReady RegisteredNode Completed
    SawCompletedJob SuccessfulDelete Preempted TaintManagerEviction DeadlineExceeded""".split()  # noqa: SIM905
)


@dataclass
class Seen:
    """What was read of a cluster, shaped, before it is weighed."""

    origin: str
    items: dict[str, list[Object]] = field(default_factory=lambda: defaultdict(list))
    events: list[Object] = field(default_factory=list[Object])
    known: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # kind → namespaces; "" is all
    blind: list[Blind] = field(default_factory=list[Blind])
    left_out: list[str] = field(default_factory=list[str])
    taken: str = ""


@dataclass(frozen=True)
class LogText:
    """One container's log."""

    container: str
    text: str
    previous: bool = False
    truncated: bool = False


@dataclass(frozen=True)
class Wanted:
    """A pod whose logs should be read."""

    namespace: str
    pod: str
    well: bool
    near: bool = False  # the question names it: its log is read whole
    containers: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()


def event_of(item: Object) -> Object:
    """An event of either API, flat."""
    about = mapping(item.get("involvedObject")) or mapping(item.get("regarding"))
    series = mapping(item.get("series"))
    last = item.get("lastTimestamp") or series.get("lastObservedTime") or item.get("eventTime")
    created = mapping(item.get("metadata")).get("creationTimestamp")
    return {
        "namespace": text(about.get("namespace")) or text(mapping(item.get("metadata")).get("namespace")),
        "kind": text(about.get("kind")),
        "name": text(about.get("name")),
        "field": text(about.get("fieldPath")),
        "type": text(item.get("type")) or "Normal",
        "reason": text(item.get("reason")),
        "message": " ".join(text(item.get("message") or item.get("note")).split())[:1000],
        "count": max(whole(series.get("count")), whole(item.get("count")), whole(item.get("deprecatedCount")), 1),
        "first": text(item.get("firstTimestamp") or item.get("eventTime") or created),
        "last": text(last or created),
    }


def wanted_logs(seen: Seen, about: Sequence[str] = ()) -> list[Wanted]:
    """The pods whose logs say most: named ones, those in trouble, what named ones speak of, some of each owner's."""
    pods = seen.items.get("Pod", [])
    near = [_is_about(pod, about) for pod in pods]
    named: set[str] = set()
    if not all(near):
        named.update(word for pod, is_near in zip(pods, near, strict=True) if is_near for word in _spoken_of(pod))
    taken: Counter[str] = Counter()
    ranked: list[tuple[int, Wanted]] = []
    for pod, is_near in zip(pods, near, strict=True):
        containers = mappings(pod.get("initContainers")) + mappings(pod.get("containers"))
        names = tuple(text(each.get("name")) for each in containers)
        restarted = tuple(text(each.get("name")) for each in containers if each.get("restarts"))
        owner = f"{pod.get('namespace')}/{pod.get('owner', pod.get('name'))}"
        taken[owner] += 1
        well = healthy_pod(pod)
        if not well:
            rank = 0 if is_near else 1
        elif taken[owner] > (ALIKE if len(pods) <= MANY else 1):
            continue
        else:
            rank = 0 if is_near else 2 if _stem(pod) in named else 2 + taken[owner]
        ranked.append(
            (rank, Wanted(text(pod.get("namespace")), text(pod.get("name")), well, is_near, names, restarted))
        )
    chosen = [wanted for _, wanted in sorted(ranked, key=lambda each: each[0])]
    if len(chosen) > LOGS:
        seen.left_out.append(f"logs of {len(chosen) - LOGS} of {len(chosen)} pods that were chosen")
    return chosen[:LOGS]


def _is_about(pod: Object, about: Sequence[str]) -> bool:
    names = f"{pod.get('namespace')} {pod.get('name')}".lower()
    return any(word.lower() in names for word in about)


def _spoken_of(pod: Object) -> Iterator[str]:
    """The words of a pod's variables and arguments: a host among them is what it depends on."""
    for container in mappings(pod.get("containers")):
        values = [
            *mapping(container.get("env")).values(),
            *(container.get("args") or ()),
            *(container.get("command") or ()),
        ]
        for value in values:
            yield from re.findall(r"[a-z0-9][a-z0-9-]+", text(value).lower())


def _stem(pod: Object) -> str:
    """A pod's name without what its owner put behind it."""
    return re.sub(r"(?:-[0-9a-f]{6,10})?-(?:[a-z0-9]{5}|\d+)$", "", text(pod.get("name")))


def packed(seen: Seen, logs: Iterable[tuple[Wanted, Sequence[LogText]]]) -> ClusterEvidence:
    """The pack."""
    read: set[tuple[str, str]] = set()
    digests = list(_digests(seen, logs, read))
    listed = [
        Listed(kind=kind, count=len(seen.items.get(kind, ())), namespaces=() if "" in where else tuple(sorted(where)))
        for kind, where in sorted(seen.known.items())
    ]
    unknown = [kind for kind in EXPECTED if kind not in seen.known and kind not in {each.what for each in seen.blind}]
    blind = [*seen.blind, *(Blind(what=kind, why="it was not listed") for kind in unknown)]
    return ClusterEvidence(
        origin=seen.origin,
        taken=seen.taken,
        census=Excerpt(source="k8s:all/Census", text=_census(seen, len(read))),
        objects=tuple(_objects(seen)),
        events=tuple(_events(seen)),
        logs=tuple(digests),
        listed=tuple(listed),
        blind=tuple(blind),
        left_out=tuple(seen.left_out),
    )


def source_of(item: Object) -> str:
    """Where an object stands."""
    kind, name = text(item.get("kind")), text(item.get("name"))
    namespace = text(item.get("namespace"))
    return f"k8s:{namespace}/{kind}/{name}" if namespace else f"k8s:{kind}/{name}"


def _digests(
    seen: Seen, logs: Iterable[tuple[Wanted, Sequence[LogText]]], those: set[tuple[str, str]]
) -> Iterator[LogDigest]:
    read = 0
    for wanted, texts in logs:
        for each in texts:
            most = LOG_LINES_WELL if wanted.well and not wanted.near else LOG_LINES
            if read > LINES:
                seen.left_out.append("some logs: there is more than is read at once")
                return
            found = digest(
                each.text,
                namespace=wanted.namespace,
                pod=wanted.pod,
                container=each.container or next(iter(wanted.containers), ""),
                previous=each.previous,
                most=most,
                truncated=each.truncated,
            )
            read += min(found.lines, most)
            those.add((wanted.namespace, wanted.pod))
            if found.lines and (not wanted.well or wanted.near or any(mark.level != "info" for mark in found.marks)):
                yield found


def _objects(seen: Seen) -> Iterator[Excerpt]:
    whole = 0
    for kind, items in sorted(seen.items.items()):
        brief = _pods(seen, items) if kind == "Pod" else []
        rest = [item for item in items if kind != "Pod"]
        if kind == "Pod":
            troubled = [item for item in items if not healthy_pod(item)]
            if len(troubled) > TROUBLED:
                seen.left_out.append(f"{len(troubled) - TROUBLED} of {len(troubled)} pods in trouble")
            rest = troubled[:TROUBLED]
        if kind in ("ReplicaSet", "Lease", "ServiceAccount", "EndpointSlice") and len(rest) > BUNDLE:
            brief, rest = rest, []
        for item in rest:
            whole += 1
            if whole > WHOLE:
                brief.append(item)
                continue
            yield _excerpt(source_of(item), written(item))
        yield from _bundles(kind, brief)


def _pods(seen: Seen, pods: list[Object]) -> list[Object]:
    """The pods that are well, in brief; of many, a few of each owner's."""
    well = [slim(pod) for pod in pods if healthy_pod(pod)]
    if len(pods) <= MANY:
        return well
    kept: list[Object] = []
    taken: Counter[str] = Counter()
    for pod in well:
        owner = f"{pod.get('namespace')}/{pod.get('owner', pod.get('name'))}"
        taken[owner] += 1
        if taken[owner] <= ALIKE:
            kept.append(pod)
    if len(kept) < len(well):
        seen.left_out.append(f"{len(well) - len(kept):,} pods that are well and like others of their owner")
    return kept


def _bundles(kind: str, items: list[Object]) -> Iterator[Excerpt]:
    by_namespace: dict[str, list[Object]] = defaultdict(list)
    for item in items:
        by_namespace[text(item.get("namespace"))].append(item)
    for namespace, those in sorted(by_namespace.items()):
        source = f"k8s:{namespace}/{kind}" if namespace else f"k8s:{kind}"
        for start in range(0, len(those), BUNDLE):
            yield _excerpt(source, f"\n{SEPARATOR}\n".join(map(written, those[start : start + BUNDLE])))


def _excerpt(source: str, body: str) -> Excerpt:
    return Excerpt(source=source, text=body[:OBJECTS], truncated=len(body) > OBJECTS)


def _events(seen: Seen) -> Iterator[Excerpt]:
    by_namespace: dict[str, dict[tuple[str, ...], Object]] = defaultdict(dict)
    for event in seen.events:
        if event["type"] == "Normal" and event["reason"] not in _TELLING:
            continue
        key = (event["kind"], event["name"], event["reason"], event["message"])
        known = by_namespace[event["namespace"]].get(key)
        if known is not None:
            event = event | {
                "count": event["count"] + known["count"],
                "first": min(event["first"], known["first"]),
                "last": max(event["last"], known["last"]),
            }
        by_namespace[event["namespace"]][key] = event
    for namespace, events in sorted(by_namespace.items()):
        kept = sorted(events.values(), key=lambda event: (event["type"] != "Normal", event["last"]))[-EVENTS:]
        if len(kept) < len(events):
            seen.left_out.append(f"{len(events) - len(kept):,} older events of {namespace or 'no namespace'}")
        lines = map(event_line, sorted(kept, key=lambda event: event["last"]))
        yield Excerpt(source=f"k8s:{namespace or 'default'}/Event", text="\n".join(lines))


def event_line(event: Object) -> str:
    """An event as one line: when, how bad, why, about what, how often, since when, and what it says."""
    about = f"{event['kind']}/{event['name']}"
    if "{" in event["field"]:
        about += f"[{event['field'].partition('{')[2].rstrip('}')}]"
    often = f"x{event['count']} since {event['first'] or '?'}"
    return f"{event['last'] or '?'} {event['type']} {event['reason']} {about} {often}: {event['message']}"


def _census(seen: Seen, logs: int) -> str:
    """A line a kind: how many there are, and how many of them are as they should be."""
    lines: list[str] = []
    for kind, items in sorted(seen.items.items()):
        well = _WELL.get(kind)
        line = f"{BY_NAME[kind].plural if kind in BY_NAME else kind}: {len(items)}"
        lines.append(f"{line}, {sum(map(well, items))} of them well" if well else line)
    lines.append(f"logs: read of {logs} pods")
    return "\n".join(lines)


def _ready(item: Object) -> bool:
    spec, status = mapping(item.get("spec")), mapping(item.get("status"))
    wanted = spec.get("replicas", status.get("desiredNumberScheduled", 1 if item.get("kind") != "DaemonSet" else 0))
    ready = status.get("readyReplicas", status.get("numberReady", 0))
    return ready >= wanted if isinstance(ready, int) and isinstance(wanted, int) else False


def _node_ready(item: Object) -> bool:
    return any(
        each.get("type") == "Ready" and each.get("status") == "True" for each in mappings(item.get("conditions"))
    )


_WELL: dict[str, Callable[[Any], bool]] = {
    "Pod": healthy_pod,
    "Node": _node_ready,
    "Deployment": _ready,
    "StatefulSet": _ready,
    "DaemonSet": _ready,
    "PersistentVolumeClaim": lambda item: mapping(item.get("status")).get("phase") == "Bound",
}
