"""How names are looked up: where a cluster's DNS answers, by the kind of cluster."""

from groundswell.core.errors import ConfigError
from groundswell.deployment.graph import Addresses, Edge, Node, Others, Port, Workload

_ASKED = (Port(53, "UDP"), Port(53))
RESOLVERS: dict[str, tuple[Node, tuple[Port, ...]]] = {
    "kube-dns": (
        Others("kube-dns", (("kubernetes.io/metadata.name", "kube-system"),), (("k8s-app", "kube-dns"),)),
        _ASKED,
    ),
    "node-local": (Addresses("node-local DNS", ("169.254.20.10/32",)), _ASKED),
    # the metadata server's own address: that port of it answers DNS alone
    "cloud-dns": (Addresses("Cloud DNS", ("169.254.169.254/32",)), _ASKED),
    "openshift": (
        Others(
            "OpenShift DNS",
            (("kubernetes.io/metadata.name", "openshift-dns"),),
            (("dns.operator.openshift.io/daemonset-dns", "default"),),
        ),
        (Port(5353, "UDP"), Port(5353)),  # its Service maps 53 to that
    ),
}
USUAL = ("kube-dns", "node-local", "openshift")  # open on every cluster, for whichever of them it has


def lookups(namespace: str, resolvers: tuple[str, ...]) -> list[Edge]:
    """All pods of a namespace may ask these. Raises ConfigError for one that is not known."""
    for name in resolvers:
        if name not in RESOLVERS:
            raise ConfigError("unknown_dns", f"there is no DNS {name!r}", f"known: {', '.join(RESOLVERS)}")
    chosen = [RESOLVERS[name] for name in resolvers]
    return [Edge(Workload(namespace), target, ports, "names are looked up") for target, ports in chosen]
