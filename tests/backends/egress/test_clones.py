"""Git goes through the guard: to the host of the repository alone, with that host's token alone."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.egress.servers import Internet, internet
from backends.repos.conftest import git, make_repository, write
from groundswell.backends.egress.tunnel import tunnel
from groundswell.backends.repos import git as hardened
from groundswell.backends.repos.source import CloneLimits, Credential, open_tree
from groundswell.core.errors import Denied, ToolFailed, Unavailable

NAMES = ("git.example.com", "other.example.com")
TOKEN = "tok-7f3a9c1e55d0b2"


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Internet]:
    (tmp_path / "git").mkdir()
    folder = make_repository(tmp_path / "work", {"a.py": "def f(): ...\n"})
    git(tmp_path, "clone", "-q", "--bare", str(folder), "git/project.git")
    async with internet(tmp_path, NAMES) as there:
        there.names |= {"git.example.com": [["93.184.216.34"]], "other.example.com": [["8.8.4.4"]]}
        yield there


def limits(net: Internet, **more: object) -> CloneLimits:
    return CloneLimits(seconds=30, egress=net.egress(), **more)  # type: ignore[arg-type]


async def opened(net: Internet, url: str, **more: object):
    return await open_tree(url, net.folder / "cache", limits(net, **more))


async def test_a_repository_is_cloned_and_fetched_through_the_guard(net: Internet) -> None:
    tree = await opened(net, "https://git.example.com/git/project.git")
    assert [entry.path for entry in (await tree.files()).entries] == ["a.py"]
    write(net.folder / "work", {"b.py": "x = 1\n"})
    git(net.folder / "work", "add", "-A")
    git(net.folder / "work", "commit", "-q", "-m", "more")
    git(net.folder / "work", "push", "-q", str(net.folder / "git/project.git"), "HEAD")
    tree = await opened(net, "https://git.example.com/git/project.git")
    assert [entry.path for entry in (await tree.files()).entries] == ["a.py", "b.py"]
    assert tree.stale == ""
    assert set(net.dialled) == {("93.184.216.34", 443)}
    assert net.canary_heard == []


async def test_a_host_that_resolves_inside_gets_nothing_unless_it_was_granted_by_name(net: Internet) -> None:
    net.names["git.example.com"] = [["10.0.0.8"]]
    with pytest.raises(Denied) as refused:
        await opened(net, "https://git.example.com/git/project.git")
    assert refused.value.code == "private_address"
    assert net.dialled == []
    net.public.add("10.0.0.8")  # the same machine, on an inner address
    tree = await open_tree("https://git.example.com/git/project", net.folder / "cache", limits(net), granted=True)
    assert len((await tree.files()).entries) == 1


async def test_a_host_that_turns_private_between_two_fetches_is_not_answered_from_the_clone(net: Internet) -> None:
    await opened(net, "https://git.example.com/git/project.git")
    net.names["git.example.com"] = [["127.0.0.1"]]
    with pytest.raises(Denied):
        await opened(net, "https://git.example.com/git/project.git")
    assert net.canary_heard == []


async def test_a_clone_that_cannot_be_fetched_anew_answers_and_says_so(net: Internet) -> None:
    commit = (await opened(net, "https://git.example.com/git/project.git")).stale
    net.page("/git/project.git/info/refs", b"", "503 Busy")
    tree = await opened(net, "https://git.example.com/git/project.git")
    assert commit == ""
    assert "could not be fetched anew" in tree.stale
    assert (await tree.files()).revision[:12] in tree.stale
    assert len((await tree.files()).entries) == 1


@pytest.mark.parametrize("target", ["https://other.example.com", "https://10.0.0.8", "http://git.example.com"])
async def test_a_redirect_to_another_host_is_not_followed(net: Internet, target: str) -> None:
    net.page("/git/project.git/info/refs", b"", "301 Moved", f"Location: {target}/git/project.git/info/refs")
    with pytest.raises((Denied, Unavailable)):
        await opened(net, "https://git.example.com/git/project.git")
    assert {host for host, _ in net.dialled} == {"93.184.216.34"}


async def test_a_repository_that_was_renamed_on_its_host_is_found(net: Internet) -> None:
    place = "https://git.example.com/git/project.git/info/refs?service=git-upload-pack"
    net.page("/git/before.git/info/refs", b"", "301 Moved", f"Location: {place}")
    tree = await opened(net, "https://git.example.com/git/before.git")
    assert len((await tree.files()).entries) == 1


def private(net: Internet) -> list[str]:
    """Make the repository one that wants the token; what was sent as credentials is kept."""
    given: list[str] = []
    wanted = "Basic " + base64.b64encode(f"reader:{TOKEN}".encode()).decode()

    async def asks(head: str, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = [line[15:] for line in head.split("\r\n") if line.lower().startswith("authorization: ")]
        given.extend(found)
        if found != [wanted]:
            refusal = b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=git\r\nContent-Length: 0\r\n"
            writer.write(refusal + b"Connection: close\r\n\r\n")
            return
        await net._git(head, target, reader, writer)

    net.pages["/git/project.git/info/refs"] = asks
    return given


async def test_a_private_repository_is_read_with_the_token_of_its_host(
    net: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, commands = private(net), list[str]()
    run = hardened.run

    async def seen(command: list[str], *arguments: object, **options: object) -> object:
        commands.extend(command)
        return await run(command, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(hardened, "run", seen)  # the real one runs: what it is given is what `ps` would show
    known = {("git.example.com", 443): Credential("reader", TOKEN)}
    tree = await opened(net, "https://git.example.com/git/project.git", credentials=known)
    assert len((await tree.files()).entries) == 1
    assert given
    assert not any(TOKEN in word for word in commands)
    stored = [
        path for path in (net.folder / "cache").rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()
    ]
    assert stored == []
    assert TOKEN not in repr(limits(net, credentials=known))


async def test_without_its_token_a_private_repository_is_closed_and_the_hint_says_how_to_open_it(net: Internet) -> None:
    private(net)
    with pytest.raises(Denied) as refused:
        await opened(net, "https://git.example.com/git/project.git")
    assert refused.value.code == "repository_closed"
    assert "egress.credentials" in refused.value.hint


async def test_a_token_goes_to_no_other_host_and_no_other_port(net: Internet) -> None:
    given = private(net)
    known = {("other.example.com", 443): Credential("reader", TOKEN), ("git.example.com", 8443): Credential("r", TOKEN)}
    with pytest.raises(Denied):
        await opened(net, "https://git.example.com/git/project.git", credentials=known)
    assert given == []
    known = {("git.example.com", 443): Credential("reader", TOKEN)}
    net.page(
        "/git/project.git/info/refs", b"", "302 Found", "Location: https://other.example.com/git/project.git/info/refs"
    )
    with pytest.raises((Denied, Unavailable)):
        await opened(net, "https://git.example.com/git/project.git", credentials=known)
    assert not any("uthorization" in head for head in net.heads)


async def test_a_token_that_was_taken_back_ends_what_the_clone_answers(net: Internet) -> None:
    private(net)
    known = {("git.example.com", 443): Credential("reader", TOKEN)}
    await opened(net, "https://git.example.com/git/project.git", credentials=known)
    with pytest.raises(Denied):
        await opened(net, "https://git.example.com/git/project.git", credentials={})


async def test_a_certificate_of_an_unknown_authority_is_refused(net: Internet) -> None:
    strange = CloneLimits(seconds=30, egress=net.egress())
    object.__setattr__(strange.egress, "ca_bundle", "")
    with pytest.raises(Unavailable) as refused:
        await open_tree("https://git.example.com/git/project.git", net.folder / "cache", strange)
    assert "certificate" in refused.value.message


@pytest.mark.parametrize(
    "source",
    [
        "ssh://git.example.com/git/project.git",
        "git://git.example.com/git/project.git",
        "http://git.example.com/git/project.git",
        "ftp://git.example.com/git/project.git",
        "ext::sh -c touch% pwned",
        "fd::17",
        "file:///etc",
        "git@git.example.com:git/project.git",
        "git+ssh://git.example.com/x",
        "https::https://git.example.com/x",
        "--upload-pack=touch pwned",
        "https://git.example.com/git/project.git\n--upload-pack=x",
    ],
)
async def test_no_other_protocol_is_spoken(net: Internet, source: str) -> None:
    with pytest.raises(ToolFailed):
        await opened(net, source)
    assert net.dialled == []


async def test_the_tunnel_opens_for_nobody_else_and_leads_nowhere_else(net: Internet) -> None:
    async with tunnel(net.egress(), ("git.example.com", 443)) as lane:
        password = base64.b64encode(f"git:{lane.secret}".encode()).decode()

        async def asked(line: str, given: str) -> str:
            reader, writer = await asyncio.open_connection("127.0.0.1", lane.port)
            writer.write(f"{line}\r\nProxy-Authorization: Basic {given}\r\n\r\n".encode())
            try:
                return (await reader.read(100)).decode().split(" ")[1]
            finally:
                writer.close()

        assert await asked("CONNECT git.example.com:443 HTTP/1.1", "bm86bm8=") == "407"
        for line in (
            "CONNECT other.example.com:443 HTTP/1.1",
            "CONNECT git.example.com:22 HTTP/1.1",
            "CONNECT 127.0.0.1:443 HTTP/1.1",
            "GET http://git.example.com/ HTTP/1.1",
            "GET / HTTP/1.1",
        ):
            assert await asked(line, password) == "403"
        assert net.dialled == []
        assert await asked("CONNECT git.example.com:443 HTTP/1.1", password) == "200"
