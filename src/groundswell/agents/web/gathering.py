"""Searches and reads: passages of collections, or pages that a search engine names."""

import asyncio
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from groundswell.agents.web.question import Asked
from groundswell.agents.web.ranking import KEPT, Unit
from groundswell.core.context import Tools
from groundswell.core.errors import Denied, NotFound, ToolFailed, Unavailable
from groundswell.core.records import Page, PageHit, Passage

PASSAGES = 30  # of collections, a query
PAGES = 5  # fetched
PER_PAGE = 40  # passages that are looked at


async def gathered(question: Asked, source: str, tools: Tools) -> tuple[list[Passage], list[str]]:
    """Passages, and what was searched or could not be read, in sentences."""
    if source.partition(":")[0] in ("wikipedia", "searxng"):
        return await _from_web(question, source, tools)
    if source.startswith(("http://", "https://")):
        return await _pages([source], tools)
    found: dict[tuple[str, str], Passage] = {}
    for query in question["queries"]:
        for passage in await tools.call("documents_search", query=query, limit=PASSAGES, returns=list[Passage]):
            found.setdefault((passage.excerpt.source, passage.excerpt.digest), passage)
    names = source.partition(":")[2]
    sites = len({re.sub(r"#L.*$", "", passage.excerpt.source) for passage in found.values()})
    looked = f"{len(found)} passages of {sites} pages looked at" if found else "no passage shares a word with it"
    return list(found.values()), [f"searched: collection {names}, {looked}"]


async def nearness(question: Asked, units: Sequence[Unit], tools: Tools) -> list[float]:
    """How near each unit is to the question in meaning; nothing where nothing embeds texts."""
    if not units:
        return []
    texts = [unit["text"][:600] for unit in units[:KEPT]]
    result = await tools.result("texts_compare", query=question["text"], texts=texts)
    value = result.value if result.status == "ok" else None
    return [float(each) for each in value] if isinstance(value, list) and len(value) == len(texts) else []


async def _from_web(question: Asked, source: str, tools: Tools) -> tuple[list[Passage], list[str]]:
    hits: dict[str, PageHit] = {}
    for query in question["queries"]:
        for hit in await tools.call("web_search", query=query, returns=list[PageHit]):
            hits.setdefault(hit.url, hit)
    if not hits:
        return [], [f"searched: {source} names no page for it"]
    passages, said = await _pages(list(hits)[:PAGES], tools)
    return passages, [f"searched: {source}, {len(hits)} pages named", *said]


async def _pages(urls: Sequence[str], tools: Tools) -> tuple[list[Passage], list[str]]:
    """Pages at once; one that cannot be read is named, and the others answer without it."""

    async def one(url: str) -> Page | str:
        try:
            return await tools.call("web_fetch", url=url, returns=Page)
        except (Denied, NotFound, ToolFailed, Unavailable) as error:
            hint = f" ({error.hint})" if error.code == "domain_not_allowed" else ""
            return f"not read: {urlsplit(url).hostname}: {error.message}{hint}"

    found = await asyncio.gather(*(one(url) for url in urls))
    passages = [passage for page in found if isinstance(page, Page) for passage in page.passages[:PER_PAGE]]
    read = [page.url for page in found if isinstance(page, Page)]
    said = [f"read: {', '.join(read)}"] if read else []
    return passages, [*said, *(text for text in found if isinstance(text, str))]
