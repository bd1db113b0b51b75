"""What a cluster says of what does not stand: pods, events and logs, for whoever reads a failed test."""

from typing import Any

from cluster.live import MADE, Live
from groundswell.core.errors import GroundswellError

EVENTS, LINES = 25, 30


def told(live: Live) -> str:
    """All of it, bounded."""
    try:
        pods = [each for each in live.items("pods") if each["metadata"]["namespace"] in MADE]
        events = [each for each in live.items("events") if each["metadata"]["namespace"] in MADE]
    except (GroundswellError, OSError) as error:
        return f"the cluster does not answer: {error}"
    lines = [f"{len(pods)} pods: {', '.join(map(_state, pods))}", "", "warnings, the latest last:"]
    warnings = sorted((each for each in events if each["type"] == "Warning"), key=_at)[-EVENTS:]
    lines += [
        f"  {_where(each['involvedObject'])}: {each.get('reason')}: {each.get('message', '')}" for each in warnings
    ]
    for pod in pods:
        if not _well(pod):
            lines += _described(live, pod)
    return "\n".join(lines)


def _described(live: Live, pod: dict[str, Any]) -> list[str]:
    metadata = pod["metadata"]
    place, name = metadata["namespace"], metadata["name"]
    lines = ["", f"--- {place}/{name}"]
    for words in (
        ("describe", "pod", name),
        ("logs", name, "--all-containers", f"--tail={LINES}"),
        ("logs", name, "--all-containers", "--previous", f"--tail={LINES}"),
    ):
        try:
            said = live.kubectl("-n", place, *words, seconds=20)
        except GroundswellError as error:
            said = error.message
        lines += [f"$ kubectl -n {place} {' '.join(words)}", said]
    return lines


def _state(pod: dict[str, Any]) -> str:
    return f"{_where(pod['metadata'])} {pod['status'].get('phase')}{'' if _well(pod) else ' (not well)'}"


def _well(pod: dict[str, Any]) -> bool:
    status = pod["status"]
    ready = all(each["ready"] and not each["restartCount"] for each in status.get("containerStatuses", ()))
    return status.get("phase") == "Succeeded" or (status.get("phase") == "Running" and ready)


def _where(of: dict[str, Any]) -> str:
    return f"{of.get('namespace', '')}/{of.get('name', '')}"


def _at(event: dict[str, Any]) -> str:
    return event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
