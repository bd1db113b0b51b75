"""Containers that the kernel ended for want of memory: by their own limit, or by their node's."""

import re
from collections.abc import Iterator

from groundswell.agents.observability.findings import Finding, event_of, field_of, line_of, quoted, statement
from groundswell.agents.observability.messages import complaints
from groundswell.agents.observability.pods import counts, logs_of
from groundswell.agents.observability.world import Data, Ref, Thing, World, all_containers, newest, number, of

_LATELY = 60 * 60.0
_HEAP = re.compile(r"-Xmx(\d+)([kmgKMG]?)|max-old-space-size=(\d+)")
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}


def find(world: World) -> Iterator[Finding]:
    """OOM kills that are not over."""
    seen: set[tuple[Ref, str]] = set()
    for pod in world.all("Pod"):
        if not counts(world, pod):
            continue
        for container, _ in all_containers(pod.data):
            last = container if container.get("state") == "terminated" else of(container, "last")
            key = (world.owner(pod), str(container.get("name")))
            if last.get("reason") != "OOMKilled" or key in seen or not _is_now(world, container, last):
                continue
            seen.add(key)
            yield _killed(world, pod, container)


def _is_now(world: World, container: Data, last: Data) -> bool:
    if container.get("state") != "running":
        return True
    fresh = world.age(last.get("finishedAt")) < _LATELY
    return fresh and (number(container.get("restarts")) >= 2 or not container.get("ready"))


def _killed(world: World, pod: Thing, container: Data) -> Finding:
    about, name = world.owner(pod), str(container.get("name"))
    limit = of(container, "limits").get("memory")
    node = Ref("Node", "", str(pod.data.get("node", "")))
    of_node = [each for each in world.events.get(node, []) if each.reason in ("SystemOOM", "OOMKilling")]
    limits = field_of(pod, f"memory: {limit}") if limit else None
    cites = [field_of(pod, "reason: OOMKilled"), limits, field_of(pod, "exitCode: 137")]
    head = f"{about} is killed for want of memory (OOMKilled): its container `{name}`"
    if limit:
        words = [f"{head} reaches its memory limit of {limit}."]
        cause = "memory.limit"
    else:
        words = [
            f"{head} has no memory limit of its own, so its node ran out.",
            f"{head} used up the memory of its node.",
        ]
        cause = "memory.node"
        cites.append(event_of(newest(of_node)))
    words.append(f"{about}: container `{name}` is OOMKilled.")
    finding = Finding(
        rule="memory",
        cause=cause,
        about=about,
        headline=statement(words, *cites),
        depth=3 if limit else 2,
        weight=0.95,
        needs={node},
        touches={pod.ref},
        next=f"kubectl -n {pod.ref.namespace} top pod {pod.ref.name} --containers",
        since=str((of(container, "last") or container).get("finishedAt", "")),
    )
    heap = _heap(container)
    if heap and limit and heap[1] >= 0.75 * _bytes(str(limit)):
        text = (
            f"Its program is told that it may use `{heap[0]}`, which leaves little or nothing of the limit of {limit}."
        )
        finding.details.append(statement([text, f"Its program is given `{heap[0]}`."], field_of(pod, heap[0]), limits))
    for log in logs_of(world, pod, name)[:1]:
        for complaint in [each for each in complaints(log) if each.kind == "memory"][:1]:
            finding.details.append(statement(f"Its log: {quoted(complaint.quote)}", line_of(complaint.line)))
    return finding


def _heap(container: Data) -> tuple[str, int] | None:
    text = " ".join(
        map(str, (*of(container, "env").values(), *(container.get("args") or ()), *(container.get("command") or ())))
    )
    match = _HEAP.search(text)
    if match is None:
        return None
    if match.group(3):
        return match.group(), int(match.group(3)) * 2**20
    return match.group(), int(match.group(1)) * _UNITS[match.group(2).lower()]


def _bytes(quantity: str) -> float:
    match = re.fullmatch(r"([\d.]+)([KMGT]i?|k|)", quantity)
    if match is None:
        return float("inf")
    unit = match.group(2)
    power = "kmgt".find(unit[:1].lower()) + 1 if unit else 0
    return float(match.group(1)) * (1024 if unit.endswith("i") else 1000) ** power
