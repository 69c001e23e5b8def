"""The partner's side of a call: the request as it came, its content, and the moment it hangs up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote

from django.http import HttpRequest

from accounts.api.problems import Problem, invalid
from proxy.credentials import Field
from proxy.eager import within
from proxy.headers import RequestFields
from proxy.protocol import CONNECTION
from proxy.record import Record

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
#: awaited before a piece of content of that many bytes, so that partners take turns
Pace = Callable[[int], Awaitable[None]]

#: content up to this length is kept, so that a call can be repeated after a refresh
KEPT_BYTES = 262_144
#: between two pieces of content that is waited for, and for all of it
CONTENT_IDLE_SECONDS = 60.0
CONTENT_SECONDS = 900.0
_CHUNK_BYTES = 65_536


class PartnerGone(Exception):
    """The partner closed its connection; nobody is left to answer."""


class Source(Protocol):
    """Where a request's content comes from. chunks() may be asked for once."""

    def chunks(self) -> AsyncIterator[bytes]: ...


@dataclass(slots=True)
class Incoming:
    """A request as received: raw path and query, fields in order with names in lower case, content unread."""

    method: str
    raw_path: bytes
    raw_query: bytes
    fields: Sequence[Field]
    source: Source
    record: Record = field(init=False)

    def __post_init__(self) -> None:
        self.record = Record(self.method)

    def has_no_content(self) -> None:
        """Told by the header section; from now on the channel only says that the partner has left."""
        if isinstance(self.source, ReceivedContent):
            self.source.end()


class PartnerConnection(Protocol):
    """What a server that knows more than ASGI says tells of a partner's connection (protocol.BoundedProtocol).

    when_lost is called once when it ends.
    """

    is_lost: bool
    when_lost: Callable[[], None] | None


class ReceivedContent:
    """Content that comes through ASGI messages. Once it is over, others may read the channel."""

    __slots__ = ("_receive", "connection", "is_over", "when_over")

    def __init__(self, receive: Receive, connection: PartnerConnection | None = None) -> None:
        self._receive = receive
        self.connection = connection
        self.is_over = False
        self.when_over: Callable[[], None] | None = None

    async def piece(self) -> bytes | None:
        """The next piece, None after the last. Raises PartnerGone."""
        while not self.is_over:
            message = await self._receive()
            if message["type"] != "http.request":
                raise PartnerGone
            if not message.get("more_body", False):
                self.end()
            body: bytes = message.get("body", b"")
            if body:
                return body
        return None

    async def chunks(self) -> AsyncIterator[bytes]:
        while (piece := await self.piece()) is not None:
            yield piece

    async def is_disconnected(self) -> bool:
        """Wait for the next message, and say whether it was the partner's leaving."""
        return (await self._receive())["type"] == "http.disconnect"

    def end(self) -> None:
        """There is no content, or no more of it."""
        self.is_over = True
        if self.when_over is not None:
            self.when_over()


class DjangoContent:
    """Content of a request that Django's own handler has taken in."""

    __slots__ = ("_request",)

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    async def chunks(self) -> AsyncIterator[bytes]:
        while chunk := self._request.read(_CHUNK_BYTES):
            yield chunk


class KeptContent:
    """Streams content and keeps it while it is short. `whole` is all of it once it has passed, else None.

    has_begun: some of it may have passed; until then it can still be streamed from its beginning.
    max_bytes: more raises Problem (content_too_large); 0 is no limit.
    """

    def __init__(self, source: Source, record: Record, *, max_bytes: int = 0) -> None:
        self._source = source
        self._record = record
        self._max_bytes = max_bytes
        self.pace: Pace | None = None
        self._parts: list[bytes] | None = []
        self._size = 0
        self.has_begun = False
        self.whole: bytes | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.has_begun = True
        async for chunk in self._source.chunks():
            if self.pace is not None:
                await self.pace(len(chunk))
            self._size += len(chunk)
            self._record.request_bytes = self._size
            if self._max_bytes and self._size > self._max_bytes:
                raise beyond_passthrough(self._max_bytes)
            if self._parts is not None:
                self._parts.append(chunk)
                if self._size > KEPT_BYTES:
                    self._parts = None
            yield chunk
        if self._parts is not None:
            self.whole = b"".join(self._parts)


async def read_content(received: Incoming, fields: RequestFields, *, max_bytes: int) -> bytes:
    """All of the content, b"" when there is none. Raises Problem (413, 400 when it stalls) and PartnerGone."""
    if not fields.has_content:
        received.has_no_content()
        return b""
    if (fields.content_length or 0) > max_bytes:
        raise _too_large(max_bytes)
    parts: list[bytes] = []
    size = 0
    ends = time.monotonic() + CONTENT_SECONDS
    source = received.source if isinstance(received.source, ReceivedContent) else None
    next_piece: Callable[[], Awaitable[bytes | None]]
    next_piece = partial(anext, received.source.chunks(), None) if source is None else source.piece
    try:
        while source is None or not source.is_over:
            left = min(CONTENT_IDLE_SECONDS, max(0.0, ends - time.monotonic()))
            chunk = await within(left, next_piece())
            if chunk is None:
                break
            size += len(chunk)
            if size > max_bytes:
                raise _too_large(max_bytes)
            parts.append(chunk)
    except TimeoutError:
        raise invalid("body", "The content did not arrive in time.") from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


def beyond_passthrough(max_bytes: int) -> Problem:
    """The refusal of content longer than PROXY_MAX_BODY_BYTES."""
    return Problem(
        "content_too_large", f"At most {max_bytes:,} bytes go through here.", {"maxBytes": max_bytes}
    )


def _too_large(max_bytes: int) -> Problem:
    return Problem(
        "content_too_large",
        f"At most {max_bytes:,} bytes fit into this call. Larger content goes through the passthrough, "
        "/proxy/{appSlug}/{userForeignIdentifier}/{path}, which has no limit.",
        {"maxBytes": max_bytes},
    )


class Watch:
    """Cancels the task that made it when the partner hangs up.

    A server that tells of it itself is asked to, from the beginning. With others, looking takes a task of its
    own, which costs as much as a tenth of a warm call, so it begins only when a call is not over soon, and never
    while the content is still being received: that is noticed there.
    """

    __slots__ = ("_handle", "_loop", "_source", "_task", "_watched", "has_gone")

    def __init__(self, source: Source, *, loop: asyncio.AbstractEventLoop) -> None:
        self._source = source if isinstance(source, ReceivedContent) else None
        self._loop = loop
        self._watched = asyncio.current_task(loop)
        self._handle: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self.has_gone = False

    def start(self, *, after_seconds: float = 0.0) -> None:
        """Look from then on, or as soon after as the content has been received."""
        if self._source is None or self._task is not None:
            return
        connection = self._source.connection
        if connection is not None:
            connection.when_lost = self._lost
            if connection.is_lost:
                self._lost()
            return
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if after_seconds:
            self._handle = self._loop.call_later(after_seconds, self.start)
        elif self._source.is_over:
            self._task = asyncio.ensure_future(self._look(self._source))
        else:
            self._source.when_over = self.start

    def stop(self) -> None:
        """Look no more. A cancellation that is already under way is not taken back."""
        source, self._source = self._source, None
        if source is not None and source.connection is not None:
            if source.connection.when_lost == self._lost:
                source.connection.when_lost = None
            return
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _look(self, source: ReceivedContent) -> None:
        while not await source.is_disconnected():
            pass
        self._lost()

    def _lost(self) -> None:
        if self._source is not None and self._watched is not None and not self.has_gone:
            self.has_gone = True
            self._watched.cancel()


def of_scope(scope: Mapping[str, Any], receive: Receive) -> Incoming:
    """The request of an ASGI scope; nothing of it is decoded or read."""
    return Incoming(
        scope["method"],
        scope["raw_path"],
        scope["query_string"],
        scope["headers"],
        ReceivedContent(receive, scope.get(CONNECTION)),
    )


def of_request(request: HttpRequest) -> Incoming:
    """The request as Django's handler or its test client gives it.

    Such a server keeps the raw path in the ASGI scope or in RAW_URI (REQUEST_URI); without it the decoded
    path is encoded again.
    """
    attached: Incoming | None = getattr(request, "patchbay_incoming", None)
    if attached is not None:
        return attached
    scope = getattr(request, "scope", None)
    if scope is not None:
        raw_path = scope.get("raw_path") or quote(request.path).encode("ascii")
        raw_query, fields = scope.get("query_string", b""), scope["headers"]
        fields = [(name.lower(), value) for name, value in fields]
        if isinstance(raw_query, str):
            raw_query = raw_query.encode()
    else:
        raw_path, raw_query = _raw_target(request)
        fields = list(_meta_fields(request.META))
    return Incoming(request.method or "", raw_path, raw_query, fields, DjangoContent(request))


def _raw_target(request: HttpRequest) -> tuple[bytes, bytes]:
    raw = request.META.get("RAW_URI") or request.META.get("REQUEST_URI")
    if raw:
        raw_path, _, raw_query = raw.partition("?")
        return raw_path.encode("utf-8"), raw_query.encode("utf-8")
    return quote(request.path).encode("ascii"), request.META.get("QUERY_STRING", "").encode("utf-8")


def _meta_fields(meta: Mapping[str, Any]) -> Iterator[Field]:
    for key, value in meta.items():
        if key.startswith("HTTP_"):
            name = key[5:]
        elif key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value not in ("", None):
            name = key
        else:
            continue
        yield name.replace("_", "-").lower().encode("latin-1"), _header_bytes(str(value))


def _header_bytes(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8")
