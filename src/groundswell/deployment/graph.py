"""Who may talk to whom: one declared graph of edges, and the NetworkPolicies that allow them and nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from groundswell.deployment.objects import Object, made, selector

VERSION = "networking.k8s.io/v1"
# Clouds answer with credentials at these; link-local holds the common one (169.254.169.254) and its kin.
METADATA = ("169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32")
METADATA_6 = ("fd00:ec2::254/128", "fe80::/10")
PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
PRIVATE_6 = ("fc00::/7",)


@dataclass(frozen=True, order=True)
class Port:
    """One port, or with `end` a range of them."""

    number: int
    protocol: str = "TCP"
    end: int = 0

    def rendered(self) -> Object:
        """As a policy names it."""
        found: Object = {"protocol": self.protocol, "port": self.number}
        return found | ({"endPort": self.end} if self.end else {})


@dataclass(frozen=True)
class Workload:
    """Pods of ours; without a name all of a namespace."""

    namespace: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Others:
    """Pods of somebody else, by what their namespace and they are labelled."""

    name: str
    namespace: tuple[tuple[str, str], ...]
    pods: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Addresses:
    """Addresses outside the cluster, or of its nodes."""

    name: str
    blocks: tuple[str, ...]
    but: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


Node = Workload | Others | Addresses


@dataclass(frozen=True)
class Edge:
    """One way that is open, and why."""

    source: Node
    target: Node
    ports: tuple[Port, ...]
    why: str


@dataclass
class _Rules:
    """What one workload may take and give."""

    ingress: list[Object] = field(default_factory=list[Object])
    egress: list[Object] = field(default_factory=list[Object])


def anywhere(name: str) -> Addresses:
    """Every address but those of metadata services."""
    return Addresses(name, ("0.0.0.0/0", "::/0"), (*METADATA, *METADATA_6))


def public(name: str) -> Addresses:
    """Every address that is nobody's own network."""
    return Addresses(name, ("0.0.0.0/0", "::/0"), (*PRIVATE, *PRIVATE_6, *METADATA, *METADATA_6))


def denied(namespace: str) -> Object:
    """Nothing in, nothing out: what every namespace starts from."""
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    return made("NetworkPolicy", VERSION, "default-deny", namespace, spec=spec)


def policies(edges: Iterable[Edge], suffix: str = "") -> list[Object]:
    """One policy for each workload of ours that an edge begins or ends at."""
    rules: dict[Workload, _Rules] = {}
    for edge in edges:
        ports = [port.rendered() for port in edge.ports]
        if isinstance(edge.source, Workload):
            egress = {"to": _peers(edge.target, edge.source.namespace), "ports": ports}
            rules.setdefault(edge.source, _Rules()).egress.append(egress)
        if isinstance(edge.target, Workload):
            ingress = {"from": _peers(edge.source, edge.target.namespace), "ports": ports}
            rules.setdefault(edge.target, _Rules()).ingress.append(ingress)
    return [_policy(workload, rules[workload], suffix) for workload in sorted(rules, key=str)]


def _policy(workload: Workload, rules: _Rules, suffix: str) -> Object:
    spec: Object = {"podSelector": {"matchLabels": selector(workload.name)} if workload.name else {}}
    spec["policyTypes"] = [name for name, found in (("Ingress", rules.ingress), ("Egress", rules.egress)) if found]
    if rules.ingress:
        spec["ingress"] = rules.ingress
    if rules.egress:
        spec["egress"] = rules.egress
    return made("NetworkPolicy", VERSION, f"{workload.name or 'all'}{suffix}", workload.namespace, spec=spec)


def _peers(node: Node, near: str) -> list[Object]:
    match node:
        case Workload():
            pods: Object = {"podSelector": {"matchLabels": selector(node.name)} if node.name else {}}
            return [pods if node.namespace == near else _space({"kubernetes.io/metadata.name": node.namespace}) | pods]
        case Others():
            return [
                _space(dict(node.namespace)) | ({"podSelector": {"matchLabels": dict(node.pods)}} if node.pods else {})
            ]
        case Addresses():
            return [{"ipBlock": _block(each, node.but)} for each in node.blocks]


def _space(labels: Mapping[str, str]) -> Object:
    return {"namespaceSelector": {"matchLabels": dict(labels)}}


def _block(cidr: str, but: Sequence[str]) -> Object:
    """A block, and what of it is left out: exceptions must lie in it, and be of its kind."""
    inside = [each for each in but if (":" in each) == (":" in cidr)]
    return {"cidr": cidr} | ({"except": inside} if inside else {})
