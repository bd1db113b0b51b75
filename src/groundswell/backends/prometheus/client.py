"""Asks a Prometheus, after the guard has looked at the query."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from groundswell.backends.prometheus import guard
from groundswell.backends.prometheus.bounds import bounded
from groundswell.core.errors import Denied, LimitReached, ToolFailed, Unavailable
from groundswell.core.records import Excerpt, Metrics, Series

SHOWN = 50  # series
LONGEST = 16 * 2**20  # bytes of an answer
TIMEOUT = httpx2.Timeout(20.0, connect=5.0)
_HINT = "check that the address of `prometheus` answers: curl URL/-/ready"


class Prometheus:
    """One server; only its query API is used. With `labels` only series that have these values are read."""

    def __init__(
        self,
        url: str,
        transport: httpx2.AsyncBaseTransport | None = None,
        labels: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ToolFailed("bad_source", f"{url!r} is no address of a Prometheus", "write --source prometheus=URL")
        self.url, self.labels = url.rstrip("/"), labels
        self.client = httpx2.AsyncClient(timeout=TIMEOUT, transport=transport, trust_env=False, follow_redirects=False)

    async def close(self) -> None:
        """Close its connections."""
        await self.client.aclose()

    async def query(self, promql: str, *, minutes: float = 0.0, step_seconds: float = 0.0) -> Metrics:
        """The query's value now, or over the last minutes. Raises ToolFailed, LimitReached and Unavailable."""
        seconds = minutes * 60
        step = step_seconds or max(15.0, seconds / 120) if seconds else 0.0
        guard.checked(seconds, step)
        if self.labels is not None:
            promql = bounded(promql, self.labels)
        reads = [(each, await self._series(each.text)) for each in guard.selectors(promql)]
        samples = guard.cost(reads, seconds, step)
        guard.afforded(samples)
        now = time.time()
        if seconds:
            span = {"start": f"{now - seconds:.0f}", "end": f"{now:.0f}", "step": f"{step:.0f}"}
            data = await self._get("query_range", query=promql, timeout="15s", **span)
        else:
            data = await self._get("query", query=promql, timeout="15s")
        found = _series(data)
        lines = [f"{_labels(series.labels)} {_figures(series)}" for series in found[:SHOWN]]
        source = f"prom:{promql}@{now - seconds:.0f}/{now:.0f}"
        excerpt = Excerpt(source=source, text="\n".join(lines), truncated=len(found) > SHOWN) if lines else None
        left_out = max(0, len(found) - SHOWN)
        return Metrics(query=promql, series=tuple(found[:SHOWN]), excerpt=excerpt, cost=samples, left_out=left_out)

    async def _series(self, selector: str) -> int:
        """How many series a selector has now."""
        data = await self._get("query", query=f"count({selector})", timeout="5s")
        rows = data.get("result") or []
        return int(float(rows[0]["value"][1])) if rows else 0

    async def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        try:
            async with self.client.stream("GET", f"{self.url}/api/v1/{path}", params=parameters) as answer:
                body = bytearray()
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > LONGEST:
                        raise LimitReached("answer_too_large", "the answer is too large to be read", "ask for less")
                status = answer.status_code
            parsed = httpx2.Response(status, content=bytes(body)).json()
        except httpx2.TimeoutException as error:
            raise Unavailable("metrics_timeout", f"{self.url} does not answer in time", _HINT) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable("metrics_unreachable", f"{self.url} cannot be reached: {error}", _HINT) from error
        except ValueError as error:
            raise Unavailable("metrics_answer", f"{self.url} does not answer as a Prometheus does", _HINT) from error
        if status in (401, 403):
            raise Denied("metrics_forbidden", f"{self.url} answers {status}")
        if not isinstance(parsed, dict) or parsed.get("status") != "success":
            reason = str(parsed.get("error", status)) if isinstance(parsed, dict) else str(status)
            raise ToolFailed("bad_promql", f"Prometheus refuses the query: {reason}")
        data = parsed.get("data")
        return data if isinstance(data, dict) else {}


def _series(data: dict[str, Any]) -> list[Series]:
    rows: list[Any] = data.get("result") or []
    if data.get("resultType") in ("scalar", "string"):
        rows = [{"metric": {}, "value": rows}]
    found: list[Series] = []
    for row in rows:
        pairs = row.get("values") or ([row["value"]] if "value" in row else [])
        values = [float(value) for _, value in pairs if not math.isnan(float(value))]
        if values:
            figures = {"first": values[0], "last": values[-1], "least": min(values), "most": max(values)}
            found.append(Series(labels=row.get("metric") or {}, points=len(values), **figures))
    return sorted(found, key=lambda series: -abs(series.last or 0.0))


def _labels(labels: dict[str, str]) -> str:
    rest = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")
    return f"{labels.get('__name__', '')}{{{rest}}}"


def _figures(series: Series) -> str:
    if series.points == 1:
        return f"{series.last:g}"
    return f"first {series.first:g} last {series.last:g} least {series.least:g} most {series.most:g}"
