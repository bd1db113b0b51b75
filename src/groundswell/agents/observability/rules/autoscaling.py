"""Autoscalers that cannot see, or that are at their end."""

import re
from collections.abc import Iterator

from groundswell.agents.observability.findings import Finding, event_of, field_of, quoted, statement
from groundswell.agents.observability.world import Ref, Thing, World, newest, number, of


def find(world: World) -> Iterator[Finding]:
    """One finding for each autoscaler in trouble."""
    for scaler in world.all("HorizontalPodAutoscaler"):
        target = of(scaler.spec, "scaleTargetRef")
        about = Ref(str(target.get("kind", "")), scaler.ref.namespace, str(target.get("name", "")))
        thing = world.by_ref.get(about)
        if thing is not None and thing.spec.get("replicas") == 0:
            continue  # scaled to nothing on purpose: it is off
        active, able = scaler.condition("ScalingActive"), scaler.condition("AbleToScale")
        if able.get("status") == "False" or active.get("status") == "False":
            bad = able if able.get("status") == "False" else active
            yield _blind(world, scaler, about, bad)
        elif scaler.condition("ScalingLimited").get("reason") == "TooManyReplicas":
            yield _at_end(scaler, about)


def _blind(world: World, scaler: Thing, about: Ref, bad: dict[str, object]) -> Finding:
    message, reason = str(bad.get("message", "")), str(bad.get("reason", ""))
    event = newest([each for each in world.events.get(scaler.ref, []) if each.type == "Warning"])
    if re.search(r"missing request for", message):
        cause, why = "autoscaler.requests", "a container of its pods has no resource request to compare with"
    elif re.search(
        r"no metrics returned|unable to (?:get|fetch) metrics|metrics API|could not find the requested resource"
        r"|metrics\.k8s\.io|did not receive metrics",
        message,
    ):
        cause, why = "autoscaler.metrics", "it gets no metrics"
    elif reason == "FailedGetScale" or re.search(r"not found", message):
        cause, why = "autoscaler.target", f"its target {about} is not found"
    else:
        cause, why = "autoscaler", f"of {reason}"
    return Finding(
        rule="autoscaling",
        cause=cause,
        about=scaler.ref,
        headline=statement(
            [
                f"{scaler.ref} does not scale {about}, because {why}: {quoted(message)}",
                f"{scaler.ref} is held up, because {_plainly(cause)}: {quoted(message)}",
                f"{scaler.ref}: {quoted(message or reason)}",
            ],
            field_of(scaler, message, f"reason: {reason}"),
            event_of(event) if event and message in event.message else None,
        ),
        depth=3,
        weight=0.6,
        needs={
            about,
            Ref("APIService", "", "v1beta1.metrics.k8s.io"),
            Ref("Deployment", "kube-system", "metrics-server"),
        },
        touches={about},
        next=f"kubectl -n {scaler.ref.namespace} describe hpa {scaler.ref.name}",
        since=str(bad.get("since", "")),
    )


def _plainly(cause: str) -> str:
    """The same in words that deny nothing."""
    words = {
        "autoscaler.requests": "its pods leave a resource request out",
        "autoscaler.metrics": "it waits for metrics",
        "autoscaler.target": "it waits for its target",
    }
    return words.get(cause, "it is blind")


def _at_end(scaler: Thing, about: Ref) -> Finding:
    most = scaler.spec.get("maxReplicas")
    return Finding(
        rule="autoscaling",
        cause="autoscaler.maximum",
        about=scaler.ref,
        headline=statement(
            [
                f"{scaler.ref} is at its maximum of {most} replicas, and wants more.",
                f"{scaler.ref} is at its maximum of {most} replicas.",
            ],
            field_of(scaler, "reason: TooManyReplicas"),
            field_of(scaler, f"maxReplicas: {most}"),
        ),
        depth=3,
        weight=0.5,
        is_broken=number(scaler.status.get("currentReplicas")) >= number(most) and _is_over_target(scaler),
        touches={about},
        next=f"kubectl -n {scaler.ref.namespace} describe hpa {scaler.ref.name}",
    )


def _is_over_target(scaler: Thing) -> bool:
    """Whether the load is above what is aimed at, so that more would be needed."""
    text = str(scaler.status.get("currentMetrics"))
    now = [int(each) for each in re.findall(r"'averageUtilization': (\d+)", text)]
    aims = [int(each) for each in re.findall(r"'averageUtilization': (\d+)", str(scaler.spec.get("metrics")))]
    return bool(now and aims and max(now) > max(aims) * 1.1)
