"""What NetworkPolicies let through, decided offline by the rules of `networking.k8s.io/v1`.

A connection is allowed when the source's egress and the target's ingress allow it. A pod that no policy selects for a
direction is open in it; one that some select is open only to what one of their rules names. Policies add up: none takes
back what another allows. A pod always reaches itself, and its node always reaches it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Literal

from groundswell.core.errors import ConfigError

Object = Mapping[str, Any]
Direction = Literal["Ingress", "Egress"]
NAME_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Pod:
    """A pod as policies see it."""

    namespace: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    address: str = ""
    ports: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])  # (name, protocol) → port
    host_network: bool = False  # no policy holds for it, and no selector finds it


@dataclass(frozen=True)
class Outside:
    """An address that is no pod's."""

    address: str


End = Pod | Outside


class Policies:
    """A cluster's policies and the labels of its namespaces."""

    def __init__(self, policies: Iterable[Object], namespaces: Mapping[str, Mapping[str, str]]) -> None:
        self.namespaces = {name: {**labels, NAME_LABEL: name} for name, labels in namespaces.items()}
        self.by_namespace: dict[str, list[Object]] = {}
        for each in policies:
            namespace = each["metadata"].get("namespace")
            if not namespace:
                raise ConfigError("no_namespace", f"the NetworkPolicy {each['metadata']['name']!r} has no namespace")
            self.by_namespace.setdefault(namespace, []).append(each)

    def allow(self, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        """Whether a connection goes through."""
        if isinstance(source, Pod) and source == target:
            return True
        return self._open(source, target, target, port, protocol, "Egress") and self._open(
            target, source, target, port, protocol, "Ingress"
        )

    def selecting(self, pod: Pod, direction: Direction) -> list[Object]:
        """The policies that hold for a pod in a direction."""
        if pod.host_network:
            return []
        return [
            each["spec"]
            for each in self.by_namespace.get(pod.namespace, ())
            if direction in _types(each["spec"]) and _matches(each["spec"].get("podSelector") or {}, pod.labels)
        ]

    def _open(self, held: End, other: End, target: End, port: int, protocol: str, direction: Direction) -> bool:
        if not isinstance(held, Pod):
            return True
        specs = self.selecting(held, direction)
        rules, peers = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
        return not specs or any(
            _port(rule.get("ports") or (), target, port, protocol)
            and self._peer(rule.get(peers) or (), other, held.namespace)
            for spec in specs
            for rule in spec.get(rules) or ()
        )

    def _peer(self, peers: Sequence[Object], other: End, namespace: str) -> bool:
        return not peers or any(self._one(peer, other, namespace) for peer in peers)

    def _one(self, peer: Object, other: End, namespace: str) -> bool:
        if (block := peer.get("ipBlock")) is not None:
            return _in_block(block, other.address)
        if not isinstance(other, Pod) or other.host_network:
            return False
        pods, spaces = peer.get("podSelector"), peer.get("namespaceSelector")
        if pods is None and spaces is None:
            return False  # an empty peer names nobody; the API refuses it
        if spaces is None:
            here = other.namespace == namespace
        else:
            here = _matches(spaces, self.namespaces.get(other.namespace, {NAME_LABEL: other.namespace}))
        return here and (pods is None or _matches(pods, other.labels))


def _types(spec: Object) -> Sequence[str]:
    """What a policy isolates: without `policyTypes` always ingress, and egress where it has such rules."""
    named: Sequence[str] = spec.get("policyTypes") or ()
    return named or (("Ingress", "Egress") if spec.get("egress") else ("Ingress",))


def _port(ports: Sequence[Object], target: End, port: int, protocol: str) -> bool:
    return not ports or any(_one_port(each, target, port, protocol) for each in ports)


def _one_port(rule: Object, target: End, port: int, protocol: str) -> bool:
    if (rule.get("protocol") or "TCP") != protocol:
        return False
    first = rule.get("port")
    if first is None:
        return True
    if isinstance(first, str):  # a name is the target's own: an address outside has none
        return isinstance(target, Pod) and target.ports.get((first, protocol)) == port
    return first <= port <= (rule.get("endPort") or first)


def _in_block(block: Object, address: str) -> bool:
    if not address:
        return False
    found = ip_address(address)
    return _within(block["cidr"], found) and not any(_within(each, found) for each in block.get("except") or ())


def _within(cidr: str, address: Any) -> bool:
    network = ip_network(cidr, strict=False)
    return address.version == network.version and address in network


def _matches(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether labels fit; an empty selector fits all."""
    equal = all(labels.get(name) == value for name, value in (selector.get("matchLabels") or {}).items())
    return equal and all(_expression(each, labels) for each in selector.get("matchExpressions") or ())


def _expression(expression: Object, labels: Mapping[str, str]) -> bool:
    key, operator = expression["key"], expression["operator"]
    values = expression.get("values") or ()
    match operator:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            raise ConfigError("bad_selector", f"a selector has no operator {operator!r}")
