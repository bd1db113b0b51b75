"""The web as one run may see it: its search engine, the guarded transport, robots.txt, and policy at every step."""

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import httpx2

from groundswell.backends.web import robots
from groundswell.backends.web.download import Allows, Bounds, Downloaded, checked, download
from groundswell.backends.web.pages import page
from groundswell.core.errors import Denied, ToolFailed, Unavailable
from groundswell.core.ports import Workers
from groundswell.core.records import Page, PageHit

PRODUCT = "groundswell"
ROBOTS_SECONDS = 3600.0
SITES = 512
EXTRACT_SECONDS = 15.0
_ANY = frozenset(range(400, 600))


class Engine(Protocol):
    """A search engine."""

    async def search(self, query: str, *, limit: int = 8) -> list[PageHit]:
        """Pages about something."""
        ...


@dataclass
class Sites:
    """What this process knows of sites: their robots.txt, for an hour."""

    known: "OrderedDict[str, tuple[float, robots.Robots]]" = field(
        default_factory=lambda: OrderedDict[str, tuple[float, robots.Robots]]()
    )

    async def robots(self, client: httpx2.AsyncClient, url: str, allows: Allows) -> robots.Robots:
        """The rules of a page's site. One that does not answer lets nobody in; one without rules, everybody."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        now = time.monotonic()
        if origin in self.known and now - self.known[origin][0] < ROBOTS_SECONDS:
            return self.known[origin][1]
        try:
            found = await download(client, f"{origin}/robots.txt", allows, Bounds(5.0, 500_000), statuses=_ANY)
        except Denied as error:
            if error.code in ("private_address", "port_refused", "host_unclear", "proxy_refused", "domain_not_allowed"):
                raise
            rules = robots.EVERYTHING
        except ToolFailed:  # not text, or redirected for ever: no rules
            rules = robots.EVERYTHING
        else:
            rules = _rules(found)
            if rules is None:
                raise Unavailable("robots_away", f"{origin}/robots.txt cannot be read now", "ask again later")
        self.known[origin] = (now, rules)
        while len(self.known) > SITES:
            self.known.popitem(last=False)
        return rules


def _rules(found: Downloaded) -> robots.Robots | None:
    if found.status >= 500 or found.status == 429:
        return None
    if found.status >= 400:
        return robots.EVERYTHING
    return robots.parsed(found.body.decode("utf-8", "replace"), PRODUCT)


class WebAccess:
    """One run's."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        allows: Allows,
        workers: Workers,
        sites: Sites,
        engine: Engine | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self.client, self.allows, self.workers, self.sites = client, allows, workers, sites
        self.engine, self.bounds = engine, bounds or Bounds()

    async def search(self, query: str, *, limit: int = 8) -> list[PageHit]:
        """Pages that the run's search engine names."""
        if self.engine is None:
            hint = "name one: --source pages=wikipedia: or --source pages=searxng:URL"
            raise ToolFailed("no_source", "this run looks at no search engine", hint)
        return await self.engine.search(query, limit=limit)

    async def download(self, url: str, *, headers: dict[str, str] | None = None, unchanged: bool = False) -> Downloaded:
        """The bytes of a page that its site lets us read; with `unchanged`, also the answer that it is as before."""
        url = checked(url)
        self.allows(url)
        rules = await self.sites.robots(self.client, url, self.allows)
        if not rules.allows(url):
            raise Denied("robots", f"{urlsplit(url).hostname} asks programs not to read {url}", "name another page")
        statuses = frozenset({304}) if unchanged else frozenset[int]()
        return await download(self.client, url, self.allows, self.bounds, headers=headers, statuses=statuses)

    async def fetch(self, url: str) -> Page:
        """A page in passages."""
        found = await self.download(url)
        try:
            return await self.workers.run(page, found, seconds=EXTRACT_SECONDS)
        except Unavailable as error:
            message = f"{url} could not be read: {error.message}"
            raise ToolFailed("page_hostile", message, "name another page") from error
