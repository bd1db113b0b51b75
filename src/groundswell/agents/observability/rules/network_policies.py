"""Network policies that cut an edge on which somebody waits: a timeout in a log, and a policy that leaves it out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from groundswell.agents.observability.dependencies import followed
from groundswell.agents.observability.findings import Finding, Quote, field_of, line_of, quoted, statement
from groundswell.agents.observability.messages import Complaint, complaints, persistent
from groundswell.agents.observability.world import Data, Ref, Thing, World, of, ready, rows

_CUT = ("timeout", "dns", "refused", "upstream", "reset")


def find(world: World) -> Iterator[Finding]:
    """One finding for each edge that a policy cuts."""
    policies = sorted(world.all("NetworkPolicy"), key=lambda each: str(each.data.get("created", "")), reverse=True)
    if not policies:
        return
    seen: set[tuple[Ref, Ref]] = set()
    for pod in world.all("Pod"):
        for complaint in [each for log in world.logs.get(pod.ref, []) for each in complaints(log)]:
            is_now = persistent(complaint) or (complaint.score > 1.5 and not ready(pod))
            if complaint.kind not in _CUT or not is_now:
                continue
            cut = _cut(world, pod, complaint, policies)
            if cut is None or (world.owner(pod), cut.policy.ref) in seen:
                continue
            seen.add((world.owner(pod), cut.policy.ref))
            yield _finding(world, pod, cut, complaint)


@dataclass(frozen=True)
class _Cut:
    """The newest of the policies that together leave a way out."""

    policy: Thing
    target: Thing | None
    words: str


def _cut(world: World, pod: Thing, complaint: Complaint, policies: list[Thing]) -> _Cut | None:
    """What cuts the way a complaint speaks of: policies add up, so one that allows it is enough."""
    service = followed(world, complaint, pod.ref.namespace).service
    targets = world.selected(service.ref.namespace, of(service.spec, "selector")) if service else []
    ports = _ports(service, targets, complaint.port)
    outward = [each for each in policies if _holds(each, pod, "Egress")]
    if outward and complaint.kind == "dns":
        allowed = any(_allows(world, each, "egress", "to", None, {53}) for each in outward)
        return None if allowed else _Cut(outward[0], None, "egress rules leave port 53 (DNS) out")
    if complaint.kind == "dns":
        return None
    if outward and targets:
        if not any(_allows(world, each, "egress", "to", target, ports) for each in outward for target in targets):
            return _Cut(outward[0], service, "egress rules leave that way out")
    elif outward and complaint.kind == "timeout" and not _out(world, outward, ports):
        return _Cut(outward[0], None, "egress rules leave that way out")
    for target in targets[:1]:
        inward = [each for each in policies if _holds(each, target, "Ingress")]
        if inward and not any(_allows(world, each, "ingress", "from", pod, ports) for each in inward):
            return _Cut(inward[0], service, "ingress rules leave those pods out")
    return None


def _out(world: World, outward: list[Thing], ports: set[int]) -> bool:
    """Whether any of the policies lets something out on these ports."""
    return any(_allows(world, each, "egress", "to", None, ports) for each in outward)


def _holds(policy: Thing, pod: Thing, direction: str) -> bool:
    """Whether a policy holds for a pod in a direction."""
    same = policy.ref.namespace == pod.ref.namespace
    return same and direction in _types(policy) and selects(of(policy.spec, "podSelector"), pod.labels)


def _types(policy: Thing) -> list[str]:
    types = policy.spec.get("policyTypes")
    if isinstance(types, list):
        return [str(each) for each in types]
    return ["Ingress", "Egress"] if "egress" in policy.spec else ["Ingress"]


def _ports(service: Thing | None, targets: list[Thing], port: int) -> set[int]:
    """The ports at the pods that a call to a Service's port comes to."""
    found: set[int] = {port} if port else set()
    for each in rows(service.spec, "ports") if service else []:
        if port and each.get("port") != port:
            continue
        target = each.get("targetPort", each.get("port"))
        if isinstance(target, int):
            found.add(target)
        for pod in targets:
            found |= {
                p["port"]
                for c in pod.containers
                for p in rows(c, "ports")
                if p.get("name") == target and isinstance(p.get("port"), int)
            }
    return found


def _allows(world: World, policy: Thing, direction: str, peers: str, other: Thing | None, ports: set[int]) -> bool:
    rules = policy.spec.get(direction)
    if not isinstance(rules, list):
        return False
    for rule in rules:
        if not isinstance(rule, dict):
            return True  # `- {}`: everything
        listed = {each.get("port") for each in rows(rule, "ports")}
        named = any(isinstance(each, str) for each in listed)
        if rows(rule, "ports") and ports and not (listed & ports) and not named:
            continue
        sides = rows(rule, peers)
        if not sides or other is None or any(_is_peer(world, side, policy, other) for side in sides):
            return True
    return False


def _is_peer(world: World, side: Data, policy: Thing, other: Thing) -> bool:
    if "ipBlock" in side:
        return True  # an address may be anybody's
    if "namespaceSelector" in side:
        namespace = world.get("Namespace", "", other.ref.namespace)
        labels = namespace.labels if namespace else {"kubernetes.io/metadata.name": other.ref.namespace}
        if not selects(of(side, "namespaceSelector"), labels) and (namespace is not None or _is_by_name(side)):
            return False
    elif policy.ref.namespace != other.ref.namespace:
        return False
    return "podSelector" not in side or selects(of(side, "podSelector"), other.labels)


def _is_by_name(side: Data) -> bool:
    return "kubernetes.io/metadata.name" in str(side)


def selects(selector: Data, labels: dict[str, str]) -> bool:
    """Whether a label selector fits labels; an empty one fits all."""
    wanted = {key: str(value) for key, value in of(selector, "matchLabels").items()}
    if not wanted.items() <= labels.items():
        return False
    for each in rows(selector, "matchExpressions"):
        key, operator = str(each.get("key")), each.get("operator")
        values: Any = each.get("values") or []
        value = labels.get(key)
        if operator == "In" and value not in values:
            return False
        if operator == "NotIn" and value in values:
            return False
        if operator == "Exists" and value is None:
            return False
        if operator == "DoesNotExist" and value is not None:
            return False
    return True


def _finding(world: World, pod: Thing, cut: _Cut, complaint: Complaint) -> Finding:
    about, policy, target = world.owner(pod), cut.policy, cut.target
    to = f" to {target.ref}" if target is not None else ""
    cites: list[Quote | None] = [
        field_of(policy, "policyTypes"),
        line_of(complaint.line),
        field_of(target),
        field_of(pod),
        field_of(world.by_ref.get(about)),
    ]
    says = quoted(complaint.quote)
    return Finding(
        rule="network_policies",
        cause="network-policy",
        about=policy.ref,
        headline=statement(
            [
                f"{policy.ref} cuts the way from {about}{to}: its {cut.words}: {says}",
                f"{policy.ref} cuts the way from {pod.ref}{to}: its {cut.words}: {says}",
                f"{policy.ref} cuts the way from {pod.ref}{to}: {says}",
                f"{policy.ref} stands in the way of {pod.ref}: {says}",
            ],
            *cites,
        ),
        depth=3,
        weight=0.85,
        touches={about},
        next=f"kubectl -n {policy.ref.namespace} describe networkpolicy {policy.ref.name}",
    )
