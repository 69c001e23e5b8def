"""Names to addresses, each name once per connection and every address checked before it is used.

The addresses that come back are the ones to connect to. Nobody resolves the name again, so an answer that
changes between check and use (DNS rebinding) has no effect.
"""

import ipaddress
import socket
import threading

from egress.addresses import may_connect
from egress.errors import ConnectFailed, ConnectTimeout, DestinationRefused


def literal(host: str) -> str | None:
    """The host itself when it is an IP address already."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def check(host: str, addresses: list[str], *, may_be_loopback: bool) -> list[str]:
    """Return the addresses when all of them may be connected to.

    One bad address refuses the whole name: a mixed answer is what an attacker's name server gives.
    Raises DestinationRefused.
    """
    for address in addresses:
        if not may_connect(address, may_be_loopback=may_be_loopback):
            raise DestinationRefused(f"{host} is not on the public Internet.")
    return addresses


def lookup(host: str) -> list[str]:
    """Ask the system's resolver, without duplicates and in its order. Blocks. Raises ConnectFailed."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ConnectFailed(f"The name {host} has no address.", proxy_error="dns_error") from None
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def checked_addresses(host: str, *, may_be_loopback: bool, timeout_seconds: float) -> list[str]:
    """Resolve and check a host within a time that the system's resolver cannot stretch.

    Raises DestinationRefused, ConnectFailed, ConnectTimeout.
    """
    address = literal(host)
    found = [address] if address else _lookup_within(host, timeout_seconds)
    return check(host, found, may_be_loopback=may_be_loopback)


def _lookup_within(host: str, timeout_seconds: float) -> list[str]:
    # getaddrinfo takes no time-out; a thread of its own can be left behind.
    outcome: list[list[str] | ConnectFailed] = []

    def run() -> None:
        try:
            outcome.append(lookup(host))
        except ConnectFailed as error:
            outcome.append(error)

    thread = threading.Thread(target=run, name="egress-lookup", daemon=True)
    thread.start()
    thread.join(timeout_seconds)
    if not outcome:
        raise ConnectTimeout(f"Looking up {host} took too long.", proxy_error="dns_timeout")
    if isinstance(outcome[0], ConnectFailed):
        raise outcome[0]
    return outcome[0]
