"""Says what is wrong by metrics alone, where no cluster can be looked at: alerts, targets, workloads, saturation."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundswell.agents.observability.findings import Quote, Statement, statement
from groundswell.agents.observability.report import Writer
from groundswell.agents.observability.world import World
from groundswell.agents.words import WORD
from groundswell.core.context import RunContext
from groundswell.core.errors import GroundswellError, ToolFailed
from groundswell.core.records import ClusterEvidence, Excerpt, Metrics, ToolResult

_SHOWN = 4  # of one kind
_TOLD = 8  # in all, beside the first
_PLACES = ("namespace", "deployment", "statefulset", "daemonset", "service", "pod", "container", "node", "instance")
_NO_FAULT = frozenset({"Watchdog", "InfoInhibitor"})  # they fire while all is well: that is what they are for


@dataclass(frozen=True)
class Look:
    """One question to Prometheus that has an answer only where something is wrong."""

    about: str  # what is unknown where there are no such series
    promql: str
    says: tuple[str, ...]  # wordings, with labels, {value} and {where}


LOOKS = (
    Look(
        "alerts",
        'ALERTS{alertstate="firing"}',
        ("Alert `{alertname}` fires{where}, severity {severity}.", "Alert `{alertname}` fires{where}."),
    ),
    Look("scrape targets", "up == 0", ("`{instance}`, a target of job `{job}`, is down: up is {value}.",)),
    Look(
        "containers that wait (kube-state-metrics)",
        "kube_pod_container_status_waiting_reason == 1",
        ("Container `{container}` of pod {namespace}/{pod} waits: {reason}.",),
    ),
    Look(
        "restarts (kube-state-metrics)",
        "max by (namespace, pod) (increase(kube_pod_container_status_restarts_total[1h])) > 0.9",
        ("Pod {namespace}/{pod} restarted {value} times within the last hour.",),
    ),
    Look(
        "replicas of Deployments (kube-state-metrics)",
        "kube_deployment_status_replicas_unavailable > 0",
        ("Deployment {namespace}/{deployment} has {value} replicas unavailable.",),
    ),
    Look(
        "conditions of nodes (kube-state-metrics)",
        'kube_node_status_condition{condition="Ready", status="true"} == 0',
        ("Node `{node}`: condition Ready with status true is {value}.",),
    ),
    Look(
        "memory of containers",
        'max by (namespace, pod) (container_memory_working_set_bytes{container!=""})'
        ' / max by (namespace, pod) (kube_pod_container_resource_limits{resource="memory"}) > 0.9',
        ("Pod {namespace}/{pod} uses {value} of its memory limit.",),
    ),
    Look(
        "throttling of containers",
        "sum by (namespace, pod) (rate(container_cpu_cfs_throttled_periods_total[5m]))"
        " / sum by (namespace, pod) (rate(container_cpu_cfs_periods_total[5m])) > 0.5",
        ("Pod {namespace}/{pod} is throttled in {value} of its scheduling periods.",),
    ),
    Look(
        "server errors of requests",
        'sum by (namespace, job) (rate(http_requests_total{code=~"5.."}[5m]))'
        " / sum by (namespace, job) (rate(http_requests_total[5m])) > 0.05",
        ("Job `{job}`{where} answers {value} of its requests with server errors.",),
    ),
    Look(
        "memory of nodes (node-exporter)",
        "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes > 0.92",
        ("`{instance}` uses {value} of its memory.",),
    ),
    Look(
        "disks of nodes (node-exporter)",
        '1 - node_filesystem_avail_bytes{fstype!~"tmpfs|overlay|squashfs"}'
        ' / node_filesystem_size_bytes{fstype!~"tmpfs|overlay|squashfs"} > 0.9',
        ("`{instance}` has used {value} of `{mountpoint}`.",),
    ),
    Look(
        "CPU of nodes (node-exporter)",
        '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])) > 0.95',
        ("`{instance}` uses {value} of its CPU time.",),
    ),
    Look(
        "volumes",
        "1 - kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes > 0.9",
        ("The volume of {namespace}/{persistentvolumeclaim} is full to {value}.",),
    ),
)
_COUNTS = (  # series of 1 and 0: their sums are how many
    ("sum by (job) (up)", "{value} targets of job `{job}` are up"),
    ('sum(ALERTS{alertstate="firing", severity!="none"}) or vector(0)', "{value} alerts fire"),
)


@dataclass(frozen=True)
class Sign:
    """A series that says that something is wrong."""

    statement: Statement
    labels: Mapping[str, str]


async def diagnosed(context: RunContext, question: str, unseen: GroundswellError) -> tuple[dict[str, Any], int]:
    """What the node returns, and how much is wrong. Raises ToolFailed where there are no metrics either."""
    signs: list[Sign] = []
    unknown: list[str] = []
    failures: dict[str, ToolResult] = {}
    for look in LOOKS:
        result = await context.tools.result("metrics_query", promql=look.promql)
        if result.value is None:
            failures[result.message or result.code] = result
            if _is_away(result):
                break
            continue
        metrics = Metrics.model_validate(result.value)
        signs += _signs(look, metrics)
        if not metrics.series and not metrics.cost:
            unknown.append(look.about)
    if len(failures) == len(LOOKS) or any(_is_away(each) for each in failures.values()):
        worst = list(failures.values())[-1]
        message = f"no cluster could be looked at ({unseen.message}), and no metrics: {worst.message}"
        raise ToolFailed(worst.code, message, worst.hint, transient=worst.transient)
    writer = Writer(World(ClusterEvidence(origin=context.run.sources.get("prometheus", ""), taken="")))
    ordered = sorted(signs, key=lambda sign: -_asked_about(question, sign))
    if ordered:
        _wrong(writer, [sign.statement for sign in ordered])
    else:
        await _calm(writer, context)
    writer.block(f"Seen in the metrics of {writer.world.pack.origin} alone.")
    missing = [
        f"the cluster: {unseen.message}; so objects, events and logs, and with them what lies behind these figures, "
        "were not looked at",
        *(f"metrics: {message}" for message in failures),
    ]
    if unknown:
        missing.append(f"there are no series of these, so how they are is unknown: {', '.join(unknown)}")
    return writer.update(missing, {"hypotheses": []}), len(signs)


def _is_away(result: ToolResult) -> bool:
    """Whether no further query will be answered either."""
    return result.transient or result.code in ("metrics_forbidden", "bad_source", "no_source", "series_not_allowed")


def _signs(look: Look, metrics: Metrics) -> Iterator[Sign]:
    told = [
        (labels, line)
        for labels, line in _lines(metrics)
        if labels.get("alertname") not in _NO_FAULT and labels.get("severity") != "none"
    ]
    for labels, line in told[:_SHOWN]:
        named = {**labels, "value": line.rpartition(" ")[2], "where": _where(labels)}
        wordings = [each.format_map(named) for each in look.says if _has_all(each, named)]
        wordings.append(f"`{line}`")
        yield Sign(statement(wordings, Quote(_excerpt(metrics), line)), labels)


def _lines(metrics: Metrics | None) -> list[tuple[Mapping[str, str], str]]:
    """The labels of every series, and the line that tells it."""
    if metrics is None or metrics.excerpt is None:
        return []
    lines = metrics.excerpt.text.split("\n")
    return [(series.labels, line) for series, line in zip(metrics.series, lines, strict=False)]


def _excerpt(metrics: Metrics | None) -> Excerpt:
    assert metrics is not None
    assert metrics.excerpt is not None
    return metrics.excerpt


def _has_all(wording: str, named: Mapping[str, str]) -> bool:
    return set(re.findall(r"{(\w+)}", wording)) <= named.keys()


def _where(labels: Mapping[str, str]) -> str:
    said = [f"{name} `{labels[name]}`" for name in _PLACES if labels.get(name)][:3]
    return f" for {', '.join(said)}" if said else ""


def _asked_about(question: str, sign: Sign) -> int:
    """How many of the question's words name what the series is of."""
    asked = {word.lower() for word in WORD.findall(question) if len(word) > 2}
    there = {word.lower() for value in sign.labels.values() for word in WORD.findall(value)}
    return len(asked & there)


def _wrong(writer: Writer, told: Sequence[Statement]) -> None:
    writer.block()
    writer.say(told[0], confidence=0.7)
    writer.block("Also seen:", bullets=True)
    for each in told[1 : 1 + _TOLD]:
        writer.say(each, confidence=0.6)


async def _calm(writer: Writer, context: RunContext) -> None:
    """That nothing shows trouble, by how much there is that could."""
    counted: list[Statement] = []
    for promql, says in _COUNTS:
        result = await context.tools.result("metrics_query", promql=promql)
        metrics = Metrics.model_validate(result.value) if result.value is not None else None
        for labels, line in _lines(metrics)[:_SHOWN]:
            said = says.format_map({"job": "", **labels, "value": line.rpartition(" ")[2]})
            if writer.bears(plain := statement(f"{said}.", Quote(_excerpt(metrics), line))):
                counted.append(plain)
    writer.block()
    said = ", ".join(each.wordings[0].removesuffix(".") for each in counted)
    quotes = [quote for each in counted for quote in each.quotes]
    writer.say(statement(f"No signs of trouble were seen in the metrics: {said}.", *quotes), confidence=0.6)
    writer.block("Looked at:", bullets=True)
    for each in counted:
        writer.say(each)
