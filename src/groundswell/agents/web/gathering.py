"""Searches and reads: passages of collections, or pages that a search engine names."""

import asyncio
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from groundswell.agents.web.question import Asked
from groundswell.agents.web.ranking import KEPT, Unit
from groundswell.agents.words import STOP, WORD, stem
from groundswell.core.context import Tools
from groundswell.core.errors import Denied, NotFound, ToolFailed, Unavailable
from groundswell.core.records import Page, PageHit, Passage

PASSAGES = 30  # of collections, a query
PAGES = 5  # fetched
KIN = 0.57  # the cosine of two words that mean nearly the same; of two embedders alike
LOOKED_AT = 10  # units whose words are compared
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
    rows = await _compared([question["text"]], [unit["text"][:600] for unit in units[:KEPT]], tools)
    return rows[0] if rows else []


async def kinship(question: Asked, units: Sequence[Unit], tools: Tools) -> dict[str, list[str]]:
    """For each of the question's words that the best units lack, the words there that mean nearly the same."""
    lacking = list(dict.fromkeys(term for unit in units[:LOOKED_AT] for term in unit["missing"]))
    spoken = {stem(word): word.lower() for word in WORD.findall(question["text"])}
    terms = [term for term in lacking if term in spoken][:8]
    there: dict[str, str] = {}
    for unit in units[:LOOKED_AT]:
        for word in WORD.findall(unit["text"]):
            if len(word) > 2 and word.lower() not in STOP:
                there.setdefault(stem(word), word.lower())
    stems = list(there)[:256]
    rows = await _compared([spoken[term] for term in terms], [there[each] for each in stems], tools)
    return {
        term: near
        for term, row in zip(terms, rows, strict=False)
        if (near := [each for each, cosine in zip(stems, row, strict=True) if cosine >= KIN])
    }


async def _compared(queries: Sequence[str], texts: Sequence[str], tools: Tools) -> list[list[float]]:
    if not queries or not texts:
        return []
    result = await tools.result("texts_compare", queries=list(queries), texts=list(texts))
    return [[float(each) for each in row] for row in result.value or ()] if result.status == "ok" else []


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
