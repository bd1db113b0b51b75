"""A proxy on loopback that leads to one place: how Git, which dials by itself, goes through the guard."""

import asyncio
import base64
import contextlib
import hmac
import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import httpcore2
import httpx2

from groundswell.backends.egress.routes import CONNECT_SECONDS, Egress, Place
from groundswell.backends.egress.transport import refused_by_proxy
from groundswell.core.errors import Denied, GroundswellError, Unavailable
from groundswell.core.hosts import authority

HEAD_SECONDS = 10.0
_PIECE = 1 << 16
_LOST = (httpcore2.NetworkError, httpcore2.TimeoutException, OSError, asyncio.IncompleteReadError)


@dataclass
class Tunnel:
    """A way to one host and port, for who knows its password."""

    egress: Egress
    place: Place
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    port: int = 0
    refusal: GroundswellError | None = None  # why nothing went through

    @property
    def url(self) -> str:
        """What to name as the proxy; it holds the password."""
        return f"http://git:{self.secret}@127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of Git's."""
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            status = self._status(head.decode("latin-1").split("\r\n"))
            if status != 200:
                writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
                return
            async with connected(self.egress, *self.place) as stream:
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                await _both_ways(reader, writer, stream)
        except GroundswellError as error:
            self.refusal = error
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        except (TimeoutError, asyncio.LimitOverrunError, *_LOST):
            pass  # Git says what it missed
        finally:
            with contextlib.suppress(*_LOST):
                await writer.drain()
            writer.close()

    def _status(self, lines: list[str]) -> int:
        """200 for a CONNECT to our one place, with our password; what leads elsewhere is refused."""
        wanted = "Basic " + base64.b64encode(f"git:{self.secret}".encode()).decode()
        given = [line.partition(":")[2].strip() for line in lines if line.lower().startswith("proxy-authorization:")]
        if len(given) != 1 or not hmac.compare_digest(given[0].encode("latin-1"), wanted.encode()):
            return 407
        if lines[0] == f"CONNECT {authority(*self.place)} HTTP/1.1":
            return 200
        self.refusal = Denied("led_elsewhere", f"{self.place[0]} leads to another host", "name that one by itself")
        return 403


@contextlib.asynccontextmanager
async def tunnel(egress: Egress, place: Place) -> AsyncGenerator[Tunnel]:
    """A proxy to one place, for as long as this is entered."""
    lane = Tunnel(egress, place)
    tasks: set[asyncio.Task[None]] = set()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(lane.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    lane.port = server.sockets[0].getsockname()[1]
    try:
        yield lane
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def connected(egress: Egress, host: str, port: int) -> AsyncGenerator[httpcore2.AsyncNetworkStream]:
    """Bytes to and from a place, by the way that is decided. Raises GroundswellError."""
    try:
        async with contextlib.AsyncExitStack() as stack:
            if egress.is_proxied(host):
                stream = await stack.enter_async_context(_through_proxy(egress, host, port))
            else:
                stream = await egress.connected(host, port)
                stack.push_async_callback(stream.aclose)
            yield stream
    except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
        message = f"{host} does not answer ({type(error).__name__})"
        raise Unavailable("host_away", message, "check the address, or ask again later") from error


@contextlib.asynccontextmanager
async def _through_proxy(egress: Egress, host: str, port: int) -> AsyncGenerator[httpcore2.AsyncNetworkStream]:
    decision = await egress.decide(host, port)
    if decision.refusal is not None:
        raise decision.refusal
    url = httpx2.URL(egress.proxy)
    headers = [("Host", authority(host, port))]
    if egress.proxy_credentials:
        headers.append(("Proxy-Authorization", f"Basic {base64.b64encode(egress.proxy_credentials.encode()).decode()}"))
    target = httpcore2.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=authority(host, port).encode()
    )
    extensions = {"timeout": {"connect": CONNECT_SECONDS, "read": 30.0, "write": 30.0, "pool": 5.0}}
    request = httpcore2.Request("CONNECT", target, headers=headers, extensions=extensions)
    async with httpcore2.AsyncConnectionPool(ssl_context=egress.tls()) as pool:
        response = await pool.handle_async_request(request)
        try:
            if response.status // 100 != 2:
                raise refused_by_proxy(str(response.status), host)
            yield response.extensions["network_stream"]
        finally:
            await response.aclose()


async def _both_ways(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream: httpcore2.AsyncNetworkStream
) -> None:
    """Pass bytes on until one side ends."""

    async def out() -> None:
        while data := await reader.read(_PIECE):
            await stream.write(data)

    async def back() -> None:
        while data := await stream.read(_PIECE):
            writer.write(data)
            await writer.drain()

    tasks = [asyncio.create_task(out()), asyncio.create_task(back())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
