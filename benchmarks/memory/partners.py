"""Partners that stream through the proxy on raw sockets, at a pace or as fast as it goes."""

from __future__ import annotations

import http.client
import json
import socket
import time
from dataclasses import dataclass

PIECE = bytes(range(256)) * 256
_READ_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class Door:
    """Where the platform listens, and as whom to call."""

    port: int
    api_key: str

    def open(
        self, method: str, path: str, *, customer: int, content_length: int | None = None
    ) -> socket.socket:
        """Send a header section."""
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        lines = [f"{method} /proxy/bench/customer-{customer}/{path} HTTP/1.1", "Host: localhost"]
        lines += [f"Authorization: Bearer {self.api_key}", "Connection: close"]
        if content_length is not None:
            lines.append(f"Content-Length: {content_length}")
        sock.sendall("\r\n".join([*lines, "", ""]).encode())
        return sock

    def download(self, size: int, *, customer: int = 0, per_second: int = 0) -> dict[str, float]:
        """Read a content of that size to its end: {"seconds", "first_byte_seconds"}."""
        began = time.perf_counter()
        first = 0.0
        with self.open("GET", f"down/{size}", customer=customer) as sock:
            reply = http.client.HTTPResponse(sock, method="GET")
            reply.begin()
            if reply.status != 200:
                raise RuntimeError(f"{reply.status} {reply.read(300)!r}")
            count, buffer = 0, bytearray(_READ_BYTES)
            while read := reply.readinto(buffer):
                first = first or time.perf_counter() - began
                count += read
                if per_second:
                    time.sleep(max(0.0, began + count / per_second - time.perf_counter()))
        if count != size:
            raise RuntimeError(f"{count} of {size} bytes came.")
        return {"seconds": time.perf_counter() - began, "first_byte_seconds": first}

    def upload(self, size: int, *, customer: int = 0, path: str = "up") -> dict[str, float]:
        """Send a content of that size: {"seconds"}."""
        began = time.perf_counter()
        with self.open("PUT", path, customer=customer, content_length=size) as sock:
            left = size
            while left:
                left -= sock.send(PIECE[:left])
            reply = http.client.HTTPResponse(sock, method="PUT")
            reply.begin()
            if (told := reply.read()) != b"%d" % size:
                raise RuntimeError(f"{reply.status} {told[:300]!r}")
        return {"seconds": time.perf_counter() - began}

    def begin(self, size: int, *, customer: int, until: int) -> socket.socket:
        """Open a download and read the beginning of it."""
        sock = self.open("GET", f"down/{size}", customer=customer)
        while until > 0:
            data = sock.recv(min(until, _READ_BYTES))
            if not data:
                raise RuntimeError("The download ended early.")
            until -= len(data)
        return sock


def state(port: int) -> dict[str, int]:
    """What the provider says of itself."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/state")
        told: dict[str, int] = json.loads(connection.getresponse().read())
        return told
    finally:
        connection.close()
