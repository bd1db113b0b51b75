"""The web and the documents as one call may reach them: what its run's source names, and what policy lets it open."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from groundswell.backends.databases.runs import Scope
from groundswell.backends.documents.library import Desk, Library
from groundswell.backends.egress.routes import Egress
from groundswell.backends.egress.transport import Client, Guarded, client
from groundswell.backends.web.access import PRODUCT, Engine, Sites, WebAccess
from groundswell.backends.web.download import Bounds
from groundswell.core.errors import Denied
from groundswell.core.policy import Grant, Policy, ToolCall
from groundswell.core.ports import Workers
from groundswell.core.settings import Sources, WebSettings
from groundswell.runtime.base import VERSION
from groundswell.runtime.discovery import backend
from groundswell.runtime.egress import places
from groundswell.runtime.grants import judge

ENGINES = ("wikipedia", "searxng")


@dataclass
class Pages:
    """What all calls share."""

    settings: WebSettings
    library: Library
    workers: Workers
    egress: Egress
    sources: Sources = field(default_factory=Sources)
    sites: Sites = field(default_factory=Sites)

    def access(
        self,
        scope: Scope,
        allows: Callable[[str], None],
        closers: list[Callable[[], Awaitable[None]]],
        listed: str = "",
    ) -> WebAccess:
        """One call's web; its connections close with the call. `listed` is what `policy.toml` gives the tenant."""
        settings, source = self.settings, scope.sources.get("pages", "")
        http = self._client(self.egress.granting(places(scope.granted)), closers)
        engine: Engine | None = None
        if source.partition(":")[0] in ENGINES:
            reach = self._reach(source, source.removeprefix("searxng:"), listed or self.sources.pages, scope)
            engine = backend("web", source)(source, self._client(reach, closers))
        bounds = Bounds(settings.page_seconds, settings.page_bytes)
        return WebAccess(http, allows, self.workers, self.sites, engine, bounds)

    def operators(self, source: str, scope: Scope, grant: Grant) -> Guarded:
        """The transport to a Prometheus: one that the operator or the local caller named may be a private one."""
        listed = grant.listed.get("prometheus") == source
        return Guarded(self._reach(source, source, source if listed else self.sources.prometheus, scope))

    def _reach(self, source: str, url: str, configured: str, scope: Scope) -> Egress:
        named = source == configured or source in scope.granted
        return self.egress.granting(places([url])) if named else self.egress

    def _client(self, egress: Egress, closers: list[Callable[[], Awaitable[None]]]) -> Client:
        http = client(egress, seconds=self.settings.page_seconds, agent=f"{PRODUCT}/{VERSION}")
        closers.append(http.aclose)
        return http

    def desk(
        self, grant: Grant, scope: Scope, access: WebAccess, tell: Callable[[str, int, int], None], until: float
    ) -> Desk:
        """One call's documents."""
        source = scope.sources.get("pages", "")
        return self.library.desk(grant.tenant, source, access, tell, until, grant.collections)


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
