"""Addresses that lead inside, written in every way that some program reads; and ways of writing those outside."""

import ipaddress
import itertools
from collections.abc import Iterator

INNER = (
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "10.255.255.254", "172.16.0.1", "172.31.9.9", "192.168.1.1"),
    *("169.254.169.254", "169.254.170.2", "100.100.100.200", "100.64.0.1", "168.63.129.16", "192.0.0.192"),
    *("198.18.0.1", "198.19.255.1", "192.0.2.1", "198.51.100.7", "203.0.113.9", "192.88.99.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
)
INNER_6 = (
    *("::1", "::", "0:0:0:0:0:0:0:1", "::7f00:1", "::127.0.0.1", "::a00:1", "fe80::1", "fe80::a9fe:a9fe", "febf::1"),
    *("fc00::1", "fd00::1", "fd00:ec2::254", "fd20:ce::254", "fec0::1", "ff02::1", "ff05::2", "100::1"),
    *("64:ff9b:1::7f00:1", "64:ff9b:1::8.8.8.8", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1"),
    *("2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1", "2001:20::1", "2001:2::1", "2001:db8::1"),
    *("3fff::1", "4000::1", "5f00::1", "200::1", "ffff::1"),
)


def forms(address: str) -> Iterator[str]:
    """One IPv4 address as `inet_aton`, browsers and careless parsers read it."""
    parts = [int(part) for part in address.split(".")]
    number = int(ipaddress.IPv4Address(address))
    yield from (address, f"{address}.", f"{address}..")
    yield from (str(number), hex(number), f"0{number:o}", f"0X{number:x}", f"{number}.", str(number + 2**32))
    yield ".".join(f"0{part:o}" for part in parts)
    yield ".".join(f"0x{part:x}" for part in parts)
    yield ".".join(f"{part:03d}" for part in parts)
    yield ".".join(f"000000{part:o}" for part in parts)
    yield f"0x{parts[0]:x}.{parts[1]}.0{parts[2]:o}.{parts[3]}"
    yield f"{parts[0]}.{number & 0xFFFFFF}"
    yield f"{parts[0]}.{parts[1]}.{number & 0xFFFF}"
    yield f"{parts[0]}.0x{number & 0xFFFFFF:x}"
    yield address.replace(".", "\u3002")
    yield address.replace(".", "\uff0e")
    yield "".join(chr(0xFF10 + int(letter)) if letter.isdigit() else letter for letter in address)
    yield "".join(chr(0x1D7D8 + int(letter)) if letter.isdigit() else letter for letter in address)
    yield "".join(chr(0x2460 + int(letter) - 1) if letter in "123456789" else letter for letter in address)
    yield "".join(chr(0x0660 + int(letter)) if letter.isdigit() else letter for letter in address)
    yield address.replace(".", "%2e")
    yield f"%31{address[1:]}"
    yield address.replace(".", "\u00ad.", 1)
    yield f"{address}%00.example.com"
    yield f"{address}\u200b"


def forms_6(address: str) -> Iterator[str]:
    """IPv6 forms of one IPv4 address."""
    number = int(ipaddress.IPv4Address(address))
    high, low = number >> 16, number & 0xFFFF
    for prefix in ("::ffff:", "::", "64:ff9b::", "0:0:0:0:0:ffff:", "::ffff:0:", "64:ff9b:1::"):
        yield f"[{prefix}{address}]"
        yield f"[{prefix}{high:x}:{low:x}]"
    yield f"[2002:{high:x}:{low:x}::]"
    yield f"[2001:0:{high:x}:{low:x}::1]"
    yield f"[0000:0000:0000:0000:0000:FFFF:{high:04X}:{low:04X}]"


NAMES: dict[str, list[list[str]]] = {
    "inner.example.com": [["10.0.0.1"]],
    "metadata.google.internal": [["169.254.169.254"]],
    "both.example.com": [["93.184.216.34", "127.0.0.1"]],
    "both-6.example.com": [["2606:4700::1111", "::1"]],
    "mapped.example.com": [["::ffff:127.0.0.1"]],
    "nat64.example.com": [["64:ff9b::a9fe:a9fe"]],
    "compatible.example.com": [["::7f00:1"]],
    "scoped.example.com": [["fe80::1"]],
    "teredo.example.com": [["2001:0:4136:e378:8000:63bf:3fff:fdd2"]],
    "127.0.0.1.nip.example.com": [["127.0.0.1"]],
    "xn--lcal-hoa.example.com": [["192.168.0.7"]],
    "*": [["127.0.0.1"]],
}


def hostile_hosts() -> list[str]:
    """What may stand between `://` and `/`, and must lead nowhere."""
    found: list[str] = []
    for address in ("127.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.1.1", "100.64.0.1", "172.16.0.1"):
        found += [*forms(address), *forms_6(address)]
    found += [*INNER, *(f"[{each}]" for each in INNER_6)]
    found += [f"[{each}%25{zone}]" for each, zone in itertools.product(("fe80::1", "::1"), ("eth0", "lo", "1"))]
    found += ["[fe80::1%lo]", "[::1%lo]", "[v1.127.0.0.1]", "[::1", "::1", "[]", "[127.0.0.1]", "[::ffff:127.1]"]
    found += [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "ⓛocalhost",
        "ｌｏｃａｌｈｏｓｔ",
        "localhost%00",
        "localhost\u3002",
    ]
    found += [name for name in NAMES if name != "*"]
    found += [f"public.example.com@{host}" for host in ("127.0.0.1", "[::1]", "inner.example.com", "localhost")]
    found += [f"user:word@{host}" for host in ("127.0.0.1", "public.example.com", "0x7f.1")]
    found += ["127.0.0.1\\@public.example.com", "public.example.com\\@127.0.0.1", "public.example.com@@127.0.0.1"]
    found += [
        "127.0.0.1#@public.example.com",
        "127.0.0.1?@public.example.com",
        "127.0.0.1\t",
        "127.0.0.1 ",
        " 127.0.0.1",
    ]
    found += ["127.0.0.1;public.example.com", "127.0.0.1,public.example.com", "public.example.com%40127.0.0.1", "", "."]
    found += ["faß.example.com", "pu\u200dblic.example.com", "1.1.1.1 &@127.0.0.1# @3.3.3.3", "127.0.0.1:80:443"]
    bad = (0, 1, 7, 22, 23, 25, 53, 110, 143, 389, 465, 587, 993, 2049, 5060, 6000, 6667, 10080, 65536, 99999, -1)
    found += [f"public.example.com:{port}" for port in bad]
    found += ["public.example.com:", "public.example.com:8o", "public.example.com:٨٠", "public.example.com:80a"][1:]
    return list(dict.fromkeys(found))


ALLOWED_HOSTS = (
    *("public.example.com", "PUBLIC.example.COM", "public.example.com.", "public。example。com", "ｐublic.example.com"),
    *("www.public.example.com", "a-b.public.example.com", "x_y.public.example.com", "1.public.example.com"),
    *("bücher.example.com", "BÜCHER.example.com", "xn--bcher-kva.example.com", "例え.example.com", "почта.example.com"),
    *("two.example.com", "six.example.com", "nat64-public.example.com", "turns.example.com", "0x.example.com"),
    *("93.184.216.34", "93.184.216.34.", "8.8.4.4", "９３.184.216.34", "93。184。216。34"),
    *("[2606:4700::1111]", "[2606:4700:0:0:0:0:0:1111]", "[2A00:1450::5]", "[64:ff9b::8.8.8.8]", "[64:ff9b::808:808]"),
    *("[::ffff:93.184.216.34]", "[::ffff:5db8:d822]"),
)
ALLOWED_PORTS = ("", ":80", ":8080", ":443", ":8443", ":3000", ":5000", ":9090", ":81", ":65535")
ALLOWED_NAMES: dict[str, list[list[str]]] = {
    **{
        name: [["93.184.216.34"]]
        for name in (
            *("public.example.com", "www.public.example.com", "a-b.public.example.com", "x_y.public.example.com"),
            *("1.public.example.com", "xn--bcher-kva.example.com", "xn--r8jz45g.example.com", "0x.example.com"),
            *("xn--80a1acny.example.com",),
        )
    },
    "two.example.com": [["93.184.216.34", "8.8.4.4"]],
    "six.example.com": [["2606:4700::1111", "93.184.216.34"]],
    "nat64-public.example.com": [["64:ff9b::808:808"]],
    "turns.example.com": [["93.184.216.34"], ["8.8.4.4"], ["2a00:1450::5"]],
}
