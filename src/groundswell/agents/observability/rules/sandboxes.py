"""Pods whose sandbox is not made: the network plugin, the runtime, an address that is not to be had."""

import re
from collections.abc import Iterator

from groundswell.agents.observability.findings import Finding, event_of, field_of, quoted, statement
from groundswell.agents.observability.pods import counts
from groundswell.agents.observability.world import Ref, World, newest, ready


def find(world: World) -> Iterator[Finding]:
    """One finding for each workload."""
    seen: set[Ref] = set()
    for pod in world.all("Pod"):
        about = world.owner(pod)
        if about in seen or not counts(world, pod) or ready(pod):
            continue
        event = newest(
            [
                e
                for e in world.events.get(pod.ref, [])
                if e.reason in ("FailedCreatePodSandBox", "NetworkNotReady", "FailedPostStartHook", "FailedPreStopHook")
            ]
        )
        if event is None or re.search(r"(?i)(?:configmap|secret) \"", event.message):
            continue
        seen.add(about)
        hook = event.reason.endswith("Hook")
        why = "its lifecycle hook fails" if hook else "the set-up of its network or sandbox goes wrong"
        yield Finding(
            rule="sandboxes",
            cause="hook" if hook else "sandbox",
            about=about,
            headline=statement(
                [
                    f"{about} waits to start, because {why}: {quoted(event.message)}",
                    *([] if hook else [f"{about} waits to start, because its sandbox failed: {quoted(event.message)}"]),
                    f"{about}: {quoted(event.message)}",
                ],
                event_of(event),
                field_of(pod),
            ),
            depth=3,
            weight=0.85,
            needs={Ref("Node", "", str(pod.data.get("node", "")))},
            touches={pod.ref},
            next=f"kubectl -n {pod.ref.namespace} describe pod {pod.ref.name}",
        )
