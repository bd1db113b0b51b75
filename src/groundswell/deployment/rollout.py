"""Wave by wave without Argo CD: apply one, wait until it stands, prove it, go on."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from groundswell.core.errors import Unavailable
from groundswell.deployment import layout
from groundswell.deployment.kubectl import Kubectl
from groundswell.deployment.objects import Object, from_yaml
from groundswell.waves.opening import gist

Say = Callable[[str], None]
Prove = Callable[[int], Awaitable[None]]
WAITED = {"Deployment": "deployment", "StatefulSet": "statefulset"}


async def rollout(
    folder: Path, name: str, kubectl: Kubectl, say: Say, prove: Prove | None = None, *, seconds: int = 300
) -> dict[int, float]:
    """Open the waves in order: wave → the seconds it took. Raises Unavailable for one that does not come to stand."""
    took: dict[int, float] = {}
    for number, wave in layout.WAVES.items():
        began = time.monotonic()
        overlay = folder / "clusters" / name / wave
        objects = from_yaml(kubectl("kustomize", str(overlay)))
        try:
            _apply(kubectl, overlay, objects)
        except Unavailable as error:
            hint = "mend the manifest that is named, and roll out again: what stands is left as it is"
            message = f"wave {number} ({wave}) cannot be applied: {error.message}"
            raise Unavailable("wave_refused", message, hint) from error
        for each in objects:
            _stands(kubectl, each, seconds)
        if prove:
            await prove(number)
        took[number] = time.monotonic() - began
        say(f"wave {number} ({wave}) stands after {took[number]:.0f} s: {_summary(objects)}")
    return took


def _apply(kubectl: Kubectl, overlay: Path, objects: list[Object]) -> None:
    """Server-side, so that what others own stays theirs. A Job cannot change: the one before is taken away."""
    for each in objects:
        if each["kind"] == "Job":
            metadata = each["metadata"]
            kubectl("-n", metadata["namespace"], "delete", "job", metadata["name"], "--ignore-not-found", "--wait")
    kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=groundswell", "-k", str(overlay))


def _stands(kubectl: Kubectl, each: Object, seconds: int) -> None:
    kind, metadata = each["kind"], each["metadata"]
    place, name = metadata.get("namespace", ""), metadata["name"]
    limit = f"--timeout={seconds}s"
    try:
        if kind in WAITED:
            kubectl("-n", place, "rollout", "status", f"{WAITED[kind]}/{name}", limit, seconds=seconds + 15)
        elif kind == "Job":
            kubectl("-n", place, "wait", "--for=condition=complete", f"job/{name}", limit, seconds=seconds + 15)
    except Unavailable as error:
        message = f"{kind} {place}/{name} does not come to stand: {_why(kubectl, place, name) or error.message}"
        raise Unavailable("wave_closed", message, f"kubectl -n {place} describe pods") from error


def _why(kubectl: Kubectl, place: str, name: str) -> str:
    """What its containers wait for, and the last warnings about its pods."""
    pods = kubectl.json("-n", place, "get", "pods", "-l", f"app.kubernetes.io/name={name}")["items"]
    reasons: list[str] = []
    for pod in pods:
        for status in pod["status"].get("containerStatuses", ()):
            for part in (status["state"].get("waiting"), status.get("lastState", {}).get("terminated")):
                if part:
                    said = " ".join(f"{part.get('reason', '')} {gist(part.get('message', ''))}".split())
                    reasons.append(f"{pod['metadata']['name']}: {said[:400]}")
    events = kubectl.json("-n", place, "get", "events", "--field-selector", "type=Warning")["items"]
    events = [each for each in events if each["involvedObject"]["name"].startswith(name)]
    reasons += [" ".join(each.get("message", "").split())[:300] for each in events[-2:]]
    return "; ".join(dict.fromkeys(reasons))


def _summary(objects: list[Object]) -> str:
    counts = Counter(each["kind"] for each in objects)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
