"""What a pod refers to and does not get: a ConfigMap, a Secret, a key in one, a ServiceAccount. Only events say so."""

import re
from collections.abc import Iterator

from groundswell.agents.observability.findings import Finding, Quote, event_of, field_of, quoted, statement
from groundswell.agents.observability.pods import counts
from groundswell.agents.observability.world import Ref, Thing, World, all_containers, newest, ready

_SAYS = (
    re.compile(r"(?i)(?P<kind>configmap|secret|serviceaccount) \"(?P<name>[^\"]+)\" not found"),
    re.compile(r"(?i)couldn't find key (?P<key>\S+) in (?P<kind>configmap|secret) (?:[\w.-]+/)?(?P<name>[\w.-]+)"),
    re.compile(r"(?i)references non-existent (?P<kind>configmap|secret) key: ?(?P<key>\S+)"),
    re.compile(r"(?i)non-existent config key: ?(?P<key>\S+)"),
    re.compile(r"(?i)(?P<kind>serviceaccount) (?P<name>[\w.-]+)(?: was)? not found"),
    re.compile(r"(?i)error looking up service account [\w.-]+/(?P<name>[\w.-]+)(?P<kind>)"),
)
_NAMES = {"configmap": "ConfigMap", "secret": "Secret", "serviceaccount": "ServiceAccount"}


def find(world: World) -> Iterator[Finding]:
    """One finding for each workload and what it lacks."""
    seen: set[tuple[Ref, str]] = set()
    for pod, about, message, quote in _messages(world):
        for pattern in _SAYS:
            match = pattern.search(message)
            if match is None:
                continue
            groups = match.groupdict()
            kind = _NAMES.get(
                (groups.get("kind") or "").lower(), "ServiceAccount" if "service account" in message else ""
            )
            name, key = groups.get("name") or "", (groups.get("key") or "").rstrip(".,")
            if (about, name + key) not in seen:
                seen.add((about, name + key))
                yield _lacking(world, pod, about, kind, name, key, message, quote)
            break


def _messages(world: World) -> Iterator[tuple[Thing | None, Ref, str, Quote | None]]:
    for pod in world.all("Pod"):
        if not counts(world, pod) or ready(pod):
            continue
        for container, _ in all_containers(pod.data):
            if container.get("reason") in ("CreateContainerConfigError", "CreateContainerError"):
                message = str(container.get("message", ""))
                yield pod, world.owner(pod), message, field_of(pod, message)
        events = [
            e for e in world.events.get(pod.ref, []) if e.reason in ("FailedMount", "Failed", "FailedCreatePodSandBox")
        ]
        for event in sorted(events, key=lambda each: each.last, reverse=True):
            yield pod, world.owner(pod), event.message, event_of(event)
    for ref, events in world.events.items():
        if ref.kind in ("ReplicaSet", "StatefulSet", "DaemonSet", "Job"):
            event = newest(
                [each for each in events if each.reason == "FailedCreate" and "service account" in each.message.lower()]
            )
            thing = world.by_ref.get(ref)
            if event and thing is not None:
                about = world.above(ref)
                if not any(ready(pod) for pod in world.pods_of.get(about, [])):
                    yield thing, about, event.message, event_of(event)


def _lacking(
    world: World, pod: Thing | None, about: Ref, kind: str, name: str, key: str, message: str, quote: Quote | None
) -> Finding:
    namespace = about.namespace
    word = "configmap" if kind == "ConfigMap" else kind  # as the kubelet writes it
    if key and name:
        lacks = f"the key `{key}` is missing from the {word} `{name}` ({namespace})"
    elif key:
        lacks = f"the key `{key}` is missing from the {word or 'configmap'} that it mounts"
    else:
        lacks = f"the {word} `{name}` is not found in {namespace}"
    cites = [quote, field_of(pod, message, name)]
    finding = Finding(
        rule="references",
        cause=f"missing.{(kind or 'key').lower()}{'.key' if key and kind else ''}",
        about=about,
        headline=statement(
            [
                f"{about} does not start because {lacks}: {quoted(message)}",
                f"{about} waits for its {word} `{name}`: {quoted(message)}",
                f"{about}: {quoted(message)}",
            ],
            *cites,
        ),
        depth=3,
        weight=0.95,
        touches={pod.ref} if pod else set(),
        next=f"kubectl -n {namespace} get {kind.lower() or 'configmap'}s",
    )
    for thing in world.all(kind) if kind and name and not key else ():
        other = thing.ref.name
        if thing.ref.namespace == namespace and (other.startswith(name[:-2]) or name.startswith(other[:-2])):
            finding.details.append(statement(f"There is a {kind} `{other}` with a name near to that.", field_of(thing)))
        elif thing.ref.name == name:
            finding.details.append(
                statement(f"A {kind} `{name}` is in the namespace {thing.ref.namespace}.", field_of(thing))
            )
    return finding
