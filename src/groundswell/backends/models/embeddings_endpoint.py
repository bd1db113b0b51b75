"""`http:`, `https:` – vectors from any server that speaks OpenAI's `/v1/embeddings`."""

import asyncio
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

import httpx2
import stamina

from groundswell.backends.models.embeddings_resident import readable, unit
from groundswell.core.errors import ConfigError, GroundswellError, Invalid, Unavailable

BATCH_TEXTS, BATCH_CHARACTERS = 64, 200_000
ATTEMPTS, PATIENCE_SECONDS = 5, 60.0
LONGEST_WAIT = 30.0  # seconds; what a server may ask for


class EndpointEmbedder:
    """A model behind an endpoint. `name` and `dimensions` are known after `probe`, or after the first `embed`."""

    schemes = ("http", "https")

    def __init__(
        self,
        url: str,
        *,
        model: str = "",
        key: str = "",
        key_file: Path | None = None,
        seconds: float = 60.0,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.name, self.dimensions = model, 0
        self._url, self._key, self._key_file = url.rstrip("/"), key, key_file
        self._client = httpx2.AsyncClient(timeout=seconds, transport=transport, trust_env=False)

    async def probe(self) -> None:
        """Ask once: which model, if none was named, and how many dimensions."""
        if not self.name:
            body = await self._ask("GET", "models", None)
            names = [row["id"] for row in _rows(body) if isinstance(row.get("id"), str)]
            if not names:
                raise self._bad("it lists no models")
            self.name = names[0]
        if not self.dimensions:
            await self._embed(["probe"])

    async def embed(self, texts: Sequence[str], *, kind: Literal["document", "query"]) -> list[list[float]]:
        """One vector a text, in order."""
        if not self.name:
            await self.probe()
        return [vector for batch in _batches(texts) for vector in await self._embed(batch)]

    async def close(self) -> None:
        """Give up connections."""
        await self._client.aclose()

    async def _embed(self, texts: list[str]) -> list[list[float]]:
        request = {"model": self.name, "input": texts, "encoding_format": "float"}
        rows = _rows(await self._ask("POST", "embeddings", request))
        try:
            vectors = [_finite(row["embedding"]) for row in sorted(rows, key=lambda row: int(row["index"]))]
        except (KeyError, TypeError, ValueError) as error:
            raise self._bad(f"its vectors cannot be read ({error})") from error
        self.dimensions = self.dimensions or (len(vectors[0]) if vectors else 0)
        if len(vectors) != len(texts) or any(len(vector) != self.dimensions for vector in vectors):
            raise self._bad(f"{len(texts)} vectors of {self.dimensions} numbers were due")
        return vectors

    async def _ask(self, method: str, path: str, body: Any) -> Any:
        key = await asyncio.to_thread(self._read_key)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            async for attempt in stamina.retry_context(_backoff, attempts=ATTEMPTS, timeout=PATIENCE_SECONDS):
                with attempt:
                    answer = await self._client.request(method, f"{self._url}/{path}", json=body, headers=headers)
                    if answer.status_code >= 400:
                        raise _Refused(answer)
                    return answer.json()
        except _Refused as refused:
            raise self._refused(refused.answer) from refused
        except httpx2.InvalidURL as error:
            raise ConfigError("embeddings_url", f"{self._url!r} is not an address: {error}") from error
        except httpx2.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(
                "embeddings_unreachable",
                f"the embeddings endpoint {self._url} does not answer: {reason}",
                "look whether it runs, and at [embeddings] url",
            ) from error
        except ValueError as error:
            raise self._bad("it is not JSON") from error
        raise AssertionError("the last attempt returns or raises")

    def _refused(self, answer: httpx2.Response) -> GroundswellError:
        status, said = answer.status_code, answer.text[:300].strip()
        what = f"the embeddings endpoint {self._url} answered {status}: {said}"
        if status in (401, 403):
            return ConfigError("embeddings_key", what, "set [embeddings] key, or key_file")
        if status == 404:
            return ConfigError("embeddings_model", what, "look at [embeddings] url and model")
        if status < 500 and status not in (408, 425, 429):
            return Invalid("embeddings_rejected", what)
        return Unavailable("embeddings_unavailable", what, "ask again later")

    def _read_key(self) -> str:
        if self._key_file is None:
            return self._key
        try:  # each time: a mounted secret may be replaced while we run
            return self._key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError("embeddings_key", f"{self._key_file} cannot be read: {error}") from error

    def _bad(self, why: str) -> Unavailable:
        return Unavailable(
            "embeddings_bad_reply",
            f"what {self._url} sent is no embeddings reply: {why}",
            "is it an OpenAI-compatible endpoint?",
        )


class _Refused(Exception):
    """An answer that is an error."""

    def __init__(self, answer: httpx2.Response) -> None:
        super().__init__(f"HTTP {answer.status_code}")
        self.answer = answer


def _backoff(error: Exception) -> bool | float:
    """Whether to try again, and how many seconds later if the server says so."""
    if isinstance(error, _Refused):
        status = error.answer.status_code
        if status < 500 and status not in (408, 425, 429):
            return False
        wait = _retry_after(error.answer.headers.get("Retry-After", ""))
        return True if wait is None else min(wait, LONGEST_WAIT)
    return isinstance(error, httpx2.TransportError) and not isinstance(error, httpx2.UnsupportedProtocol)


def _retry_after(value: str) -> float | None:
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in map(readable, texts):
        if batch and (len(batch) == BATCH_TEXTS or size + len(text) > BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def _rows(body: Any) -> list[dict[str, Any]]:
    rows = body.get("data") if isinstance(body, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _finite(vector: Any) -> list[float]:
    values = [float(value) for value in vector]
    if not values or not all(map(math.isfinite, values)):
        raise ValueError("an empty vector, or one with a number that is not finite")
    return unit(values)
