"""What tools say about pages and documents."""

from datetime import datetime

from groundswell.core.records.base import Record
from groundswell.core.records.evidence import Excerpt


class PageHit(Record):
    """A page that a search engine named. Its snippet is the engine's word, and no evidence."""

    url: str
    title: str
    snippet: str = ""


class Passage(Record):
    """A stretch of a page, word for word, with the headings that it stands under."""

    page: str  # its title
    headings: tuple[str, ...] = ()
    columns: str = ""  # the head of the table that this is a part of
    updated: str = ""  # when the page says it was written: `2026-03-01`
    score: float = 0.0
    excerpt: Excerpt


class Page(Record):
    """A page as it was fetched: its text in passages."""

    url: str  # where redirects led
    title: str
    updated: str = ""
    retrieved: datetime
    media_type: str
    bytes: int
    truncated: bool = False  # there was more than the limit
    passages: tuple[Passage, ...] = ()


class Collection(Record):
    """A tenant's collection of documents."""

    name: str
    source: str  # `path:/folder` or a URL
    pages: int
    bytes: int
    embedding: str = ""
    created: datetime
    updated: datetime


class Document(Record):
    """One page of a collection."""

    path: str
    source: str
    title: str
    bytes: int
    digest: str
    retrieved: datetime


class Shelf(Record):
    """A collection with its pages, in order."""

    collection: Collection
    documents: tuple[Document, ...]


class Filled(Record):
    """What filling a collection changed."""

    name: str
    source: str
    pages: int
    passages: int
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    skipped: dict[str, int] = {}  # reason → how many
    examples: tuple[str, ...] = ()  # of what was skipped, and why
    complete: bool = True
    seconds: float = 0.0
