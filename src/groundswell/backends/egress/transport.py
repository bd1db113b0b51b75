"""The one HTTP transport for every address that a caller, a page or a model chose.

The name stays what TLS verifies. It follows no redirect: each is a request of its own, and is decided anew.
"""

from collections.abc import Iterable
from typing import Any

import httpcore2
import httpx2

from groundswell.backends.egress.routes import CONNECT_SECONDS, Egress
from groundswell.core.errors import Denied, Unavailable
from groundswell.core.hosts import PORTS


class Guard(httpcore2.AsyncNetworkBackend):
    """Connects to what was resolved and checked, and to nothing else."""

    def __init__(self, egress: Egress) -> None:
        self.egress = egress

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore2's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Resolve, check, and connect to what was checked."""
        return await self.egress.connected(host, port, timeout or CONNECT_SECONDS)

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
        await self.egress.network.sleep(seconds)


class Guarded(httpx2.AsyncBaseTransport):
    """Sends requests to checked addresses, or through the proxy where the settings name one."""

    def __init__(self, egress: Egress, *, connections: int = 20) -> None:
        self.egress = egress
        limits = httpx2.Limits(max_connections=connections, keepalive_expiry=5)
        context = egress.tls()
        self.direct = httpx2.AsyncHTTPTransport(verify=context, trust_env=False)
        # a private attribute: `test_the_guard_is_what_the_client_connects_through` sees to it that it stays one
        self.direct._pool = httpcore2.AsyncConnectionPool(  # pyright: ignore[reportPrivateUsage]
            ssl_context=context, max_connections=connections, keepalive_expiry=5, network_backend=Guard(egress)
        )
        self.proxied: httpx2.AsyncHTTPTransport | None = None
        if egress.proxy:
            user, _, password = egress.proxy_credentials.partition(":")
            secure = context if egress.proxy.startswith("https:") else None
            proxy = httpx2.Proxy(egress.proxy, auth=(user, password) if user else None, ssl_context=secure)
            self.proxied = httpx2.AsyncHTTPTransport(verify=context, trust_env=False, proxy=proxy, limits=limits)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One request. Raises Denied, NotFound and Unavailable before anything is sent, and httpx2's errors."""
        host, port = request.url.raw_host.decode("ascii"), request.url.port or PORTS.get(request.url.scheme, 0)
        if self.proxied is None or not self.egress.is_proxied(host):
            return await self.direct.handle_async_request(request)
        decision = await self.egress.decide(host, port)
        if decision.refusal is not None:
            raise decision.refusal
        try:
            return await self.proxied.handle_async_request(request)
        except httpx2.ProxyError as error:
            raise refused_by_proxy(str(error), host) from error

    async def aclose(self) -> None:
        """Close its connections."""
        await self.direct.aclose()
        if self.proxied is not None:
            await self.proxied.aclose()


def refused_by_proxy(said: str, host: str) -> Denied | Unavailable:
    """What the proxy's answer to a CONNECT means; `said` begins with its status."""
    if said.startswith("407"):
        hint = "[egress] proxy_credentials_file names a file with user:password"
        return Unavailable("proxy_credentials", "the proxy wants credentials, or others", hint)
    if said.startswith("403"):
        return Denied("proxy_refused", f"the proxy does not let this platform reach {host}", "ask who runs the proxy")
    return Unavailable("proxy_failed", f"the proxy cannot reach {host} (it answers {said})", "ask again later")


Client = httpx2.AsyncClient


def client(egress: Egress, *, agent: str = "groundswell", seconds: float = 10.0) -> Client:
    """A client on that transport; it follows no redirect and reads no environment."""
    return httpx2.AsyncClient(
        transport=Guarded(egress),
        follow_redirects=False,
        trust_env=False,
        timeout=httpx2.Timeout(seconds, connect=CONNECT_SECONDS),
        headers={"User-Agent": agent, "Accept-Encoding": "gzip, deflate"},
    )
