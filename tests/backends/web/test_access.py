"""Pages are read within limits, from where policy lets us, and as the site asks."""

import asyncio
import gzip
import ipaddress
import itertools
import zlib
from collections.abc import AsyncIterator

import httpx2
import pytest

from backends.web.sites import HereWorkers, Site, site
from groundswell.backends.egress.addresses import why_not_public
from groundswell.backends.egress.routes import Egress
from groundswell.backends.egress.transport import Guard, Guarded, client
from groundswell.backends.web.access import Sites, WebAccess
from groundswell.backends.web.download import Bounds, checked
from groundswell.backends.web.searxng import SearxNG
from groundswell.backends.web.wikipedia import Wikipedia
from groundswell.core.errors import ConfigError, Denied, LimitReached, NotFound, ToolFailed, Unavailable

PAGE = "<html><head><title>Tides</title></head><body><article><h1>Tides</h1>"
PAGE += "<p>High water is at noon on most days.</p></article></body></html>"
BOUNDS = Bounds(seconds=2.0, bytes=100_000)


@pytest.fixture
async def there() -> AsyncIterator[Site]:
    async with site() as served:
        yield served


@pytest.fixture
async def access(there: Site) -> AsyncIterator[WebAccess]:
    async with client(Egress().granting({("127.0.0.1", there.port)}), agent="groundswell/test") as http:
        yield WebAccess(http, lambda url: None, HereWorkers(), Sites(), bounds=BOUNDS)


async def test_a_page_is_fetched_with_its_title_and_its_words(there: Site, access: WebAccess) -> None:
    there.page("/tides", PAGE)
    page = await access.fetch(f"{there.url}/tides#noon")
    assert page.title == "Tides"
    assert page.url == f"{there.url}/tides"
    assert "High water is at noon" in page.passages[0].excerpt.text
    assert "groundswell/test" in there.asked[-1]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8099/",
        "http://localhost:8099/",
        "http://2130706433:8099/",
        "http://0x7f.1:8099/",
        "http://[::1]:8099/",
        "http://[::ffff:127.0.0.1]:8099/",
        "http://[64:ff9b::7f00:1]:8099/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://100.64.0.1/",
        "http://0.0.0.0:8099/",
        "http://[fd00::1]/",
    ],
)
async def test_a_private_address_is_refused_however_it_is_written(access: WebAccess, url: str) -> None:
    with pytest.raises((Denied, ToolFailed)) as caught:
        await access.fetch(url)
    assert caught.value.code in ("private_address", "bad_url")


async def test_only_the_granted_port_of_a_private_host_is_open(there: Site) -> None:
    there.page("/", PAGE)
    async with client(Egress().granting({("127.0.0.1", there.port + 1)})) as http:
        with pytest.raises(Denied, match="not on the internet"):
            await WebAccess(http, lambda url: None, HereWorkers(), Sites()).fetch(there.url)


def test_the_guard_is_what_the_client_connects_through() -> None:
    transport = client(Egress())._transport
    assert isinstance(transport, Guarded)
    assert isinstance(transport.direct, httpx2.AsyncHTTPTransport)
    assert isinstance(transport.direct._pool._network_backend, Guard)  # pyright: ignore


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("93.184.216.34", True),
        ("2002:7f00:1::", False),
        ("224.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("2606:4700::1", True),
    ],
)
def test_what_is_public(text: str, public: bool) -> None:
    assert (not why_not_public(ipaddress.ip_address(text))) is public


async def test_every_redirect_is_checked_again(there: Site, access: WebAccess) -> None:
    there.page("/inside", "", "text/html", "302 Found", "Location: http://169.254.169.254/latest")
    there.page("/round", "", "text/html", "302 Found", "Location: /round")
    there.page("/moved", "", "text/html", "301 Moved", "Location: /tides")
    there.page("/tides", PAGE)
    with pytest.raises(Denied, match="not on the internet"):
        await access.fetch(f"{there.url}/inside")
    with pytest.raises(ToolFailed, match="redirected more than"):
        await access.fetch(f"{there.url}/round")
    assert (await access.fetch(f"{there.url}/moved")).url == f"{there.url}/tides"


async def test_a_redirect_to_a_host_that_policy_refuses_is_not_followed(there: Site, access: WebAccess) -> None:
    there.page("/away", "", "text/html", "302 Found", "Location: /secret")
    there.page("/secret", PAGE)

    def allows(url: str) -> None:
        if url.endswith("/secret"):
            raise Denied("domain_not_allowed", "no")

    access.allows = allows
    with pytest.raises(Denied):
        await access.fetch(f"{there.url}/away")
    assert not any("GET /secret" in head for head in there.asked)


async def test_an_endless_page_ends_at_the_limit(there: Site, access: WebAccess) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n")
        for _ in itertools.count():
            writer.write(b"<p>more</p>" * 1000)
            await writer.drain()

    there.pages["/endless"] = endless
    with pytest.raises(LimitReached, match="larger than"):
        await access.fetch(f"{there.url}/endless")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_bomb_is_not_unpacked(there: Site, access: WebAccess, coding: str) -> None:
    zeros = b" " * 20_000_000
    packed = gzip.compress(zeros) if coding == "gzip" else zlib.compress(zeros)
    there.page("/bomb", packed, "text/html", "200 OK", f"Content-Encoding: {coding}")
    with pytest.raises(LimitReached):
        await access.fetch(f"{there.url}/bomb")


async def test_a_packed_page_is_read(there: Site, access: WebAccess) -> None:
    there.page("/packed", gzip.compress(PAGE.encode()), "text/html", "200 OK", "Content-Encoding: gzip")
    assert (await access.fetch(f"{there.url}/packed")).title == "Tides"


async def test_a_page_that_drips_ends_in_time(there: Site, access: WebAccess) -> None:
    waiting = asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>")
        await writer.drain()
        await waiting.wait()

    there.pages["/slow"] = slow
    access.bounds = Bounds(seconds=0.3, bytes=1000)
    try:
        with pytest.raises(Unavailable) as caught:
            await access.fetch(f"{there.url}/slow")
    finally:
        waiting.set()
    assert caught.value.code == "page_slow"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\x89PNG\0\0\0", "text/html"),
        (b"%PDF-1.7 ...", "text/plain"),
        (b"MZ\0\0", "application/octet-stream"),
        (b"x", "image/png"),
        (b"", "text/html"),
    ],
)
async def test_what_is_no_text_is_refused_whatever_it_is_called(
    there: Site, access: WebAccess, body: bytes, kind: str
) -> None:
    there.page("/x", body, kind)
    with pytest.raises(ToolFailed) as caught:
        await access.fetch(f"{there.url}/x")
    assert caught.value.hint


async def test_html_that_calls_itself_plain_text_is_read_as_html(there: Site, access: WebAccess) -> None:
    there.page("/x", PAGE, "text/plain")
    assert "<p>" not in (await access.fetch(f"{there.url}/x")).passages[0].excerpt.text


@pytest.mark.parametrize(
    ("status", "error"),
    [("404 Not Found", NotFound), ("403 No", Denied), ("503 Busy", Unavailable), ("418 Pot", ToolFailed)],
)
async def test_a_refusal_says_which_one(there: Site, access: WebAccess, status: str, error: type[Exception]) -> None:
    there.page("/x", "no", "text/html", status)
    with pytest.raises(error):
        await access.fetch(f"{there.url}/x")


async def test_robots_are_asked_once_and_kept_to(there: Site, access: WebAccess) -> None:
    there.page("/robots.txt", "User-agent: *\nDisallow: /private\nAllow: /private/open\n", "text/plain")
    there.page("/private/x", PAGE)
    there.page("/private/open", PAGE)
    with pytest.raises(Denied, match="asks programs not to read"):
        await access.fetch(f"{there.url}/private/x")
    assert (await access.fetch(f"{there.url}/private/open")).title == "Tides"
    assert sum("GET /robots.txt" in head for head in there.asked) == 1
    assert not any("GET /private/x" in head for head in there.asked)


async def test_a_site_whose_robots_cannot_be_read_is_left_alone(there: Site, access: WebAccess) -> None:
    there.page("/robots.txt", "oops", "text/plain", "500 Oops")
    there.page("/x", PAGE)
    with pytest.raises(Unavailable, match=r"robots\.txt"):
        await access.fetch(f"{there.url}/x")


async def test_a_secret_on_a_page_is_gone_before_anybody_sees_it(there: Site, access: WebAccess) -> None:
    there.page("/x.md", "# Keys\n\nUse AKIA" + "IOSFODNN7EXAMPLQ to log in.\n", "text/markdown")
    assert "AKIA" not in (await access.fetch(f"{there.url}/x.md")).passages[0].excerpt.text


async def test_a_page_that_hangs_the_parser_is_given_up(there: Site, access: WebAccess) -> None:
    class Stuck:
        async def run(self, function: object, *arguments: object, seconds: float) -> object:
            raise Unavailable("cpu_deadline", "page took longer than 15.0 s and was stopped")

    there.page("/x", PAGE)
    access.workers = Stuck()  # type: ignore[assignment]
    with pytest.raises(ToolFailed, match="could not be read"):
        await access.fetch(f"{there.url}/x")


@pytest.mark.parametrize(
    "url",
    ["ftp://a/b", "http://", "http://user@host/", "https://host\\@evil/", "javascript:alert(1)", "http://h:99999/"],
)
def test_an_address_that_can_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(ToolFailed):
        checked(url)


WIKIPEDIA = '{"batchcomplete":true,"continue":{"sroffset":1,"continue":"-||"},"query":{"searchinfo":{"totalhits":2},'
WIKIPEDIA += '"search":[{"ns":0,"title":"Tide table",'
WIKIPEDIA += '"pageid":7,"snippet":"a <span class=\\"searchmatch\\">tide</span> &amp; its time"}]}}'
SEARXNG = '{"query":"tide","number_of_results":0,"results":[{"url":"https://a.example/t",'
SEARXNG += '"title":"T","content":"about","engine":"x","score":1.0},'
SEARXNG += (
    '{"url":"file:///etc/passwd","title":"no"}],"answers":[],"infoboxes":[],"suggestions":[],"unresponsive_engines":[]}'
)


async def test_wikipedia_is_searched_through_its_api(there: Site, access: WebAccess) -> None:
    there.page("/w/api.php", WIKIPEDIA, "application/json; charset=utf-8")
    hits = await Wikipedia("wikipedia:de", access.client, site=there.url).search("tide")
    assert [(hit.title, hit.snippet, hit.url) for hit in hits] == [
        ("Tide table", "a tide & its time", f"{there.url}/wiki/Tide_table")
    ]
    assert "srsearch=tide" in there.asked[-1]


async def test_searxng_names_pages_of_the_web_alone(there: Site, access: WebAccess) -> None:
    there.page("/search", SEARXNG, "application/json")
    hits = await SearxNG(f"searxng:{there.url}", access.client).search("tide")
    assert [hit.url for hit in hits] == ["https://a.example/t"]


async def test_a_search_engine_that_is_down_or_answers_html_is_named(there: Site, access: WebAccess) -> None:
    engine = SearxNG(f"searxng:{there.url}", access.client)
    there.page("/search", "<html>", "text/html")
    with pytest.raises(ToolFailed, match="no JSON") as caught:
        await engine.search("x")
    assert "search.formats" in caught.value.hint
    there.page("/search", "", "text/html", "503 Busy")
    with pytest.raises(Unavailable):
        await engine.search("x")


@pytest.mark.parametrize("make", [lambda c: Wikipedia("wikipedia:../x", c), lambda c: SearxNG("searxng:nowhere", c)])
async def test_a_source_that_names_nothing_is_refused(access: WebAccess, make: object) -> None:
    with pytest.raises(ConfigError):
        make(access.client)  # type: ignore[operator]
