"""`python -m benchmarks.proxy.steady PORT API_KEY SECONDS PER_SECOND`: a partner that calls at its own pace; JSON.

It calls over one connection and waits for each reply; what it would have called meanwhile it leaves out.
"""

from __future__ import annotations

import json
import socket
import sys
import time

from benchmarks.figures import percentile
from benchmarks.proxy.load import PATH, request

_GAVE_UP_SECONDS = 10.0


def measure(port: int, api_key: str, *, seconds: float, per_second: float) -> dict[str, float]:
    """{"calls", "failed", "p50_ms", "p99_ms", "max_ms"}."""
    text = request(PATH, {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}).encode()
    times: list[float] = []
    failed = 0
    with socket.create_connection(("127.0.0.1", port), timeout=_GAVE_UP_SECONDS) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _answered(sock, text)
        began = time.perf_counter()
        while (now := time.perf_counter()) < began + seconds:
            failed += not _answered(sock, text)
            times.append(time.perf_counter() - now)
            time.sleep(max(0.0, now + 1 / per_second - time.perf_counter()))
    found = {"p50_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99), "max_ms": max(times)}
    shown = {name: round(value * 1000, 3) for name, value in found.items()}
    return {"calls": len(times), "failed": failed, **shown}


def _answered(sock: socket.socket, text: bytes) -> bool:
    """Whether a call was answered with 200, in full."""
    sock.sendall(text)
    data = b""
    while b"\r\n\r\n" not in data:
        data += _received(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
    )
    while len(body) < length:
        body += _received(sock)
    return head.startswith(b"HTTP/1.1 200 ")


def _received(sock: socket.socket) -> bytes:
    data = sock.recv(65_536)
    if not data:
        raise ConnectionError("The platform closed the connection.")
    return data


def main() -> None:
    port, api_key, seconds, per_second = sys.argv[1:]
    found = measure(int(port), api_key, seconds=float(seconds), per_second=float(per_second))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
