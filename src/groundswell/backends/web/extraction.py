"""Makes text of a page's bytes: HTML by trafilatura, so that tables and lists survive; other text as it is.

Runs in a process of its own: a page can make any parser slow.
"""

import re
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urldefrag, urljoin, urlsplit

import trafilatura
from selectolax.lexbor import LexborHTMLParser

from groundswell.backends.web.passages import split
from groundswell.core.errors import ToolFailed
from groundswell.core.redaction import redact

_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|article|main|div|p|h1)[\s>]", re.IGNORECASE)
_META = re.compile(rb"<meta[^>]+charset=[\"']?([\w-]+)", re.IGNORECASE)
_FRONT = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?\n", re.DOTALL)
_FIELD = re.compile(r"^(title|date|updated|lastmod|last_updated)\s*:\s*[\"']?(.*?)[\"']?\s*$", re.MULTILINE)
_UPDATED = re.compile(
    r"\b(?:last\s+(?:updated|modified|reviewed|changed)|updated|effective|published|as\s+of|date)\b\W{1,4}(?:on\s+)?"
    r"(\d{4}-\d{2}-\d{2}|\d{1,2}\s+[A-Z][a-z]+\s+\d{4}|[A-Z][a-z]+\s+\d{1,2},?\s+\d{4})",
    re.IGNORECASE,
)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905
SHORT = 200  # characters: where trafilatura finds less than this, the whole body is looked at
_DROPPED = (
    "script, style, noscript, template, svg, iframe, nav, header, footer, aside, form, [hidden], [aria-hidden=true]"
)


@dataclass(frozen=True)
class Text:
    """What a page says."""

    text: str
    title: str = ""
    updated: str = ""
    links: tuple[str, ...] = ()
    is_verbatim: bool = False  # its lines are the lines of the file
    skipped: str = field(default="", kw_only=True)


def read(body: bytes, url: str, media_type: str, charset: str = "", *, links: bool = False) -> Text:
    """The text of a page, secrets removed. Raises ToolFailed for what is no text, whatever it is called."""
    if body.startswith(b"%PDF-"):
        raise ToolFailed("not_text", f"{url} is a PDF, which is not read", "name an HTML, Markdown or text page")
    if not body.strip():
        raise ToolFailed("empty_page", f"{url} is empty", "name another page")
    head = body[:4096]
    is_wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\0" in head and not is_wide:
        raise ToolFailed("not_text", f"{url} is binary, whatever it is called", "name an HTML, Markdown or text page")
    text = _decoded(body, charset)
    plain = urlsplit(url).path.lower().endswith((".md", ".markdown", ".mdx", ".rst", ".txt", ".adoc"))
    is_html = "html" in media_type or (not plain and _HTML.search(head.lstrip()[:1024]) is not None)
    return _html(text, url, links) if is_html else _plain(text)


def _decoded(body: bytes, charset: str) -> str:
    named = _META.search(body[:2048])
    guesses = ["utf-8-sig", charset, named.group(1).decode() if named else "", "cp1252"]
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        guesses = ["utf-16"]
    for guess in filter(None, guesses):
        try:
            return body.decode(guess).replace("\0", "\N{REPLACEMENT CHARACTER}")
        except (UnicodeDecodeError, LookupError):
            continue
    return body.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _plain(text: str) -> Text:
    """A text file: its lines stay where they are."""
    text = redact(text.replace("\r\n", "\n").replace("\r", "\n"))
    front = _FRONT.match(text)
    fields = dict(_FIELD.findall(front.group(1))) if front else {}
    title = fields.get("title", "") or next((piece.headings[0] for piece in split(text) if piece.headings), "")
    stated = next((fields[name] for name in ("updated", "lastmod", "last_updated", "date") if name in fields), "")
    return Text(text, title[:200], day(stated) or _stated_day(text), is_verbatim=True)


def _html(text: str, url: str, links: bool) -> Text:
    tree = LexborHTMLParser(text)
    found = _links(tree, url) if links else ()
    title_node = tree.css_first("title")
    heading = tree.css_first("main h1, article h1, h1")
    title = (heading.text(strip=True) if heading else "") or (title_node.text(strip=True) if title_node else "")
    canonical = trafilatura.extract(
        text,
        url=url,
        output_format="markdown",
        include_tables=True,
        include_comments=False,
        include_links=False,
        include_formatting=True,
        favor_recall=True,
    )
    body = (canonical or "").strip()
    if len(body) < SHORT:
        whole = _whole(tree)
        body = whole if len(whole) > len(body) * 2 else body
    if not body:
        raise ToolFailed("empty_page", f"{url} has no text", "it may need a browser; name another page")
    stated = tree.css_first("meta[property='article:modified_time'], meta[property='article:published_time'], time")
    attributes = stated.attributes if stated else {}
    updated = day(attributes.get("content") or attributes.get("datetime") or "")
    return Text(redact(body), redact(" ".join(title.split())[:200]), updated or _stated_day(body), found)


def _whole(tree: LexborHTMLParser) -> str:
    """All visible text, block by block: for pages that have too little for an article."""
    for node in tree.css(_DROPPED):
        node.decompose()
    root = tree.css_first("main, article, body")
    lines = (root.text(separator="\n") if root else "").splitlines()
    return "\n".join(line for line in (" ".join(each.split()) for each in lines) if line)


def _links(tree: LexborHTMLParser, url: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for node in tree.css("a[href]"):
        try:
            target = urldefrag(urljoin(url, (node.attributes.get("href") or "").strip())).url
        except ValueError:
            continue  # such as an IPv6 address without its end
        if target.startswith(("http://", "https://")):
            found[target] = None
    return tuple(found)[:2000]


def _stated_day(text: str) -> str:
    match = _UPDATED.search(text[:1500])
    return day(match.group(1)) if match else ""


def day(text: str) -> str:
    """A date as `2026-03-01`; "" where there is none."""
    if match := re.search(r"(\d{4})-(\d{2})-(\d{2})", text):
        year, month, number = map(int, match.groups())
    elif match := re.search(r"(\d{1,2})\s+([A-Za-z]{3})[a-z]*\.?,?\s+(\d{4})", text):
        year, month, number = int(match.group(3)), _month(match.group(2)), int(match.group(1))
    elif match := re.search(r"([A-Za-z]{3})[a-z]*\.?\s+(\d{1,2}),?\s+(\d{4})", text):
        year, month, number = int(match.group(3)), _month(match.group(1)), int(match.group(2))
    else:
        return ""
    try:
        return date(year, month, number).isoformat()
    except ValueError:
        return ""


def _month(name: str) -> int:
    name = name.lower()[:3]
    return _MONTHS.index(name) + 1 if name in _MONTHS else 0
