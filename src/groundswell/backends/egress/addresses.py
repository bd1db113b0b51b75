"""Which IP addresses are machines on the internet.

By the registries of IANA, written out: what `ipaddress` calls global has changed between releases of Python.
"""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NOT_PUBLIC: dict[str, str] = {
    "0.0.0.0/8": "this machine",
    "10.0.0.0/8": "a private network",
    "100.64.0.0/10": "a carrier's or cloud's inner network",
    "127.0.0.0/8": "this machine",
    "168.63.129.16/32": "a cloud's metadata service",
    "169.254.0.0/16": "link-local, where clouds keep their metadata service",
    "172.16.0.0/12": "a private network",
    "192.0.0.0/24": "for protocols alone",
    "192.0.2.0/24": "for documentation alone",
    "192.88.99.0/24": "a 6to4 relay",
    "192.168.0.0/16": "a private network",
    "198.18.0.0/15": "for benchmarks alone",
    "198.51.100.0/24": "for documentation alone",
    "203.0.113.0/24": "for documentation alone",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
    "::1/128": "this machine",
    "::/128": "this machine",
    "::/96": "an IPv4 address in an IPv6 one (IPv4-compatible)",
    "64:ff9b:1::/48": "a translator's inner network (NAT64)",
    "fc00::/7": "a private network",
    "fe80::/10": "link-local",
    "fec0::/10": "a private network (site-local)",
    "ff00::/8": "multicast",
    "2001::/32": "a way to an IPv4 address that nobody here checks (Teredo)",
    "2001::/23": "for protocols alone",
    "2001:db8::/32": "for documentation alone",
    "2002::/16": "a way to an IPv4 address that nobody here checks (6to4)",
    "3fff::/20": "for documentation alone",
}
_RANGES = [(ipaddress.ip_network(text), why) for text, why in _NOT_PUBLIC.items()]
_UNICAST = ipaddress.IPv6Network("2000::/3")  # all that is given to anybody
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # how a host without IPv4 names an IPv4 address


def why_not_public(address: Address) -> str:
    """What an address is that is no machine on the internet; "" for one that is."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return "an address of one network alone"
        inner = address.ipv4_mapped
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return why_not_public(inner)
    for network, why in _RANGES:
        if address.version == network.version and address in network:
            return why
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
        return "reserved"
    return ""
