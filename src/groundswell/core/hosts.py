"""The one way in which a URL's host is read: policies, the transport and the settings compare what this gives."""

import ipaddress
import re
import unicodedata
from urllib.parse import urlsplit, urlunsplit

_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_TWO_READINGS = frozenset("ßẞς\u200c\u200d")  # one DNS name by IDNA 2003, another by IDNA 2008
PORTS = {"http": 80, "https": 443}


def plain(text: str) -> str:
    """A text as a client reads a URL: line breaks and tabs are not there, and what surrounds it is not."""
    return re.sub(r"[\t\r\n]", "", text).strip("".join(map(chr, range(33))) + "\u00a0\u3000")


def host_of(url: str) -> str:
    """The host a URL means, in the one way it is compared; "" where two clients could read two hosts."""
    try:
        parts = urlsplit(url)
        host, userinfo = parts.hostname or "", "@" in parts.netloc
        unclear = parts.port == 0  # by some clients the usual port
    except ValueError:
        return ""
    if unclear or userinfo or "\\" in url or "%" in parts.netloc:
        return ""
    return compared(host)


def compared(host: str) -> str:
    """Lower case, without the final dot, as it goes to DNS; "" for what is no host, or might be two."""
    if ":" in host:
        try:
            return ipaddress.IPv6Address(host).compressed if "%" not in host else ""
        except ValueError:
            return ""
    if not host.isascii():
        if _TWO_READINGS & set(host):
            return ""
        try:
            host = unicodedata.normalize("NFKC", host).encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    host = host.lower().removesuffix(".")
    if not _HOST.fullmatch(host):
        return ""
    return _address(host) if _NUMBER.fullmatch(host.rpartition(".")[2]) else host


def _address(host: str) -> str:
    """What ends in a number is an IPv4 address, in four plain decimals: octal, hex and short forms mean many things."""
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether a host is an IP address of this machine's own; a name is none."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def port_of(url: str) -> int:
    """The port of a URL that `host_of` could read; 0 where its scheme names none."""
    parts = urlsplit(url)
    return parts.port if parts.port is not None else PORTS.get(parts.scheme.lower(), 0)


def written(url: str) -> str:
    """A URL that `host_of` could read, with its host in that form, without its usual port and its fragment."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    place = authority(host_of(url), port_of(url)).removesuffix(f":{PORTS.get(scheme, 0)}")
    return urlunsplit((scheme, place, parts.path or "/", parts.query, ""))


def authority(host: str, port: int) -> str:
    """`host:port`, as it stands in a URL."""
    return f"{f'[{host}]' if ':' in host else host}:{port}"
