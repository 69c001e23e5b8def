"""One request out with a connection's credential, one reply back: the only code that calls providers' APIs.

Understands no bodies. Adds the credential and nothing else; see headers for what is left out.
"""

from __future__ import annotations

from time import perf_counter

from egress.errors import InvalidReply
from proxy import credentials, headers, lookups
from proxy.limits import Ticket
from proxy.plane import DataPlane
from proxy.replies import Reply
from proxy.routes import Route
from proxy.sending import Call, Sent, send

__all__ = ["Call", "forward"]


async def forward(plane: DataPlane, route: Route, call: Call) -> Reply:
    """Send the call and return the reply once its header section is there; close the reply afterwards.

    A reply by which the provider says that the token expired leads to one refresh and, when the content is
    at hand, to one more try. Raises EgressError, Problem, what a refresh or look_again() raises, and what reading
    the content raises.
    """
    record, target = call.record, call.target
    record.connection_id, record.provider_id = route.connection_id, route.provider.id
    record.host, record.path, record.query = target.host, target.raw_path, target.raw_query or ""
    ticket = plane.limits.enter(route, call)
    try:
        spent = 0.0
        if ticket.has_to_wait_for_budget:
            began = perf_counter()
            await ticket.admitted()
            await lookups.look_again(plane, route, record)
            spent = perf_counter() - began
        record.sent_at = perf_counter()
        reply = await _forwarded(plane, route, call, ticket, spent_seconds=spent)
    except BaseException as error:
        ticket.failed(error)
        ticket.leave()
        raise
    reply.on_close(ticket.leave)
    reply.pace = ticket.piece
    return reply


async def _forwarded(
    plane: DataPlane, route: Route, call: Call, ticket: Ticket, *, spent_seconds: float
) -> Reply:
    sent = await send(plane, route, call, ticket, spent_seconds=spent_seconds)
    try:
        return _reply(plane, route, call, ticket, sent)
    except BaseException:
        await sent.response.aclose()
        raise


def _reply(plane: DataPlane, route: Route, call: Call, ticket: Ticket, sent: Sent) -> Reply:
    response = sent.response
    if response.status > 599:
        raise InvalidReply(f"{call.target.host} answered with a status code that HTTP does not have.")
    call.record.headers_at = perf_counter()
    ticket.answered(response.status, response.raw_headers)
    plane.connections_used.note(route.connection_id)
    fields = headers.reply_fields(
        response.raw_headers,
        status=response.status,
        request_id=call.record.request_id,
        is_head=call.method == "HEAD",
        token=credentials.written(route.api.credential, sent.token),
    )
    return Reply(response.status, fields, content=sent.content, upstream=response)
