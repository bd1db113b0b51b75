"""Nothing inside is reached by any address that a caller, a page or a model writes, and nothing outside is refused."""

import asyncio
import copy
import gzip
import zlib
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from backends.egress.addresses import ALLOWED_HOSTS, ALLOWED_NAMES, ALLOWED_PORTS, NAMES, hostile_hosts
from backends.egress.servers import PAGE, Internet, internet
from backends.repos.conftest import git, make_repository
from backends.web.sites import HereWorkers
from groundswell.backends.documents.supply import Account, Site
from groundswell.backends.egress.routes import Egress
from groundswell.backends.egress.transport import client
from groundswell.backends.repos.source import CloneLimits, open_tree
from groundswell.backends.web.access import Sites, WebAccess
from groundswell.backends.web.download import Bounds
from groundswell.core.errors import GroundswellError, LimitReached, ToolFailed, Unavailable

BOUNDS = Bounds(seconds=3.0, bytes=200_000)
CERTIFIED = [name for name in ALLOWED_NAMES if "_" not in name]


@pytest.fixture(scope="module")
async def net(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Internet]:
    folder: Path = tmp_path_factory.mktemp("internet")
    (folder / "git").mkdir()
    work = make_repository(folder / "work", {"a.py": "def f(): ...\n"})
    git(folder, "clone", "-q", "--bare", str(work), "git/project.git")
    async with internet(folder, [*CERTIFIED, "x_y.public.example.com"]) as there:
        yield there


@pytest.fixture(autouse=True)
def fresh(net: Internet) -> None:
    net.names = copy.deepcopy(NAMES | ALLOWED_NAMES)
    net.pages.clear()
    net.page("/x")
    for seen in (net.dialled, net.heads, net.canary_heard, net.asked):
        seen.clear()


def web(net: Internet, egress: Egress | None = None) -> WebAccess:
    http = client(egress or net.egress(), seconds=3.0)
    return WebAccess(http, lambda url: None, HereWorkers(), Sites(), bounds=BOUNDS)


async def crawled(access: WebAccess, url: str) -> list[str]:
    site = Site(url, access, HereWorkers(), 5, asyncio.get_running_loop().time() + 1e9, 0.0)
    return [fresh.url async for fresh in site.pages({}, Account(), lambda stage, done, total: None)]


HOSTS = hostile_hosts()
URLS = [f"{'https' if number % 3 == 0 else 'http'}://{host}/x" for number, host in enumerate(HOSTS)]
ALLOWED = [
    f"{'https' if port in (':443', ':8443') else 'http'}://{host}{port}/x?q=1#part"
    for host in ALLOWED_HOSTS
    for port in ALLOWED_PORTS
    if "::ffff:" not in host or "443" not in port  # a certificate names the plain form
]
ODD = (
    *("file:///etc/passwd", "ftp://public.example.com/x", "gopher://127.0.0.1:70/_x", "dict://127.0.0.1:11211/stat"),
    *("jar:http://127.0.0.1!/x", "data:text/html,x", "javascript:alert(1)", "ldap://127.0.0.1/", "unix:/run/x.sock"),
    *("//127.0.0.1/x", "http:127.0.0.1/x", "http:/127.0.0.1/x", "http:///127.0.0.1/x", "http:\\\\127.0.0.1\\x"),
    *("ht\ntp://127.0.0.1/x", "\x00http://127.0.0.1/x", "http://127.0.0.1\r\nHost: public.example.com/x"),
    *("http+unix://%2Frun%2Fx.sock/x", "view-source:http://127.0.0.1/", "", "http", "http://", "https://"),
)


def test_there_are_enough_of_them() -> None:
    assert len(URLS) >= 300
    assert len(ALLOWED) >= 60


async def refusal(work: Awaitable[object]) -> str:
    """The hint of a typed refusal; "" where there was none."""
    try:
        await work
    except GroundswellError as error:
        return error.hint
    return ""


def inner(net: Internet) -> list[tuple[str, int]]:
    return [(host, port) for host, port in net.dialled if host not in net.public]


async def test_no_fetch_reaches_the_canary(net: Internet) -> None:
    access = web(net)
    async with access.client:
        for url in (*URLS, *ODD):
            assert await refusal(access.fetch(url)), url
    assert inner(net) == []
    assert net.canary_heard == []


async def test_no_crawl_reaches_the_canary(net: Internet) -> None:
    access = web(net)
    async with access.client:
        for url in (*URLS, *ODD):
            assert await refusal(crawled(access, url)), url
        links = "".join(f'<a href="{url}">{number}</a>' for number, url in enumerate(URLS))
        net.page("/x", f"<html><body><p>High water is at noon today.</p>{links}</body></html>".encode())
        assert await crawled(access, "http://public.example.com/x") == ["http://public.example.com/x"]
    assert inner(net) == []
    assert net.canary_heard == []


@pytest.mark.real
@pytest.mark.timeout(300)
async def test_no_clone_reaches_the_canary(net: Internet) -> None:
    limits = CloneLimits(seconds=20, egress=net.egress())
    gate = asyncio.Semaphore(4)

    async def cloned(url: str) -> None:
        async with gate:
            assert await refusal(open_tree(url, net.folder / "cache", limits)), url

    urls = [f"https://{host}/git/project.git" for host in HOSTS]
    await asyncio.gather(*(cloned(url) for url in (*urls, *ODD)))
    assert inner(net) == []
    assert net.canary_heard == []


async def test_without_the_guard_they_would_have_reached_it(net: Internet) -> None:
    """The same addresses, all granted: so the canary hears, and what is above can fail."""
    reached = 0
    for host in HOSTS:
        if host.count(".") == 3 or host.startswith("["):
            open_to_all = net.egress().granting({(host.strip("[]"), 80)})
            access = web(net, open_to_all)
            async with access.client:
                with pytest.raises(GroundswellError):
                    await access.fetch(f"http://{host}/x")
            reached = len(net.canary_heard)
    assert reached > 60


async def test_every_allowed_address_is_read(net: Internet) -> None:
    refused: list[str] = []
    read = 0
    access = web(net)
    async with access.client:
        for url in ALLOWED:
            try:
                found = await access.download(url)
                read += found.body == PAGE
            except GroundswellError as error:
                refused.append(f"{url}: {error.message}")
    assert refused == []
    assert read == len(ALLOWED)
    assert net.canary_heard == []


@pytest.mark.real
@pytest.mark.timeout(200)
async def test_every_allowed_repository_is_cloned(net: Internet) -> None:
    limits = CloneLimits(seconds=30, egress=net.egress())
    for number, host in enumerate(ALLOWED_HOSTS):
        if host.startswith("[64:") or "x_y" in host or "::ffff:" in host:
            continue  # their certificates name the plain form
        port = (":443", ":8443", "")[number % 3]
        tree = await open_tree(f"https://{host}{port}/git/project.git", net.folder / f"cache-{number}", limits)
        assert len((await tree.files()).entries) == 1, host
    assert net.canary_heard == []


TARGETS = (
    "http://127.0.0.1/x",
    "http://inner.example.com/x",
    "http://[::1]/x",
    "//169.254.169.254/latest",
    "http://0/",
)
TARGETS += ("http://2130706433/", "https://localhost/", "file:///etc/passwd", "http://public.example.com:22/")
TARGETS += (
    "http://user@public.example.com/x",
    "http:\\\\127.0.0.1/x",
    "http://[::ffff:7f00:1]/",
    "gopher://127.0.0.1/",
)
TARGETS += ("http://[::1", "http://127.0.0.1:0/", "http://\u2460\u2461\u2466.0.0.1/", "http://%31%32%37.0.0.1/")


@pytest.mark.parametrize("hops", [1, 3, 5])
async def test_no_redirect_leads_inside_however_late(net: Internet, hops: int) -> None:
    access = web(net)
    async with access.client:
        for target in TARGETS:
            for hop in range(hops):
                place = target if hop == hops - 1 else f"http://two.example.com/hop{hop + 1}"
                net.page(f"/hop{hop}", b"", "302 Found", f"Location: {place}")
            with pytest.raises(GroundswellError):
                await access.fetch("http://public.example.com/hop0")
            with pytest.raises(GroundswellError):
                await crawled(access, "http://public.example.com/hop0")
    assert inner(net) == []
    assert net.canary_heard == []


async def test_redirects_outside_are_followed_and_endless_ones_end(net: Internet) -> None:
    net.page("/moved", b"", "301 Moved", "Location: https://two.example.com/x")
    net.page("/round", b"", "302 Found", "Location: http://turns.example.com/round")
    access = web(net)
    async with access.client:
        assert (await access.fetch("http://public.example.com/moved")).url == "https://two.example.com/x"
        with pytest.raises(ToolFailed) as ended:
            await access.fetch("http://public.example.com/round")
    assert ended.value.code == "too_many_redirects"


async def test_a_name_that_means_another_machine_a_moment_later_is_asked_once(net: Internet) -> None:
    for answers in (
        [["93.184.216.34"], ["127.0.0.1"]],
        [["93.184.216.34"], ["93.184.216.34"], ["127.0.0.1"]],
        [["93.184.216.34"], ["::1"], ["93.184.216.34"], ["10.0.0.1"]],
    ):
        net.names["rebinding.example.com"] = answers
        for _ in range(4):
            access = web(net)
            async with access.client:
                try:
                    await access.fetch("http://rebinding.example.com/x")
                except GroundswellError as error:
                    assert error.code == "private_address"  # noqa: PT017  # either way nothing inside is reached
        net.names["rebinding.example.com"] = copy.deepcopy(answers)
        for number in range(4):
            limits = CloneLimits(seconds=20, egress=net.egress())
            try:
                await open_tree(f"https://rebinding.example.com/git/p{number}.git", net.folder / "cache", limits)
            except GroundswellError as error:
                assert error.code in ("private_address", "clone_failed")  # noqa: PT017
    assert inner(net) == []
    assert net.canary_heard == []
    assert len(net.dialled) >= 3


async def test_bodies_that_never_end_cost_no_more_than_the_limits(net: Internet) -> None:
    async def slow(head: str, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        while not reader.at_eof():
            writer.write(b"<")
            await writer.drain()
            await asyncio.sleep(0.05)

    async def huge(head: str, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not reader.at_eof():
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()

    async def headers(head: str, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        number = 0
        while not reader.at_eof():
            writer.write(b"".join(b"X-%d: %s\r\n" % (number + each, b"y" * 100) for each in range(100)))
            number += 100
            await writer.drain()

    async def hints(head: str, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 50)
            await writer.drain()
            await asyncio.sleep(0.01)

    net.pages |= {"/slow": slow, "/huge": huge, "/headers": headers, "/hints": hints}
    bomb = b" " * 30_000_000
    net.page("/gzip", gzip.compress(bomb), "200 OK", "Content-Encoding: gzip")
    net.page("/deflate", zlib.compress(bomb), "200 OK", "Content-Encoding: deflate")
    net.page("/twice", gzip.compress(gzip.compress(bomb)), "200 OK", "Content-Encoding: gzip, gzip")
    net.page("/brotli", b"x", "200 OK", "Content-Encoding: br")
    net.page("/lies", b"x" * 10, "200 OK", "Content-Encoding: gzip")
    wanted: dict[str, type[GroundswellError]] = {
        **{"/slow": Unavailable, "/huge": LimitReached, "/headers": Unavailable, "/hints": Unavailable},
        **{"/gzip": LimitReached, "/deflate": LimitReached, "/twice": ToolFailed, "/brotli": ToolFailed},
        "/lies": ToolFailed,
    }
    access = web(net)
    access.bounds = Bounds(seconds=1.0, bytes=200_000)
    async with access.client:
        for path, error in wanted.items():
            with pytest.raises(error):
                await access.fetch(f"http://public.example.com{path}")
