"""A real HTTP server on loopback whose pages a test writes, raw bytes and all."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Handler = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Site:
    """Path → what is sent, as bytes or by a function; `asked` remembers the requests' heads."""

    port: int = 0
    pages: dict[str, bytes | Handler] = field(default_factory=dict[str, bytes | Handler])
    asked: list[str] = field(default_factory=list[str])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def page(self, path: str, body: bytes | str, kind: str = "text/html", status: str = "200 OK", *more: str) -> None:
        body = body.encode() if isinstance(body, str) else body
        head = [
            f"HTTP/1.1 {status}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *more,
        ]
        self.pages[path] = "\r\n".join(head).encode() + b"\r\n\r\n" + body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head)
            path = head.split(" ", 2)[1]
            reply = self.pages.get(path) or self.pages.get(path.partition("?")[0])
            if reply is None:
                reply = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            if isinstance(reply, bytes):
                writer.write(reply)
                await writer.drain()
            else:
                await reply(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """A site while it is served."""
    there = Site()
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0)
    there.port = server.sockets[0].getsockname()[1]
    try:
        yield there
    finally:
        server.close()


class HereWorkers:
    """Work in this process: the pages of a test are its own."""

    async def run(self, function: Callable[..., object], *arguments: object, seconds: float) -> object:
        return function(*arguments)
