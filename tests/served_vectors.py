"""The `qdrant:` backend before its stand-in, in one process; all that passes is held against Qdrant's contract."""

import json
import threading
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs

from groundswell.backends.vectors.qdrant import QdrantVectors
from qdrant_stand_in import Server

CONTRACT: Any = json.loads((Path(__file__).parent / "backends/vectors/qdrant_contract.json").read_text())


class Broken(AssertionError):
    """Something Qdrant would not take, or would not say."""


class Held(httpx2.AsyncBaseTransport):
    """Holds what passes against the contract of the server that is stood in for."""

    def __init__(self) -> None:
        self.inner = httpx2.AsyncHTTPTransport()
        self.checks: dict[tuple[str, str], jsonschema_rs.Validator] = {}
        self.seen: set[str] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        parts = request.url.raw_path.decode().partition("?")[0].split("/")
        path = "/".join([*parts[:2], "{collection_name}", *parts[3:]]) if len(parts) > 2 else "/".join(parts)
        path = "/collections/aliases" if parts[2:] == ["aliases"] else path
        operation = f"{request.method} {path}"
        if operation == "GET /":
            return await self.inner.handle_async_request(request)
        if operation not in CONTRACT["operations"]:
            raise Broken(f"{operation} is not in the contract")
        self.seen.add(operation)
        unknown = set(request.url.params) - set(CONTRACT["operations"][operation]["parameters"])
        if unknown:
            raise Broken(f"{operation} knows no {unknown}")
        if request.content:
            self.check(operation, "request", json.loads(request.content))
        answer = await self.inner.handle_async_request(request)
        await answer.aread()
        if answer.status_code == 200:
            self.check(operation, "response", json.loads(answer.content))
        return answer

    def check(self, operation: str, part: str, body: Any) -> None:
        if (operation, part) not in self.checks:
            schema = {**CONTRACT["operations"][operation][part], "$defs": CONTRACT["$defs"]}
            self.checks[operation, part] = jsonschema_rs.validator_for(schema)
        error = next(iter(self.checks[operation, part].iter_errors(body)), None)
        if error:
            raise Broken(f"{operation}, its {part}: {error.message[:400]} at {list(error.instance_path)}")

    async def aclose(self) -> None:
        await self.inner.aclose()


class ServedVectors(QdrantVectors):
    """A store with a server of its own, which ends with it."""

    def __init__(self, folder: Path) -> None:
        self.server, self.held = Server(folder / "served", key="secret"), Held()
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        super().__init__(self.server.url, "secret", transport=self.held)

    async def close(self) -> None:
        await super().close()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.server.store.close()
