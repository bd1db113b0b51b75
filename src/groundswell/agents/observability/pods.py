"""How pods are: in trouble now, on their way, or over and done with."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from groundswell.agents.observability.messages import Complaint, complaints
from groundswell.agents.observability.world import (
    Data,
    Happening,
    Log,
    Ref,
    Thing,
    World,
    all_containers,
    finished,
    newest,
    number,
    of,
    ready,
    rows,
)

RECENT = 15 * 60.0  # seconds: what happened since then is not over
FORGOTTEN = 7 * 86400.0  # a Job that failed so long ago waits for nobody
STARTING = 90.0  # seconds that a pod may take before it counts as stuck
NOT_STARTED = ("RunContainerError", "StartError", "ContainerCannotRun", "CreateContainerError", "PostStartHookError")
_LEFT_BEHIND = frozenset(
    {"Evicted", "NodeShutdown", "Terminated", "Preempting", "Shutdown", "NodeAffinity", "NodeLost"}
)


@dataclass(frozen=True)
class Ended:
    """A container that ends although it should go on, or could not be started."""

    pod: Thing
    about: Ref  # the workload
    container: Data
    is_init: bool

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.container.get("name", ""))

    @property
    def last(self) -> Data:
        """How it last ended."""
        return self.container if self.container.get("state") == "terminated" else of(self.container, "last")


def counts(world: World, pod: Thing) -> bool:
    """Whether a pod's trouble is anybody's: it did not finish, is not replaced, and its workload is not satisfied."""
    if finished(pod):
        return False
    about = world.owner(pod)
    if pod.data.get("phase") == "Failed":
        if pod.data.get("reason") in _LEFT_BEHIND:
            return False  # the rule on evictions looks at these
        return not _is_made_up_for(world, pod, about)
    return True


def _is_made_up_for(world: World, pod: Thing, about: Ref) -> bool:
    """Whether a later pod of the same workload did what this one did not."""
    others = [each for each in world.pods_of.get(about, []) if each.ref != pod.ref]
    later = [each for each in others if str(each.data.get("created", "")) >= str(pod.data.get("created", ""))]
    if any(finished(each) or ready(each) for each in later):
        return True
    owner = str(pod.data.get("owner", ""))
    job = world.get("Job", pod.ref.namespace, owner.partition("/")[2]) if owner.startswith("Job/") else None
    return job is not None and is_over(world, job)


def is_over(world: World, job: Thing) -> bool:
    """Whether a Job is done with: it completed, a later one of its CronJob did, or nobody waits for it any more."""
    if job.condition("Complete").get("status") == "True":
        return True
    failed = job.condition("Failed")
    if failed.get("status") == "True" and world.age(failed.get("since")) > FORGOTTEN:
        return True
    owner = str(job.data.get("owner", ""))
    if not owner.startswith("CronJob/"):
        return False
    cron = world.get("CronJob", job.ref.namespace, owner.partition("/")[2])
    if cron is not None and cron.spec.get("suspend") is True:
        return True
    return any(
        other.data.get("owner") == owner
        and other.ref.namespace == job.ref.namespace
        and other.condition("Complete").get("status") == "True"
        and str(other.data.get("created")) > str(job.data.get("created"))
        for other in world.all("Job")
    )


def is_starting(world: World, pod: Thing) -> bool:
    """Whether a pod is too young to be called stuck."""
    return world.age(pod.data.get("created")) < STARTING


def waiting(world: World, *reasons: str) -> Iterator[Ended]:
    """Containers that wait for some reasons."""
    for pod in world.all("Pod"):
        if counts(world, pod):
            for container, is_init in all_containers(pod.data):
                if container.get("state") == "waiting" and container.get("reason") in reasons:
                    yield Ended(pod, world.owner(pod), container, is_init)


def ended(world: World) -> Iterator[Ended]:
    """Containers that end again and again, or ended for good although they should not have."""
    for pod in world.all("Pod"):
        if not counts(world, pod):
            continue
        for container, is_init in all_containers(pod.data):
            if _ends(world, pod, container, is_init):
                yield Ended(pod, world.owner(pod), container, is_init)


def _ends(world: World, pod: Thing, container: Data, is_init: bool) -> bool:
    state, reason = container.get("state"), container.get("reason")
    last = of(container, "last")
    if state == "waiting" and reason in ("CrashLoopBackOff", *NOT_STARTED):
        return not _lacks_reference(str(container.get("message", "")))
    if state == "terminated":
        if number(container.get("exitCode")) != 0:
            return True
        return not is_init and pod.data.get("phase") == "Running" and pod.data.get("restartPolicy") is None
    if state == "running" and last:
        is_fresh = world.age(last.get("finishedAt")) < RECENT
        often = number(container.get("restarts")) >= 3
        return is_fresh and (often or not container.get("ready"))
    return False


def _lacks_reference(message: str) -> bool:
    """Whether a container waits for a ConfigMap or Secret: the rule on references looks at these."""
    return re.search(r"(?i)(?:configmap|secret) \"[^\"]+\" not found|couldn't find key", message) is not None


def killed_by(world: World, found: Ended) -> Happening | None:
    """The event that says the kubelet killed a container because of its liveness or startup probe."""
    events = [
        each
        for each in world.events.get(found.pod.ref, [])
        if re.search(r"failed (?:liveness|startup) probe", each.message)
        or (each.reason == "Unhealthy" and re.match(r"(?:Liveness|Startup) probe failed", each.message))
    ]
    own = [each for each in events if found.name in (each.container or found.name)]
    return newest(own)


def logs_of(world: World, pod: Thing, container: str) -> list[Log]:
    """A container's logs: of the run before, then of this one. Of a workload, any of its pods' will do."""
    for ref in (pod.ref, *(each.ref for each in world.pods_of.get(world.owner(pod), []))):
        found = [log for log in world.logs.get(ref, []) if log.digest.container in (container, "")]
        if found:
            return sorted(found, key=lambda log: not log.digest.previous)
    return []


def reason_in_logs(world: World, found: Ended) -> Complaint | None:
    """The line that most likely says why a container ended: the first error of the run that ended, not the loudest."""
    best: list[Complaint] = []
    for log in logs_of(world, found.pod, found.name):
        best += complaints(log)[:1]
    return max(best, key=lambda each: each.score, default=None)


def unfinished_jobs(world: World, namespace: str) -> set[Ref]:
    """The Jobs of a namespace that did not complete: a migration may be among them."""
    return {
        ref
        for job in world.all("Job")
        if job.ref.namespace == namespace and job.condition("Complete").get("status") != "True"
        for ref in (
            job.ref,
            *(Ref("CronJob", namespace, str(job.data["owner"]).partition("/")[2]) for _ in range("owner" in job.data)),
        )
    }


def wanting(world: World, about: Ref) -> list[Thing]:
    """The pods of a workload that are not as they should be."""
    pods = [each for each in world.pods_of.get(about, []) if counts(world, each)]
    return [each for each in pods if not ready(each)]


def upstream_of(pod: Thing) -> set[Ref]:
    """What a pod rests on: its node, and what its volumes and variables come from."""
    found: set[Ref] = set()
    namespace = pod.ref.namespace
    if node := pod.data.get("node"):
        found.add(Ref("Node", "", str(node)))
    for volume in rows(pod.data, "volumes"):
        for key, kind in (
            ("claimName", "PersistentVolumeClaim"),
            ("configMap", "ConfigMap"),
            ("secretName", "Secret"),
        ):
            if volume.get(key):
                found.add(Ref(kind, namespace, str(volume[key])))
    for container, _ in all_containers(pod.data):
        for text in (*of(container, "env").values(), *(container.get("envFrom") or ())):
            match = re.match(r"(?:from )?(secret|configMap) (\S+)", str(text))
            if match:
                kind = "Secret" if match.group(1) == "secret" else "ConfigMap"
                found.add(Ref(kind, namespace, match.group(2)))
    return found
