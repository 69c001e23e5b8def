"""uvicorn's HTTP protocol with what it lacks: an end to a header section, in bytes and in time.

Chosen with `--http proxy.protocol:BoundedProtocol`. The one before it kept whatever a stranger sent as header
fields, and waited for ever for the rest.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: longer than the longest target that the proxy takes
MAX_HEAD_BYTES = 131_072
#: from the connection, or the first byte of a later request, to the end of the header section
HEAD_SECONDS = 30.0
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Trailer fields are left out: they are no header fields (RFC 9110 section 6.5.1)."""

    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_ends()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_timer is None:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_late)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_timer is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_ends()
        super().on_headers_complete()

    def _head_ends(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_late(self) -> None:
        self._refuse(b"")

    def _refuse(self, reply: bytes) -> None:
        """Close, after a reply when no other is under way."""
        self._head_ends()
        if self.transport.is_closing():
            return
        if reply and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(reply)
        self.transport.close()
