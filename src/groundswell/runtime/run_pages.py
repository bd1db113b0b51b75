"""The web and the documents as one call may reach them: what its run's source names, and what policy lets it open."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from groundswell.backends.databases.runs import Scope
from groundswell.backends.documents.library import Desk, Library
from groundswell.backends.web.access import PRODUCT, Engine, Sites, WebAccess
from groundswell.backends.web.download import Bounds
from groundswell.backends.web.guard import client
from groundswell.core.errors import Denied
from groundswell.core.policy import Grant, Policy, ToolCall
from groundswell.core.ports import Workers
from groundswell.core.settings import WebSettings
from groundswell.runtime.base import VERSION
from groundswell.runtime.discovery import backend
from groundswell.runtime.grants import judge

ENGINES = ("wikipedia", "searxng")
PORTS = {"http": 80, "https": 443}


@dataclass
class Pages:
    """What all calls share."""

    settings: WebSettings
    library: Library
    workers: Workers
    sites: Sites = field(default_factory=Sites)

    def access(
        self,
        scope: Scope,
        allows: Callable[[str], None],
        closers: list[Callable[[], Awaitable[None]]],
    ) -> WebAccess:
        """One call's web; its connections close with the call."""
        settings, source = self.settings, scope.sources.get("pages", "")
        http = client(
            granted(scope.granted, settings.trusted),
            ca_file=str(settings.ca_file or ""),
            seconds=settings.page_seconds,
            agent=f"{PRODUCT}/{VERSION}",
        )
        closers.append(http.aclose)
        engine: Engine | None = None
        if source.partition(":")[0] in ENGINES:
            engine = backend("web", source)(source, http)
        bounds = Bounds(settings.page_seconds, settings.page_bytes)
        return WebAccess(http, allows, self.workers, self.sites, engine, bounds)

    def desk(
        self, tenant: str, scope: Scope, access: WebAccess, tell: Callable[[str, int, int], None], until: float
    ) -> Desk:
        """One call's documents."""
        return self.library.desk(tenant, scope.sources.get("pages", ""), access, tell, until)


def granted(sources: Iterable[str], trusted: Iterable[str]) -> frozenset[tuple[str, int]]:
    """Hosts and ports that may be private: those the local caller named itself, and those of the settings."""
    found: set[tuple[str, int]] = set()
    for source in sources:
        parts = urlsplit(source.removeprefix("searxng:"))
        if parts.scheme in PORTS and parts.hostname:
            found.add((parts.hostname.lower(), parts.port or PORTS[parts.scheme]))
    for place in trusted:
        host, _, port = place.rpartition(":")
        found.add((host.strip("[]").lower(), int(port)))
    return frozenset(found)


def allowing(policies: Iterable[Policy], grant: Grant, tool: str) -> Callable[[str], None]:
    """Judges every address a call goes to, redirects too, as if it were the call's argument."""
    rules = list(policies)

    def allows(url: str) -> None:
        verdict = judge(rules, ToolCall(agent=grant.agent, tool=tool, arguments={"url": url}), _without_rules(grant))
        if not verdict.allowed:
            raise Denied(verdict.rule, verdict.message, verdict.hint)

    return allows


def _without_rules(grant: Grant) -> Grant:
    """The rules for a call's own arguments were kept when it was made."""
    return grant.model_copy(update={"arguments": {}})
