"""Reads one address within limits: time, size, redirects, compression and kind of content."""

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx2

from groundswell.core.errors import Denied, GroundswellError, LimitReached, NotFound, ToolFailed, Unavailable
from groundswell.core.hosts import PORTS, host_of, plain, written

Allows = Callable[[str], None]  # raises Denied for an address that policy refuses

REDIRECTS = 5
_MOVED = frozenset({301, 302, 303, 307, 308})
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_TEXT = ("text/", "application/xhtml", "application/xml", "application/json", "application/octet-stream")


@dataclass(frozen=True)
class Bounds:
    """What one page may cost."""

    seconds: float = 15.0
    bytes: int = 4 * 2**20  # on the wire, and again when unpacked


@dataclass(frozen=True)
class Downloaded:
    """The bytes behind an address."""

    url: str
    status: int
    media_type: str
    charset: str
    body: bytes
    etag: str = ""
    modified: str = ""


async def download(
    client: httpx2.AsyncClient,
    url: str,
    allows: Allows,
    bounds: Bounds,
    *,
    headers: dict[str, str] | None = None,
    statuses: frozenset[int] = frozenset(),
) -> Downloaded:
    """Follow an address to its bytes; every step is asked of `allows`. `statuses` are no errors to the caller."""
    try:
        async with asyncio.timeout(bounds.seconds):
            for _ in range(REDIRECTS + 1):
                url = checked(url)
                allows(url)
                step = await _step(client, url, bounds, headers or {}, statuses)
                if isinstance(step, Downloaded):
                    return step
                url = step
    except TimeoutError as error:
        message = f"{_host(url)} did not send the page within {bounds.seconds:g} s"
        raise Unavailable("page_slow", message, "ask again later, or name another page") from error
    raise ToolFailed("too_many_redirects", f"{url} was redirected more than {REDIRECTS} times", "name another page")


def checked(url: str) -> str:
    """An address as it is asked for: its host in its one form, so that policy, TLS and the connection mean the same.

    Raises ToolFailed for what two clients could read in two ways.
    """
    url = plain(url)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ToolFailed("bad_url", f"{url!r} is no address", "write https://host/path") from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise ToolFailed("bad_url", f"{url!r} is no http or https address", "write https://host/path")
    if "@" in parts.netloc or "\\" in url:
        raise ToolFailed("bad_url", "an address may hold no user name and no backslash", "write https://host/path")
    if not host_of(url):
        raise ToolFailed("bad_url", f"{parts.hostname!r} is not read as one host by all", "write its plain name")
    return written(url)


async def _step(
    client: httpx2.AsyncClient, url: str, bounds: Bounds, headers: dict[str, str], statuses: frozenset[int]
) -> Downloaded | str:
    """The bytes, or where to look instead."""
    try:
        async with client.stream("GET", url, headers=headers) as response:
            place = response.headers.get("location", "")
            if response.status_code in _MOVED and place:
                return _led_to(url, place)
            if response.is_error and response.status_code not in statuses:
                raise _refused(url, response.status_code)
            media_type, _, rest = response.headers.get("content-type", "").partition(";")
            media_type = media_type.strip().lower()
            if media_type and not media_type.startswith(_TEXT) and not media_type.endswith(("+xml", "+json")):
                raise _not_text(url, media_type)
            body = await _body(response, url, bounds)
            charset = rest.partition("charset=")[2].partition(";")[0].strip(" \"'")
            named = response.headers.get("etag", ""), response.headers.get("last-modified", "")
            return Downloaded(url, response.status_code, media_type, charset, body, *named)
    except httpx2.InvalidURL as error:
        raise ToolFailed("bad_url", f"{url!r} is no address", "write https://host/path") from error
    except httpx2.TransportError as error:
        if isinstance(error.__cause__, GroundswellError):
            raise error.__cause__ from error
        message = f"{_host(url)} does not answer ({type(error).__name__})"
        raise Unavailable("page_away", message, "check the address, or ask again later") from error


def _led_to(url: str, place: str) -> str:
    try:
        return urljoin(url, place)
    except ValueError as error:
        raise ToolFailed("bad_url", f"{_host(url)} redirects to no address", "name another page") from error


async def _body(response: httpx2.Response, url: str, bounds: Bounds) -> bytes:
    """The bytes, unpacked piece by piece so that none grows past the limit."""
    too_large = LimitReached("page_too_large", f"{url} is larger than {bounds.bytes:,} bytes", "name a smaller page")
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise ToolFailed("bad_encoding", f"{url} is packed as {coding!r}", "name another page")
    unpack = zlib.decompressobj(wbits=47) if coding in ("gzip", "x-gzip", "deflate") else None
    out, read = bytearray(), 0
    async for chunk in response.aiter_raw():
        read += len(chunk)
        if read > bounds.bytes:
            raise too_large
        if unpack is None:
            out += chunk
            continue
        try:
            out += unpack.decompress(chunk, bounds.bytes - len(out) + 1)
        except zlib.error as error:
            raise ToolFailed("bad_encoding", f"{url} is not what its encoding says", "name another page") from error
        if len(out) > bounds.bytes or unpack.unconsumed_tail:
            raise too_large
    return bytes(out)


def _refused(url: str, status: int) -> GroundswellError:
    if status in (404, 410):
        return NotFound("no_page", f"{url} is not there (HTTP {status})", "check the address")
    if status in (401, 403, 451):
        return Denied("page_forbidden", f"{_host(url)} does not show {url} (HTTP {status})", "name a public page")
    if status in _AGAIN:
        return Unavailable("page_away", f"{_host(url)} cannot show {url} now (HTTP {status})", "ask again later")
    return ToolFailed("page_refused", f"{_host(url)} refuses {url} (HTTP {status})", "name another page")


def _not_text(url: str, media_type: str) -> ToolFailed:
    return ToolFailed("not_text", f"{url} is {media_type}, which is not read", "name an HTML, Markdown or text page")


def _host(url: str) -> str:
    return urlsplit(url).hostname or url
