"""The clients: so many calls at once, spread over the web processes, each with a connection of its own.

A client whose connection breaks tries again at the next process, as the libraries that partners use do.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

#: above every wait that the platform promises to keep to: what takes longer hangs
HANG_SECONDS = 75.0
_TRIES = 6
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """What one client got in the end. token: the access token that reached the provider, "" if none did.

    status 0: nothing, not after every try. broken: ports whose connection broke before there was a reply.
    """

    status: int
    code: str
    token: str
    broken: tuple[int, ...]
    seconds: float


class Broken(Exception):
    """The connection ended before a whole reply was there, or could not be made."""


class Callers:
    """Calls through the passthrough to the provider's echo, which tells the credential that arrived."""

    def __init__(self, ports: Sequence[int], *, api_key: str, path: str, timeout_seconds: int | None) -> None:
        self._ports = list(ports)
        asked = "" if timeout_seconds is None else f"Patchbay-Timeout: {timeout_seconds}\r\n"
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api_key}\r\n"
            f"{asked}Connection: close\r\n\r\n"
        ).encode("ascii")
        self.sent = 0

    async def call(self, number: int) -> Answer:
        """One call, its first try at the process whose turn it is."""
        started, broken = time.monotonic(), []
        for attempt in range(_TRIES):
            port = self._ports[(number + attempt) % len(self._ports)]
            try:
                async with asyncio.timeout(HANG_SECONDS):
                    status, content = _parsed(await self._exchange(port, is_first=attempt == 0))
            except (OSError, Broken, TimeoutError):
                broken.append(port)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            code, token = _told(status, content)
            return Answer(status, code, token, tuple(broken), time.monotonic() - started)
        return Answer(0, "", "", tuple(broken), time.monotonic() - started)

    async def _exchange(self, port: int, *, is_first: bool) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(self._request)
            await writer.drain()
            self.sent += is_first
            return await reader.read()
        finally:
            writer.close()


def _parsed(reply: bytes) -> tuple[int, bytes]:
    """(status, content) of a whole reply. Raises Broken."""
    head, separator, content = reply.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    words = lines[0].split(b" ")
    fields = {
        name.strip().lower(): value.strip() for name, _, value in (x.partition(b":") for x in lines[1:])
    }
    if not separator or len(words) < 2 or int(fields.get(b"content-length", b"-1")) != len(content):
        raise Broken
    return int(words[1]), content


def _told(status: int, content: bytes) -> tuple[str, str]:
    """(code of the problem, access token that the provider received); each "" where there is none."""
    try:
        document = json.loads(content)
        if status != 200:
            return str(document.get("code", "")), ""
        fields = {name.lower(): value for name, value in document["headers"]}
    except (ValueError, KeyError, AttributeError, TypeError):
        return "", ""
    return "", fields.get("authorization", "").removeprefix("Bearer ")
