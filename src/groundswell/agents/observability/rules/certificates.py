"""Certificates and API extensions that are not ready, by their own status."""

from collections.abc import Iterator

from groundswell.agents.observability.findings import Finding, event_of, field_of, quoted, statement
from groundswell.agents.observability.topology import references
from groundswell.agents.observability.world import World, newest


def find(world: World) -> Iterator[Finding]:
    """Certificates that are not issued or have expired, and API services that do not answer."""
    for certificate in world.all("Certificate"):
        ready = certificate.condition("Ready")
        if ready.get("status") == "False":
            message = str(ready.get("message") or ready.get("reason"))
            event = newest([each for each in world.events.get(certificate.ref, []) if each.type == "Warning"])
            yield Finding(
                rule="certificates",
                cause="certificate",
                about=certificate.ref,
                headline=statement(
                    [
                        f"{certificate.ref} is not ready: {quoted(message)}",
                        f"{certificate.ref}: Ready is False ({ready.get('reason')}): {quoted(message)}",
                        f"{certificate.ref}: Ready is False: {quoted(message)}",
                        f"{certificate.ref}: {quoted(message)}",
                    ],
                    field_of(certificate, message),
                    field_of(certificate, f"reason: {ready.get('reason')}"),
                ),
                details=[statement(f"An event says {quoted(event.message)}", event_of(event))] if event else [],
                depth=3,
                weight=0.8,
                needs=set(references(certificate)),
                next=f"kubectl -n {certificate.ref.namespace} describe certificate {certificate.ref.name}",
            )
    for service in world.all("APIService"):
        available = service.condition("Available")
        if available.get("status") == "False":
            message = str(available.get("message") or available.get("reason"))
            yield Finding(
                rule="certificates",
                cause="api-service",
                about=service.ref,
                headline=statement(
                    [f"{service.ref} is not available: {quoted(message)}", f"{service.ref}: {quoted(message)}"],
                    field_of(service, message, f"reason: {available.get('reason')}"),
                ),
                depth=2,
                weight=0.75,
                next=f"kubectl describe apiservice {service.ref.name}",
            )
