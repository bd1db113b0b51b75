"""Follows what a log complains about to the part of the cluster that it speaks of."""

import re
from dataclasses import dataclass, field

from groundswell.agents.observability.findings import Quote, Statement, field_of, statement
from groundswell.agents.observability.messages import EDGES, THEIRS, Complaint
from groundswell.agents.observability.world import Ref, Thing, World, of, ready, rows

DNS = Ref("Service", "kube-system", "kube-dns")
HOST = "Host"  # what is no object: a host outside, or one that nobody knows


@dataclass
class Edge:
    """Where a complaint leads."""

    host: str = ""
    service: Thing | None = None
    needs: set[Ref] = field(default_factory=set[Ref])
    says: list[Statement] = field(default_factory=list[Statement])
    cause: str = ""  # what is wrong with the edge itself, where something is
    quotes: list[Quote] = field(default_factory=list[Quote])
    problem: str = ""  # how that reads behind "because"


def followed(world: World, complaint: Complaint, namespace: str) -> Edge:
    """The Service a complaint speaks of, what stands behind it, and whether the way there is right."""
    edge = Edge(complaint.host)
    edge.needs |= _spoken_of(world, complaint)
    if complaint.kind not in (*EDGES, *THEIRS, "certificate") or not complaint.host:
        return edge
    host = complaint.host
    service = edge.service = world.service(host, namespace) or _by_pod(world, host)
    if complaint.kind == "dns":
        edge.needs.add(DNS)
    if complaint.kind == "certificate":
        edge.needs |= {each.ref for each in world.all("Certificate") if host in (each.spec.get("dnsNames") or ())}
    if service is not None:
        edge.needs.add(service.ref)
        if complaint.kind == "certificate":
            edge.needs |= {each.ref for each in world.all("Certificate") if _is_for(each, service)}
        edge.needs |= world.backing(service)
        _ports(service, complaint, edge)
        return edge
    name, where = _meant(host, namespace)
    edge.needs.add(Ref(HOST, "", host))
    local = re.fullmatch(r"(?:localhost|127\.[\d.]+|\[?::1\]?)", host)
    if local or re.fullmatch(r"[\d.]+", host):
        return edge
    is_of_cluster = "." not in host or host.endswith((".svc", ".local")) or ".svc." in host
    if is_of_cluster and world.lacks("Service", where, name) and complaint.kind in ("dns", "refused", "timeout"):
        edge.cause = "dependency.name"
        edge.problem = f"it asks for `{host}`, a name that none of the Services in {where} has"
        near = _nearest(world, name)
        if near is not None:
            quote = field_of(near)
            edge.quotes = [quote] if quote else []
            edge.says.append(statement(f"A Service whose name is near to that is {near.ref}.", quote, inferred=False))
    return edge


def _spoken_of(world: World, complaint: Complaint) -> set[Ref]:
    """What a line names in plain words, as `etcdserver: request timed out` does: a part of the same namespace."""
    own = complaint.log.pod
    pod = world.by_ref.get(own)
    if pod is None or not complaint.kind:
        return set()
    node = str(pod.data.get("node", ""))
    beside = [each.ref for each in world.made_by.get(Ref("Node", own.namespace, node), []) if each.ref.kind == "Pod"]
    if not beside:
        return set()
    words = {word.removesuffix("server") for word in re.findall(r"[a-z][a-z0-9-]{3,}", complaint.quote.lower())}
    return {ref for ref in beside if ref != own and ref.name.removesuffix(f"-{node}") in words}


def _is_for(certificate: Thing, service: Thing) -> bool:
    """Whether a certificate names a Service."""
    names = certificate.spec.get("dnsNames") or ()
    own = f"{service.ref.name}.{service.ref.namespace}"
    return any(str(each).startswith((f"{own}.", own)) for each in names)


def _by_pod(world: World, host: str) -> Thing | None:
    """The Service in front of the pod with an address."""
    pod = next((each for each in world.all("Pod") if each.data.get("podIP") == host), None)
    if pod is None:
        return None
    return next(
        (
            each
            for each in world.all("Service")
            if each.ref.namespace == pod.ref.namespace
            and of(each.spec, "selector")
            and of(each.spec, "selector").items() <= pod.labels.items()
        ),
        None,
    )


def _meant(host: str, namespace: str) -> tuple[str, str]:
    parts = host.split(".")
    return parts[0], parts[1] if len(parts) > 1 else namespace


def _nearest(world: World, name: str) -> Thing | None:
    """A Service whose name is spelt almost like this one, or is a part of it."""
    services = list(world.all("Service"))
    same = [each for each in services if each.ref.name == name]
    parts = [each for each in services if name in each.ref.name or each.ref.name in name]
    return next(iter([*same, *parts]), None)


def _ports(service: Thing, complaint: Complaint, edge: Edge) -> None:
    """A port that the Service does not have."""
    ports = [each.get("port") for each in rows(service.spec, "ports")]
    if complaint.port and ports and complaint.port not in ports and complaint.kind in ("refused", "timeout"):
        is_by_ip = re.fullmatch(r"[\d.]+", complaint.host)
        if is_by_ip and service.spec.get("clusterIP") != complaint.host:
            return
        edge.cause = "dependency.port"
        edge.problem = (
            f"it asks `{service.ref.name}` on port {complaint.port}, which is none of the ports of {service.ref}"
        )
        quote = field_of(service, f"port: {ports[0]}")
        edge.quotes = [quote] if quote else []
        edge.says.append(statement(f"{service.ref} listens on port {ports[0]}.", quote))


def has_ready(world: World, service: Thing) -> bool | None:
    """Whether something ready stands behind a Service; None where that is unknown."""
    selector = of(service.spec, "selector")
    found = False
    for slice_ in world.all("EndpointSlice"):
        if (
            slice_.ref.namespace == service.ref.namespace
            and slice_.labels.get("kubernetes.io/service-name") == service.ref.name
        ):
            found = True
            if any(each.get("ready") is not False for each in rows(slice_.data, "endpoints")):
                return True
    endpoints = world.get("Endpoints", service.ref.namespace, service.ref.name)
    if endpoints is not None:
        found = True
        if any(each.get("ready") for each in rows(endpoints.data, "endpoints")):
            return True
    if found:
        return False
    if selector and world.knows("Pod", service.ref.namespace):
        return any(map(ready, world.selected(service.ref.namespace, selector)))
    return None
