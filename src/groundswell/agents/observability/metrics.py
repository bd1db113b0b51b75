"""What Prometheus says of what the question is about: a few cheap queries, each over one namespace and its pods."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from groundswell.agents.observability.findings import Finding, Quote, Statement, field_of, statement
from groundswell.agents.observability.world import WORKLOADS, Ref, World
from groundswell.core.context import RunContext
from groundswell.core.records import Metrics, Series

_WORKLOADS, _SERIES = 2, 3


@dataclass(frozen=True)
class Query:
    """One question to Prometheus: above `bad`, something is wrong; above `worth`, it is worth saying."""

    name: str
    promql: str
    says: str  # with {pod} and {value}
    worth: float
    bad: float


_PODS = 'namespace="{namespace}",pod=~"{pods}"'
QUERIES = (
    Query(
        "memory",
        "max by (pod) (container_memory_working_set_bytes{{" + _PODS + ',container!=""}})'
        " / max by (pod) (kube_pod_container_resource_limits{{" + _PODS + ',resource="memory"}})',
        "Pod `{pod}` uses {value} of its memory limit",
        0.8,
        0.97,
    ),
    Query(
        "throttling",
        "sum by (pod) (rate(container_cpu_cfs_throttled_periods_total{{" + _PODS + "}}[5m]))"
        " / sum by (pod) (rate(container_cpu_cfs_periods_total{{" + _PODS + "}}[5m]))",
        "Pod `{pod}` is throttled in {value} of its scheduling periods",
        0.25,
        0.5,
    ),
    Query(
        "restarts",
        "max by (pod) (increase(kube_pod_container_status_restarts_total{{" + _PODS + "}}[1h]))",
        "Pod `{pod}` restarted {value} times within the last hour",
        0.9,
        2.9,
    ),
    Query(
        "errors",
        "sum by (pod) (rate(http_requests_total{{" + _PODS + ',code=~"5.."}}[5m]))'
        " / sum by (pod) (rate(http_requests_total{{" + _PODS + "}}[5m]))",
        "Pod `{pod}` answers {value} of its requests with server errors",
        0.01,
        0.05,
    ),
)


@dataclass(frozen=True)
class Measured:
    """What one query came to, for one workload."""

    query: Query
    about: Ref
    metrics: Metrics


async def measured(context: RunContext, refs: Iterable[Ref]) -> tuple[list[Measured], list[str]]:
    """The queries for the first few workloads, where the run has a Prometheus; and what was not to be had."""
    found: list[Measured] = []
    missing: dict[str, None] = {}
    if "prometheus" not in context.run.sources:
        return found, []
    wanted = [ref for ref in dict.fromkeys(refs) if ref.kind in (*WORKLOADS, "Pod") and ref.namespace]
    for ref in wanted[:_WORKLOADS]:
        pods = re.escape(ref.name).replace("\\", "\\\\") + ("" if ref.kind == "Pod" else "-.*")
        for query in QUERIES:
            promql = query.promql.format(namespace=ref.namespace, pods=pods)
            result = await context.tools.result("metrics_query", promql=promql)
            if result.status == "ok":
                found.append(Measured(query, ref, Metrics.model_validate(result.value)))
            elif result.status != "no_data":
                missing[f"metrics: {result.message or result.code}"] = None
    if not wanted:
        missing["metrics: Prometheus was not asked, since no workload was named and none is in trouble"] = None
    return found, list(missing)


def statements(found: Sequence[Measured]) -> Iterator[Statement]:
    """What is worth saying of what was measured."""
    for each in found:
        for series in _above(each, each.query.worth):
            yield _said(each, series)


def findings(world: World, found: Sequence[Measured]) -> Iterator[Finding]:
    """What is wrong by its measure alone."""
    for each in found:
        for series in _above(each, each.query.bad)[:1]:
            said = _said(each, series)
            thing = field_of(world.by_ref.get(each.about))
            yield Finding(
                rule="metrics",
                cause=f"metrics.{each.query.name}",
                about=each.about,
                headline=statement(
                    [f"{each.about}: its {said.wordings[0][0].lower()}{said.wordings[0][1:]}", *said.wordings],
                    *said.quotes,
                    thing,
                ),
                depth=1,
                weight=0.6,
            )


def _above(measured: Measured, bound: float) -> list[Series]:
    return [each for each in measured.metrics.series if each.last is not None and each.last > bound][:_SERIES]


def _said(measured: Measured, series: Series) -> Statement:
    pod = series.labels.get("pod", "")
    excerpt = measured.metrics.excerpt
    line = next((each for each in excerpt.text.split("\n") if f'pod="{pod}"' in each), "") if excerpt else ""
    value = line.rpartition(" ")[2]
    quote = Quote(excerpt, line) if excerpt and line else None
    said = measured.query.says.format(pod=pod, value=value)
    return statement([f"{said}.", f"`{pod}`: {measured.query.name} {value}."], quote)
