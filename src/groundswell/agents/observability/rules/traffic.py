"""Programs that run, are ready, and say that what they depend on does not work: to the end of their log, unhealed."""

from collections.abc import Iterator

from groundswell.agents.observability.dependencies import followed, has_ready
from groundswell.agents.observability.findings import Finding, field_of, line_of, quoted, statement
from groundswell.agents.observability.meanings import because
from groundswell.agents.observability.messages import EDGES, Complaint, complaints, persistent
from groundswell.agents.observability.pods import ended, upstream_of
from groundswell.agents.observability.world import Ref, Thing, World, ready

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
    }
)


def find(world: World) -> Iterator[Finding]:
    """One finding for each workload and what it complains about."""
    dying = {(found.about, found.name) for found in ended(world)}
    seen: set[tuple[Ref, str, str]] = set()
    blamed: set[Ref] = set()
    for logs in list(world.logs.values()):
        for log in logs:
            pod = world.by_ref.get(log.pod)
            if pod is None or log.digest.previous or not ready(pod):
                continue
            about = world.owner(pod)
            if (about, log.digest.container) in dying:
                continue
            for complaint in complaints(log):
                key = (about, complaint.kind, complaint.host)
                if complaint.kind not in _SERIOUS | EDGES or not persistent(complaint) or key in seen:
                    continue
                seen.add(key)
                yield _complaining(world, pod, about, complaint)
                if complaint.kind in EDGES:
                    edge = followed(world, complaint, pod.ref.namespace)
                    blamed |= world.backing(edge.service) if edge.service else set()
    for about in sorted(blamed - {key[0] for key in seen}):
        yield from _at_fault(world, about)


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


def _complaining(world: World, pod: Thing, about: Ref, complaint: Complaint) -> Finding:
    edge = followed(world, complaint, pod.ref.namespace)
    line = line_of(complaint.line)
    reasons = ([edge.problem] if edge.problem else []) + because(complaint)
    says = quoted(complaint.quote)
    thing = world.by_ref.get(about)
    is_dead_end = edge.service is not None and has_ready(world, edge.service) is False
    return Finding(
        rule="traffic",
        cause=edge.cause or f"traffic.{complaint.kind}",
        about=about,
        headline=statement(
            [
                *(f"{about} runs, but fails at its work because {each}: {says}" for each in reasons),
                *(f"{about} is ready, and its log complains that {each}: {says}" for each in reasons),
                f"{about}: its log says, again and again, {says}",
            ],
            line,
            field_of(thing),
            *edge.quotes,
        ),
        depth=3 if edge.cause or complaint.kind in _SERIOUS else 1,
        weight=0.8 if is_dead_end or edge.cause else 0.65,
        details=list(edge.says),
        needs=upstream_of(pod) | edge.needs,
        touches={pod.ref},
        next=f"kubectl -n {pod.ref.namespace} logs {pod.ref.name} -c {complaint.log.digest.container} --tail=100",
    )
