"""Searches Wikipedia through its API, which needs no key: `wikipedia:` or `wikipedia:de`."""

import html
import re
from urllib.parse import quote

import httpx2

from groundswell.backends.web.engine import asked
from groundswell.core.errors import ConfigError
from groundswell.core.records import PageHit

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]{2,10})*")
_TAG = re.compile(r"<[^>]+>")


class Wikipedia:
    """One language's Wikipedia. `site` is where it stands: `https://{language}.wikipedia.org`."""

    scheme = "wikipedia"

    def __init__(
        self, source: str, client: httpx2.AsyncClient, *, site: str = "https://{language}.wikipedia.org"
    ) -> None:
        language = source.partition(":")[2].strip("/").lower() or "en"
        if not _LANGUAGE.fullmatch(language):
            raise ConfigError("bad_source", f"{source!r} names no language", "write wikipedia: or wikipedia:de")
        self.client, self.site = client, site.format(language=language)

    async def search(self, query: str, *, limit: int = 8) -> list[PageHit]:
        """Articles about something."""
        params = {
            "action": "query",
            "list": "search",
            "srsearch": query[:300],
            "srlimit": str(max(1, min(limit, 20))),
            "srprop": "snippet",
            "format": "json",
            "formatversion": "2",
        }
        body = await asked(self.client, f"{self.site}/w/api.php", params, "Wikipedia")
        found = body.get("query", {}).get("search", [])
        return [
            PageHit(
                url=f"{self.site}/wiki/{quote(str(row['title']).replace(' ', '_'), safe='/:()')}",
                title=str(row["title"]),
                snippet=html.unescape(_TAG.sub("", str(row.get("snippet", "")))),
            )
            for row in found
            if isinstance(row, dict) and row.get("title")
        ]
