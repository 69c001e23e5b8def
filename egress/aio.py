"""The client of the proxy: one request out, one reply back, both streamed and untouched.

Never follows a redirect, keeps a cookie, decodes content or adds a field of its own beside Host and the
framing. A request is repeated in one case only: an idle connection that the server had closed, before any
byte of a reply, for an idempotent method whose content is at hand (RFC 9110 section 9.2.2), unless the caller
knows better of the request.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from types import TracebackType

import aiohttp

from egress import wire
from egress.errors import ConnectFailed, ReplyLost
from egress.exchange import AsyncResponse, Exchange
from egress.outbox import Outbox
from egress.pool import Pool
from egress.tls import client_context
from egress.urls import Target

__all__ = ["AsyncClient", "AsyncResponse", "Timeouts"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `connect` takes in look-up and TLS; `response_headers` starts when the content is sent,
    `idle` again with every piece sent or received; `total` is for everything and restarts with nothing."""

    connect: float = 10
    response_headers: float = 30
    idle: float = 60
    total: float = 900
    connecting: aiohttp.ClientTimeout = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        connect = min(self.connect, self.total)
        object.__setattr__(self, "connecting", aiohttp.ClientTimeout(total=None, connect=connect))


class AsyncClient:
    """One per process and event loop, opened and closed on that loop."""

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl_context = ssl_context
        self._pool: Pool | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._outbox: Outbox | None = None

    async def open(self) -> None:
        """Get ready; does nothing when it is open."""
        if self._pool is None:
            self._loop = asyncio.get_running_loop()
            self._outbox = Outbox(self._loop)
            self._pool = Pool(self._ssl_context or client_context())

    async def close(self) -> None:
        """Close every connection, also those in use."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def __aenter__(self) -> "AsyncClient":
        await self.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def stream(
        self,
        method: str,
        target: Target,
        *,
        headers: wire.HeaderList,
        body: AsyncIterator[bytes] | bytes | None = None,
        content_length: int | None = None,
        timeouts: Timeouts | None = None,
        may_repeat: Callable[[], bool] | None = None,
    ) -> AsyncResponse:
        """Send a request and return when the reply's header section is there.

        The content goes out while this waits, and on while the reply is read; an iterator with a
        content_length sends that length, one without is sent chunked. What the iterator raises comes out
        here, or while the reply is read, as it is. Close the response when done with it. may_repeat: asked before
        a request of an idempotent method is repeated; what is in its fields is not looked at here.

        Raises DestinationRefused and InvalidRequest (not sent), ConnectFailed and ConnectTimeout (nothing was
        sent), HeadersTimeout and ReplyLost (sent, outcome unknown), InvalidReply.
        """
        pool, loop, outbox = self._pool, self._loop, self._outbox
        if pool is None or loop is None or outbox is None:
            raise RuntimeError("The client is not open.")
        limits = timeouts or _DEFAULT_TIMEOUTS
        head = wire.request_head(method, target, headers, framing=wire.framing(method, body, content_length))
        ends = loop.time() + limits.total
        is_repeatable = method in wire.IDEMPOTENT_METHODS and (body is None or isinstance(body, bytes))
        fresh = False
        while True:
            connection, protocol = await pool.acquire(target, timeout=limits.connecting, fresh=fresh)
            is_reused = protocol.count > 0
            exchange = Exchange(
                loop, connection, protocol, outbox=outbox, host=target.host, limits=limits, ends=ends
            )
            try:
                return await exchange.run(method, head, body, content_length)
            except ConnectFailed:  # it had been closed before anything was sent
                if fresh or not is_reused:
                    raise
                fresh = True
            except ReplyLost as error:
                was_stale = is_reused and not protocol.has_received and not error.timed_out
                if (
                    fresh
                    or not (is_repeatable and was_stale)
                    or (may_repeat is not None and not may_repeat())
                ):
                    raise
                fresh = True


_DEFAULT_TIMEOUTS = Timeouts()
