"""NetworkPolicies by chance, over a few pods whose labels, ports and addresses are known: all that the API can say."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from groundswell.deployment.netpol import Pod
from groundswell.deployment.objects import Object

SPACES = {"probe-one": {"team": "a"}, "probe-two": {"team": "b"}}
PODS = {  # (namespace, name) → labels
    ("probe-one", "a"): {"app": "a", "tier": "front"},
    ("probe-one", "b"): {"app": "b", "tier": "back"},
    ("probe-two", "c"): {"app": "c", "tier": "front"},
    ("probe-two", "d"): {"app": "d"},
}
PORTS = {"http": 8001, "more": 8002, "late": 8009}
UDP = 8001
KEYS = {"app": ("a", "b", "c", "d"), "tier": ("front", "back", "none")}


@dataclass
class Chance:
    """Draws policies; the same seed draws the same."""

    pods: Sequence[Pod]
    seed: int

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def policies(self) -> list[Object]:
        """One to three, in any of the namespaces."""
        return [self.policy(number) for number in range(self.random.choice((1, 1, 2, 3)))]

    def policy(self, number: int) -> Object:
        namespace = self.random.choice(list(SPACES))
        spec: Object = {"podSelector": self.selector(KEYS)}
        ways = self.random.choice((None, ["Ingress"], ["Egress"], ["Ingress", "Egress"]))
        if ways is not None:
            spec["policyTypes"] = ways
        if ways is None or "Ingress" in ways:
            spec["ingress"] = self.rules("from")
        if ways is None or "Egress" in ways:
            spec["egress"] = self.rules("to")
        metadata = {"name": f"by-chance-{number}", "namespace": namespace, "labels": {"by": "chance"}}
        return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}

    def rules(self, peers: str) -> list[Object]:
        return [self.rule(peers) for _ in range(self.random.choice((0, 1, 1, 2)))]

    def rule(self, peers: str) -> Object:
        found: Object = {}
        if self.random.random() < 0.8:
            found[peers] = [self.peer() for _ in range(self.random.choice((1, 1, 2)))]
        if self.random.random() < 0.7:
            found["ports"] = [self.port() for _ in range(self.random.choice((1, 1, 2)))]
        return found

    def peer(self) -> Object:
        kind = self.random.choice(("pods", "spaces", "both", "block"))
        if kind == "block":
            return {"ipBlock": self.block()}
        found: Object = {}
        if kind != "spaces":
            found["podSelector"] = self.selector(KEYS)
        if kind != "pods":
            found["namespaceSelector"] = self.selector({"team": ("a", "b"), "kubernetes.io/metadata.name": (*SPACES,)})
        return found

    def selector(self, keys: dict[str, tuple[str, ...]]) -> Object:
        kind = self.random.choice(("all", "labels", "labels", "expression"))
        if kind == "all":
            return {}
        key = self.random.choice(list(keys))
        if kind == "labels":
            return {"matchLabels": {key: self.random.choice(keys[key])}}
        operator = self.random.choice(("In", "NotIn", "Exists", "DoesNotExist"))
        expression: Object = {"key": key, "operator": operator}
        if operator.endswith("In"):
            expression["values"] = self.random.sample(keys[key], self.random.choice((1, 2)))
        return {"matchExpressions": [expression]}

    def block(self) -> Object:
        """A block around one pod's address; an exception lies within it."""
        near = self.random.choice(self.pods).address
        width = self.random.choice((32, 28, 24, 8, 0))
        block: Object = {"cidr": _network(near, width)}
        if width < 32 and self.random.random() < 0.5:
            block["except"] = [_network(near, self.random.choice([w for w in (32, 30, 28) if w > width]))]
        return block

    def port(self) -> Object:
        kind = self.random.choice(("number", "number", "name", "range", "protocol"))
        protocol = self.random.choice(("TCP", "TCP", "UDP"))
        if kind == "protocol":
            return {"protocol": protocol}
        if kind == "name":
            return {"port": self.random.choice(list(PORTS)), "protocol": "TCP"}
        first = self.random.choice(list(PORTS.values()))
        found: Object = {"protocol": protocol, "port": first}
        return found | ({"endPort": self.random.choice((first, 8009))} if kind == "range" else {})


def _network(address: str, width: int) -> str:
    number = 0
    for part in address.split("."):
        number = number * 256 + int(part)
    number &= (0xFFFFFFFF << (32 - width)) & 0xFFFFFFFF
    return f"{'.'.join(str(number >> shift & 255) for shift in (24, 16, 8, 0))}/{width}"
