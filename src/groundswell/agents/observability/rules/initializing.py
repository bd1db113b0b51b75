"""Init containers that run and do not end: what they wait for, by their log."""

from collections.abc import Iterator

from groundswell.agents.observability.complaint_kinds import kind_of
from groundswell.agents.observability.dependencies import followed
from groundswell.agents.observability.findings import Finding, field_of, line_of, quoted, statement
from groundswell.agents.observability.messages import Complaint, complaints, said, target
from groundswell.agents.observability.pods import counts, upstream_of
from groundswell.agents.observability.world import Log, Ref, Thing, World, rows

_PATIENCE = 120.0  # seconds


def find(world: World) -> Iterator[Finding]:
    """One finding for each workload whose pods do not get past an init container."""
    seen: set[Ref] = set()
    for pod in world.all("Pod"):
        about = world.owner(pod)
        if about in seen or not counts(world, pod):
            continue
        for container in rows(pod.data, "initContainers"):
            is_sidecar = container.get("restartPolicy") == "Always"
            stuck = container.get("state") == "running" and world.age(container.get("startedAt")) > _PATIENCE
            if stuck and not is_sidecar:
                seen.add(about)
                yield _held_up(world, pod, about, str(container.get("name")))
                break


def _held_up(world: World, pod: Thing, about: Ref, name: str) -> Finding:
    logs = [log for log in world.logs.get(pod.ref, []) if log.digest.container == name and not log.digest.previous]
    complaint = next((each for log in logs if (each := _waits_for(log)) is not None), None)
    head = f"{about} is held up: the init container `{name}` of its pods is still running"
    finding = Finding(
        rule="initializing",
        cause="init",
        about=about,
        headline=statement(f"{head}.", field_of(pod, "state: running"), field_of(pod, f"name: {name}")),
        depth=2,
        weight=0.9,
        needs=upstream_of(pod),
        touches={pod.ref},
        next=f"kubectl -n {pod.ref.namespace} logs {pod.ref.name} -c {name} --tail=20",
    )
    if complaint is None:
        return finding
    edge = followed(world, complaint, pod.ref.namespace)
    waits = f", and waits for `{complaint.host}`" if complaint.host else ""
    why = f", because {edge.problem}" if edge.problem else waits
    finding.headline = statement(
        [f"{head}{why}: {quoted(complaint.quote)}", f"{head}{waits}: {quoted(complaint.quote)}", f"{head}."],
        *finding.headline.quotes,
        line_of(complaint.line),
        *edge.quotes,
    )
    finding.needs |= edge.needs
    finding.cause, finding.depth = edge.cause or "init", 3 if edge.cause else 2
    finding.details = list(edge.says)
    return finding


def _waits_for(log: Log) -> Complaint | None:
    """What it complains about, else what its last line speaks of."""
    found = next(iter(complaints(log)), None)
    if found is not None and found.host:
        return found
    for line in reversed(log.lines):
        host, port = target(said(line.text))
        if host:
            return Complaint(kind_of(line.text) or "timeout", line, log, 0.0, host, port)
    return found
