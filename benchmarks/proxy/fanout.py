"""`python -m benchmarks.proxy.fanout PORT API_KEY CALLS SECONDS UPSTREAM_PORT`: many slow calls at once; JSON.

Is the slow provider as well: it holds each call for so long and counts how many it holds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

from benchmarks.proxy.load import PATH

_REPLY = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'
_AT_A_TIME = 200


class Slow(asyncio.Protocol):
    """One connection of the provider."""

    seconds = 5.0
    held = 0
    most = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._data.endswith(b"\r\n\r\n"):
            self._data = b""
            Slow.held += 1
            Slow.most = max(Slow.most, Slow.held)
            asyncio.get_running_loop().call_later(self.seconds, self._answer)

    def _answer(self) -> None:
        Slow.held -= 1
        self._transport.write(_REPLY)


async def _call(port: int, api_key: str, statuses: Counter[str]) -> None:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api_key}\r\n\r\n"
        writer.write(head.encode())
        line = await reader.readline()
        statuses[line.split(b" ")[1].decode() if line else "closed"] += 1
        writer.close()
    except OSError as error:
        statuses[type(error).__name__] += 1


async def measure(
    port: int, api_key: str, *, calls: int, seconds: float, upstream_port: int
) -> dict[str, Any]:
    """{"statuses", "most_at_once", "wall_seconds"}."""
    Slow.seconds = seconds
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Slow, "127.0.0.1", upstream_port, backlog=4_096)
    statuses: Counter[str] = Counter()
    await _call(port, api_key, Counter())  # the look-up is none of it
    began = time.perf_counter()
    tasks = []
    for first in range(0, calls, _AT_A_TIME):
        for _ in range(first, min(first + _AT_A_TIME, calls)):
            tasks.append(asyncio.create_task(_call(port, api_key, statuses)))
        await asyncio.sleep(0.05)
    await asyncio.gather(*tasks)
    wall = time.perf_counter() - began
    server.close()
    return {"statuses": dict(statuses), "most_at_once": Slow.most, "wall_seconds": round(wall, 2)}


def main() -> None:
    port, api_key, calls, seconds, upstream_port = sys.argv[1:]
    found = measure(
        int(port), api_key, calls=int(calls), seconds=float(seconds), upstream_port=int(upstream_port)
    )
    print(json.dumps(asyncio.run(found)))


if __name__ == "__main__":
    main()
