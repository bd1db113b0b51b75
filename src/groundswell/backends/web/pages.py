"""Makes a page of bytes: text, title, date, passages. Plain functions, run in a process of their own."""

from datetime import UTC, datetime

from groundswell.backends.web.download import Downloaded
from groundswell.backends.web.extraction import read
from groundswell.backends.web.passages import split
from groundswell.core.records import Excerpt, Page, Passage

PASSAGES = 400  # of one fetched page


def page(found: Downloaded) -> Page:
    """A page with its passages."""
    text = read(found.body, found.url, found.media_type, found.charset)
    pieces = split(text.text)
    title = text.title or found.url
    return Page(
        url=found.url,
        title=title,
        updated=text.updated,
        retrieved=datetime.now(UTC),
        media_type=found.media_type or "text/plain",
        bytes=len(found.body),
        truncated=len(pieces) > PASSAGES,
        passages=tuple(
            Passage(
                page=title,
                headings=piece.headings,
                columns=piece.columns,
                updated=text.updated,
                excerpt=Excerpt(source=found.url, text=piece.text),
            )
            for piece in pieces[:PASSAGES]
        ),
    )
