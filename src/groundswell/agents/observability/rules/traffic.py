"""Programs that run, are ready, and say that what they depend on does not work: to the end of their log, unhealed."""

from collections.abc import Iterator

from groundswell.agents.observability.dependencies import DNS, followed, has_ready
from groundswell.agents.observability.findings import Finding, field_of, line_of, quoted, statement
from groundswell.agents.observability.meanings import because
from groundswell.agents.observability.messages import (
    EDGES,
    THEIRS,
    Complaint,
    complaints,
    lasting,
    names_a_fault,
    persistent,
)
from groundswell.agents.observability.pods import ended, upstream_of
from groundswell.agents.observability.world import Log, Ref, Thing, World, ready

_SERIOUS = frozenset(
    {
        "rbac",
        "certificate",
        "disk",
        "read-only",
        "login",
        "schema",
        "limit",
        "throttled",
        "memory",
        "lease",
        "permission",
        "clock",
        "slow",
        "network",
    }
)


_MUCH = 0.2  # of a log's lines


def find(world: World) -> Iterator[Finding]:
    """One finding for each workload and what it complains about; and what those say that others complain about."""
    dying = {(found.about, found.name) for found in ended(world)}
    found: dict[tuple[Ref, str, str], Finding] = {}
    blamed: set[Ref] = set()
    for log, pod in _running(world):
        about = world.owner(pod)
        if (about, log.digest.container) in dying:
            continue
        for complaint in complaints(log):
            key = (about, complaint.kind, complaint.host)
            if complaint.kind not in _SERIOUS | EDGES or not lasting(complaint) or key in found:
                continue
            found[key] = _complaining(world, pod, about, complaint)
            if complaint.kind in EDGES | THEIRS:
                service = followed(world, complaint, pod.ref.namespace).service
                blamed |= world.backing(service) if service else set()
            if complaint.kind == "dns" and (names := world.by_ref.get(DNS)) is not None:
                blamed |= world.backing(names)
    for about, kind, host in list(found):
        if not host and any(key[:2] == (about, kind) and key[2] for key in found):
            del found[about, kind, host]  # the same, told without whom it is about
    for (about, _, _), finding in found.items():
        if about in blamed and finding.depth < 2:  # nothing that was seen lies behind it
            finding.depth, finding.weight = 2, 0.75
    yield from found.values()
    for about in sorted(blamed - {key[0] for key in found}):
        yield from _at_fault(world, about)
    for about in sorted({world.owner(pod) for _, pod in _running(world)} - blamed - {key[0] for key in found}):
        yield from _repeating(world, about)


def _running(world: World) -> Iterator[tuple[Log, Thing]]:
    """The logs of pods that run and are ready."""
    for logs in list(world.logs.values()):
        for log in logs:
            pod = world.by_ref.get(log.pod)
            if pod is not None and not log.digest.previous and ready(pod):
                yield log, pod


def _at_fault(world: World, about: Ref) -> Iterator[Finding]:
    """What a program that others complain about says itself, although it runs and is ready."""
    for pod in world.pods_of.get(about, []):
        for log in world.logs.get(pod.ref, []):
            for complaint in complaints(log)[:1]:
                if complaint.line.level in ("error", "fatal") and complaint.score >= 1.5 and ready(pod):
                    finding = _complaining(world, pod, about, complaint)
                    finding.depth, finding.weight = max(finding.depth, 2), 0.75
                    yield finding
                    return


def _repeating(world: World, about: Ref) -> Iterator[Finding]:
    """What a program says again and again, of whatever kind: of one that the question names, or much of its log."""
    most = 0.0 if about in world.named else _MUCH
    for pod in world.pods_of.get(about, []):
        for log in world.logs.get(pod.ref, []):
            for complaint in complaints(log):
                is_error = complaint.line.level in ("error", "fatal") and names_a_fault(complaint)
                if is_error and persistent(complaint) and ready(pod) and _share(complaint) >= most:
                    finding = _complaining(world, pod, about, complaint)
                    finding.weight, finding.depth = 0.6, 1
                    yield finding
                    return


def _complaining(world: World, pod: Thing, about: Ref, complaint: Complaint) -> Finding:
    edge = followed(world, complaint, pod.ref.namespace)
    line = line_of(complaint.line)
    reasons = ([edge.problem] if edge.problem else []) + because(complaint)
    says = quoted(complaint.quote)
    thing = world.by_ref.get(about)
    node = _only_node(world, about, complaint)
    where = f" on {node.ref}" if node is not None and about.kind == "DaemonSet" else ""
    edge.says += (
        [statement(f"Only its pod on {node.ref} says so.", field_of(pod, f"node: {node.ref.name}"))] if node else []
    )
    is_dead_end = edge.service is not None and has_ready(world, edge.service) is False
    return Finding(
        rule="traffic",
        cause=edge.cause or f"traffic.{complaint.kind}",
        about=about,
        kind=complaint.kind,
        headline=statement(
            [
                *(f"{about}{where} runs, but fails at its work because {each}: {says}" for each in reasons),
                *(f"{about}{where} is ready, and its log complains {_of(each)}: {says}" for each in reasons),
                f"{about}: its log says, again and again, {says}",
            ],
            line,
            field_of(thing),
            *edge.quotes,
            *([quote] if node and (quote := field_of(pod, f"node: {node.ref.name}")) else []),
        ),
        depth=3 if edge.cause or complaint.kind in _SERIOUS else 1,
        weight=0.8 if is_dead_end or edge.cause else 0.65,
        details=list(edge.says),
        needs=upstream_of(pod) | edge.needs,
        touches={pod.ref, *([node.ref] if node else [])},
        next=f"kubectl -n {pod.ref.namespace} logs {pod.ref.name} -c {complaint.log.digest.container} --tail=100",
    )


def _share(complaint: Complaint) -> float:
    """How much of its log a complaint is."""
    return complaint.line.count / max(1, complaint.log.digest.lines)


def _of(reason: str) -> str:
    return reason if reason.startswith("of ") else f"that {reason}"


def _only_node(world: World, about: Ref, complaint: Complaint) -> Thing | None:
    """The one node whose pods of a workload complain so, where others of it were read too and do not."""
    pods = [pod for pod in world.pods_of.get(about, []) if ready(pod)]
    told = {
        str(pod.data.get("node", ""))
        for pod in pods
        for log in world.logs.get(pod.ref, [])
        for each in complaints(log)
        if each.kind == complaint.kind and each.score > 0
    }
    elsewhere = {str(pod.data.get("node", "")) for pod in pods} - told
    return world.get("Node", "", told.pop()) if len(told) == 1 and elsewhere else None
