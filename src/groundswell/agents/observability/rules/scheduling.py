"""Pods that no node takes: which of the scheduler's conditions, and at which nodes."""

import re
from collections.abc import Iterator

from groundswell.agents.observability.findings import Finding, Quote, Statement, event_of, field_of, quoted, statement
from groundswell.agents.observability.pods import is_starting, upstream_of
from groundswell.agents.observability.world import Ref, Thing, World, newest, of, rows

_PREDICATES = (
    (
        "schedule.volume",
        r"unbound immediate PersistentVolumeClaims|persistentvolumeclaim .* not found"
        r"|didn't find available persistent volumes",
        "a volume that it claims is not bound",
    ),
    ("schedule.zone", r"volume node affinity conflict", "its volume lies in another zone than the nodes"),
    (
        "schedule.taint",
        r"untolerated taint|had taint|taints? that the pod didn't tolerate",
        "the nodes have a taint that it does not tolerate",
    ),
    (
        "schedule.selector",
        r"didn't match Pod's node affinity/selector|node\(s\) didn't match (?:node )?selector",
        "the labels of the nodes differ from those that it asks for (node selector or affinity)",
    ),
    (
        "schedule.affinity",
        r"pod (?:anti-)?affinity rules|pod affinity|anti-affinity",
        "its rules of affinity to other pods leave no node",
    ),
    ("schedule.spread", r"topology spread constraints", "its topology spread constraints leave no node"),
    ("schedule.port", r"free ports", "the host port that it wants is taken"),
    ("schedule.resources", r"Insufficient ([\w./-]*\w)", "it requests more {0} than any node has free"),
    ("schedule.pods", r"Too many pods", "the nodes hold as many pods as they may"),
    (
        "schedule.cordoned",
        r"were? unschedulable|node\(s\) were unschedulable",
        "the nodes are cordoned (unschedulable)",
    ),
    ("schedule.limits", r"max volume count", "the nodes have as many volumes as they may"),
    ("schedule.not-ready", r"not-ready|unreachable", "the nodes are not ready"),
)
_COUNT = re.compile(r"(\d+) (node\(s\) )?")


def find(world: World) -> Iterator[Finding]:
    """One finding for each workload with a pod that is not scheduled."""
    seen: set[Ref] = set()
    for pod in world.all("Pod"):
        scheduled = pod.condition("PodScheduled")
        if pod.data.get("phase") != "Pending" or pod.data.get("node") or is_starting(world, pod) and not scheduled:
            continue
        about = world.owner(pod)
        events = [each for each in world.events.get(pod.ref, []) if each.reason == "FailedScheduling"]
        if about in seen or not (scheduled.get("status") == "False" or events or pod.data.get("schedulingGates")):
            continue
        seen.add(about)
        yield _pending(world, pod, about, newest(events), str(scheduled.get("message") or ""))


def _pending(world: World, pod: Thing, about: Ref, event: object, condition: str) -> Finding:
    happening = newest([each for each in world.events.get(pod.ref, []) if each.reason == "FailedScheduling"])
    said = condition or (happening.message if happening else "")
    matches = [
        (cause, _most(pattern, said), words, match)
        for cause, pattern, words in _PREDICATES
        if (match := re.search(pattern, said)) is not None
    ]
    # the condition that keeps most nodes away; a volume that is not bound keeps all of them
    cause, _, words, match = max(matches, key=lambda each: each[1], default=("schedule", 0, "no node fits", None))
    words = words.format(*(match.groups() if match and match.groups() else ("of something",)))
    more: list[Quote | None] = []
    if cause == "schedule.taint" and (told := _taint(world, pod, said))[0]:
        words, more = told
    gates = pod.data.get("schedulingGates")
    if gates:
        cause, words = "schedule.gate", f"its scheduling gate `{gates[0]}` is still there"
    quotes = (
        [field_of(pod, said, "phase: Pending")] if condition else [event_of(happening), field_of(pod, "phase: Pending")]
    )
    tail = f": {quoted(said.partition(' preemption:')[0])}" if said else "."
    finding = Finding(
        rule="scheduling",
        cause=cause,
        about=about,
        headline=statement(
            [
                f"{about} waits for a node (Pending) because {words}{tail}",
                f"{about} is Pending: {words}{tail}",
                f"{about} is Pending{tail}",
            ],
            *quotes,
            *more,
        ),
        depth=2 if cause in ("schedule.volume", "schedule.not-ready", "schedule.cordoned") else 3,
        weight=0.9,
        needs={ref for ref in upstream_of(pod) if ref.kind == "PersistentVolumeClaim"},
        touches={pod.ref},
        next=f"kubectl -n {pod.ref.namespace} describe pod {pod.ref.name}",
    )
    if cause in ("schedule.not-ready", "schedule.cordoned", "schedule.resources", "schedule.taint"):
        finding.needs |= {node.ref for node in world.all("Node")}
    finding.details += list(_details(world, pod, cause))
    return finding


def _most(pattern: str, said: str) -> float:
    """How many nodes a condition keeps away."""
    for part in re.split(r"[,:]\s", said):
        if re.search(pattern, part):
            match = _COUNT.match(part.strip())
            return float(match.group(1)) if match else 100.0
    return 0.5


def _details(world: World, pod: Thing, cause: str) -> Iterator[Statement]:
    if cause == "schedule.resources":
        for container in pod.containers:
            for name, amount in of(container, "requests").items():
                if f"{name}" in ("cpu", "memory") or "/" in name:
                    yield statement(
                        f"Its container `{container.get('name')}` requests {name} {amount}.",
                        field_of(pod, f"{name}: {amount}"),
                    )
    elif cause == "schedule.selector":
        yield from _labels(world, pod)
    elif cause == "schedule.taint":
        for node in list(world.all("Node"))[:4]:
            for taint in rows(node.data, "taints")[:2]:
                key = str(taint.get("key"))
                effect = f" ({taint['effect']})" if taint.get("effect") else ""
                yield statement(f"{node.ref} has the taint `{key}`{effect}.", field_of(node, f"key: {key}"))
        for key in _tolerated(pod):
            yield statement(f"Its pods tolerate `{key}`.", field_of(pod, f"key: {key}"))


def _tolerated(pod: Thing) -> list[str]:
    return [str(each["key"]) for each in rows(pod.data, "tolerations") if each.get("key")]


def _taint(world: World, pod: Thing, said: str) -> tuple[str, list[Quote | None]]:
    """Which taint it is, and which it tolerates in its place."""
    match = re.search(r"taint \{([^:}]+)", said)
    if match is None:
        return "", []
    tolerated = [each for each in _tolerated(pod) if not each.startswith("node.kubernetes.io/")]
    if not tolerated:
        return f"the nodes have the taint `{match.group(1)}`, which its pods leave out of their tolerations", []
    words = f"the nodes have the taint `{match.group(1)}`, while its pods tolerate only `{tolerated[0]}`"
    return words, [field_of(pod, f"key: {tolerated[0]}")]


def _labels(world: World, pod: Thing) -> Iterator[Statement]:
    """What it asks of a node's labels, and what the nodes have of that."""
    for key, value in _asked(pod):
        yield statement(f"It asks for nodes labelled `{key}: {value}`.", field_of(pod, f"{key}: {value}", value, key))
        has = [(node, node.labels[key]) for node in world.all("Node") if key in node.labels]
        for node, other in has[:2]:
            yield statement(f"{node.ref} has `{key}: {other}`.", field_of(node, f"{key}: {other}"))


def _asked(pod: Thing) -> list[tuple[str, str]]:
    found = [(key, str(value)) for key, value in of(pod.data, "nodeSelector").items()]
    required = of(of(of(pod.data, "affinity"), "nodeAffinity"), "requiredDuringSchedulingIgnoredDuringExecution")
    for term in rows(required, "nodeSelectorTerms"):
        for each in rows(term, "matchExpressions"):
            values = each.get("values")
            found += [(str(each.get("key")), str(values[0]) if isinstance(values, list) and values else "")]
    return found
