"""How this platform reaches an address that a caller, a page or a model chose: the decision, and why.

A name is resolved once, each of its addresses is checked, and the connection goes to a checked one: no name can mean
another machine a moment later. A host and port that were granted by name may be anywhere. Where a proxy leads out, it
alone resolves names, so its rules for hosts stand in the place of that; what is plainly inner is refused all the same.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal, cast

import httpcore2

from groundswell.backends.egress.addresses import Address, why_not_public
from groundswell.core.errors import Denied, GroundswellError, NotFound, Unavailable
from groundswell.core.hosts import authority, compared, is_loopback

Place = tuple[str, int]
Resolve = Callable[[str, int], Awaitable[list[Address]]]
Route = Literal["pinned", "granted", "proxy"]

CONNECT_SECONDS = 5.0
# of services that would take the lines of a request for their own: the list that all browsers share (Fetch, 2.9)
_NO_PORTS = frozenset(
    (0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109)
    + (110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530)
    + (531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190)
    + (5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080)
)
_INNER = ("local", "internal", "home.arpa", "svc", "lan")  # names that only an inner network knows
HINT = "only who runs the platform may open it: [egress] trusted in groundswell.toml"


async def resolved(host: str, port: int) -> list[Address]:
    """The addresses of a host, each once, in the order of the resolver. Raises NotFound, Unavailable."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise Unavailable("name_slow", f"the name {host} was not resolved in time", "ask again later") from error
    except (OSError, UnicodeError) as error:
        raise NotFound("no_such_host", f"there is no host {host}", "check the address") from error
    return list(dict.fromkeys(ipaddress.ip_address(str(row[4][0])) for row in rows))


@dataclass(frozen=True)
class Decision:
    """What happens with a connection to a host, and why."""

    host: str
    port: int
    route: Route
    addresses: tuple[tuple[Address, str], ...] = ()  # each with what speaks against it
    refusal: GroundswellError | None = None


@dataclass(frozen=True)
class Egress:
    """The settings of the way out. `resolve` and `network` are the machine's own, save in tests."""

    trusted: frozenset[Place] = frozenset()
    proxy: str = ""  # `http://host:port`
    proxy_credentials: str = field(default="", repr=False)  # `user:password`
    no_proxy: tuple[str, ...] = ()
    ca_bundle: str = ""
    resolve: Resolve = resolved
    network: httpcore2.AsyncNetworkBackend = field(
        default_factory=lambda: cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())
    )

    def granting(self, places: Collection[Place]) -> "Egress":
        """The same, with more hosts and ports that may be anywhere."""
        return replace(self, trusted=self.trusted | {(compared(host) or host, port) for host, port in places})

    def tls(self) -> ssl.SSLContext:
        """Whom to believe: the system's certificates, or those of `ca_bundle` in their place."""
        return _context(self.ca_bundle)

    def is_proxied(self, host: str) -> bool:
        """Whether the way to a host leads through the proxy; this machine is never asked for through it."""
        if not self.proxy or _is_this_machine(host):
            return False
        return not any(_is_within(host, entry) for entry in self.no_proxy)

    async def decide(self, host: str, port: int) -> Decision:
        """What happens with a host and port. Raises NotFound and Unavailable where a name cannot be resolved."""
        known = compared(host)
        if not known:
            message = f"{host!r} is no host that everybody reads the same way"
            return Decision(host, port, "pinned", refusal=Denied("host_unclear", message, "write its plain name"))
        granted = (known, port) in self.trusted
        if self.is_proxied(known):
            return Decision(known, port, "proxy", refusal=None if granted else _refused_before_proxy(known, port))
        if granted:
            return Decision(known, port, "granted", tuple((each, "") for each in await self.resolve(known, port)))
        if port in _NO_PORTS:
            return Decision(known, port, "pinned", refusal=_bad_port(known, port))
        found = tuple((address, why_not_public(address)) for address in await self.resolve(known, port))
        inner = next(((address, why) for address, why in found if why), None)
        return Decision(known, port, "pinned", found, _private(known, *inner) if inner else None)

    async def connected(self, host: str, port: int, seconds: float = CONNECT_SECONDS) -> httpcore2.AsyncNetworkStream:
        """A connection to an address that was just checked. Raises what `decide` says, and httpcore2's own errors."""
        decision = await self.decide(host, port)
        if decision.refusal is not None:
            raise decision.refusal
        error: Exception | None = None
        for address, _ in decision.addresses[:3]:
            try:
                return await self.network.connect_tcp(str(address), port, timeout=min(seconds, CONNECT_SECONDS))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as failed:
                error = failed
        raise error or httpcore2.ConnectError(f"{host} has no address")


@lru_cache(4)
def _context(ca_bundle: str) -> ssl.SSLContext:
    """Read once: that takes longer than a request."""
    return ssl.create_default_context(cafile=ca_bundle or None)


def _refused_before_proxy(host: str, port: int) -> GroundswellError | None:
    """What the proxy is not even asked for: it could be more trusting than we are."""
    if port in _NO_PORTS:
        return _bad_port(host, port)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if "." in host and not any(host.endswith(f".{name}") for name in _INNER):
            return None
        return Denied("private_address", f"{host} is a name of an inner network", HINT)
    why = why_not_public(address)
    return _private(host, address, why) if why else None


def _private(host: str, address: Address, why: str) -> Denied:
    named = host if host == str(address) else f"{host} is {address}, which"
    return Denied("private_address", f"{named} is not on the internet: {why}", HINT)


def _bad_port(host: str, port: int) -> Denied:
    message = f"{authority(host, port)} is a port of another protocol than HTTP"
    return Denied("port_refused", message, f"name another port; {HINT}")


def _is_this_machine(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost") or is_loopback(host)


def _is_within(host: str, entry: str) -> bool:
    """Whether `no_proxy` means a host: a domain with all below it, an address, or a network."""
    entry = entry.strip().lower().removeprefix("*")
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        name = compared(entry.removeprefix(".").strip("[]"))
        return entry == "" or bool(name) and (host == name or host.endswith(f".{name}"))
