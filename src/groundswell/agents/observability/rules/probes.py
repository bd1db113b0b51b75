"""Probes that fail: at the wrong port or path, too early, or because the program does not answer."""

import re
from collections.abc import Iterator

from groundswell.agents.observability.dependencies import followed
from groundswell.agents.observability.findings import Finding, Statement, event_of, field_of, line_of, quoted, statement
from groundswell.agents.observability.messages import complaints
from groundswell.agents.observability.pods import counts, logs_of, upstream_of
from groundswell.agents.observability.world import (
    Data,
    Happening,
    Ref,
    Thing,
    World,
    newest,
    number,
    of,
    rows,
)

_FAILED = re.compile(r"(?P<kind>Liveness|Readiness|Startup) probe (?:failed|errored)")
_LATELY = 20 * 60.0
_YOUNG, _FEW = 45.0, 3  # seconds, failures
_KEYS = {"Liveness": "livenessProbe", "Readiness": "readinessProbe", "Startup": "startupProbe"}


def find(world: World) -> Iterator[Finding]:
    """One finding for each workload's container whose probe fails."""
    seen: set[tuple[Ref, str]] = set()
    for pod in world.all("Pod"):
        if not counts(world, pod) or pod.data.get("phase") != "Running" or "deleting" in pod.data:
            continue
        for container in pod.containers:
            failed = _event(world, pod, container)
            key = (world.owner(pod), str(container.get("name")))
            if key in seen or (failed is None and not _silent(world, pod, container)):
                continue
            if failed is not None and not _is_now(world, pod, container, failed):
                continue
            if failed is not None and _is_first(world, container, failed):
                continue
            seen.add(key)
            yield _failing(world, pod, container, failed)


def _event(world: World, pod: Thing, container: Data) -> Happening | None:
    name = str(container.get("name"))
    own = [
        each
        for each in world.events.get(pod.ref, [])
        if _FAILED.match(each.message) and (each.container == name or (not each.container and len(pod.containers) == 1))
    ]
    killing = [each for each in own if each.message.startswith(("Liveness", "Startup"))]
    return newest(killing) if killing and number(container.get("restarts")) else newest(own)


def _is_now(world: World, pod: Thing, container: Data, failed: Happening) -> bool:
    """Whether the failures go on: the container is not ready, or is killed for them again and again."""
    if not container.get("ready"):
        return container.get("reason") != "CrashLoopBackOff" or not failed.message.startswith("Readiness")
    last = of(container, "last")
    lately = world.age(failed.last) < _LATELY
    kills = failed.message.startswith(("Liveness", "Startup"))
    return kills and lately and number(container.get("restarts")) >= 2 and world.age(last.get("finishedAt")) < _LATELY


def _is_first(world: World, container: Data, failed: Happening) -> bool:
    """Whether a container has only just begun: a probe that is not met yet is what probes are for."""
    young = world.age(container.get("startedAt")) < _YOUNG and not number(container.get("restarts"))
    return young and failed.count <= _FEW


def _silent(world: World, pod: Thing, container: Data) -> bool:
    """A container that runs for long and is not ready, without an event that says why."""
    is_running = container.get("state") == "running" and not container.get("ready")
    probe = of(container, "readinessProbe") or of(container, "startupProbe")
    return is_running and bool(probe) and world.age(container.get("startedAt")) > 120 and not of(container, "last")


def _failing(world: World, pod: Thing, container: Data, failed: Happening | None) -> Finding:
    about, name = world.owner(pod), str(container.get("name"))
    match = _FAILED.match(failed.message) if failed else None
    kind = match.group("kind") if match else ("Readiness" if of(container, "readinessProbe") else "Startup")
    probe = of(container, _KEYS[kind])
    kills = kind != "Readiness"
    cause, why, quotes, sure = _why(world, container, probe, failed, kind)
    effect = "is restarted again and again by" if kills else "is held back by"
    said = quoted(failed.message) if failed else ""
    head = f"{about} {effect} the {kind.lower()} probe of its container `{name}`"
    plain = f"{about}: {kind} probe of container `{name}`"
    cites = [
        event_of(failed),
        field_of(pod, _KEYS[kind]),
        field_of(pod, "ready: false"),
        *(field_of(pod, q) for q in quotes),
    ]
    words = [f"{head}: {why}: {said}", f"{plain}: {why}: {said}"] if why and said else []
    words += [f"{head}: {said}", f"{plain}: {said}"] if said else [f"{head}.", f"{plain}."]
    if why and not said:
        words.insert(0, f"{head}: {why}.")
    finding = Finding(
        rule="probes",
        cause=cause,
        about=about,
        headline=statement(words, *cites),
        depth=3 if sure else 2,
        weight=0.85,
        needs=upstream_of(pod),
        touches={pod.ref},
        next=f"kubectl -n {pod.ref.namespace} describe pod {pod.ref.name}",
        since=failed.first if failed else "",
    )
    if not sure:
        finding.details += list(_logged(world, pod, name, finding))
    return finding


def _why(
    world: World, container: Data, probe: Data, failed: Happening | None, kind: str
) -> tuple[str, str, list[str], bool]:
    """What is wrong with the probe or behind it; what shows it; and whether that is sure."""
    message = failed.message if failed else ""
    action = of(probe, "httpGet") or of(probe, "tcpSocket") or of(probe, "grpc")
    port = action.get("port")
    ports = [each.get("port") for each in rows(container, "ports")]
    named = {str(each.get("name")): each.get("port") for each in rows(container, "ports") if each.get("name")}
    if isinstance(port, str) and port and not port.isdigit() and port not in named:
        return "probe.port", f"it asks the port `{port}`, and the container names no port so", [f"port: {port}"], True
    asked = named.get(str(port), port)
    refused = "connection refused" in message
    if refused and isinstance(asked, int) and ports and asked not in ports:
        return (
            "probe.port",
            f"it asks port {asked}, while the container listens on {ports[0]}",
            [f"port: {asked}", f"port: {ports[0]}"],
            True,
        )
    if re.search(r"statuscode: 404", message):
        path = str(action.get("path", "/"))
        return "probe.path", f"the path `{path}` that it asks for is answered with 404", [f"path: {path}"], True
    if re.search(r"statuscode: 40[13]", message):
        return "probe.auth", "its path wants a login", [], True
    if re.search(r"server gave HTTP response to HTTPS client|malformed HTTP|record", message):
        return "probe.scheme", "it speaks another protocol than the container (HTTP and HTTPS)", [], True
    if re.search(r"statuscode: 5\d\d", message):
        return "probe.unhealthy", "the program itself says that it is unwell", [], False
    if re.search(r"no such file|executable file not found|not found in \$PATH", message):
        return "probe.command", "its command is not in the image", [], True
    cpu = str(of(container, "limits").get("cpu", ""))
    if re.search(r"Timeout exceeded|deadline exceeded|timed out", message) and (share := _cores(cpu)) and share < 0.1:
        return (
            "cpu.limit",
            f"with a CPU limit of {cpu} its program is too slow to answer in time",
            [f"cpu: {cpu}"],
            True,
        )
    if kind != "Readiness" and (refused or "Timeout" in message or "deadline" in message):
        delay = number(probe.get("initialDelaySeconds"))
        period, most = number(probe.get("periodSeconds")) or 10, number(probe.get("failureThreshold")) or 3
        if not of(container, "startupProbe") or kind == "Startup":
            return (
                "probe.slow",
                "the program takes longer to start than the probe waits",
                [f"initialDelaySeconds: {delay}" if delay else f"failureThreshold: {most}", f"periodSeconds: {period}"],
                False,
            )
    if re.search(r"Timeout exceeded|deadline exceeded|timed out", message):
        return "probe.timeout", "it is not answered in time", [], False
    return "probe", "", [], False


def _cores(quantity: str) -> float:
    """A CPU quantity in cores; 0 where there is none."""
    match = re.fullmatch(r"([\d.]+)(m?)", quantity)
    return float(match.group(1)) / (1000 if match.group(2) else 1) if match else 0.0


def _logged(world: World, pod: Thing, name: str, finding: Finding) -> Iterator[Statement]:
    """What the container's own log says meanwhile, and what that rests on."""
    for log in reversed(logs_of(world, pod, name)):
        for complaint in [each for each in complaints(log) if each.score >= 1.5 and each.kind][:1]:
            edge = followed(world, complaint, pod.ref.namespace)
            finding.needs |= edge.needs
            finding.depth = 2
            reason = edge.problem
            text = f"Meanwhile its log says {quoted(complaint.quote)}"
            if complaint.kind != "bug":
                head = finding.headline
                first = head.wordings[-1].rstrip(".")
                also = f"{finding.about} is not ready because {reason}: {quoted(complaint.quote)}" if reason else ""
                words = [each for each in (also, f"{first}; its log says why: {quoted(complaint.quote)}") if each]
                finding.headline = statement(
                    [*words, *head.wordings], *head.quotes, line_of(complaint.line), *edge.quotes
                )
                finding.cause, finding.kind = edge.cause or f"unready.{complaint.kind}", complaint.kind
                finding.depth = 3 if edge.cause else 2
            yield statement(text, line_of(complaint.line))
            yield from edge.says
            return
