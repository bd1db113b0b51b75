"""Asks a search engine's JSON interface, and says what is wrong where it does not answer so."""

import asyncio
import json
from typing import Any, cast

import httpx2

from groundswell.core.errors import GroundswellError, LimitReached, ToolFailed, Unavailable

SECONDS = 10.0
BYTES = 4 * 2**20


async def asked(client: httpx2.AsyncClient, url: str, params: dict[str, str], name: str) -> dict[str, Any]:
    """The object an engine answers with. Raises Unavailable, ToolFailed, LimitReached."""
    try:
        async with asyncio.timeout(SECONDS), client.stream("GET", url, params=params) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes(2**16):
                body += chunk
                if len(body) > BYTES:
                    raise LimitReached("search_too_large", f"{name} answers with too much", "ask for something else")
            status = response.status_code
    except TimeoutError as error:
        raise Unavailable("search_slow", f"{name} did not answer within {SECONDS:g} s", "ask again later") from error
    except httpx2.InvalidURL as error:
        raise ToolFailed("bad_source", f"{url!r} is no address", "write searxng:http://host:8888") from error
    except httpx2.TransportError as error:
        if isinstance(error.__cause__, GroundswellError):
            raise error.__cause__ from error
        hint = f"see whether it runs, at {url}"
        raise Unavailable("search_down", f"{name} does not answer ({type(error).__name__})", hint) from error
    if status == 429 or status >= 500:
        raise Unavailable("search_down", f"{name} answers with HTTP {status}", "ask again later")
    if status >= 400:
        hint = "for SearXNG, list `json` under `search.formats` in its settings"
        raise ToolFailed("search_refused", f"{name} refuses the search (HTTP {status})", hint)
    try:
        answer = json.loads(body)
    except ValueError as error:
        hint = "for SearXNG, list `json` under `search.formats` in its settings"
        raise ToolFailed("search_no_json", f"{name} answers with no JSON", hint) from error
    return cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
