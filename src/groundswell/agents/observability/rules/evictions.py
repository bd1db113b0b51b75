"""Pods that were evicted or preempted, where their place is still empty or it goes on."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from groundswell.agents.observability.findings import Finding, Quote, event_of, field_of, quoted, statement
from groundswell.agents.observability.world import Ref, Thing, World, ready

_REASONS = frozenset({"Evicted", "Preempting", "Preempted", "NodeShutdown", "Terminated", "TaintManagerEviction"})
_LATELY = 3600.0


@dataclass(frozen=True)
class _Removal:
    """A pod that was removed: why, when, and what says so."""

    pod: Ref
    reason: str
    message: str
    at: str
    quote: Quote | None


def find(world: World) -> Iterator[Finding]:
    """One finding for each workload whose pods are removed; no fault where others took their place long ago."""
    by_workload: dict[Ref, dict[Ref, _Removal]] = defaultdict(dict)
    for removal in (*_by_status(world), *_by_events(world)):
        pod = world.by_ref.get(removal.pod)
        about = world.owner(pod) if pod is not None else _workload(world, removal.pod)
        by_workload[about][removal.pod] = removal
    for about, removals in by_workload.items():
        yield _removed(world, about, list(removals.values()))


def _by_status(world: World) -> Iterator[_Removal]:
    for pod in world.all("Pod"):
        reason = str(pod.data.get("reason", ""))
        if pod.data.get("phase") in ("Failed", "Succeeded") and reason in _REASONS:
            message = str(pod.data.get("message", ""))
            yield _Removal(pod.ref, reason, message, str(pod.data.get("created", "")), field_of(pod, message))


def _by_events(world: World) -> Iterator[_Removal]:
    for event in world.happenings:
        if event.about.kind == "Pod" and event.reason in ("Evicted", "Preempted"):
            yield _Removal(event.about, event.reason, event.message, event.last, event_of(event))


def _workload(world: World, pod: Ref) -> Ref:
    """The workload of a pod that is gone, by its name."""
    name = re.sub(r"-[a-z0-9]{5}$", "", pod.name)
    for kind, short in (
        ("Deployment", re.sub(r"-[a-z0-9]{6,10}$", "", name)),
        ("StatefulSet", re.sub(r"-\d+$", "", pod.name)),
        ("DaemonSet", name),
    ):
        if (ref := Ref(kind, pod.namespace, short)) in world.by_ref:
            return ref
    return pod


def _removed(world: World, about: Ref, removals: list[_Removal]) -> Finding:
    last = max(removals, key=lambda each: each.at)
    lately = world.age(last.at) < _LATELY
    pods = [pod for pod in world.pods_of.get(about, []) if pod.ref not in {each.pod for each in removals}]
    thing: Thing | None = world.by_ref.get(about)
    wanted = thing.spec.get("replicas", 1) if thing else 0
    satisfied = sum(map(ready, pods)) >= wanted if isinstance(wanted, int) else True
    goes_on = lately and len(removals) >= 3
    preempted = last.reason in ("Preempted", "Preempting")
    cause = "eviction.storage" if re.search(r"(?i)ephemeral|emptydir", last.message) else "eviction"
    verb = "preempted" if preempted else f"evicted ({last.reason})"
    says = quoted(last.message or last.reason)
    node = next(
        (Ref("Node", "", str(p.data.get("node", ""))) for p in [world.by_ref.get(last.pod)] if p is not None), None
    )
    return Finding(
        rule="evictions",
        cause="preemption" if preempted else cause,
        about=about,
        headline=statement(
            [
                *_by_whom(world, about, last, says),
                f"{about} loses its pods, because they are {verb}: {says}",
                f"Pods of {about} are {verb}: {says}",
                f"{about}: its pod {last.pod.name} was {last.reason.lower()}: {says}",
                f"{about}: {says}",
            ],
            last.quote,
            field_of(thing),
            *_preemptor_quotes(world, last),
        ),
        depth=3 if preempted or cause == "eviction.storage" else 2,
        weight=0.95,
        is_broken=wanted != 0 and (goes_on or (lately and not satisfied)),
        needs={node} if node else set(),
        touches={each.pod for each in removals},
        next=f"kubectl -n {about.namespace} get events --field-selector reason={last.reason}",
        since=last.at,
    )


def _preemptor(world: World, removal: _Removal) -> Thing | None:
    """The pod that took the place, by its uid in the message."""
    match = re.search(r"[Pp]reempted by (?:a )?pod ([0-9a-f-]{36})", removal.message)
    return next((pod for pod in world.all("Pod") if match and pod.data.get("uid") == match.group(1)), None)


def _preemptor_quotes(world: World, removal: _Removal) -> list[Quote | None]:
    pod = _preemptor(world, removal)
    if pod is None:
        return []
    priority = pod.data.get("priorityClass")
    owner = world.by_ref.get(world.owner(pod))
    return [field_of(pod, f"priorityClass: {priority}"), field_of(pod, f"uid: {pod.data.get('uid')}"), field_of(owner)]


def _by_whom(world: World, about: Ref, removal: _Removal, says: str) -> list[str]:
    pod = _preemptor(world, removal)
    if pod is None:
        return []
    priority = f" (priority class `{pod.data['priorityClass']}`)" if pod.data.get("priorityClass") else ""
    return [f"{about} loses its pods to {world.owner(pod)}{priority}, which preempted them: {says}"]
