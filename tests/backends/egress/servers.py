"""A small internet on loopback: one public machine with pages and repositories, a canary wherever else one dials.

The guard, the clients and Git are the real ones. Only the last step, the dial of an address that was allowed, is ours:
a public address leads to the public machine, any other to the canary, which must hear nothing.
"""

import asyncio
import contextlib
import datetime
import ipaddress
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpcore2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from groundswell.backends.egress.addresses import Address
from groundswell.backends.egress.routes import Egress, resolved

PUBLIC = ("93.184.216.34", "8.8.4.4", "2606:4700::1111", "2a00:1450::5", "64:ff9b::808:808")
PAGE = b"<html><head><title>Tides</title></head><body><h1>Tides</h1><p>High water is at noon today.</p></body></html>"
Handler = Callable[[str, str, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Internet:
    """The machines, who was dialled, and what names mean: each name's answers in turn, the last one for ever."""

    folder: Path
    names: dict[str, list[list[str]]] = field(default_factory=dict[str, list[list[str]]])
    pages: dict[str, bytes | Handler] = field(default_factory=dict[str, bytes | Handler])
    dialled: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    heads: list[str] = field(default_factory=list[str])
    canary_heard: list[bytes] = field(default_factory=list[bytes])
    ports: dict[str, int] = field(default_factory=dict[str, int])
    public: set[str] = field(default_factory=lambda: {str(ipaddress.ip_address(each)) for each in PUBLIC})
    asked: list[str] = field(default_factory=list[str])

    @property
    def ca(self) -> str:
        return str(self.folder / "ca.pem")

    def egress(self, **settings: object) -> Egress:
        network = Dialler(self)
        return Egress(resolve=self.resolve, network=network, ca_bundle=self.ca, **settings)  # type: ignore[arg-type]

    async def resolve(self, host: str, port: int) -> list[Address]:
        """The answers that a test wrote; else the machine's own resolver, which reads numbers in all forms."""
        self.asked.append(host)
        if (answers := self.names.get(host)) is not None:
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            return [ipaddress.ip_address(each) for each in answer]
        return await resolved(host, port)

    def page(self, path: str, body: bytes = PAGE, status: str = "200 OK", *headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", "Content-Type: text/html", f"Content-Length: {len(body)}", *headers]
        self.pages[path] = "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The public machine: pages by path, repositories below /git/."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.heads.append(head)
            target = head.split(" ", 2)[1]
            path = target.partition("?")[0]
            if path.startswith("/git/") and path not in self.pages:
                await self._git(head, target, reader, writer)
            else:
                reply = self.pages.get(path, b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                if isinstance(reply, bytes):
                    writer.write(reply)
                else:
                    await reply(head, target, reader, writer)
            await writer.drain()
        writer.close()

    async def _git(self, head: str, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """`git http-backend`, Git's own server."""
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        fields = {name.lower(): value for name, value in fields.items()}
        path, _, query = target.partition("?")
        length = int(fields.get("content-length", 0))
        body = await reader.readexactly(length) if length else b""
        process = await asyncio.create_subprocess_exec(
            *("git", "http-backend"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={
                "PATH": os.environ["PATH"],
                "HOME": "/nonexistent",
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": "*",
                "GIT_PROJECT_ROOT": str(self.folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": fields.get("git-protocol", ""),
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": head.split(" ", 1)[0],
                "CONTENT_TYPE": fields.get("content-type", ""),
                "CONTENT_LENGTH": str(length),
                "HTTP_CONTENT_ENCODING": fields.get("content-encoding", ""),
            },
        )
        out, _ = await process.communicate(body)
        told, _, rest = out.partition(b"\r\n\r\n")
        status = b"200 OK"
        for line in told.split(b"\r\n"):
            if line.lower().startswith(b"status:"):
                status = line[7:].strip()
        writer.write(b"HTTP/1.1 " + status + b"\r\n" + told + b"\r\nConnection: close\r\n\r\n" + rest)

    async def canary(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody is where nobody may be."""
        self.canary_heard.append(await reader.read(200))
        writer.close()


class Dialler(httpcore2.AsyncNetworkBackend):
    """Public addresses are the public machine, whatever the port; all others are the canary."""

    def __init__(self, internet: Internet) -> None:
        self.internet, self.inner = internet, httpcore2.AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, **options: object) -> httpcore2.AsyncNetworkStream:
        self.internet.dialled.append((host, port))
        machine = "canary"
        address = ipaddress.ip_address(host)
        if str(getattr(address, "ipv4_mapped", None) or address) in self.internet.public:
            machine = "tls" if port in (443, 8443) else "plain"
        return await self.inner.connect_tcp("127.0.0.1", self.internet.ports[machine], timeout=5.0)

    async def connect_unix_socket(self, path: str, **options: object) -> httpcore2.AsyncNetworkStream:
        raise AssertionError(path)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@asynccontextmanager
async def internet(folder: Path, names: Sequence[str]) -> AsyncIterator[Internet]:
    """All of it, with a certificate for these names and the public addresses."""
    there = Internet(folder)
    context = certified(folder, names)
    servers = {
        "plain": await asyncio.start_server(there.serve, "127.0.0.1", 0),
        "tls": await asyncio.start_server(there.serve, "127.0.0.1", 0, ssl=context),
        "canary": await asyncio.start_server(there.canary, "127.0.0.1", 0),
    }
    there.ports = {name: server.sockets[0].getsockname()[1] for name, server in servers.items()}
    try:
        yield there
    finally:
        for server in servers.values():
            server.close()


def certified(folder: Path, names: Sequence[str]) -> ssl.SSLContext:
    """A server's context, and its authority in `ca.pem`."""
    now = datetime.datetime.now(datetime.UTC)

    def certificate(subject: str, issuer: str, key: object, signer: object, is_ca: bool) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())  # type: ignore[attr-defined]
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)  # type: ignore
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),  # type: ignore
                critical=False,
            )
        )
        if is_ca:
            usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        else:
            alternatives = [x509.DNSName(name) for name in names]
            alternatives += [x509.IPAddress(ipaddress.ip_address(each)) for each in PUBLIC]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return builder.sign(signer, hashes.SHA256())  # type: ignore[arg-type]

    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("test authority", "test authority", authority, authority, True)
    leaf = certificate("test server", "test authority", server, authority, False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(root.public_bytes(pem))
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(pem))
    plain = (pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "leaf.key").write_bytes(server.private_bytes(*plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf.pem", folder / "leaf.key")
    return context
