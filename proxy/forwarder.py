"""One request out with a connection's credential, one reply back: the only code that calls providers' APIs.

Understands no bodies. Adds the credential and nothing else; see headers for what is left out.
"""

from __future__ import annotations

from time import perf_counter

from django.utils import timezone

from egress.errors import InvalidReply
from integrations.errors import ConnectionNotFound, ConnectionPaused, ReconnectRequired
from integrations.tokens import AccessToken
from proxy import credentials, expired, headers
from proxy.limits import Ticket
from proxy.plane import DataPlane
from proxy.replies import Reply
from proxy.routes import Route
from proxy.sending import Call, header_timeout, send

__all__ = ["MAX_REFRESH_WAIT_SECONDS", "Call", "forward", "header_timeout"]

#: once the header section is there: between two pieces of content, and for the whole
MAX_REFRESH_WAIT_SECONDS = 45.0


async def forward(plane: DataPlane, route: Route, call: Call) -> Reply:
    """Send the call and return the reply once its header section is there; close the reply afterwards.

    A reply by which the provider says that the token expired leads to one refresh and, when the content is
    at hand, to one more try. Raises EgressError, what a refresh raises, and what reading the content raises.
    """
    record, target = call.record, call.target
    record.connection_id, record.provider_id = route.connection_id, route.provider.id
    record.host, record.path, record.query = target.host, target.raw_path, target.raw_query or ""
    ticket = plane.limits.enter(route, call)
    try:
        if ticket.must_wait:
            await ticket.admitted()
        record.sent_at = perf_counter()
        reply = await _forwarded(plane, route, call, ticket)
    except BaseException as error:
        ticket.failed(error)
        ticket.leave()
        raise
    reply.on_close(ticket.leave)
    reply.pace = ticket.piece
    return reply


async def _forwarded(plane: DataPlane, route: Route, call: Call, ticket: Ticket) -> Reply:
    token = route.token
    response = await send(plane, route, call, token)
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
                    response, content = await send(plane, route, call, fresh), b""
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
