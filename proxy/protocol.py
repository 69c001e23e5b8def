"""uvicorn's HTTP protocol with what it lacks: an end to a header section, in bytes and in time, and word of a
partner that hangs up, whatever is under way.

Chosen with `--http proxy.protocol:BoundedProtocol`. The one before it kept whatever a stranger sent as header
fields, waited for ever for the rest, and wrote its 400 for a spoiled request amid the reply to the one before.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Any

from httptools import HttpParserError
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from proxy.cycle import CONNECTION, ExactCycle

#: longer than the longest target that the proxy takes
MAX_HEAD_BYTES = 131_072
#: from the connection, or the first byte of a later request, to the end of the header section
HEAD_SECONDS = 30.0
#: how long the rest of a request's content may come in after its reply is over
REST_SECONDS = 30.0
#: how often a partner is looked after of whom nothing is read
LOOK_SECONDS = 1.0
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR
#: what is used of uvicorn beside what it documents; the first three are overridden
_NEEDED = (
    "_start_asgi_task", "_unsupported_upgrade_warning", "send_400_response", "timeout_keep_alive_handler",
)  # fmt: skip


def require_parts(base: type) -> None:
    """Raises RuntimeError for a uvicorn whose protocol is built in another way: nothing of this one would work."""
    missing = [name for name in _NEEDED if not callable(getattr(base, name, None))]
    if missing:
        raise RuntimeError(
            f"This uvicorn's {base.__name__} has no {', '.join(missing)}. Install the version of requirements.txt."
        )


require_parts(HttpToolsProtocol)


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Trailer fields are left out: they are no header fields (RFC 9110 section 6.5.1). It is never
    handed over to another protocol, whatever the server could speak: a request to upgrade is one like any other.

    when_lost: called once when the connection ends, then forgotten; for the one call that is under way.
    """

    flow: WatchfulFlow
    when_lost: Callable[[], None] | None = None
    is_lost = False
    _head_bytes = _shared_bytes = _hosts = 0
    _head_timer: asyncio.TimerHandle | None = None
    _rest_timer: asyncio.TimerHandle | None = None
    _running: RequestResponseCycle | None = None
    _is_spoiled = _may_be_too_large = _is_too_large = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self.ws_protocol_class = None
        self.flow = WatchfulFlow(transport, self.loop)
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._head_ends()
        self._rest_ends()
        super().connection_lost(exc)
        self.flow.look_no_more()
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True  # uvicorn tells the last request only, which may be waiting behind it
            running.message_event.set()
        self.pipeline.clear()
        when_lost, self.when_lost = self.when_lost, None
        if when_lost is not None:
            when_lost()

    def data_received(self, data: bytes) -> None:
        if self._is_spoiled:
            return
        timer = self._head_timer
        self._may_be_too_large = self._shared_bytes + self._head_bytes + len(data) > MAX_HEAD_BYTES
        super().data_received(data)
        if self._head_timer is None:
            if self.cycle is not None and self.cycle.response_complete:
                self._wait_for_more()
            return
        if self._head_timer is not timer:
            self._shared_bytes = len(data)
            return  # it began amid this segment, perhaps behind content that is no part of it
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_TOO_LARGE)

    def _wait_for_more(self) -> None:
        """The reply is over and the request's content is not: no longer than for another request, and not for ever
        when it drips."""
        if self._rest_timer is None:
            self._rest_timer = self.loop.call_later(REST_SECONDS, self.timeout_keep_alive_handler)
        if self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # takes servers' own keys
        scope[CONNECTION] = self
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_late)
        if self._rest_timer is not None:
            self._rest_ends()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_timer is None:
            return
        name, value = name.lower(), value.rstrip(b" \t")  # no part of the value (RFC 9110 section 5.5)
        if name == b"host":
            self._hosts += 1
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        hosts, self._hosts = self._hosts, 0
        self._head_ends()
        if self._may_be_too_large and self._size_of_head() > MAX_HEAD_BYTES:
            self._is_too_large = True
            raise HttpParserError("The header section is too large.")
        if b"#" in self.url:
            raise HttpParserError("A request target has no fragment.")  # it would be lost without a word
        if hosts != 1 and (hosts or self.parser.get_http_version() != "1.0"):
            raise HttpParserError("A request has one Host field.")  # RFC 9112 section 3.2
        super().on_headers_complete()

    def _size_of_head(self) -> int:
        """About as much as came: it may have been part of a segment that holds other things too."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _unsupported_upgrade_warning(self) -> None:
        """No line in the log for whatever a stranger asks."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.__class__ = ExactCycle  # made by name amid a long method of uvicorn's
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read, but not amid the reply to an earlier request: that goes out whole."""
        running = self._running
        self._is_spoiled = True
        if self._is_too_large:
            self._refuse_beside(running)
        elif running is None or running.response_complete:
            super().send_400_response(msg)
        elif not self.cycle.more_body:
            self.cycle.keep_alive = False  # the last that could be read
            self._head_ends()
        elif running is self.cycle and not running.response_started:
            super().send_400_response(msg)
        else:
            self.transport.close()

    def _refuse_beside(self, running: RequestResponseCycle | None) -> None:
        """Say that a header section is too large, or let the reply to an earlier request go out whole."""
        if running is None or running.response_complete:
            self._refuse(_TOO_LARGE)
        else:
            self.cycle.keep_alive = False

    def read_no_more(self) -> None:
        """Drop what comes, until the partner closes or has had its time."""
        self._is_spoiled = True

    def _head_ends(self) -> None:
        self._head_bytes = self._shared_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _rest_ends(self) -> None:
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None

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


class WatchfulFlow(FlowControl):
    """A connection's flow control; while nothing is read, a partner that has left is noticed all the same."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(transport)
        self._loop = loop
        self._look_timer: asyncio.TimerHandle | None = None

    def pause_reading(self) -> None:
        if not self.read_paused:
            super().pause_reading()
            self._look_timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def resume_reading(self) -> None:
        self.look_no_more()
        super().resume_reading()

    def look_no_more(self) -> None:
        if self._look_timer is not None:
            self._look_timer.cancel()
            self._look_timer = None

    def _look(self) -> None:
        sock = self._transport.get_extra_info("socket")
        poller = select.poll()
        poller.register(sock.fileno(), select.POLLRDHUP)
        if any(events & _GONE for _, events in poller.poll(0)):
            self._look_timer = None
            self._transport.abort()
        else:
            self._look_timer = self._loop.call_later(LOOK_SECONDS, self._look)
