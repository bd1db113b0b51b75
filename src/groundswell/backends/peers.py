"""HTTP to our other services: over a Unix socket, or over TCP."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from groundswell.backends.unix_sockets import unix_transport
from groundswell.core.errors import Unavailable, from_problem

CONNECTIONS = 1000  # each reader of a run's events holds one
POOL_SECONDS = 5.0  # to wait for one that is free


class Peer:
    """One service, by `unix:/path` or `http://host:port`."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=16)
        socket = url.removeprefix("unix:") if url.startswith("unix:") else None
        self.client = httpx2.AsyncClient(
            transport=unix_transport(socket, limits) if socket else httpx2.AsyncHTTPTransport(limits=limits),
            base_url=f"http://{name}" if socket else url,
            timeout=httpx2.Timeout(None, connect=5.0, pool=POOL_SECONDS),
            trust_env=False,
        )

    async def post(self, path: str, body: Any, headers: Mapping[str, str]) -> Any:
        """The JSON answer to a JSON request; raises the error that a problem document describes, or Unavailable."""
        try:
            response = await self.client.post(path, json=body, headers=dict(headers))
        except httpx2.TransportError as error:
            raise self._away(error) from error
        if response.is_error:
            raise from_problem(_body(response), response.status_code)
        return response.json()

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of a page that needs no rights, such as `/ready`."""
        try:
            response = await self.client.get(path, timeout=5.0)
        except httpx2.TransportError as error:
            raise self._away(error) from error
        return response.status_code, _body(response)

    @asynccontextmanager
    async def relay(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> AsyncGenerator[tuple[int, list[tuple[str, str]], AsyncIterator[bytes]]]:
        """Pass a request on: status, headers, and the body's bytes as they come."""
        request = self.client.build_request(method, target, headers=dict(headers), content=body)
        try:
            response = await self.client.send(request, stream=True)
        except httpx2.TransportError as error:
            raise self._away(error) from error
        try:
            yield response.status_code, response.headers.multi_items(), self._chunks(response)
        finally:
            await response.aclose()

    async def _chunks(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        try:
            async for chunk in response.aiter_raw():
                yield chunk
        except httpx2.TransportError as error:
            raise self._away(error) from error

    async def close(self) -> None:
        """Give the connections up."""
        await self.client.aclose()

    def _away(self, error: Exception) -> Unavailable:
        message = f"the {self.name} service does not answer ({type(error).__name__})"
        return Unavailable(f"{self.name}_away", message, "groundswell status", retry_after=1)


def _body(response: httpx2.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {"detail": response.text[:500]}
    return body if isinstance(body, dict) else {"detail": str(body)}
