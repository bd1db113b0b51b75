"""The way out, as the settings have it."""

from collections.abc import Iterable
from urllib.parse import urlsplit

import groundswell.backends.egress.transport as guarded
from groundswell.backends.egress.routes import Egress, Place
from groundswell.core.hosts import PORTS, host_of, port_of
from groundswell.core.settings import EgressSettings


def egress(settings: EgressSettings) -> Egress:
    """What decides on every address that is not the operator's own."""
    credentials = settings.proxy_credentials
    return Egress(
        proxy=settings.proxy.rstrip("/"),
        proxy_credentials=credentials.get_secret_value() if credentials else "",
        no_proxy=settings.no_proxy,
        ca_bundle=str(settings.ca_bundle.expanduser()) if settings.ca_bundle else "",
    ).granting({(host.strip("[]"), int(port)) for host, _, port in (each.rpartition(":") for each in settings.trusted)})


def places(urls: Iterable[str]) -> frozenset[Place]:
    """The hosts and ports of addresses that are granted by name; what is no address names none."""
    found: set[Place] = set()
    for url in urls:
        if (host := host_of(url)) and urlsplit(url).scheme.lower() in PORTS:
            found.add((host, port_of(url)))
    return frozenset(found)


def operators(settings: EgressSettings, url: str, connections: int = 20) -> guarded.Guarded:
    """The transport to an endpoint that the operator configured: trusted exactly, by host and port."""
    return guarded.Guarded(egress(settings).granting(places([url])), connections=connections)
