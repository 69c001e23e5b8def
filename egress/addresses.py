"""Which IP addresses lie on the public Internet.

From the IANA special-purpose address registries, written out because `ipaddress.is_global` differs between
Python releases and does not look inside the transition formats. Whatever is not known to be public is not.
"""

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_NOT_PUBLIC_IPV4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared address space; a cloud's metadata service at 100.100.100.200
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's host agent on a public-looking address
        "169.254.0.0/16",  # link-local; metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; a metadata service at 192.0.0.192
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, withdrawn
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_NOT_PUBLIC_IPV6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which can carry any IPv4 address
        "3fff::/20",  # documentation
    )
)


def is_public(address: str | IPv4Address | IPv6Address) -> bool:
    """Whether an address may be connected to on behalf of somebody else.

    Text that is not a canonical address, or names a zone, is not public. IPv4-mapped, 6to4 and Teredo
    addresses never are; a NAT64 address (RFC 6052) is what the IPv4 address inside it is.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_IPV4)
    if ip.scope_id is not None:
        return False
    if ip in _NAT64:
        return is_public(IPv4Address(int(ip) & 0xFFFFFFFF))
    return ip in _GLOBAL_UNICAST and not any(ip in network for network in _NOT_PUBLIC_IPV6)


def is_loopback(address: str | IPv4Address | IPv6Address) -> bool:
    """Whether an address is this machine itself."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def may_connect(address: str, *, may_be_loopback: bool) -> bool:
    """Whether a socket may be opened to an address; loopback is for mapped origins alone."""
    return is_public(address) or (may_be_loopback and is_loopback(address))
