"""What goes back to the partner: the provider's reply, or one of ours, in one shape for every server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from egress.aio import AsyncResponse
from egress.conf import setting
from egress.errors import ContentTooLarge, EgressError
from proxy.credentials import Field
from proxy.cycle import WHOLE_FOLLOWS
from proxy.eager import within
from proxy.incoming import Pace, PartnerGone, Watch
from proxy.record import BROKEN_OFF, COMPLETED, PARTNER_GONE, Record

Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Reply:
    """Status, header section and content. `content` comes first, then what is left of `upstream`.

    fields: names in lower case, as they go out. close() must be called once the reply is not needed any more.
    record: what is told of the call when the reply is over. pace: awaited before a piece of that many bytes.
    """

    __slots__ = ("_on_close", "content", "fields", "pace", "record", "status", "upstream")

    def __init__(
        self,
        status: int,
        fields: list[Field],
        *,
        content: bytes = b"",
        upstream: AsyncResponse | None = None,
    ) -> None:
        self.status = status
        self.fields = fields
        self.content = content
        self.upstream = upstream
        self.record: Record | None = None
        self.pace: Pace | None = None
        self._on_close: tuple[Callable[[], None], ...] = ()

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call it when the reply is over, or given up."""
        self._on_close += (callback,)

    def belongs_to(self, record: Record) -> Reply:
        """This is the reply that the partner gets for a call."""
        self.record = record
        record.status = self.status
        return self

    def says_it_is_empty(self) -> None:
        """For a reply to HEAD that answers another method: its length is that of content that does not come."""
        self.fields = [pair for pair in self.fields if pair[0] != b"content-length"]
        self.fields.append((b"content-length", b"0"))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The content, undecoded. Raises EgressError when the provider's reply breaks off, or is too long."""
        record = self.record or Record("")
        longest: int = setting("PROXY_MAX_BODY_BYTES")
        try:
            if self.content:
                record.reply_bytes += len(self.content)
                yield self.content
            if self.upstream is not None:
                async for chunk in self.upstream.iter_chunks():
                    if self.pace is not None:
                        await self.pace(len(chunk))
                    record.reply_bytes += len(chunk)
                    if longest and record.reply_bytes > longest:
                        raise ContentTooLarge(f"The reply's content is longer than {longest} bytes.")
                    yield chunk
        except EgressError:
            record.outcome = BROKEN_OFF
            raise
        record.outcome = COMPLETED

    async def close(self) -> None:
        """End the provider's side at once, if it is not over; harmless when repeated."""
        callbacks, self._on_close = self._on_close, ()
        for callback in callbacks:
            callback()
        if self.upstream is not None:
            await self.upstream.aclose()
        if self.record is not None:
            self.record.end(PARTNER_GONE)


def ours(response: HttpResponse) -> Reply:
    """A Django response made by us as a Reply: only the fields that were set on it."""
    fields = [
        (name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.headers.items()
    ]
    content = response.content
    fields.append((b"content-length", b"%d" % len(content)))
    return Reply(response.status_code, fields, content=content)


async def deliver(reply: Reply, send: Send, *, watch: Watch) -> None:
    """Send a reply through ASGI, chunk by chunk, as fast as the partner reads and no faster.

    A reply that breaks off is left unfinished, upon which the server closes the connection: the partner sees
    a broken reply, not a short good one. So is one that the partner does not take for PROXY_IDLE_SECONDS.
    """
    idle: float = setting("PROXY_IDLE_SECONDS")
    upstream = reply.upstream
    try:
        is_whole = upstream is None or (upstream.is_complete and not setting("PROXY_MAX_BODY_BYTES"))
        start = {"type": "http.response.start", "status": reply.status, "headers": reply.fields}
        await within(idle, send({**start, WHOLE_FOLLOWS: True} if is_whole else start))
        if is_whole:
            body = reply.content if upstream is None else reply.content + upstream.read_buffered()
            await within(idle, send({"type": "http.response.body", "body": body}))
            if (record := reply.record) is not None:
                record.reply_bytes = len(body)
                record.outcome = COMPLETED
            return
        watch.start()
        async for chunk in reply.chunks():  # waiting for the provider has limits of its own
            await within(idle, send({"type": "http.response.body", "body": chunk, "more_body": True}))
        await within(idle, send({"type": "http.response.body", "body": b""}))
    except (EgressError, PartnerGone, TimeoutError):
        return


class DirectResponse(HttpResponseBase):
    """A Reply on its way from a view to the data plane's entry, which takes it out; Django never handles it.

    So nothing of Django's response is made, which takes ten microseconds.
    """

    def __init__(self, reply: Reply) -> None:
        self.reply = reply


class ProxiedResponse(StreamingHttpResponse):
    """A Reply as a Django response, for Django's own handlers and its test client.

    items() gives the reply's fields and nothing else, repeats included: a proxied reply does not take on what
    middleware adds to pages.
    """

    def __init__(self, reply: Reply, *, loop: asyncio.AbstractEventLoop, is_async: bool) -> None:
        content = _hopping(reply, loop) if is_async else _blocking(reply, loop)
        super().__init__(content, status=reply.status)
        self.reply = reply
        self._loop = loop
        for name, value in reply.fields:
            self.headers[name.decode("ascii")] = value.decode("latin-1")

    def items(self) -> Any:
        return [(name.decode("ascii"), value.decode("latin-1")) for name, value in self.reply.fields]

    def close(self) -> None:
        self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self.reply.close()))
        super().close()


async def _hopping(reply: Reply, loop: asyncio.AbstractEventLoop) -> AsyncIterator[bytes]:
    """The content for another loop than the data plane's, or for the same."""
    chunks = reply.chunks()
    if loop is asyncio.get_running_loop():
        async for chunk in chunks:
            yield chunk
        return
    while (chunk := await asyncio.wrap_future(_next(chunks, loop))) is not None:
        yield chunk


def _blocking(reply: Reply, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """The content for a server without a loop (WSGI)."""
    chunks = reply.chunks()
    while (chunk := _next(chunks, loop).result()) is not None:
        yield chunk


def _next(chunks: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> Any:
    async def take() -> bytes | None:
        return await anext(chunks, None)

    return asyncio.run_coroutine_threadsafe(take(), loop)
