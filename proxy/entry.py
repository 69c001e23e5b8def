"""Where the data plane takes calls from an ASGI server: around Django's handler and middleware, not through them."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from io import BytesIO
from typing import Any
from urllib.parse import quote, unquote

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIRequest
from django.db import connection

from accounts import request_context
from accounts.api.problems import Problem
from proxy import incoming, plane
from proxy.api.views import EnvelopeView, PassthroughView, StackGoView
from proxy.credentials import Field
from proxy.incoming import Incoming, PartnerGone, Receive, Watch
from proxy.limits import arrivals
from proxy.observation import exposition
from proxy.passthrough import hot_call
from proxy.plane import DataPlane
from proxy.problems import refusal
from proxy.record import PARTNER_GONE
from proxy.replies import DirectResponse, Reply, Send, deliver
from proxy.selectors import ROOT
from sealing.health import key_trouble_at_start

log = structlog.get_logger(__name__)
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

#: a partner that hangs up is noticed this long after the call began, or as soon as the reply streams
WATCH_AFTER_SECONDS = 0.1
_ENVELOPE_PATH = re.compile(rb"/api/v1/proxy/([^/]+)").fullmatch
_STACKGO_PATH = re.compile(
    rb"/api/(?:raw|raw/xe|atlassian/proxy|quick-books/proxy|servicenow/proxy|shopify)/([^/]+)"
).fullmatch
_CONTENT_AFTER_UPGRADE = frozenset({b"upgrade", b"transfer-encoding", b"content-length"})
#: the key in the lifespan's state under which each call finds its loop's plane
_PLANE = "patchbay.plane"
_NOTHING: Mapping[str, Any] = {}
_passthrough = PassthroughView.as_view()
_envelope = EnvelopeView.as_view()
_stackgo = StackGoView.as_view()


def data_plane(application: Application) -> Application:
    """Django's ASGI application with the proxy's paths, `/healthz` and the lifespan in front of it."""

    async def entry(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            raw_path: bytes | None = scope.get("raw_path")
            if raw_path is None:  # an extra of ASGI that a server need not give
                raw_path = scope["raw_path"] = quote(scope["path"]).encode("ascii")
            if _is_hurt_by_upgrade(scope["headers"]):
                await _refuse_upgrade(send)
            elif raw_path.startswith(ROOT):
                await _proxied(scope, receive, send)
            elif raw_path == b"/healthz" and scope["method"] in ("GET", "HEAD"):
                await _healthy(send)
            elif match := _ENVELOPE_PATH(raw_path):
                await _viewed(_envelope, scope, receive, send, app_slug=_slug(match[1]))
            elif scope["method"] == "POST" and (match := _STACKGO_PATH(raw_path)):
                await _viewed(_stackgo, scope, receive, send, app_slug=_slug(match[1]))
            elif raw_path == exposition.PATH and (metrics := (await plane.opened()).observation.metrics):
                await exposition.answer(metrics, scope, send)
            else:
                await application(scope, receive, send)
        elif kind == "lifespan":
            await _live(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    return entry


def _is_hurt_by_upgrade(fields: Iterable[Field]) -> bool:
    """Whether a request to switch protocols cannot be made as if it had not asked: content follows, or it is the
    beginning of a WebSocket, which is nothing without its protocol. Other upgrades are offers (RFC 9110, 7.8).

    The server's parser stops after such a header section: the content would be lost, and what follows on the
    connection taken for the next request.
    """
    names = {name: value for name, value in fields if name in _CONTENT_AFTER_UPGRADE}
    return b"upgrade" in names and (
        b"transfer-encoding" in names
        or names.get(b"content-length", b"0") != b"0"
        or b"websocket" in names[b"upgrade"].lower()
    )


async def _refuse_upgrade(send: Send) -> None:
    """Say so, and close the connection: whatever else is on it cannot be told from content."""
    detail = (
        "This connection is not upgraded, and no WebSocket begins here. Send content without asking for it."
    )
    problem = Problem("invalid_request", detail, {"field": "Upgrade"}, {"Connection": "close"})
    reply = refusal(problem, request_id=request_context.new_request_id())
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.fields})
    await send({"type": "http.response.body", "body": reply.content})


async def _live(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await asyncio.to_thread(_tell_of_keys)
                here = await plane.opened()
            except ImproperlyConfigured as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            if (state := scope.get("state")) is not None:
                state[_PLANE] = here
            settle_garbage()
            await send({"type": "lifespan.startup.complete"})
        else:
            await plane.closed()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _tell_of_keys() -> None:
    """Keys that do not open what is stored: the process starts, is not ready, and its admin tells why (ADM-05).

    Raises ImproperlyConfigured for a database that is not migrated.
    """
    try:
        message = key_trouble_at_start()
    finally:
        connection.close()
    if message:
        log.error("not ready", reason=message)


def settle_garbage() -> None:
    """Keep what is loaded out of later collections, which would stop every call for tens of milliseconds.

    The youngest are looked at once in some thirty calls: next to none of a call's objects are cycles, and looking
    after every third call took a warm one seven microseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(7_000, 10, 1000)


async def _healthy(send: Send) -> None:
    body = b'{"status":"ok"}'
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-request-id", request_context.new_request_id().encode("ascii")),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _proxied(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    rest: bytes = scope["raw_path"][len(ROOT) :]
    if b"/" not in rest:
        await _viewed(_envelope, scope, receive, send, app_slug=_slug(rest))
        return
    here, received = await _taken(scope, receive)
    hot = hot_call(here, received)
    if hot is None:
        await _through_view(_passthrough, here, scope, received, send)
        return
    record = received.record
    record.observers = here.observers
    record.request_id = request_id = request_context.new_request_id()

    async def reply() -> Reply:
        try:
            made = await hot.reply(here, request_id=request_id)
        except PartnerGone:
            raise
        except Exception as error:  # noqa: BLE001 (answered as the view answers it)
            made = refusal(error, request_id=request_id, record=record)
        return made.belongs_to(record)

    await _answer(here, received, reply, send)


async def _taken(scope: dict[str, Any], receive: Receive) -> tuple[DataPlane, Incoming]:
    """The loop's plane and the request, once it is the turn of whoever calls."""
    here: DataPlane = scope.get("state", _NOTHING).get(_PLANE) or await plane.opened()
    if here.limits.turns.are_kept:
        await arrivals.turn(here, scope)
    received = incoming.of_scope(scope, receive)
    if here.observation.traces is not None:
        here.observation.took(received)
    return here, received


async def _viewed(view: Any, scope: dict[str, Any], receive: Receive, send: Send, **kwargs: str) -> None:
    here, received = await _taken(scope, receive)
    await _through_view(view, here, scope, received, send, **kwargs)


async def _through_view(
    view: Any, here: DataPlane, scope: dict[str, Any], received: Incoming, send: Send, **kwargs: str
) -> None:
    """Await a DRF view with a Django request, without handler, middleware and signals."""

    async def reply() -> Reply:
        response: DirectResponse = await view(_django_request(scope, received, here), **kwargs)
        return response.reply

    await _answer(here, received, reply, send)


async def _answer(
    here: DataPlane, received: Incoming, reply: Callable[[], Awaitable[Reply]], send: Send
) -> None:
    """Deliver a reply, unless the partner hangs up: then everything for it ends at once."""
    watch = Watch(received.source, loop=here.loop)
    watch.start(after_seconds=WATCH_AFTER_SECONDS)
    made: Reply | None = None
    try:
        made = await reply()
        await deliver(made, send, watch=watch)
    except PartnerGone:
        return
    except asyncio.CancelledError:
        if not watch.has_gone:
            raise
    finally:
        watch.stop()
        if made is not None:
            await made.close()
        received.record.end(PARTNER_GONE)


def _django_request(scope: Mapping[str, Any], received: Incoming, here: DataPlane) -> ASGIRequest:
    if not received.raw_query.isascii():
        scope = {**scope, "query_string": b""}  # Django cannot decode it; the view refuses the raw one
    request = ASGIRequest(scope, BytesIO())
    request.patchbay_incoming = received  # type: ignore[attr-defined]  # ours, read by incoming.of_request
    request.patchbay_plane = here  # type: ignore[attr-defined]  # ours, read by ProxyView.dispatch
    return request


def _slug(raw: bytes) -> str:
    return unquote(raw.decode("latin-1"))
