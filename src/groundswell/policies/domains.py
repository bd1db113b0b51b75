"""Keep what reaches out on approved hosts."""

import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from groundswell.core.policy import ALLOW, Grant, ToolCall, Verdict, deny, policy

_URL = re.compile(r"[a-z][a-z0-9+.-]*:[/\\]{2}|https?:\S", re.IGNORECASE)
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*")


@policy
def allowed_domains(call: ToolCall, grant: Grant) -> Verdict:
    """Refuse any argument that is a URL whose host is not on the list; a text that only mentions one is no URL."""
    for text in texts(call.arguments):
        url = plain(text)
        if not _URL.match(url):
            continue
        host = host_of(url)
        if not host or not is_listed(host, (*grant.domains, *hosts_named(grant.sources))):
            hint = f'add it to `domains` of [tenants.{grant.tenant}] in policy.toml: domains = ["{host or "HOST"}"]'
            return deny("domain_not_allowed", f"{call.agent!r} may not reach {host or text!r}", hint)
    return ALLOW


def hosts_named(sources: Iterable[str]) -> Iterator[str]:
    """The hosts of sources that the local caller named itself: naming one grants it for that run."""
    for source in sources:
        scheme, _, rest = plain(source).partition(":")
        if scheme.lower() in ("http", "https") and (host := host_of(plain(source))):
            yield host
        elif scheme.lower() == "wikipedia":
            language = compared(rest.strip("/") or "en")
            if language and "." not in language:
                yield f"{language}.wikipedia.org"


def texts(value: Any) -> Iterator[str]:
    """Every text in an argument, however deep: `urls` leaves out those that only lenient clients take for a URL."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in (*value.keys(), *value.values()):
            yield from texts(part)
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            yield from texts(part)


def plain(text: str) -> str:
    """A text as a client reads a URL: line breaks and tabs are not there, and what surrounds it is not."""
    return re.sub(r"[\t\r\n]", "", text).strip("".join(map(chr, range(33))) + "\u00a0\u3000")


def host_of(url: str) -> str:
    """The host a URL means, in the one way it is compared; "" where two clients could read two hosts."""
    try:
        parts = urlsplit(url)
        host, userinfo = parts.hostname or "", "@" in parts.netloc
        _ = parts.port
    except ValueError:
        return ""
    if userinfo or "\\" in url or "%" in parts.netloc:
        return ""
    return compared(host)


def compared(host: str) -> str:
    """Lower case, without the final dot, as it goes to DNS; "" for what is no host."""
    if ":" in host:
        try:
            return ipaddress.IPv6Address(host).compressed
        except ValueError:
            return ""
    if not host.isascii():
        try:
            host = unicodedata.normalize("NFKC", host).encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    host = host.lower().removesuffix(".")
    return host if _HOST.fullmatch(host) else ""


def is_listed(host: str, patterns: Iterable[str]) -> bool:
    """Whether a host is one of these; `*.example.org` is every host below it, and not itself."""
    return any(_fits(host, pattern) for pattern in patterns)


def _fits(host: str, pattern: str) -> bool:
    if not any(mark in pattern for mark in "*?"):
        return host == compared(pattern.strip("[]"))
    return fnmatchcase(host, pattern.lower().removesuffix("."))
