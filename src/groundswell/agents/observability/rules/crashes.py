"""Containers that end: why, by what they themselves said first."""

import re
from collections.abc import Iterator

from groundswell.agents.observability.dependencies import followed
from groundswell.agents.observability.findings import Finding, Quote, field_of, line_of, quoted, statement
from groundswell.agents.observability.meanings import because
from groundswell.agents.observability.messages import Complaint
from groundswell.agents.observability.pods import (
    NOT_STARTED,
    Ended,
    ended,
    killed_by,
    logs_of,
    reason_in_logs,
    unfinished_jobs,
    upstream_of,
)
from groundswell.agents.observability.world import Ref, World, number

_SIGNALS = {
    139: "a segmentation fault",
    134: "an abort",
    126: "a command that may not be run",
    127: "a command that was not found",
}


def find(world: World) -> Iterator[Finding]:
    """One finding for each workload's container that ends."""
    seen: set[tuple[object, str]] = set()
    for found in ended(world):
        last = found.last
        if last.get("reason") == "OOMKilled" or (found.about, found.name) in seen:
            continue
        complaint = reason_in_logs(world, found)
        if killed_by(world, found) and not (complaint and complaint.line.level == "fatal" and complaint.kind):
            continue  # the rule on probes looks at these
        if last.get("reason") in NOT_STARTED or found.container.get("reason") in NOT_STARTED:
            yield _not_started(found)
        else:
            yield _crash(world, found, complaint)
        seen.add((found.about, found.name))


def _what(found: Ended) -> str:
    role = "init container" if found.is_init else "container"
    return f"{role} `{found.name}`"


def _pod_quotes(found: Ended) -> list[Quote | None]:
    code = found.last.get("exitCode")
    words = f"exitCode: {code}" if code is not None else f"reason: {found.container.get('reason')}"
    return [field_of(found.pod, words)]


def _not_started(found: Ended) -> Finding:
    message = str(found.last.get("message") or found.container.get("message") or "")
    core = re.search(r"(?:exec: |exec user process|starting container process).*$", message)
    says = quoted(core.group() if core else message) if message else "its command could be started by nobody"
    quote = field_of(found.pod, message, "reason: StartError")
    return Finding(
        rule="crashes",
        cause="crash.command",
        about=found.about,
        headline=statement(
            [
                f"{found.about} is down: the command of its {_what(found)} does not start: {says}",
                f"{found.about}: {says}",
            ],
            quote,
        ),
        depth=3,
        weight=0.9,
        touches={found.pod.ref},
        next=f"kubectl -n {found.pod.ref.namespace} describe pod {found.pod.ref.name}",
    )


def _crash(world: World, found: Ended, complaint: Complaint | None) -> Finding:
    pod, last = found.pod, found.last
    code = last.get("exitCode")
    verb = "is held up" if found.is_init else "keeps crashing"
    if found.container.get("state") == "terminated" and not number(found.container.get("restarts")):
        verb = "ended badly"
    namespace = pod.ref.namespace
    cites = _pod_quotes(found)
    finding = Finding(
        rule="crashes",
        cause="crash",
        about=found.about,
        headline=statement(f"{found.about} is down", *cites),
        depth=2,
        weight=0.9,
        needs=upstream_of(pod),
        touches={pod.ref},
        next=f"kubectl -n {namespace} logs {pod.ref.name} -c {found.name} --previous",
        since=str(last.get("finishedAt", "")),
    )
    exits = f" (exit code {code})" if code is not None else ""
    head = f"{found.about} {verb}: its {_what(found)}{exits}"
    if complaint is None or complaint.score < 0:
        what = _SIGNALS.get(number(code), "")
        if code == 0:
            words = [f"{head} runs to its end, and is started again: its command is one that completes"]
            finding.cause, finding.depth = "crash.completes", 3
        elif what:
            words = [f"{head} ends by {what}", f"{head} ends"]
        else:
            has_log = any(log.lines for log in logs_of(world, pod, found.name))
            words = [
                f"{head} ends without a word in its log of why" if has_log else f"{head} ends, and its log was not seen"
            ]
            words.append(f"{head} ends")
        tail = [line_of(log.lines[-1]) for log in logs_of(world, pod, found.name)[-1:] if log.lines]
        finding.headline = statement([f"{each}." for each in words], *cites, *tail)
        return finding
    line = line_of(complaint.line)
    edge = followed(world, complaint, namespace)
    reasons = [edge.problem] if edge.problem else []
    reasons += because(complaint)
    words = [f"{head} ends because {each}: {quoted(complaint.quote)}" for each in reasons]
    finding.headline = statement([*words, f"{head} ends with {quoted(complaint.quote)}"], *cites, line, *edge.quotes)
    finding.kind = complaint.kind
    finding.cause = edge.cause or f"crash.{complaint.kind or 'unknown'}"
    finding.needs |= edge.needs
    migrations = unfinished_jobs(world, namespace) if complaint.kind == "schema" else set[Ref]()
    finding.needs |= migrations
    finding.depth = (
        3 if edge.cause or complaint.kind in ("setting", "schema", "program", "login", "port", "rbac") else 2
    )
    if migrations:
        finding.depth = 2
    finding.details += edge.says
    if complaint.line.count > 1:
        finding.details.append(statement(f"The log says this first, and again later: {quoted(complaint.quote)}", line))
    return finding
