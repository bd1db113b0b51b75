"""REST to a Qdrant server: one request, asked again where that may help, its answer's `result`, or an error of ours.

Every request of ours means the same when it is made twice, so all may be asked again.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec
import stamina

from groundswell.core.errors import ConfigError, GroundswellError, Invalid, Unavailable

ATTEMPTS, PATIENCE_SECONDS = 6, 45.0  # a pod that was deleted is back by then
LONGEST_WAIT = 10.0  # seconds; what a server may ask for
CONNECTIONS = 32
PORT = 6333
HINT = "look whether it runs, and at [vectors] url"


class Gone(Exception):
    """What was asked for is not there."""


class There(Exception):
    """What was to be made is there."""


class Rest:
    """One server, or the Service before some that are one cluster."""

    def __init__(
        self,
        url: str,
        key: str = "",
        *,
        seconds: float = 30.0,
        attempts: int = ATTEMPTS,
        patience: float = PATIENCE_SECONDS,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.url, self._attempts, self._patience = _base(url), attempts, patience
        self._client = httpx2.AsyncClient(
            base_url=self.url,
            headers={"Content-Type": "application/json"} | ({"api-key": key} if key else {}),
            timeout=httpx2.Timeout(seconds, connect=5.0),
            limits=httpx2.Limits(max_connections=CONNECTIONS),
            transport=transport,
            trust_env=False,
        )

    async def ask(self, method: str, path: str, body: Any = None, **parameters: str) -> Any:
        """What a request gives. Raises Gone, There, Invalid, Unavailable, and ConfigError for a key that it refuses.

        A body of bytes is JSON already.
        """
        content = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        try:
            async for attempt in stamina.retry_context(
                _again, attempts=self._attempts, timeout=self._patience, wait_initial=0.1, wait_max=5.0
            ):
                with attempt:
                    answer = await self._client.request(method, path, content=content, params=parameters)
                    if answer.status_code >= 400:
                        raise _Refused(answer)
                    return self._result(answer)
        except _Refused as refused:
            raise self._refused(refused.answer) from refused
        except httpx2.HTTPError as error:
            reason = str(error) or type(error).__name__
            message = f"Qdrant at {self.url} does not answer: {reason}"
            raise Unavailable("vectors_unreachable", message, HINT, retry_after=5) from error
        raise AssertionError("the last attempt returns or raises")

    async def about(self) -> str:
        """What it calls itself, with its version; asked once, without patience."""
        try:
            answer = await self._client.get("/", timeout=2.0)
            body = msgspec.json.decode(answer.content)
            return f"{body['title']} {body['version']}"
        except (httpx2.HTTPError, msgspec.DecodeError, LookupError, TypeError):
            return "qdrant, away"

    async def close(self) -> None:
        """Give up connections."""
        await self._client.aclose()

    def _result(self, answer: httpx2.Response) -> Any:
        try:
            body = msgspec.json.decode(answer.content)
        except msgspec.DecodeError as error:
            raise self._strange("it is not JSON") from error
        if not isinstance(body, Mapping) or "result" not in body:
            raise self._strange("it has no result")
        return body["result"]

    def _refused(self, answer: httpx2.Response) -> Exception:
        status, said = answer.status_code, _said(answer)
        what = f"Qdrant at {self.url} answered {status}: {said}"
        if status == 401 or (status == 403 and not said.startswith("Storage locked")):
            return ConfigError("vectors_key", what, "set [vectors] key_file to a key that may write")
        if status == 404 and said.startswith("Not found"):
            return Gone(said)
        if status == 409:
            return There(said)
        if status in (404, 405):
            return self._strange(f"HTTP {status}")
        if status < 500 and status not in (403, 408, 429):
            return Invalid("vectors_rejected", what)
        return Unavailable("vectors_unavailable", what, "ask again later; its log says why", retry_after=5)

    def _strange(self, why: str) -> GroundswellError:
        message = f"what {self.url} sent is no answer of Qdrant's: {why}"
        return Unavailable("vectors_bad_reply", message, "is [vectors] url the address of a Qdrant?")


class _Refused(Exception):
    """An answer that is an error."""

    def __init__(self, answer: httpx2.Response) -> None:
        super().__init__(f"HTTP {answer.status_code}")
        self.answer = answer


def _again(error: Exception) -> bool | float:
    """Whether to ask again, and how many seconds later if the server says so."""
    if isinstance(error, _Refused):
        if error.answer.status_code < 500 and error.answer.status_code not in (408, 429):
            return False
        wait = error.answer.headers.get("Retry-After", "")
        return min(float(wait), LONGEST_WAIT) if wait.isdigit() else error.answer.status_code != 507  # 507: it is full
    return isinstance(error, httpx2.TransportError) and not isinstance(error, httpx2.UnsupportedProtocol)


def _said(answer: httpx2.Response) -> str:
    """What Qdrant says of an error; never more than a line or two."""
    try:
        said = msgspec.json.decode(answer.content)["status"]["error"]
    except (msgspec.DecodeError, LookupError, TypeError):
        said = answer.text
    return " ".join(str(said).split())[:300]


def _base(url: str) -> str:
    """`qdrant://host:6333`, or `qdrant:https://host:6333`, as an address. Raises ConfigError."""
    rest = url.removeprefix("qdrant:")
    address = f"http:{rest}" if rest.startswith("//") else rest
    try:
        parts = urlsplit(address)
        if rest.startswith("//") and parts.port is None:
            address = f"{address.rstrip('/')}:{PORT}"
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        plain = not (parts.username or parts.password or parts.query or parts.fragment)
    except ValueError:
        usable = plain = False
    if not usable or not plain:
        raise ConfigError(
            "vectors_url",
            "[vectors] url is not the address of a Qdrant",
            "write qdrant://HOST:6333, or qdrant:https://HOST:6333; its key belongs into [vectors] key_file",
        )
    return address.rstrip("/")
