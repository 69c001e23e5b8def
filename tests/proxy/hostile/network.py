"""What the process does on the network, seen where Python opens sockets and asks for names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Network:
    """ports: where sockets were opened to on loopback; elsewhere: every other address, and names asked for."""

    def __init__(self) -> None:
        self.ports: set[int] = set()
        self.elsewhere: list[str] = []

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo":
            host = arguments[0]
            if host not in ("127.0.0.1", "localhost", None):
                self.elsewhere.append(f"look-up of {host}")
        elif event == "socket.connect":
            address = arguments[1]
            if isinstance(address, tuple) and address[0] in ("127.0.0.1", "::1"):
                self.ports.add(address[1])
            else:
                self.elsewhere.append(f"connection to {address}")


_watching: list[Network] = []
_is_hooked = False


@contextmanager
def watched() -> Iterator[Network]:
    """Watch from now on. An audit hook (PEP 578) cannot be taken away, so one is kept and told to whom."""
    global _is_hooked
    if not _is_hooked:
        sys.addaudithook(_hook)
        _is_hooked = True
    network = Network()
    _watching.append(network)
    try:
        yield network
    finally:
        _watching.remove(network)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event.startswith("socket."):
        for network in _watching:
            network.note(event, arguments)
