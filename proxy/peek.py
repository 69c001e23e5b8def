"""A look at the beginning of a reply's content, which goes on to the partner as it came."""

from __future__ import annotations

import asyncio
import json
import zlib

from egress.aio import AsyncResponse

MAX_BYTES = 65_536
_MAX_DECODED_BYTES = 1_048_576
_ZLIB_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.05


class Peek:
    """What was read of one reply. `content` must be sent on before the rest of the reply."""

    def __init__(self, response: AsyncResponse) -> None:
        self.response = response
        self.content = b""
        self._document: object = None
        self._has_read = False

    async def document(self, *, ends: float) -> object:
        """The content as JSON; None when it is not JSON, is longer than MAX_BYTES or is late.

        ends: the loop's time until which the content is waited for. A successful reply is read only when it
        says that it is short JSON. Raises EgressError when the reply breaks off.
        """
        if not self._has_read and (self.response.status >= 400 or self._is_short_json()):
            self._has_read = True
            await self._read(ends)
            if len(self.content) <= MAX_BYTES:
                self._document = _parsed(self.content, self.field(b"content-encoding"))
        return self._document

    def field(self, wanted: bytes) -> str:
        """The first value of a header field, wanted in lower case; "" without one."""
        fields = self.response.raw_headers
        return next((value.decode("latin-1") for name, value in fields if name.lower() == wanted), "")

    def _is_short_json(self) -> bool:
        length = self.field(b"content-length")
        return (
            "json" in self.field(b"content-type").lower()
            and length.isdecimal()
            and len(length) < 10
            and int(length) <= MAX_BYTES
        )

    async def _read(self, ends: float) -> None:
        # By looking again and again: to stop waiting for a piece would break the reply off.
        clock = asyncio.get_running_loop().time
        content, pause = bytearray(), _FIRST_PAUSE_SECONDS
        while True:
            is_complete = self.response.is_complete
            content += self.response.read_buffered()
            if is_complete or len(content) >= MAX_BYTES or clock() >= ends:
                break
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        self.content = bytes(content)


def _parsed(content: bytes, coding: str) -> object:
    """The JSON document, or None when the content cannot be read as one."""
    try:
        return json.loads(decoded(content, coding))
    except (ValueError, RecursionError):
        return None


def decoded(content: bytes, coding: str, *, max_bytes: int = _MAX_DECODED_BYTES) -> bytes:
    """Content without its coding. Raises ValueError for a coding that is not known, broken or cut short, and
    for content that is too long."""
    name = coding.strip().lower()
    if name in ("", "identity"):
        return content
    if name not in _ZLIB_WINDOWS:
        raise ValueError("unknown content coding")
    plain = b""
    while True:  # gzip may be several members one after the other (RFC 1952 section 2.2)
        decoder = zlib.decompressobj(_ZLIB_WINDOWS[name])
        try:
            plain += decoder.decompress(content, max_bytes + 1 - len(plain))
        except zlib.error as error:
            raise ValueError("broken content coding") from error
        if len(plain) > max_bytes:
            raise ValueError("content too long")
        if not decoder.eof:
            raise ValueError("content cut short")
        content = decoder.unused_data
        if not content or name == "deflate":
            return plain
