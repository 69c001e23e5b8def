"""Connections of the asynchronous client, on aiohttp's connector and HTTP parser.

The only module that knows aiohttp's insides. Its request classes are left out: they rebuild the header
section as text, repeat requests on their own, and cost as much as everything else together.
Mapped origins have a connector of their own, so that a real origin never gets a connection to loopback.
"""

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.http import HttpResponseParser
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from egress import conf, resolver, upstream_map
from egress.errors import (
    ConnectFailed,
    ConnectTimeout,
    DestinationRefused,
    EgressError,
    InvalidUrl,
)
from egress.urls import Target

KEEP_ALIVE_SECONDS = 15.0
READ_BUFFER_BYTES = 65536
_MAX_LINE_BYTES = 32768
_MAX_FIELDS = 512
_MAX_ORIGINS = 4096
_LOOKUP_THREADS = 8
_END_OF_HEAD = b"\r\n\r\n"


class Exchanges(ResponseHandler):
    """One connection's protocol: tells what aiohttp's does not, and trusts an idle connection less.

    `count` is how many exchanges have begun, `has_received` whether any byte came in the present one. Bytes that
    came are counted, to tell a reply that ends with its segment from one that has something behind it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.count = 0
        self.has_received = False
        self.is_idle = True
        self._first_segment = b""
        self._has_eof = False
        self._bytes = self._head_bytes = 0
        self._cut = b""

    def begin(self, *, has_no_content: bool) -> None:
        """Get ready for the next reply; has_no_content for HEAD."""
        self.count += 1
        self.has_received = self.is_idle = False
        self._bytes = self._head_bytes = 0
        self._cut = b""
        self._payload = None
        self.set_response_params(
            skip_payload=has_no_content,
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=READ_BUFFER_BYTES,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_LINE_BYTES,
            max_headers=_MAX_FIELDS,
        )

    def eof_received(self) -> None:
        self._has_eof = _is_told_to_be_the_end(self.transport)
        super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        """A reply that ends with its connection is whole only when the server said so, with a FIN or, in TLS,
        a closure alert (RFC 9112 section 9.8); aiohttp takes any end for one."""
        payload = self._payload
        if (exc is not None or not self._has_eof) and payload is not None and not payload.is_eof():
            payload.set_exception(aiohttp.ClientPayloadError("the connection broke"))
            self._parser = None
        super().connection_lost(exc)

    def close(self) -> None:
        self._wake_reader()
        super().close()

    def abort(self) -> None:
        self._wake_reader()
        super().abort()

    def _wake_reader(self) -> None:
        """Tell whoever reads the content; once closed, aiohttp's protocol no longer does."""
        payload = self._payload
        if payload is not None and not payload.is_eof() and payload.exception() is None:
            payload.set_exception(aiohttp.ClientConnectionError("closed on this side"))

    def data_received(self, data: bytes) -> None:
        if data:
            if self.is_idle:
                # Nothing was asked: a reply to the next request must not lie here already.
                self.abort()
                return
            if not self.has_received:
                self.has_received = True
                self._first_segment = data
        known = self._payload
        super().data_received(data)
        payload = self._payload
        if payload is not known:
            cut = self._cut
            end = (cut + data).find(_END_OF_HEAD) if cut else data.find(_END_OF_HEAD)
            self._head_bytes = self._bytes - len(cut) + end + 4
            self._cut = b""
        elif payload is None or payload.is_eof():
            # Amid a header section, of which the end may come in parts.
            self._cut = (self._cut + data)[-3:]
        self._bytes += len(data)
        # Idle: the reply's end has given it back, and the payload may be that of another reply behind it.
        if self.is_idle or (
            payload is not None and payload.is_eof() and self._bytes != self._head_bytes + payload.total_bytes
        ):
            self._look_behind(data)

    def _look_behind(self, data: bytes) -> None:
        """Close the connection when the segment that ended a reply holds more: a whole header section's reply lies in
        the buffer, the beginning of one in the parser. What is empty or chunked ends as a header section does."""
        length = 0 if self._payload is None else self._payload.total_bytes
        is_end = (
            self._bytes == self._head_bytes + length
            or data[-4:] == _END_OF_HEAD
            or _END_OF_HEAD.endswith(data)  # cut amid it
            or _is_all_after_interim(data, length)
        )
        if not self.is_idle:
            if not is_end:
                self.force_close()
        elif self._buffer or not is_end:
            self.abort()

    def set_exception(self, exc: BaseException, *args: Any) -> None:
        if isinstance(exc, HttpProcessingError) and self._drop_rogue_content():
            return
        super().set_exception(exc, *args)

    def _drop_rogue_content(self) -> bool:
        """Save a reply that was sent with more content than it can have, all of it in its first segment.

        The parser takes what is too much for a second reply and loses the first. The connection is closed.
        """
        head, end, content = self._first_segment.partition(b"\r\n\r\n")
        self._first_segment = b""
        length = 0 if self._skip_payload else _stated_length(head)
        if not end or length is None or length >= len(content):
            return False
        with_content = not self._skip_payload
        parser = HttpResponseParser(
            self, self._loop, READ_BUFFER_BYTES, response_with_body=with_content, auto_decompress=False
        )
        try:
            messages, _, _ = parser.feed_data(head + end + content[:length])
        except HttpProcessingError:
            return False
        if len(messages) != 1 or not messages[0][1].is_eof():
            return False
        self.force_close()
        self.feed_data(messages[0])
        return True


def _is_all_after_interim(data: bytes, length: int) -> bool:
    """Whether a segment holds interim responses, a header section, and content of that length."""
    while data.startswith(b"HTTP/1.1 1"):
        data = data.partition(_END_OF_HEAD)[2]
    end = data.find(_END_OF_HEAD)
    return end >= 0 and end + len(_END_OF_HEAD) + length == len(data)


def _is_told_to_be_the_end(transport: asyncio.Transport | None) -> bool:
    """Whether the server has ended the connection; in TLS anybody on the way could have, unless an alert says so.

    uvloop tells of nothing but such alerts, asyncio of both.
    """
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object") if transport is not None else None
    if tls is None:
        return True
    try:
        return not tls.read(1)
    except ssl.SSLError:
        return False


def _stated_length(head: bytes) -> int | None:
    """How long the content of a reply can be at most, by its header section; None when that does not tell."""
    status_line, *lines = head.split(b"\r\n")
    if status_line[9:12] in (b"204", b"304"):
        return 0
    for line in lines:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return None


class _CheckedResolver(AbstractResolver):
    """Hands addresses to the connector that have all been checked; it connects to these and no others."""

    def __init__(self, executor: ThreadPoolExecutor, *, may_be_loopback: bool) -> None:
        self._executor = executor
        self._may_be_loopback = may_be_loopback

    async def resolve(self, host: str, port: int = 0, family: int = 0, **options: Any) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        addresses = await loop.run_in_executor(self._executor, resolver.lookup, host)
        resolver.check(host, addresses, may_be_loopback=self._may_be_loopback)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in addresses
        ]

    async def close(self) -> None:
        """The executor belongs to the pool."""


class _Origin:
    """What stays the same for every connection to one origin; the connector asks it what to connect to."""

    def __init__(
        self,
        connector: aiohttp.TCPConnector,
        dial: upstream_map.Dial,
        target: Target,
        context: ssl.SSLContext,
    ) -> None:
        self.connector = connector
        host = f"[{dial.host}]" if ":" in dial.host else dial.host
        self.template = ClientRequest(
            "GET",
            URL(f"{dial.scheme}://{host}:{dial.port}/", encoded=True),
            loop=asyncio.get_running_loop(),
            ssl=context,
            server_hostname=target.host if dial.host != target.host else None,
        )


class Pool:
    """Open connections, kept for KEEP_ALIVE_SECONDS; no limit, which is the callers' business."""

    def __init__(self, ssl_context: ssl.SSLContext) -> None:
        self._ssl_context = ssl_context
        self._executor = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="egress-lookup")
        self._connectors = {mapped: self._connector(may_be_loopback=mapped) for mapped in (False, True)}
        self._mapping = conf.upstream_map()
        self._origins: dict[tuple[str, str], _Origin] = {}

    def _connector(self, *, may_be_loopback: bool) -> aiohttp.TCPConnector:
        connector = aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            ttl_dns_cache=10,
            resolver=_CheckedResolver(self._executor, may_be_loopback=may_be_loopback),
        )
        # The connector's own factory makes aiohttp's protocol class.
        connector.__dict__["_factory"] = partial(Exchanges, asyncio.get_running_loop())
        return connector

    async def acquire(
        self, target: Target, *, timeout: aiohttp.ClientTimeout, fresh: bool
    ) -> tuple[Connection, Exchanges]:
        """Take an idle connection or open one; a fresh one when asked. Raises DestinationRefused,
        ConnectFailed or ConnectTimeout: nothing was sent."""
        origin = self._origin(target)
        while True:
            try:
                connection = await origin.connector.connect(origin.template, [], timeout)
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                raise connect_error(error, target) from None
            protocol = connection.protocol
            if isinstance(protocol, Exchanges) and not (fresh and protocol.count):
                return connection, protocol
            connection.close()

    def _origin(self, target: Target) -> _Origin:
        mapping = conf.upstream_map()
        if mapping is not self._mapping:
            self._mapping = mapping
            self._origins.clear()
        key = (target.scheme, target.authority)
        origin = self._origins.get(key)
        if origin is None:
            if len(self._origins) >= _MAX_ORIGINS:
                self._origins.clear()
            origin = self._origins[key] = self._new_origin(target)
        return origin

    def _new_origin(self, target: Target) -> _Origin:
        dial = upstream_map.resolve(target)
        if target.scheme != "https" and not dial.may_be_loopback:
            raise InvalidUrl("The URL's scheme must be https.")
        address = resolver.literal(dial.host)
        if address is not None:
            # The connector asks no resolver for these.
            resolver.check(dial.host, [address], may_be_loopback=dial.may_be_loopback)
        return _Origin(self._connectors[dial.may_be_loopback], dial, target, self._ssl_context)

    async def close(self) -> None:
        """Close every connection, also those in use."""
        for connector in self._connectors.values():
            await connector.close(abort_ssl=True)
        self._executor.shutdown(wait=False, cancel_futures=True)


def connect_error(error: BaseException, target: Target) -> EgressError:
    """Put aiohttp's words for a failed connection into ours."""
    if isinstance(error, aiohttp.ClientConnectorDNSError) and isinstance(error.os_error, EgressError):
        return error.os_error
    if isinstance(error, DestinationRefused):
        return error
    if isinstance(error, TimeoutError):
        return ConnectTimeout(f"Connecting to {target.host} took too long.")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return ConnectFailed(
            f"The certificate of {target.host} is not valid.", proxy_error="tls_certificate_error"
        )
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return ConnectFailed(
            f"The TLS handshake with {target.host} failed.", proxy_error="tls_protocol_error"
        )
    return ConnectFailed(f"{target.host} could not be connected to ({type(error).__name__}).")
