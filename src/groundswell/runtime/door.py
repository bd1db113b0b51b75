"""The door of a platform on loopback: a page of another origin, or under another name, gets nothing through it.

A browser on this machine lets every page it shows ask loopback. The `Host` tells a name that was made to mean this
machine (DNS rebinding), `Origin` and `Sec-Fetch-Site` tell another page. No answer allows another origin to read it.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from groundswell.core.errors import Denied, GroundswellError, Unauthenticated
from groundswell.core.hosts import compared, is_loopback
from groundswell.runtime.base import Base
from groundswell.runtime.service import problem

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
PAGES = ("/", "/docs")  # what a link from elsewhere may open: whoever made the link cannot read them
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip")
_SEALED = {"Cross-Origin-Resource-Policy": "same-origin", "X-Content-Type-Options": "nosniff"}


class Door:
    """Looks at every request before any route does."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = refused(scope, scope["app"].state.base)

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SEALED.items():
                    headers.setdefault(name, value)
            await send(message)

        app = self.app if refusal is None else problem(refusal)
        await app(scope, receive, sealed)


def refused(scope: Scope, base: Base) -> GroundswellError | None:
    """Why a request gets no further, if it does not."""
    headers = Headers(scope=scope)
    gateway = base.settings.gateway
    peer = scope["client"][0] if scope.get("client") else ""
    at_home = base.keyless and is_loopback(peer)
    if gateway.host == "localhost" or is_loopback(gateway.host) or at_home:
        refusal = _misnamed(headers.getlist("host"), gateway.hosts)
        if refusal is not None:
            return refusal
    if "authorization" in headers:
        return None  # a page of another origin cannot send one: that takes a preflight, which nothing answers
    if at_home and any(name in headers for name in _PASSED_ON):
        return Unauthenticated("no_key", "what a proxy passes on needs a key", "groundswell keys create NAME")
    if _is_foreign(headers) and not _is_link(scope, headers):
        return Denied("foreign_origin", "a page of another origin may not use this", "use a key, from a program")
    return None


def _misnamed(given: Sequence[str], allowed: Sequence[str]) -> GroundswellError | None:
    host = _host(given[0]) if len(given) == 1 else ""
    if host and host in LOOPBACK_NAMES.union(compared(name) for name in allowed):
        return None
    hint = "use 127.0.0.1, or list the name: [gateway] hosts in groundswell.toml"
    return Denied("foreign_host", f"this does not answer under the name {given[0] if given else ''!r}", hint)


def _is_foreign(headers: Headers) -> bool:
    """Whether a browser says that another origin's page asks."""
    origin = headers.get("origin")
    own = headers.get("host", "")
    foreign = origin is not None and _netloc(origin) != own.lower()
    return foreign or headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


def _is_link(scope: Scope, headers: Headers) -> bool:
    """Whether somebody followed a link to a page for people, in a tab of its own."""
    opens = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return opens and scope["method"] == "GET" and scope["path"] in PAGES and "origin" not in headers


def _netloc(origin: str) -> str:
    """`host:port` of an origin as `Host` writes it; "" for `null` and what is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _host(header: str) -> str:
    try:
        return compared(urlsplit(f"//{header}").hostname or "") if "@" not in header else ""
    except ValueError:
        return ""
