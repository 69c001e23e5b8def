"""What the sandbox's token endpoint can do at most: closed connections, 100 ms latency, as many at once as asked."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlencode, urlsplit

from benchmarks.processes import cpu_seconds
from benchmarks.refreshes.provider import CLIENT_ID, CLIENT_SECRET


def measure(url: str, refresh_tokens: list[str], *, pid: int, at_once: int = 200) -> dict[str, float]:
    """{"per_second", "cpu_ms_each"} of refreshing these tokens, each over a connection of its own."""
    before, started = cpu_seconds([pid]), time.perf_counter()
    asyncio.run(_refresh_all(url, refresh_tokens, at_once))
    seconds = time.perf_counter() - started
    return {
        "per_second": round(len(refresh_tokens) / seconds, 1),
        "cpu_ms_each": round((cpu_seconds([pid]) - before) * 1000 / len(refresh_tokens), 2),
    }


async def _refresh_all(url: str, refresh_tokens: list[str], at_once: int) -> None:
    gate = asyncio.Semaphore(at_once)

    async def refresh(token: str) -> None:
        async with gate:
            await _refresh(url, token)

    await asyncio.gather(*(refresh(token) for token in refresh_tokens))


async def _refresh(url: str, token: str) -> None:
    address = urlsplit(url)
    form = {"grant_type": "refresh_token", "refresh_token": token}
    body = urlencode({**form, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}).encode()
    head = (
        "POST /oauth/2026-09/token HTTP/1.1\r\nHost: api.hubapi.com\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(head.encode() + body)
    reply = await reader.read()
    writer.close()
    if not reply.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"The sandbox refused: {reply[:200]!r}")
