"""Keep what reaches out on approved hosts."""

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from groundswell.core.hosts import compared, host_of, plain
from groundswell.core.policy import ALLOW, Grant, ToolCall, Verdict, deny, policy

_URL = re.compile(r"[a-z][a-z0-9+.-]*:[/\\]{2}|https?:\S", re.IGNORECASE)


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


def is_listed(host: str, patterns: Iterable[str]) -> bool:
    """Whether a host is one of these; `*.example.org` is every host below it, and not itself."""
    return any(_fits(host, pattern) for pattern in patterns)


def _fits(host: str, pattern: str) -> bool:
    if not any(mark in pattern for mark in "*?"):
        return host == compared(pattern.strip("[]"))
    return fnmatchcase(host, pattern.lower().removesuffix("."))
