"""One request out with a connection's credential, one reply back: the only code that calls providers' APIs.

Understands no bodies. Adds the credential and nothing else; see headers for what is left out.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import lru_cache
from time import perf_counter

from django.conf import settings
from django.utils import timezone

from egress.aio import AsyncResponse, Timeouts
from egress.errors import ConnectFailed, InvalidReply, ReplyLost
from egress.urls import Target
from integrations.errors import ConnectionNotFound, ConnectionPaused, ReconnectRequired
from integrations.tokens import AccessToken
from proxy import credentials, expired, headers, retries
from proxy.credentials import Field
from proxy.incoming import KeptContent
from proxy.limits import Ticket
from proxy.plane import DataPlane
from proxy.record import Record
from proxy.replies import Reply
from proxy.routes import Route

CONNECT_SECONDS = 10.0
#: once the header section is there: between two pieces of content, and for the whole
MAX_REFRESH_WAIT_SECONDS = 45.0


@dataclass(slots=True)
class Call:
    """One request to make: proved target, end-to-end fields without a credential, and its content."""

    method: str
    target: Target
    fields: list[Field]
    request_id: str
    record: Record
    content: bytes | KeptContent | None = None
    content_length: int | None = None
    timeout_seconds: float | None = None
    retries: int = 0

    @property
    def is_content_at_hand(self) -> bool:
        return not isinstance(self.content, KeptContent) or self.content.whole is not None

    @property
    def sendable_content(self) -> bytes | KeptContent | None:
        content = self.content
        return content.whole if isinstance(content, KeptContent) and content.whole is not None else content


async def forward(plane: DataPlane, route: Route, call: Call) -> Reply:
    """Send the call and return the reply once its header section is there; close the reply afterwards.

    A reply by which the provider says that the token expired leads to one refresh and, when the content is
    at hand, to one more try. Raises EgressError, what a refresh raises, and what reading the content raises.
    """
    record, target = call.record, call.target
    record.connection_id, record.provider_id = route.connection_id, route.provider.id
    record.host, record.path, record.query = target.host, target.raw_path, target.raw_query or ""
    ticket = plane.limits.enter(route, call)
    record.sent_at = perf_counter()
    try:
        reply = await _forwarded(plane, route, call, ticket)
    except BaseException as error:
        ticket.failed(error)
        ticket.leave()
        raise
    reply.on_close(ticket.leave)
    return reply


async def _forwarded(plane: DataPlane, route: Route, call: Call, ticket: Ticket) -> Reply:
    token = route.token
    response = await _send(plane, route, call, token)
    content = b""
    try:
        rules = expired.signals(route.api, response.status, token, now=timezone.now())
        if rules:
            is_expired, content = await expired.is_told(response, rules)
            if is_expired:
                fresh = await _fresh(plane, route, call, token)
                if fresh.version != token.version and call.is_content_at_hand:
                    await response.aclose()
                    token = fresh
                    call.record.is_refreshed = True
                    response, content = await _send(plane, route, call, fresh), b""
        if response.status > 599:
            raise InvalidReply(f"{call.target.host} answered with a status code that HTTP does not have.")
    except BaseException:
        await response.aclose()
        raise
    call.record.headers_at = perf_counter()
    ticket.answered(response.status, response.raw_headers)
    plane.connections_used.note(route.connection_id)
    fields = headers.reply_fields(
        response.raw_headers,
        status=response.status,
        request_id=call.request_id,
        is_head=call.method == "HEAD",
        token=credentials.written(route.api.credential, token),
    )
    return Reply(response.status, fields, content=content, upstream=response)


async def _fresh(plane: DataPlane, route: Route, call: Call, rejected: AccessToken) -> AccessToken:
    try:
        token = await plane.refreshes.fresh(
            route.connection_id,
            provider_id=route.provider.id,
            wait_seconds=min(header_timeout(route, call.timeout_seconds), MAX_REFRESH_WAIT_SECONDS),
            rejected_version=rejected.version,
        )
    except (ConnectionNotFound, ConnectionPaused, ReconnectRequired):
        route.has_ended = True
        raise
    if token.version > route.token.version:  # another call may have brought a later one already
        route.token = token
    return token


async def _send(plane: DataPlane, route: Route, call: Call, token: AccessToken) -> AsyncResponse:
    """The reply to the call, made again as far as the caller asked for it and it can do no harm."""
    seconds = header_timeout(route, call.timeout_seconds)
    ask = _ask(route, call, token)
    if not call.retries or not retries.may_repeat(call.method, call.fields):
        return await _once(plane, call, ask, seconds)
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    for tries in range(call.retries + 1):
        call.record.retries = tries
        is_last = tries == call.retries
        try:
            response = await _once(plane, call, ask, ends - loop.time())
        except (ConnectFailed, ReplyLost):
            wait = retries.backoff(tries)
            if is_last or not call.is_content_at_hand or loop.time() + wait >= ends:
                raise
        else:
            if is_last or not call.is_content_at_hand or not retries.is_temporary(route.api, response.status):
                return response
            told = retries.wait_seconds(route.api, response.raw_headers, now=timezone.now())
            wait = retries.backoff(tries) if told is None else told
            if loop.time() + wait >= ends:
                return response
            await response.aclose()
        await asyncio.sleep(wait)
    raise AssertionError("the last try returns or raises")


def _ask(route: Route, call: Call, token: AccessToken) -> tuple[Target, list[Field]]:
    """Target and fields with the credential; the provider's own fields fill in for what the caller left out."""
    placement = route.api.credential
    fields = list(call.fields)
    if route.added_fields:
        sent = {name for name, _ in fields}
        fields += [pair for pair in route.added_fields if pair[0] not in sent]
    field = credentials.credential_field(placement, token)
    if field is not None:
        fields.append(field)
        return call.target, fields
    raw_query = credentials.with_credential(call.target.raw_query, placement, token)
    return replace(call.target, raw_query=raw_query), fields


async def _once(
    plane: DataPlane, call: Call, ask: tuple[Target, list[Field]], seconds: float
) -> AsyncResponse:
    content = call.sendable_content
    if isinstance(content, KeptContent):
        return await plane.client.stream(
            call.method,
            ask[0],
            headers=ask[1],
            body=content.__aiter__(),
            content_length=call.content_length,
            timeouts=_timeouts(seconds),
        )
    return await plane.client.stream(
        call.method, ask[0], headers=ask[1], body=content, timeouts=_timeouts(seconds)
    )


def header_timeout(route: Route, asked_seconds: float | None) -> float:
    """Seconds until the response headers: as asked, else the provider's, else the platform's."""
    return route.header_timeout_seconds if asked_seconds is None else asked_seconds


def _timeouts(seconds: float) -> Timeouts:
    return _limits(seconds, settings.PROXY_IDLE_SECONDS, settings.PROXY_TOTAL_SECONDS)


@lru_cache(maxsize=256)
def _limits(seconds: float, idle: float, total: float) -> Timeouts:
    connect = min(CONNECT_SECONDS, seconds)
    return Timeouts(connect=connect, response_headers=seconds, idle=idle, total=total)
