"""Pods that may not be made: a quota, a limit range, pod security, an admission webhook."""

import re
from collections.abc import Iterator

from groundswell.agents.observability.findings import Finding, Statement, event_of, field_of, quoted, statement
from groundswell.agents.observability.rules.webhooks import configuration
from groundswell.agents.observability.world import Happening, Ref, World, newest, number, ready

_WHY = (
    ("quota", r"exceeded quota: (?P<name>[\w.-]+)", "the quota `{name}` of its namespace is used up"),
    (
        "quota.missing",
        r"failed quota: (?P<name>[\w.-]+): must specify (?P<what>[\w.,-]+)",
        "the quota `{name}` wants `{what}` from each of its containers",
    ),
    (
        "limit-range",
        r"(?:maximum|minimum) (?:cpu|memory|storage)\S* usage per|max limit to request ratio|per (?:Container|Pod) is",
        "what it asks for is beyond a limit range",
    ),
    (
        "webhook.unreachable",
        r"failed calling webhook \"(?P<name>[^\"]+)\"",
        "the call of the admission webhook `{name}` goes wrong",
    ),
    (
        "webhook.denied",
        r"admission webhook \"(?P<name>[^\"]+)\" denied the request",
        "the admission webhook `{name}` denies them",
    ),
    (
        "pod-security",
        r"violates PodSecurity \"(?P<name>[^\"]+)\"",
        "they violate the pod security level `{name}` of the namespace",
    ),
    ("policy", r"ValidatingAdmissionPolicy '(?P<name>[^']+)'", "the admission policy `{name}` denies them"),
    (
        "priority-class",
        r"no PriorityClass with name (?P<name>[\w.-]+) was found",
        "the priority class `{name}` is not there",
    ),
    (
        "service-account",
        r"service ?account \"?(?:[\w-]+/)?(?P<name>[\w.-]+)\"? not found"
        r"|error looking up service account \S*?/(?P<other>[\w.-]+)",
        "its service account is not found",
    ),
    ("namespace", r"being terminated", "its namespace is being deleted"),
    ("forbidden", r"is forbidden", "that is forbidden"),
)
_OWNERS = ("ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController", "Deployment", "CronJob")
_LATELY = 2 * 3600.0


def find(world: World) -> Iterator[Finding]:
    """One finding for each workload whose pods are refused, where they are still wanting."""
    seen: set[Ref] = set()
    for ref, events in list(world.events.items()):
        if ref.kind not in _OWNERS:
            continue
        event = newest(
            [each for each in events if each.reason in ("FailedCreate", "FailedUpdate", "ReplicaSetCreateError")]
        )
        about = world.above(ref)
        if event is None or about in seen or not _is_wanting(world, ref, about, event):
            continue
        seen.add(about)
        yield _refused(world, about, event)


def _is_wanting(world: World, ref: Ref, about: Ref, event: Happening) -> bool:
    thing = world.by_ref.get(ref)
    if thing is None:
        return world.age(event.last) < _LATELY
    wanted = number(
        thing.spec.get("replicas", thing.status.get("desiredNumberScheduled", thing.spec.get("parallelism", 1)))
    )
    there = sum(1 for pod in world.pods_of.get(ref, []) if pod.data.get("phase") != "Failed")
    there = max(there, number(thing.status.get("replicas", thing.status.get("currentNumberScheduled"))))
    if thing.ref.kind == "Job" and (thing.status.get("succeeded") or number(thing.status.get("active"))):
        return False
    return wanted > there or (wanted > 0 and not any(map(ready, world.pods_of.get(ref, []))))


def _refused(world: World, about: Ref, event: Happening) -> Finding:
    cause, why, name = "refused", "they are refused", ""
    for cause_, pattern, words in _WHY:
        if (match := re.search(pattern, event.message)) is not None:
            groups = {key: value or "" for key, value in match.groupdict().items()}
            cause, why, name = cause_, words.format(**groups), groups.get("name", "")
            break
    needs: set[Ref] = set()
    details: list[Statement] = []
    if cause == "quota" and (quota := Ref("ResourceQuota", about.namespace, name)) in world.by_ref:
        needs.add(quota)
    if cause.startswith("quota") and (quota := world.get("ResourceQuota", about.namespace, name)):
        details.append(
            statement(f"{quota.ref} says what is used and what is allowed.", field_of(quota, "used:", "hard:"))
        )
    if cause == "webhook.unreachable":
        hook = configuration(world, name)
        needs |= {hook[0].ref} if hook else set()
        match = re.search(r"https?://([\w-]+)\.([\w-]+)\.svc", event.message)
        if match:
            service = Ref("Service", match.group(2), match.group(1))
            needs.add(service)
            if (thing := world.by_ref.get(service)) is not None:
                needs |= world.backing(thing)
            elif world.lacks(*service):
                why = f"{why}: its {service} is not there"
    core = re.sub(r"^.*? is forbidden: |^Error creating: |^Internal error occurred: ", "", event.message)
    workload = world.by_ref.get(about)
    return Finding(
        rule="refusals",
        cause=cause,
        about=about,
        headline=statement(
            [
                f"{about} waits for new pods, because {why}: {quoted(core)}",
                f"{about} waits for new pods ({cause}): {quoted(core)}",
                f"{about} waits for its pods: {quoted(core)}",
            ],
            event_of(event),
            field_of(workload),
        ),
        depth=2 if needs else 3,
        weight=0.93,
        details=details,
        needs=needs,
        next=f"kubectl -n {about.namespace} get events --field-selector reason=FailedCreate",
        since=event.first,
    )
