"""Where a collection's pages come from: a folder, or a site crawled politely. Each gives what changed."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urldefrag, urlsplit

from groundswell.backends.databases.collections import Kept
from groundswell.backends.documents.reading import Raw, Read, files, read_files, read_page
from groundswell.backends.web.access import WebAccess
from groundswell.backends.web.download import checked
from groundswell.core.errors import Denied, GroundswellError, LimitReached, NotFound, ToolFailed, Unavailable
from groundswell.core.ports import Workers

BATCH = 24  # files that one process reads at once
READ_SECONDS = 60.0
LINKS = 20_000  # of a site that are remembered: its pages may name others without end
PAUSE_SECONDS = 0.5  # between two requests to a site, unless its robots.txt asks for more
_NO_PAGES = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".css", ".js", ".zip", ".gz", ".pdf", ".ico", ".mp4", ".woff2")
Tell = Callable[[str, int, int], None]


@dataclass
class Account:
    """What was seen, what was left out and why."""

    seen: set[str] = field(default_factory=set[str])
    unchanged: set[str] = field(default_factory=set[str])
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    examples: list[str] = field(default_factory=list[str])
    complete: bool = True

    def skip(self, reason: str, sentence: str = "", count: int = 1) -> None:
        """Count something that is not in the collection."""
        self.skipped[reason] = self.skipped.get(reason, 0) + count
        if sentence and len(self.examples) < 5:
            self.examples.append(sentence)


@dataclass(frozen=True)
class Fresh:
    """A page that is new or changed."""

    page: Read
    url: str = ""  # "" for a file
    etag: str = ""
    modified: str = ""


class Supply(Protocol):
    """Gives pages."""

    def pages(self, kept: Mapping[str, Kept], account: Account, tell: Tell) -> AsyncIterator[Fresh]:
        """Every page that is not as it was kept."""
        ...


class Folder:
    """The documents below a folder."""

    def __init__(self, folder: str, workers: Workers, most: int, until: float) -> None:
        self.folder, self.workers, self.most, self.until = folder, workers, most, until

    async def pages(self, kept: Mapping[str, Kept], account: Account, tell: Tell) -> AsyncIterator[Fresh]:
        """Files that are new or changed, by their bytes."""
        if not await asyncio.to_thread(Path(self.folder).is_dir):
            raise NotFound("no_folder", f"{self.folder} is no folder", "name a folder with documents in it")
        try:
            found, others = await asyncio.to_thread(files, self.folder)
        except OSError as error:
            raise ToolFailed(
                "unreadable", f"{self.folder} cannot be read: {error.strerror}", "mend its rights"
            ) from error
        for suffix, count in sorted(others.items(), key=lambda each: -each[1])[:6]:
            account.skip(f"{suffix} files", count=count)
        paths = list(found)
        if len(paths) > self.most:
            account.skip("beyond the limit of pages", count=len(paths) - self.most)
            account.complete = False
        paths = paths[: self.most]
        digests = {path: page.digest for path, page in kept.items()}
        for start in range(0, len(paths), BATCH):
            if time.monotonic() > self.until:
                account.complete = False
                account.seen.update(paths[start:])
                return
            tell("read", start, len(paths))
            some = paths[start : start + BATCH]
            known = {path: digests[path] for path in some if path in digests}
            for page in await self.workers.run(read_files, self.folder, some, known, seconds=READ_SECONDS):
                if page.problem:
                    account.skip(page.problem, page.sentence)
                    continue
                account.seen.add(page.path)
                if not page.pieces and known.get(page.path) == page.digest:
                    account.unchanged.add(page.path)
                    continue
                yield Fresh(page)


class Site:
    """The pages below an address, link by link."""

    def __init__(self, start: str, access: WebAccess, workers: Workers, most: int, until: float, pause: float) -> None:
        self.start, self.access, self.workers = checked(start), access, workers
        self.most, self.until, self.pause = most, until, pause
        self.last = 0.0

    async def pages(self, kept: Mapping[str, Kept], account: Account, tell: Tell) -> AsyncIterator[Fresh]:
        """Pages that are new or changed, by their ETag, date or bytes."""
        start = urldefrag(self.start).url
        queue, asked = deque([start]), {start}
        while queue:
            if len(account.seen) >= self.most or time.monotonic() > self.until:
                account.skip("beyond the limit of pages or time", count=len(queue))
                account.complete = False
                account.seen.update(kept)
                return
            url = queue.popleft()
            tell("crawl", len(account.seen), len(account.seen) + len(queue) + 1)
            try:
                fresh, links = await self._one(url, kept.get(url))
            except GroundswellError as error:
                if url == start:
                    raise
                account.skip(error.code.replace("_", " "), error.message)
                if url in kept and isinstance(error, Unavailable | LimitReached):
                    account.seen.add(url)  # it may come back: what was read of it stays
                continue
            account.seen.add(url)
            if fresh is None:
                account.unchanged.add(url)
            else:
                yield fresh
            for link in links:
                if link in asked or not self._within(link):
                    continue
                if len(asked) >= LINKS:
                    account.complete = False
                    break
                asked.add(link)
                queue.append(link)
        if not account.complete:
            account.seen.update(kept)  # what was not come to may be there all the same

    async def _one(self, url: str, before: Kept | None) -> tuple[Fresh | None, Sequence[str]]:
        await self._wait(url)
        headers = {"If-None-Match": before.etag} if before and before.etag else {}
        if before and before.modified and not headers:
            headers = {"If-Modified-Since": before.modified}
        found = await self.access.download(url, headers=headers, unchanged=before is not None)
        if found.status == 304 and before:
            return None, before.links
        if not self._within(found.url) and found.url != url:
            raise Denied("led_elsewhere", f"{url} leads to {found.url}", "add that site by itself")
        raw = Raw(url, found.url, found.media_type, found.body, found.charset, found.etag, found.modified, links=True)
        page: Read = await self.workers.run(read_page, raw, seconds=READ_SECONDS)
        if page.problem:
            raise ToolFailed(page.problem.replace(" ", "_"), page.sentence, "it is left out")
        if before and before.digest == page.digest:
            return None, page.links
        return Fresh(page, url, found.etag, found.modified), page.links

    async def _wait(self, url: str) -> None:
        """Be polite: one request at a time, with a pause."""
        rules = await self.access.sites.robots(self.access.client, url, self.access.allows)
        rest = self.last + max(self.pause, rules.delay) - time.monotonic()
        if rest > 0:
            await asyncio.sleep(rest)
        self.last = time.monotonic()

    def _within(self, url: str) -> bool:
        """Whether a link stays on the site, below the folder that was named."""
        try:
            here, there = urlsplit(self.start), urlsplit(checked(url))
        except ToolFailed:
            return False
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            return False
        path = here.path or "/"
        prefix = path if path.endswith("/") else path.rpartition("/")[0] + "/"
        return (there.path or "/").startswith(prefix) and not there.path.lower().endswith(_NO_PAGES)
