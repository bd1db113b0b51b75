"""HTTP over a socket of this machine, read by the event loop's own transport.

anyio's stream for Unix sockets waits for a future that the loop completes even where the wait was cancelled in that
same turn: an InvalidStateError of nobody's in the log. Its stream over a transport does not, and takes such a socket.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from typing import Any

import anyio.abc
import httpcore2
import httpx2
from httpcore2._backends.anyio import AnyIOStream  # pyright: ignore[reportPrivateUsage]  # has no public name


class UnixSockets(httpcore2.AsyncNetworkBackend):
    """Connects to paths alone."""

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore2's own signature
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Raises httpcore2's ConnectError and ConnectTimeout."""
        ours = socket.socket(socket.AF_UNIX)
        ours.setblocking(False)
        try:
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_connect(ours, path)
            return AnyIOStream(await anyio.abc.SocketStream.from_socket(ours))
        except BaseException as error:
            ours.close()
            if isinstance(error, TimeoutError):
                raise httpcore2.ConnectTimeout(str(error)) from error
            if isinstance(error, OSError):
                raise httpcore2.ConnectError(str(error)) from error
            raise


def unix_transport(path: str, limits: httpx2.Limits) -> httpx2.AsyncHTTPTransport:
    """Requests go to the service behind a path, whatever their address says."""
    # no TLS goes over such a path: the default context would read the machine's certificates, for each of them
    transport = httpx2.AsyncHTTPTransport(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), trust_env=False)
    # a private attribute: `test_a_wait_given_up_as_its_answer_comes_is_no_error` sees to it that it stays one
    transport._pool = httpcore2.AsyncConnectionPool(  # pyright: ignore[reportPrivateUsage]
        uds=path,
        network_backend=UnixSockets(),
        max_connections=limits.max_connections,
        max_keepalive_connections=limits.max_keepalive_connections,
        keepalive_expiry=limits.keepalive_expiry,
    )
    return transport
