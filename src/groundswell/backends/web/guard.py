"""The one transport for every address that a caller, a page or a model chose.

An address is resolved once, each of its IP addresses is checked, and the connection goes to a checked one: no name can
mean another machine a moment later. The name stays what TLS verifies. Every redirect is a request of its own.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Collection, Iterable
from typing import Any, cast

import httpcore2
import httpx2

from groundswell.core.errors import Denied, NotFound, Unavailable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_EMBEDDING = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16"))  # NAT64, 6to4
_FAMILIES = (socket.AF_INET, socket.AF_INET6)
CONNECT_SECONDS = 5.0


def is_public(address: Address) -> bool:
    """Whether an address is a machine on the internet, whatever form it is written in."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if any(address in network for network in _EMBEDDING) or address.teredo is not None:
            return False  # a way to an IPv4 address that nobody here checks
    return address.is_global and not address.is_multicast and not address.is_reserved and not address.is_unspecified


class Guard(httpcore2.AsyncNetworkBackend):
    """Connects to public addresses, and to the hosts and ports that were granted by name."""

    def __init__(self, granted: Collection[tuple[str, int]] = ()) -> None:
        self.granted = frozenset(granted)
        self.inner = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore2's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Resolve, check, and connect to what was checked."""
        found = await resolved(host, port)
        if (host.lower(), port) not in self.granted:
            for address in found:
                if not is_public(address):
                    hint = "only who runs the platform may open private addresses: [web] trusted in groundswell.toml"
                    raise Denied("private_address", f"{host} is {address}, which is not on the internet", hint)
        error: Exception | None = None
        for address in found[:3]:
            try:
                return await self.inner.connect_tcp(
                    str(address),
                    port,
                    timeout=min(timeout or CONNECT_SECONDS, CONNECT_SECONDS),
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as failed:
                error = failed
        raise error or httpcore2.ConnectError(f"{host} has no address")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A page never lies behind a socket of this machine."""
        raise Denied("private_address", "sockets of this machine are no pages")

    async def sleep(self, seconds: float) -> None:
        """As the pool asks."""
        await self.inner.sleep(seconds)


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
    return list(dict.fromkeys(ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows))


def client(
    granted: Collection[tuple[str, int]] = (), *, ca_file: str = "", seconds: float = 10.0, agent: str
) -> httpx2.AsyncClient:
    """A client on that transport; it follows no redirect and reads no environment."""
    context = ssl.create_default_context(cafile=ca_file or None)
    transport = httpx2.AsyncHTTPTransport(verify=context, trust_env=False)
    # a private attribute: `test_the_guard_is_what_the_client_connects_through` sees to it that it stays one
    transport._pool = httpcore2.AsyncConnectionPool(  # pyright: ignore[reportPrivateUsage]
        ssl_context=context, max_connections=20, keepalive_expiry=5, network_backend=Guard(granted)
    )
    return httpx2.AsyncClient(
        transport=transport,
        follow_redirects=False,
        trust_env=False,
        timeout=httpx2.Timeout(seconds, connect=CONNECT_SECONDS),
        headers={"User-Agent": agent, "Accept-Encoding": "gzip, deflate"},
    )


Allows = Callable[[str], None]  # raises Denied for an address that policy refuses
