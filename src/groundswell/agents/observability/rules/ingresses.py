"""Ingresses that lead to nothing: to a Service that is not there, or to a port that it does not have."""

from collections.abc import Iterator

from groundswell.agents.observability.findings import Finding, field_of, statement
from groundswell.agents.observability.topology import backends
from groundswell.agents.observability.world import Data, Thing, World, of, rows


def find(world: World) -> Iterator[Finding]:
    """What each Ingress leads to."""
    for ingress in world.all("Ingress"):
        for backend in backends(ingress):
            service = of(backend, "service")
            name, port = str(service.get("name", "")), of(service, "port")
            if not name:
                continue
            found = world.get("Service", ingress.ref.namespace, name)
            if found is None:
                if world.lacks("Service", ingress.ref.namespace, name):
                    yield _nowhere(ingress, name)
                continue
            yield from _port(ingress, found, port)
        yield from _class(world, ingress)


def _nowhere(ingress: Thing, name: str) -> Finding:
    return Finding(
        rule="ingresses",
        cause="ingress.service",
        about=ingress.ref,
        headline=statement(
            [
                f"{ingress.ref} leads to the Service `{name}`, which is not in {ingress.ref.namespace}.",
                f"{ingress.ref} leads to the Service `{name}`, and the list of Services there has none so called.",
                f"{ingress.ref} leads to the service `{name}`, which the list of {ingress.ref.namespace} leave out.",
            ],
            field_of(ingress, f"name: {name}"),
        ),
        depth=3,
        weight=0.8,
        next=f"kubectl -n {ingress.ref.namespace} get services",
    )


def _port(ingress: Thing, service: Thing, port: Data) -> Iterator[Finding]:
    numbers = [each.get("port") for each in rows(service.spec, "ports")]
    names = [each.get("name") for each in rows(service.spec, "ports")]
    wanted = port.get("number") or port.get("name")
    if wanted is None or not numbers or wanted in numbers or wanted in names:
        return
    key = "number" if port.get("number") else "name"
    yield Finding(
        rule="ingresses",
        cause="ingress.port",
        about=ingress.ref,
        headline=statement(
            [
                f"{ingress.ref} leads to port {wanted} of {service.ref}, which has only port {numbers[0]}.",
                f"{ingress.ref} leads to port {wanted} of {service.ref}, whose port is {numbers[0]}.",
            ],
            field_of(ingress, f"{key}: {wanted}"),
            field_of(service, f"port: {numbers[0]}"),
        ),
        depth=3,
        weight=0.8,
        touches={service.ref},
        next=f"kubectl -n {ingress.ref.namespace} describe ingress {ingress.ref.name}",
    )


def _class(world: World, ingress: Thing) -> Iterator[Finding]:
    """A class that the cluster does not have: nobody serves the Ingress."""
    name = ingress.spec.get("ingressClassName")
    if not name or not world.lacks("IngressClass", "", str(name)):
        return
    yield Finding(
        rule="ingresses",
        cause="ingress.class",
        about=ingress.ref,
        headline=statement(
            [
                f"{ingress.ref} wants the ingress class `{name}`, which this cluster does not have.",
                f"{ingress.ref} wants the ingress class `{name}`, and the cluster's list of classes leaves it out.",
            ],
            field_of(ingress, f"ingressClassName: {name}"),
        ),
        depth=3,
        weight=0.75,
        next="kubectl get ingressclasses",
    )
