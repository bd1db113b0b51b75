"""Searches through a SearXNG instance: `searxng:http://host:8888`; its `search.formats` must list `json`."""

import httpx2

from groundswell.backends.web.engine import asked
from groundswell.core.errors import ConfigError
from groundswell.core.records import PageHit


class SearxNG:
    """One instance, whoever runs it."""

    scheme = "searxng"

    def __init__(self, source: str, client: httpx2.AsyncClient) -> None:
        self.url, self.client = source.partition(":")[2].rstrip("/"), client
        if not self.url.startswith(("http://", "https://")):
            raise ConfigError("bad_source", f"{source!r} names no SearXNG", "write searxng:http://host:8888")

    async def search(self, query: str, *, limit: int = 8) -> list[PageHit]:
        """Pages, in the instance's order."""
        params = {"q": query[:300], "format": "json", "safesearch": "1"}
        body = await asked(self.client, f"{self.url}/search", params, "SearXNG")
        rows = [row for row in body.get("results", []) if isinstance(row, dict) and row.get("url")]
        return [
            PageHit(url=str(row["url"]), title=str(row.get("title", "")), snippet=str(row.get("content") or ""))
            for row in rows[:limit]
            if str(row["url"]).startswith(("http://", "https://"))
        ]
