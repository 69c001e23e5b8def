"""One request out: with the credential, and again where the caller asked for it and it can do no harm."""

from __future__ import annotations

from asyncio import sleep
from dataclasses import dataclass, replace
from functools import lru_cache

from django.utils import timezone

from egress.aio import AsyncResponse, Timeouts
from egress.conf import setting
from egress.errors import ConnectFailed, EgressError, ReplyLost
from egress.urls import Target
from integrations.errors import ConnectionNotFound, ConnectionPaused, ReconnectRequired
from integrations.oauth.oauth1 import Signer
from integrations.tokens import AccessToken
from proxy import credentials, expired, lookups, retries, signing
from proxy.credentials import Field
from proxy.incoming import KeptContent
from proxy.limits import Ticket
from proxy.peek import Peek
from proxy.plane import DataPlane
from proxy.record import Record
from proxy.refreshing import MAX_REFRESH_WAIT_SECONDS
from proxy.routes import Route

CONNECT_SECONDS = 10.0
#: a limit that lasts, such as a day's, is asked about so often: when it ends is not told
_LASTING_PAUSE_SECONDS = 60.0
#: no try is given less: it would not even connect
_SHORTEST_TRY_SECONDS = 0.05


@dataclass(slots=True)
class Call:
    """One request to make: proved target, end-to-end fields without a credential, and its content."""

    method: str
    target: Target
    fields: list[Field]
    record: Record
    content: bytes | KeptContent | None = None
    content_length: int | None = None
    timeout_seconds: float | None = None
    retries: int = 0

    @property
    def is_content_at_hand(self) -> bool:
        """Whether all of the content can be sent, perhaps once more."""
        content = self.content
        return not isinstance(content, KeptContent) or content.whole is not None or not content.has_begun

    def may_repeat(self) -> bool:
        """Whether it cannot do its work twice when it is sent twice."""
        return retries.may_repeat(self.method, self.fields)

    @property
    def sendable_content(self) -> bytes | KeptContent | None:
        content = self.content
        return content.whole if isinstance(content, KeptContent) and content.whole is not None else content


@dataclass(slots=True)
class Sent:
    """The reply that counts. content: what was read of it already; token: what it was sent with."""

    response: AsyncResponse
    content: bytes
    token: AccessToken


async def send(
    plane: DataPlane, route: Route, call: Call, ticket: Ticket, *, spent_seconds: float = 0.0
) -> Sent:
    """Send the call, and return once the header section of a reply is there that goes to the partner.

    It is sent again once, with a fresh token, when the provider says that the token expired; and after what
    passes as often as the caller asked for: any call of which nothing was sent, else those that cannot do their
    work twice. Content must be at hand for that. All of it, waits included, ends within the time until the
    response headers that the caller or the provider's entry sets; a reply that asks for more goes back at once.

    spent_seconds: what of that time the call has waited for its ticket. Raises EgressError, what a refresh
    raises, what reading the content raises, and what look_again() and the ticket say of another try.
    """
    tries = _Tries(plane, route, call, ticket)
    return await tries.sent(spent_seconds)


class _Tries:
    """The tries of one call."""

    __slots__ = (
        "_call",
        "_clock",
        "_ends",
        "_has_received",
        "_has_replayed",
        "_plane",
        "_route",
        "_seconds",
        "_ticket",
        "_token",
    )

    def __init__(self, plane: DataPlane, route: Route, call: Call, ticket: Ticket) -> None:
        self._plane = plane
        self._route = route
        self._call = call
        self._ticket = ticket
        self._token = route.token
        self._clock = plane.loop.time
        self._seconds = route.header_timeout(call.timeout_seconds)
        self._ends = self._clock() + self._seconds
        self._has_replayed = self._has_received = False

    async def sent(self, spent_seconds: float) -> Sent:
        timeouts = _timeouts(self._seconds)
        if spent_seconds:
            self._ends -= spent_seconds
            timeouts = self._what_is_left(timeouts)
        while True:
            try:
                if self._route.signer is None:
                    ask = _ask(self._route, self._call, self._token)
                else:  # anew for each try, whose nonce must be its own
                    ask = await _signed_ask(self._route, self._route.signer, self._call, self._token)
                response = await _once(self._plane, self._call, ask, timeouts)
            except (ConnectFailed, ReplyLost) as error:
                wait = self._wait_after_failure(error)
                if wait is None:
                    raise
                self._ticket.failed(error)
            else:
                if not self._is_worth_a_look(response.status):
                    return Sent(response, b"", self._token)
                peek = Peek(response)
                try:
                    wait = await self._wait_after_reply(peek)
                except BaseException:
                    await response.aclose()
                    raise
                if wait is None:
                    return Sent(response, peek.content, self._token)
                self._ticket.answered(response.status, response.raw_headers)
                await response.aclose()
            await self._pause(wait)
            timeouts = self._what_is_left(timeouts)

    def _is_worth_a_look(self, status: int) -> bool:
        api = self._route.api
        return (
            self._call.retries > 0
            or any(signal.status == status for signal in api.expired_signals)
            or (status >= 400 and retries.wants_document(api, status))
        )

    def _wait_after_failure(self, error: EgressError) -> float | None:
        """Seconds until the next try; None: there is none."""
        if not self._may_try_again or not (isinstance(error, ConnectFailed) or self._call.may_repeat()):
            return None
        return self._within_time(retries.backoff(self._call.record.retries))

    async def _wait_after_reply(self, peek: Peek) -> float | None:
        """Seconds until the next try, 0.0 for the one with a fresh token; None: this reply is the partner's."""
        if isinstance(self._call.content, KeptContent) and not self._has_received:
            self._has_received = True  # which took time of its own; later tries send what is kept
            self._ends = max(self._ends, self._clock() + self._seconds)
        if await self._has_fresh_token(peek):
            return 0.0
        api, status, fields = self._route.api, peek.response.status, peek.response.raw_headers
        may_repeat = self._may_try_again and self._call.may_repeat()
        document = None
        if retries.wants_document(api, status):
            document = await peek.document(ends=self._ends if may_repeat else 0.0)
        now = timezone.now()
        told = retries.told_wait(api, status, fields, document, now=now)
        if told == retries.LASTING:
            self._ticket.told_to_wait(_LASTING_PAUSE_SECONDS)
        if not may_repeat or not retries.is_temporary(api, status, fields, document, now=now):
            return None
        return self._within_time(told or retries.backoff(self._call.record.retries))

    @property
    def _may_try_again(self) -> bool:
        return self._call.record.retries < self._call.retries and self._call.is_content_at_hand

    def _what_is_left(self, timeouts: Timeouts) -> Timeouts:
        seconds = max(self._ends - self._clock(), _SHORTEST_TRY_SECONDS)
        return replace(timeouts, connect=min(CONNECT_SECONDS, seconds), response_headers=seconds)

    def _within_time(self, wait: float) -> float | None:
        return wait if self._clock() + wait < self._ends else None

    async def _pause(self, seconds: float) -> None:
        """Wait before another try, and look whether it may be made. 0.0: for the one with a fresh token."""
        if seconds:
            await sleep(seconds)
        await lookups.look_again(self._plane, self._route, self._call.record)
        if seconds:
            self._ticket.tries_again()
            self._call.record.retries += 1
        if self._route.token.version > self._token.version:  # another call has brought a later one
            self._token = self._route.token

    async def _has_fresh_token(self, peek: Peek) -> bool:
        """Whether the reply says that the token expired, and the call can be made again with another one."""
        rejected = self._token
        rules = expired.signals(self._route.api, peek.response.status, rejected, now=timezone.now())
        if not rules or self._has_replayed or not await expired.is_told(peek, rules, ends=self._ends):
            return False
        left = self._ends - self._clock()
        if left <= 0:
            return False
        fresh = await self._fresh(rejected, wait_seconds=min(left, MAX_REFRESH_WAIT_SECONDS))
        if (
            fresh.version == rejected.version
            or not self._call.is_content_at_hand
            or self._clock() >= self._ends
        ):
            return False
        self._token = fresh
        self._has_replayed = self._call.record.is_refreshed = True
        return True

    async def _fresh(self, rejected: AccessToken, *, wait_seconds: float) -> AccessToken:
        route = self._route
        try:
            token = await self._plane.refreshes.fresh(
                route.connection_id,
                provider_id=route.provider.id,
                wait_seconds=wait_seconds,
                rejected_version=rejected.version,
            )
        except (ConnectionNotFound, ConnectionPaused, ReconnectRequired):
            route.has_ended = True
            raise
        if token.version > route.token.version:  # another call may have brought a later one already
            route.token = token
        return token


def _ask(route: Route, call: Call, token: AccessToken) -> tuple[Target, list[Field]]:
    """Target and fields with the credential; the provider's own fields fill in for what the caller left out."""
    placement = route.api.credential
    fields = _with_added(route, call.fields)
    field = credentials.credential_field(placement, token)
    if field is not None:
        fields.append(field)
        return call.target, fields
    raw_query = credentials.with_credential(call.target.raw_query, placement, token)
    return replace(call.target, raw_query=raw_query), fields


async def _signed_ask(
    route: Route, signer: Signer, call: Call, token: AccessToken
) -> tuple[Target, list[Field]]:
    fields = _with_added(route, call.fields)
    signature = await signing.authorization(
        signer, token, method=call.method, target=call.target, fields=fields, content=call.content
    )
    return call.target, [*fields, signature]


def _with_added(route: Route, given: list[Field]) -> list[Field]:
    """The caller's fields, and the provider's own that the caller left out."""
    fields = list(given)
    if route.added_fields:
        sent = {name for name, _ in fields}
        fields += [pair for pair in route.added_fields if pair[0] not in sent]
    return fields


async def _once(
    plane: DataPlane, call: Call, ask: tuple[Target, list[Field]], timeouts: Timeouts
) -> AsyncResponse:
    content = call.sendable_content
    if isinstance(content, KeptContent):
        return await plane.client.stream(
            call.method,
            ask[0],
            headers=ask[1],
            body=content.__aiter__(),
            content_length=call.content_length,
            timeouts=timeouts,
        )
    return await plane.client.stream(
        call.method, ask[0], headers=ask[1], body=content, timeouts=timeouts, may_repeat=call.may_repeat
    )


def _timeouts(seconds: float) -> Timeouts:
    return _kept_timeouts(seconds, setting("PROXY_IDLE_SECONDS"), setting("PROXY_TOTAL_SECONDS"))


@lru_cache(maxsize=256)
def _kept_timeouts(seconds: float, idle: float, total: float) -> Timeouts:
    return Timeouts(connect=min(CONNECT_SECONDS, seconds), response_headers=seconds, idle=idle, total=total)
