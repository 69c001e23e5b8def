"""One request and its reply on a partner's connection: uvicorn's, with the reply's header section as it was given."""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable
from itertools import chain
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.protocols.utils import get_client_addr, get_path_with_query_string

#: said in the message that begins a reply: its whole content follows at once. Both then go out in one segment
WHOLE_FOLLOWS = "patchbay.whole_follows"
#: the key of an ASGI scope under which an application finds its partner's connection
CONNECTION = "patchbay.connection"
_EMPTY_STATUS_CODES = frozenset({204, 304})
_RESET_WHEN_CLOSED, _END_WHEN_CLOSED = struct.pack("ii", 1, 0), struct.pack("ii", 0, 0)


class ExactCycle(RequestResponseCycle):
    """Sends any field value that holds no line break and no null byte, a 304 with its length, and no chunks to a
    partner that speaks HTTP/1.0: to it the end of the connection is the end of the content, a reset a broken one.
    """

    _ends_with_connection = False
    _held_head = b""

    def send(self, message: Any) -> Awaitable[None]:  # type: ignore[override]  # of the same coroutine
        if not self.response_started:
            return self._start(message)
        if self._ends_with_connection:
            return self._send_until_closed(message)
        if self._held_head:
            message = self._joined(message)
        return super().send(message)

    def _joined(self, message: Any) -> Any:
        """The content with the header section in front of it."""
        head, self._held_head = self._held_head, b""
        self.expected_content_length += len(head)
        return {**message, "body": head + message.get("body", b"")}

    async def _start(self, message: Any) -> None:
        if message["type"] != "http.response.start":
            raise RuntimeError("The reply's content comes before its header section.")
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        status: int = message["status"]
        head = self._head(status, message.get("headers", ()))
        self.response_started = True
        if self.access_log:
            shown = get_path_with_query_string(self.scope)
            version, who = self.scope["http_version"], get_client_addr(self.scope)
            self.access_logger.info(
                '%s - "%s %s HTTP/%s" %d', who, self.scope["method"], shown, version, status
            )
        if message.get(WHOLE_FOLLOWS) and self.expected_content_length and not self.chunked_encoding:
            self._held_head = head
        else:
            self.transport.write(head)

    def _head(self, status: int, fields: Any) -> bytes:
        """Status line and header section. Raises RuntimeError for a value that would end its line."""
        parts = [STATUS_LINE[status]]
        closes = length = None
        for name, value in chain(self.default_headers, fields):
            name = name.lower()
            if name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                self.chunked_encoding = True
            elif name == b"connection" and b"close" in value.lower():
                closes = True
            parts.append(b"%b: %b\r\n" % (name, value))
        is_empty = status in _EMPTY_STATUS_CODES or self.scope["method"] == "HEAD"
        if self.waiting_for_100_continue:
            # Whether the content comes after all cannot be told: nothing on this connection can be trusted. It is
            # not closed at once, which would reset it, and take the reply from a partner that is still sending.
            self.waiting_for_100_continue = False
            self.scope[CONNECTION].read_no_more()  # type: ignore[literal-required]  # a key of ours
            if not closes:
                parts.append(b"connection: close\r\n")
            self.keep_alive, closes = True, False
        if length is not None or is_empty:
            self.chunked_encoding = False
            self.expected_content_length = 0 if is_empty else length or 0
        elif self.scope["http_version"] == "1.0":
            self._end_with_connection()
        elif not self.chunked_encoding:
            self.chunked_encoding = True
            parts.append(b"transfer-encoding: chunked\r\n")
        if closes:
            self.keep_alive = False
        elif closes is None and not self.keep_alive:
            parts.append(b"connection: close\r\n")
        parts.append(b"\r\n")
        head = b"".join(parts)
        lines = len(parts)
        if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
            raise RuntimeError("A header field of the reply contains a line break or a null byte.")
        return head

    def _end_with_connection(self) -> None:
        self._ends_with_connection = True
        self.keep_alive = False
        self._when_closed(_RESET_WHEN_CLOSED)

    async def _send_until_closed(self, message: Any) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected or self.response_complete:
            return
        self.transport.write(message.get("body", b""))
        if not message.get("more_body", False):
            self._when_closed(_END_WHEN_CLOSED)
            self.response_complete = True
            self.message_event.set()
            self.transport.close()
            self.on_response()

    def _when_closed(self, linger: bytes) -> None:
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
