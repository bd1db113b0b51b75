"""Disruption budgets that allow nothing, while somebody tries to evict: an event says so, or the log of who tries."""

import re
from collections.abc import Iterator

from groundswell.agents.observability.findings import Finding, Quote, event_of, field_of, line_of, quoted, statement
from groundswell.agents.observability.messages import said
from groundswell.agents.observability.rules.network_policies import selects
from groundswell.agents.observability.world import Ref, Thing, World, number, of

_SAYS = re.compile(r"(?i)disruption budget")
_LATELY = 3600.0


def find(world: World) -> Iterator[Finding]:
    """One finding for each budget that holds an eviction up now."""
    budgets = [
        each
        for each in world.all("PodDisruptionBudget")
        if not number(each.status.get("disruptionsAllowed")) and number(each.status.get("expectedPods"))
    ]
    told = list(_told(world)) if budgets else []
    for budget in budgets:
        pods = [pod for pod in world.all("Pod") if _holds(budget, pod)]
        for text, quote, about in told:
            pod = next(
                (each for each in pods if re.search(rf"(?<![\w-]){re.escape(each.ref.name)}(?![\w-])", text)), None
            )
            if about == budget.ref or pod is not None or (about in {each.ref for each in pods}):
                yield _held(world, budget, pod or next(iter(pods), None), text, quote)
                break


def _told(world: World) -> Iterator[tuple[str, Quote, Ref]]:
    for event in world.happenings:
        said_so = _SAYS.search(event.message) or (event.about.kind == "PodDisruptionBudget" and event.type == "Warning")
        if said_so and world.age(event.last) < _LATELY and (quote := event_of(event)):
            yield event.message, quote, event.about
    for ref, logs in world.logs.items():
        for log in logs:
            for line in log.lines:
                if _SAYS.search(line.text) and line.last > log.digest.lines * 0.7:
                    yield line.text, line_of(line), ref


def _holds(budget: Thing, pod: Thing) -> bool:
    return budget.ref.namespace == pod.ref.namespace and selects(of(budget.spec, "selector"), pod.labels)


def _held(world: World, budget: Thing, pod: Thing | None, text: str, quote: Quote) -> Finding:
    node = Ref("Node", "", str(pod.data.get("node", ""))) if pod is not None else None
    key = "minAvailable" if "minAvailable" in budget.spec else "maxUnavailable"
    asks = budget.spec.get(key)
    healthy = budget.status.get("currentHealthy")
    whom = f"{pod.ref} stays on {node}" if pod is not None and node and node.name else "pods are kept from eviction"
    says = quoted(said(text))
    return Finding(
        rule="budgets",
        cause="budget",
        about=budget.ref,
        headline=statement(
            [
                f"{budget.ref} allows 0 disruptions ({key}: {asks}, healthy: {healthy}), so {whom}: {says}",
                f"{budget.ref} allows 0 disruptions, so pods are not evicted: {says}",
                f"{budget.ref} allows 0 disruptions: {says}",
                f"{budget.ref}: {says}",
            ],
            field_of(budget, "disruptionsAllowed: 0", "expectedPods"),
            field_of(budget, f"{key}: {asks}"),
            field_of(budget, f"currentHealthy: {healthy}"),
            quote,
            field_of(pod, f"node: {node.name}" if node else ""),
        ),
        depth=3,
        weight=0.7,
        touches={each for each in (pod and pod.ref, pod and world.owner(pod), node) if each is not None},
        next=f"kubectl -n {budget.ref.namespace} describe pdb {budget.ref.name}",
    )
