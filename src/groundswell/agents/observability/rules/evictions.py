"""Pods that were evicted or preempted, where their place is still empty or it goes on."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from groundswell.agents.observability.findings import Finding, Quote, Statement, event_of, field_of, quoted, statement
from groundswell.agents.observability.world import Ref, Thing, World, of, ready

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
            *_own_quotes(world, about, preempted),
        ),
        details=list(_priorities(world, about, last)) if preempted else [],
        depth=3 if preempted or cause == "eviction.storage" else 2,
        weight=0.95,
        is_broken=wanted != 0 and (goes_on or (lately and not satisfied)),
        needs={node} if node else set(),
        touches={each.pod for each in removals},
        next=f"kubectl -n {about.namespace} get events --field-selector reason={last.reason}",
        since=last.at,
    )


def _own_quotes(world: World, about: Ref, preempted: bool) -> list[Quote | None]:
    own = _own_priority(world, about) if preempted else None
    return [own[2]] if own else []


def _preemptor(world: World, removal: _Removal) -> Thing | None:
    """The pod that took the place, by its uid in the message, or by its name."""
    match = re.search(r"[Pp]reempted by (?:a )?pod ([0-9a-f-]{36})", removal.message)
    if match:
        return next((pod for pod in world.all("Pod") if pod.data.get("uid") == match.group(1)), None)
    match = re.search(r"\bby ([\w-]+)/([\w.-]+)", removal.message)
    return world.get("Pod", match.group(1), match.group(2)) if match else None


def _preemptor_quotes(world: World, removal: _Removal) -> list[Quote | None]:
    pod = _preemptor(world, removal)
    if pod is None:
        return []
    owner = world.by_ref.get(world.owner(pod))
    words = [f"priorityClass: {pod.data.get('priorityClass')}", f"priority: {pod.data.get('priority')}"]
    return [*(field_of(pod, each) for each in words), field_of(pod, f"uid: {pod.data.get('uid')}"), field_of(owner)]


def _by_whom(world: World, about: Ref, removal: _Removal, says: str) -> list[str]:
    pod = _preemptor(world, removal)
    if pod is None:
        return []
    theirs, own = _priority(world, pod), _own_priority(world, about)
    high = f" (priority {theirs[0]}{theirs[1]})" if theirs else ""
    high = high or (f" (priority class `{pod.data['priorityClass']}`)" if pod.data.get("priorityClass") else "")
    low = f" has priority {own[0]}{own[1]} and" if own and theirs else ""
    head = f"{about}{low} loses its pods to {world.owner(pod)}{high}, which preempted them: {says}"
    return [head, f"{about} loses its pods to {world.owner(pod)}{high}, which preempted them: {says}"]


def _priority(world: World, pod: Thing) -> tuple[int, str, Quote | None] | None:
    """A pod's priority, the class that gives it, and where it stands."""
    name = pod.data.get("priorityClass")
    of_class = f" by class `{name}`" if name else ""
    if isinstance(value := pod.data.get("priority"), int):
        return value, of_class, field_of(pod, f"priority: {value}")
    known = world.get("PriorityClass", "", str(name)) if name else None
    value = known.data.get("value") if known else None
    return (value, of_class, field_of(known, f"value: {value}")) if isinstance(value, int) else None


def _own_priority(world: World, about: Ref) -> tuple[int, str, Quote | None] | None:
    """The priority of a workload's pods, by the oldest that says so: it is most like those that are gone."""
    pods = sorted(world.pods_of.get(about, []), key=lambda each: (not ready(each), str(each.data.get("created", ""))))
    found = (_priority(world, pod) for pod in pods)
    return next((each for each in found if each is not None), None)


def _priorities(world: World, about: Ref, removal: _Removal) -> Iterator[Statement]:
    """Who has which priority, from where, and which class is the default."""
    pod = _preemptor(world, removal)
    for whose, found in (
        (pod and world.owner(pod), pod and _priority(world, pod)),
        (about, _own_priority(world, about)),
    ):
        if found:
            yield statement(
                f"The pods of {whose} have priority {found[0]}{found[1]}.",
                found[2],
                field_of(world.by_ref.get(whose)) if whose else None,
            )
    thing = world.by_ref.get(about)
    template = of(thing.spec, "pod") if thing else {}
    if thing is not None and template and not template.get("priorityClass"):
        yield statement(
            [f"The template of {about} leaves the priority class open.", f"{about} is made from this template."],
            field_of(thing),
        )
    for known in world.all("PriorityClass"):
        value = known.data.get("value")
        if known.data.get("globalDefault") is True:
            yield statement(
                f"{known.ref} (value {value}, made {known.data.get('created')}) is the default for all new pods.",
                field_of(known, f"value: {value}"),
                field_of(known, "globalDefault: true"),
            )
