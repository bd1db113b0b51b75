"""Workloads that have fewer pods than they want, and rollouts that hang."""

from collections.abc import Iterator

from groundswell.agents.observability.findings import Finding, field_of, quoted, statement
from groundswell.agents.observability.pods import is_starting, wanting
from groundswell.agents.observability.world import Ref, Thing, World, number, of


def find(world: World) -> Iterator[Finding]:
    """The symptom that most causes show themselves by; and the few causes that lie in the rollout itself."""
    for thing in world.all("Deployment", "StatefulSet", "DaemonSet"):
        wanted, ready = _figures(thing)
        progressing = thing.condition("Progressing")
        stuck = progressing.get("reason") == "ProgressDeadlineExceeded"
        if thing.spec.get("paused") and wanted:
            yield _paused(thing, is_broken=_is_behind(thing))
        if wanted and ready < wanted and not _is_fresh(world, thing):
            yield _short(world, thing, wanted, ready, stuck)
        elif stuck:
            yield _stuck(world, thing)


def _figures(thing: Thing) -> tuple[int, int]:
    if thing.ref.kind == "DaemonSet":
        return number(thing.status.get("desiredNumberScheduled")), number(thing.status.get("numberReady"))
    return number(thing.spec.get("replicas", 1)), number(thing.status.get("readyReplicas"))


def _is_behind(thing: Thing) -> bool:
    seen = thing.status.get("observedGeneration")
    behind = seen is not None and number(seen) < number(thing.data.get("generation"))
    return behind or number(thing.status.get("updatedReplicas")) < number(thing.spec.get("replicas", 1))


def _is_fresh(world: World, thing: Thing) -> bool:
    """Whether its pods are only just beginning."""
    pods = wanting(world, thing.ref)
    return bool(pods) and all(is_starting(world, pod) for pod in pods) and all(not _bad(pod) for pod in pods)


def _bad(pod: Thing) -> bool:
    return any(
        each.get("restarts")
        or each.get("reason") in ("ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff", "CreateContainerConfigError")
        for each in pod.containers
    )


def _short(world: World, thing: Thing, wanted: int, ready: int, stuck: bool) -> Finding:
    condition = thing.condition("Progressing" if stuck else "Available")
    message = str(condition.get("message", ""))
    failure = thing.condition("ReplicaFailure")
    cites = [
        field_of(thing, f"replicas: {wanted}", f"desiredNumberScheduled: {wanted}"),
        field_of(thing, f"readyReplicas: {ready}", f"numberReady: {ready}", "unavailableReplicas"),
        field_of(thing, message) if message else None,
        field_of(thing, str(failure.get("message"))) if failure.get("message") else None,
    ]
    head = f"{thing.ref} has {ready} of {wanted} replicas ready"
    words = [f"{head}: its rollout hangs ({condition.get('reason')})." if stuck else f"{head}."]
    words += [
        f"{thing.ref} wants {wanted} replicas.",
        f"{thing.ref}: {quoted(message)}" if message else f"{thing.ref}.",
    ]
    return Finding(
        rule="rollouts",
        cause="rollout.stuck" if stuck else "workload.short",
        about=thing.ref,
        headline=statement(words, *cites),
        depth=0,
        weight=0.5,
        needs={Ref("Node", "", str(pod.data["node"])) for pod in wanting(world, thing.ref) if pod.data.get("node")},
        touches={pod.ref for pod in wanting(world, thing.ref)},
        next=f"kubectl -n {thing.ref.namespace} rollout status {thing.ref.kind.lower()}/{thing.ref.name}",
    )


def _stuck(world: World, thing: Thing) -> Finding:
    message = str(thing.condition("Progressing").get("message", ""))
    strategy = of(of(thing.spec, "strategy"), "rollingUpdate")
    surge, down = str(strategy.get("maxSurge", "")), str(strategy.get("maxUnavailable", ""))
    blocked = surge in ("0", "0%") and down in ("0", "0%")
    words = [f"The rollout of {thing.ref} hangs (ProgressDeadlineExceeded): {quoted(message)}"]
    if blocked:
        words.insert(
            0, f"The rollout of {thing.ref} hangs, because maxSurge {surge} and maxUnavailable {down} leave it no room."
        )
    return Finding(
        rule="rollouts",
        cause="rollout.strategy" if blocked else "rollout.stuck",
        about=thing.ref,
        headline=statement(words, field_of(thing, "reason: ProgressDeadlineExceeded"), field_of(thing, message)),
        depth=3 if blocked else 0,
        weight=0.6,
        touches={pod.ref for pod in wanting(world, thing.ref)},
        next=f"kubectl -n {thing.ref.namespace} rollout status deployment/{thing.ref.name}",
    )


def _paused(thing: Thing, *, is_broken: bool) -> Finding:
    return Finding(
        rule="rollouts",
        cause="rollout.paused",
        about=thing.ref,
        headline=statement(f"{thing.ref} is paused: its rollout does not go on.", field_of(thing, "paused: true")),
        depth=3,
        weight=0.5,
        is_broken=is_broken,
        next=f"kubectl -n {thing.ref.namespace} rollout history deployment/{thing.ref.name}",
    )
