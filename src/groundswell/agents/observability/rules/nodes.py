"""Nodes that are not ready, under pressure, or kept from taking pods."""

from collections.abc import Iterator

from groundswell.agents.observability.findings import Finding, event_of, field_of, quoted, statement
from groundswell.agents.observability.world import Thing, World, newest

_PRESSURE = {"MemoryPressure": "memory", "DiskPressure": "disk space", "PIDPressure": "process ids"}


def find(world: World) -> Iterator[Finding]:
    """One finding for each node and what ails it."""
    for node in world.all("Node"):
        ready = node.condition("Ready")
        if ready and ready.get("status") != "True":
            yield _not_ready(world, node)
        for kind, what in _PRESSURE.items():
            if node.condition(kind).get("status") == "True":
                yield _pressed(world, node, kind, what)
        if node.condition("NetworkUnavailable").get("status") == "True":
            yield _simple(node, "node.network", "its network is unavailable", "NetworkUnavailable")
        if node.data.get("unschedulable"):
            yield _cordoned(world, node)


def _pods(world: World, node: Thing) -> list[Thing]:
    return [pod for pod in world.all("Pod") if pod.data.get("node") == node.ref.name]


def _not_ready(world: World, node: Thing) -> Finding:
    ready = node.condition("Ready")
    reason, message = str(ready.get("reason", "")), str(ready.get("message", ""))
    silent = reason == "NodeStatusUnknown" or ready.get("status") == "Unknown"
    why = "its kubelet has stopped reporting" if silent else "its kubelet says so"
    events = [each for each in world.events.get(node.ref, []) if each.type == "Warning"]
    said = quoted(message or reason)
    return Finding(
        rule="nodes",
        cause="node.silent" if silent else "node.not-ready",
        about=node.ref,
        headline=statement(
            [
                f"{node.ref} is not ready (NotReady): {why}: {said}",
                f"{node.ref}: Ready is {ready.get('status')}: {said}",
                f"{node.ref}: {said}",
            ],
            field_of(node, message, f"reason: {reason}"),
            field_of(node, f"status: {ready.get('status')}"),
        ),
        depth=3,
        weight=0.97,
        details=[statement(f"An event says {quoted(e.message)}", event_of(e)) for e in events[-1:]],
        touches={world.owner(pod) for pod in _pods(world, node)},
        next=f"kubectl describe node {node.ref.name}",
        since=str(ready.get("since", "")),
    )


def _pressed(world: World, node: Thing, kind: str, what: str) -> Finding:
    condition = node.condition(kind)
    message = str(condition.get("message") or condition.get("reason") or kind)
    event = newest([each for each in world.events.get(node.ref, []) if each.type == "Warning"])
    return Finding(
        rule="nodes",
        cause=f"node.{kind}",
        about=node.ref,
        headline=statement(
            [f"{node.ref} is short of {what} ({kind}): {quoted(message)}", f"{node.ref} has {kind}: {quoted(message)}"],
            field_of(node, message),
            field_of(node, f"type: {kind}"),
        ),
        depth=3,
        weight=0.9,
        details=[statement(f"An event says {quoted(event.message)}", event_of(event))] if event else [],
        touches={world.owner(pod) for pod in _pods(world, node)},
        next=f"kubectl describe node {node.ref.name}",
        since=str(condition.get("since", "")),
    )


def _simple(node: Thing, cause: str, words: str, kind: str) -> Finding:
    message = str(node.condition(kind).get("message") or kind)
    return Finding(
        rule="nodes",
        cause=cause,
        about=node.ref,
        headline=statement(
            [f"{node.ref}: {words}: {quoted(message)}", f"{node.ref}: {quoted(message)}"], field_of(node, message)
        ),
        depth=3,
        weight=0.9,
        next=f"kubectl describe node {node.ref.name}",
    )


def _cordoned(world: World, node: Thing) -> Finding:
    """Cordoned on purpose, most often: it only counts where a pod waits for a node."""
    waits = [pod for pod in world.all("Pod") if pod.data.get("phase") == "Pending" and not pod.data.get("node")]
    blamed = any("unschedulable" in str(pod.condition("PodScheduled").get("message", "")) for pod in waits)
    blamed = blamed or any("unschedulable" in e.message for pod in waits for e in world.events.get(pod.ref, []))
    return Finding(
        rule="nodes",
        cause="node.cordoned",
        about=node.ref,
        headline=statement(
            [
                f"{node.ref} is cordoned: it takes no new pods (unschedulable).",
                f"{node.ref} is cordoned (unschedulable).",
            ],
            field_of(node, "unschedulable: true"),
        ),
        depth=3,
        weight=0.6 if blamed else 0.2,
        is_broken=blamed,
        touches={world.owner(pod) for pod in waits} if blamed else set(),
        next=f"kubectl describe node {node.ref.name}",
    )
