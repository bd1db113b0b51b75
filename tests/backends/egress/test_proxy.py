"""Where a proxy leads out, all goes through it but what `no_proxy` names; its credentials go to it alone."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from backends.egress.servers import PAGE, Internet, internet
from backends.repos.conftest import git, make_repository
from backends.web.sites import HereWorkers
from groundswell.backends.egress.routes import Egress
from groundswell.backends.egress.transport import client
from groundswell.backends.repos.source import CloneLimits, open_tree
from groundswell.backends.web.access import Sites, WebAccess
from groundswell.core.errors import Denied, GroundswellError, Unavailable

SECRET = "ana:pr0xy-word"


@dataclass
class Proxy:
    """A corporate proxy: it resolves names itself, and asks for credentials."""

    internet: Internet
    port: int = 0
    lines: list[str] = field(default_factory=list[str])
    status: int = 200

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line = head.split("\r\n")[0]
            self.lines.append(line)
            expected = "Proxy-Authorization: Basic " + base64.b64encode(SECRET.encode()).decode()
            status = self.status if expected.lower() in head.lower() else 407
            if status != 200:
                writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            elif line.startswith("CONNECT "):
                there = await asyncio.open_connection("127.0.0.1", self.internet.ports["tls"])
                writer.write(b"HTTP/1.1 200 Yes\r\n\r\n")
                await asyncio.gather(piped(reader, there[1]), piped(there[0], writer))
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n" + PAGE)
            await writer.drain()
        writer.close()


async def piped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Internet]:
    (tmp_path / "git").mkdir()
    folder = make_repository(tmp_path / "work", {"a.py": "x = 1\n"})
    git(tmp_path, "clone", "-q", "--bare", str(folder), "git/project.git")
    async with internet(tmp_path, ["only.proxy.example.com", "direct.example.com"]) as there:
        there.names["direct.example.com"] = [["93.184.216.34"]]
        there.page("/x")
        yield there


@pytest.fixture
async def proxy(net: Internet) -> AsyncIterator[Proxy]:
    there = Proxy(net)
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0)
    there.port = server.sockets[0].getsockname()[1]
    yield there
    server.close()


def egress(net: Internet, proxy: Proxy, credentials: str = SECRET) -> Egress:
    named = f"http://127.0.0.1:{proxy.port}"
    return net.egress(proxy=named, proxy_credentials=credentials, no_proxy=(".direct.example.com", "8.8.4.0/24"))


async def fetched(way: Egress, url: str) -> str:
    async with client(way) as http:
        return (await WebAccess(http, lambda url: None, HereWorkers(), Sites()).fetch(url)).title


async def cloned(net: Internet, way: Egress, host: str) -> int:
    limits = CloneLimits(seconds=20, egress=way)
    tree = await open_tree(f"https://{host}/git/project.git", net.folder / "cache", limits)
    return len((await tree.files()).entries)


async def test_pages_and_repositories_are_read_through_it(net: Internet, proxy: Proxy) -> None:
    way = egress(net, proxy)
    assert await fetched(way, "https://only.proxy.example.com/x") == "Tides"
    assert await fetched(way, "http://only.proxy.example.com/x") == "Tides"
    assert await cloned(net, way, "only.proxy.example.com") == 1
    assert "CONNECT only.proxy.example.com:443 HTTP/1.1" in proxy.lines
    assert net.asked == []  # the proxy alone resolves names
    assert net.dialled == []
    assert not any("roxy-" in head or "pr0xy" in head for head in net.heads)
    assert SECRET not in repr(way)


async def test_what_no_proxy_names_is_reached_directly_and_checked(net: Internet, proxy: Proxy) -> None:
    way = egress(net, proxy)
    for url in ("https://direct.example.com/x", "http://direct.example.com/x", "http://8.8.4.4/x"):
        assert await fetched(way, url) == "Tides"
    net.names["inner.direct.example.com"] = [["10.0.0.1"]]
    with pytest.raises(Denied):
        await fetched(way, "http://inner.direct.example.com/x")
    assert proxy.lines == []


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "[::1]", "x.localhost", "10.0.0.1", "169.254.169.254", "[fd00::1]", "0x7f.1"),
        *(
            "metadata.google.internal",
            "db",
            "printer.local",
            "[::ffff:10.0.0.1]",
            "public.example.com:22",
            "2130706433",
        ),
    ],
)
async def test_what_is_plainly_inside_is_not_even_asked_of_it(net: Internet, proxy: Proxy, host: str) -> None:
    way = egress(net, proxy)
    with pytest.raises(GroundswellError):
        await fetched(way, f"http://{host}/x")
    with pytest.raises(GroundswellError):
        await cloned(net, way, host)
    assert proxy.lines == []
    assert net.dialled == []


async def test_its_refusals_are_told_apart(net: Internet, proxy: Proxy) -> None:
    url = "https://only.proxy.example.com/x"
    with pytest.raises(Unavailable) as failed:
        await fetched(egress(net, proxy, "ana:wrong"), url)
    assert failed.value.code == "proxy_credentials"
    proxy.status = 403
    with pytest.raises(Denied) as refused:
        await fetched(egress(net, proxy), url)
    assert refused.value.code == "proxy_refused"
    with pytest.raises(Denied) as refused:
        await cloned(net, egress(net, proxy), "only.proxy.example.com")
    assert refused.value.code == "proxy_refused"
    proxy.status = 502
    with pytest.raises(Unavailable) as failed:
        await fetched(egress(net, proxy), url)
    assert failed.value.code == "proxy_failed"
    assert "pr0xy" not in failed.value.message
