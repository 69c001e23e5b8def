"""One request out: with the credential, again where the caller asked for it and it can do no harm."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import lru_cache

from django.conf import settings
from django.utils import timezone

from egress.aio import AsyncResponse, Timeouts
from egress.errors import ConnectFailed, ReplyLost
from egress.urls import Target
from integrations.tokens import AccessToken
from proxy import credentials, retries
from proxy.credentials import Field
from proxy.incoming import KeptContent
from proxy.plane import DataPlane
from proxy.record import Record
from proxy.routes import Route

CONNECT_SECONDS = 10.0


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


async def send(plane: DataPlane, route: Route, call: Call, token: AccessToken) -> AsyncResponse:
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
