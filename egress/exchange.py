"""One request and its reply on one connection."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from multidict import CIMultiDictProxy

from egress.errors import (
    ConnectFailed,
    ContentTooLarge,
    EgressError,
    HeadersTimeout,
    InvalidReply,
    InvalidRequest,
    ReplyAborted,
    ReplyLost,
)
from egress.outbox import Outbox
from egress.pool import Exchanges
from egress.wire import Body

RawHeaders = tuple[tuple[bytes, bytes], ...]
_NO_CONTENT_STATUS_CODES = frozenset({204, 304})


class Limits(Protocol):
    """What an exchange needs of Timeouts."""

    @property
    def response_headers(self) -> float: ...
    @property
    def idle(self) -> float: ...


class Exchange:
    """Owns a connection from the request's first byte to the reply's last, then gives it back or closes it.

    `ends` is the loop's time at which the whole is cut off, `has_sent` whether any byte may have gone out.
    """

    __slots__ = (
        "_awaits_content", "_connection", "_deadline", "_error", "_limits", "_loop", "_outbox", "_protocol", "_timer",
        "_upload", "ends", "has_sent", "host", "payload",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: Connection,
        protocol: Exchanges,
        *,
        outbox: Outbox,
        host: str,
        limits: Limits,
        ends: float,
    ) -> None:
        self._loop = loop
        self._outbox = outbox
        outbox.running += 1
        self._connection: Connection | None = connection
        self._protocol = protocol
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._upload: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self._awaits_content = False
        self.has_sent = False
        self.host = host
        self.ends = ends
        self.payload: StreamReader | None = None

    async def run(self, method: str, head: bytes, body: Body, content_length: int | None) -> "AsyncResponse":
        """Send everything and wait for the header section of the final response."""
        protocol = self._protocol
        try:
            if body is None or isinstance(body, bytes):
                self._write_soon(head + body if body else head, has_no_content=method == "HEAD")
                self._wait_at_most(self._limits.response_headers, self._headers_late)
            else:
                protocol.begin(has_no_content=method == "HEAD")
                self._write(head)
                self._wait_at_most(self._limits.idle, self._headers_late)
                self._upload = asyncio.create_task(self._send(body, content_length))
            while True:
                message, payload = await protocol.read()
                if message.code >= 200:
                    break
                if message.code == 101:
                    raise InvalidReply(f"{self.host} switched protocols without being asked to.")
            if not _is_undone_here(message.headers):
                raise InvalidReply(f"{self.host} sent a transfer coding that it was not asked for.")
        except BaseException as error:  # noqa: BLE001 - raised again by the next line
            raise self.failed(error, has_headers=False) from None
        self._stop_timer()
        if (method == "HEAD" or message.code in _NO_CONTENT_STATUS_CODES) and _announces_content(
            message.headers
        ):
            # A server that sends the announced content after all would answer the next request with it.
            protocol.force_close()
        self.payload = payload
        if not payload.is_eof():
            protocol.read_timeout = self._limits.idle
            protocol.start_timeout()
            self._deadline = self._loop.call_at(self.ends, self._total_over)
        payload.on_eof(self._finish)
        return AsyncResponse(self, message.code, message.reason, message.raw_headers, payload)

    def failed(self, error: BaseException, *, has_headers: bool) -> BaseException:
        """Close the connection at once and say what to raise for an error."""
        self.abort()
        if isinstance(error, asyncio.CancelledError):
            return error
        error = self._error or error
        if isinstance(error, HttpProcessingError):
            return InvalidReply(f"{self.host} did not answer in HTTP.")
        if isinstance(error, EgressError) or error is self._error:
            return error
        if not self.has_sent:
            return _unsent(self.host)
        lost = ReplyAborted if has_headers else ReplyLost
        if isinstance(error, TimeoutError):
            return lost(f"{self.host} stopped sending.", timed_out=True)
        if isinstance(error, (aiohttp.ClientError, OSError, aiohttp.EofStream)):
            return lost(f"{self.host} broke the connection off ({type(error).__name__}).")
        return error

    def abort(self) -> None:
        """Close the socket without waiting for anything; harmless when the exchange is over."""
        connection, self._connection = self._connection, None
        self._stop()
        if connection is None:
            return
        self._outbox.running -= 1
        self._protocol.abort()
        connection.close()

    def _finish(self) -> None:
        """The reply is complete: keep the connection when the request is complete too."""
        if self._upload is not None:
            self.abort()
            return
        connection, self._connection = self._connection, None
        self._stop()
        if connection is not None:
            self._outbox.running -= 1
            self._protocol.is_idle = True
            connection.release()

    def _write_soon(self, data: bytes, *, has_no_content: bool) -> None:
        """Begin with a whole request, together with others if there are some; until then nothing may come."""
        if not self._outbox.is_in_use:
            self._protocol.begin(has_no_content=has_no_content)
            self._write(data)
            return

        def write() -> None:
            if self._connection is None:  # given up meanwhile
                return
            try:
                self._protocol.begin(has_no_content=has_no_content)
                self._write(data)
            except Exception as error:  # noqa: BLE001 - handed to the one that waits, as if written at once
                self._protocol.set_exception(error)

        self._outbox.put(write)

    def _write(self, data: bytes) -> None:
        transport = self._protocol.transport
        if transport is None or transport.is_closing():
            raise aiohttp.ServerDisconnectedError()
        self.has_sent = True
        transport.write(data)

    async def _send(self, body: AsyncIterator[bytes], content_length: int | None) -> None:
        """Send a streamed content. Its own errors end the exchange; a broken connection is left to the
        reading side, which may still find a reply."""
        try:
            await self._send_chunks(body, content_length)
        except _PeerGone:
            return
        except Exception as error:  # noqa: BLE001 - whatever the caller's iterator raises is handed to it
            self._fail(error)
            return
        self._upload = None
        if self.payload is None:
            self._wait_at_most(self._limits.response_headers, self._headers_late)

    async def _send_chunks(self, body: AsyncIterator[bytes], content_length: int | None) -> None:
        sent = 0
        self._awaits_content = True
        async for chunk in body:
            if not chunk:
                continue
            self._awaits_content = False
            sent += len(chunk)
            if content_length is None:
                chunk = b"%x\r\n%b\r\n" % (len(chunk), chunk)
            elif sent > content_length:
                raise InvalidRequest("The content is longer than stated.")
            await self._put(chunk)
            if self.payload is None:
                self._wait_at_most(self._limits.idle, self._headers_late)
            self._awaits_content = True
        self._awaits_content = False
        if content_length is None:
            await self._put(b"0\r\n\r\n")
        elif sent < content_length:
            raise InvalidRequest("The content is shorter than stated.")

    async def _put(self, data: bytes) -> None:
        try:
            self._write(data)
            await self._protocol._drain_helper()
        except (aiohttp.ClientError, ConnectionError):
            raise _PeerGone from None

    def _wait_at_most(self, seconds: float, callback: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(min(self._loop.time() + seconds, self.ends), callback)

    def _headers_late(self) -> None:
        if self._awaits_content:
            self._fail(InvalidRequest("The content did not arrive in time."))
        else:
            self._fail(HeadersTimeout(f"{self.host} did not answer in time."))

    def _total_over(self) -> None:
        self._fail(ReplyAborted(f"The reply of {self.host} took too long as a whole.", timed_out=True))

    def _fail(self, error: BaseException) -> None:
        """Wake whoever waits for the reply with an error."""
        self._error = error
        if self.payload is not None:
            self.payload.set_exception(error)
        self._protocol.set_exception(error)
        self.abort()

    def _stop(self) -> None:
        self._stop_timer()
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        upload, self._upload = self._upload, None
        if upload is not None and upload is not asyncio.current_task():
            upload.cancel()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _unsent(host: str) -> ConnectFailed:
    return ConnectFailed(f"{host} closed the connection.", proxy_error="connection_terminated")


class AsyncResponse:
    """A reply whose header section is there. `raw_headers` are the fields as received, in order."""

    __slots__ = ("_exchange", "_payload", "raw_headers", "reason", "status")

    def __init__(
        self, exchange: Exchange, status: int, reason: str, raw_headers: RawHeaders, payload: StreamReader
    ) -> None:
        self._exchange = exchange
        self._payload = payload
        self.status = status
        self.reason = reason
        self.raw_headers = raw_headers

    @property
    def is_complete(self) -> bool:
        """Whether every byte has arrived; then `read_buffered` returns all that is left."""
        return self._payload.is_eof()

    def read_buffered(self) -> bytes:
        """Take what has arrived, without waiting; perhaps nothing."""
        try:
            return b"" if self._payload.at_eof() else self._payload.read_nowait()
        except BaseException as error:  # noqa: BLE001 - raised again by the next line
            raise self._exchange.failed(error, has_headers=True) from None

    async def iter_chunks(self) -> AsyncIterator[bytes]:
        """The content as it comes, undecoded; ends only when the reply was complete.

        Raises ReplyAborted when it breaks off, stalls or takes too long; what a streamed request content
        raises comes out here too. Leaving early needs aclose().
        """
        payload = self._payload
        while True:
            try:
                chunk = await payload.readany()
            except BaseException as error:  # noqa: BLE001 - raised again by the next line
                raise self._exchange.failed(error, has_headers=True) from None
            if not chunk:
                return
            yield chunk

    async def read_at_most(self, max_content_bytes: int) -> bytes:
        """The whole content when it is no longer than that; else ContentTooLarge, and the socket closes."""
        parts: list[bytes] = []
        size = 0
        async for chunk in self.iter_chunks():
            size += len(chunk)
            if size > max_content_bytes:
                self._exchange.abort()
                raise ContentTooLarge(f"The reply's content is longer than {max_content_bytes} bytes.")
            parts.append(chunk)
        return b"".join(parts)

    async def aclose(self) -> None:
        """Close the socket at once unless the reply was complete; may be called more than once."""
        self._exchange.abort()


def _is_undone_here(headers: CIMultiDictProxy[str]) -> bool:
    """Whether the content comes without a transfer coding but chunked: another would stay on it, unnamed."""
    return "Transfer-Encoding" not in headers or [
        coding.strip().lower() for coding in headers.getall("Transfer-Encoding")
    ] == ["chunked"]


def _announces_content(headers: CIMultiDictProxy[str]) -> bool:
    return headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in headers


class _PeerGone(Exception):
    """The connection broke while content was being sent."""
