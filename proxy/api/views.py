"""The two doors as DRF views, with a short dispatch of their own that awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import cached_property
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts import request_context
from accounts.api.authentication import Caller
from accounts.api.problems import Problem
from accounts.api.quotas import quotas
from accounts.api.throttling import PartnerThrottle
from accounts.models.partner import Permission
from proxy import controls, headers, incoming, lookups, routes, stackgo
from proxy import plane as planes
from proxy.api import later, schema
from proxy.api.authentication import Admission, ProxyAuthentication, attach
from proxy.controls import Controls
from proxy.credentials import ONLY_AUTHORIZATION, Presented
from proxy.envelope import METHODS, Envelope
from proxy.envelope import parse as parse_envelope
from proxy.forwarder import Call, forward
from proxy.headers import RequestFields
from proxy.incoming import Incoming
from proxy.passthrough import passthrough_route
from proxy.plane import DataPlane
from proxy.problems import refusal
from proxy.receipts import preference
from proxy.receipts.preference import Preference
from proxy.record import PARTNER_GONE
from proxy.replies import DirectResponse, ProxiedResponse, Reply
from proxy.requests import PassthroughRequest, enveloped_call
from proxy.routes import Route
from proxy.selectors import PassthroughPath, Selector

_SATURATED_RETRY_SECONDS = 1
#: parsing more than this would hold up other calls
_PARSED_ON_LOOP_BYTES = 65_536


class ProxyView(APIView):
    """Authentication, permission, error shape and OpenAPI of all proxy calls; subclasses say how one is read.

    Runs on the data plane's loop, wherever it was called. Ignores Accept: the provider's reply is the reply.
    """

    authentication_classes = [ProxyAuthentication]
    throttle_classes = [PartnerThrottle]
    permission = Permission.PROXY
    problem_statuses: tuple[int, ...] = schema.PROBLEM_STATUSES
    view_is_async = True
    #: as the call's record names it
    door = ""

    plane: DataPlane
    received: Incoming
    request_id: str

    async def dispatch(  # type: ignore[override]  # DRF's own does not await
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        self.args, self.kwargs = args, kwargs
        self.request = self.initialize_request(request, *args, **kwargs)
        attached: DataPlane | None = getattr(request, "patchbay_plane", None)
        if attached is not None:
            self.plane = attached
            return DirectResponse(await self.reply())
        self.plane = planes.usable()
        if self.plane.loop is asyncio.get_running_loop():
            reply = await self.reply()
        else:
            reply = await made_on(self.plane.loop, self.reply())
        return ProxiedResponse(reply, loop=self.plane.loop, is_async=hasattr(request, "scope"))

    async def reply(self) -> Reply:
        """The reply to the request in hand, a refusal included. Raises PartnerGone alone."""
        request = self.request._request
        self.request_id = getattr(request, "request_id", "") or request_context.new_request_id()
        context = request_context.enter(self.request_id, None)
        self.received = incoming.of_request(request)
        record = self.received.record
        record.request_id, record.door, record.observers = self.request_id, self.door, self.plane.observers
        try:
            handler = getattr(self, (request.method or "").lower(), None)
            if handler is None or (request.method or "").lower() not in self.http_method_names:
                raise self.not_allowed()
            reply: Reply = await handler(self.request, *self.args, **self.kwargs)
            return reply.belongs_to(record)
        except incoming.PartnerGone:
            record.end(PARTNER_GONE)
            raise
        except Exception as error:  # noqa: BLE001 (the one place that turns classes into replies)
            if record.partner_id is None:
                self.plane.limits.refused_stranger()
            return refusal(error, request_id=self.request_id, record=record).belongs_to(record)
        finally:
            request_context.leave(context)

    async def admit(self, presented: Presented | None) -> Caller:
        """Authenticate and check the permission. Raises what DRF raises."""
        generation = self.plane.cache.generation()
        known, asked_at = None, 0.0
        if presented is not None:
            known, asked_at = await lookups.caller_of(self.plane, presented)
        attach(self.request, Admission(presented, known))
        limit = None if known is None else known.partner.requests_per_minute
        if known is None or limit is None or quotas.is_settled(known.partner.pk, limit):
            self.initial(self.request)
        else:
            await self.plane.limits.checks.run(known.partner.pk, self.initial, self.request)
        caller: Caller = self.request.user  # type: ignore[assignment]  # HasPermission lets nobody else in
        record = self.received.record
        record.partner_id, record.credential_id = caller.partner.pk, caller.credential.pk
        if presented is not None:
            lookups.remember(self.plane, presented, caller, generation=generation, asked_at=asked_at)
        self.plane.credentials_used.note(caller.credential.pk)
        return caller

    async def route(self, caller: Caller, selector: Selector, asked: Controls) -> Route:
        """The route of the connection meant, with a token that may be used; from the cache if it is there."""
        return await lookups.route_of(self.plane, caller, selector, asked)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return JSONRenderer(), "application/json"

    def not_allowed(self) -> Problem:
        allowed = ", ".join(name.upper() for name in self.http_method_names if hasattr(self, name))
        return Problem("method_not_allowed", f"Allowed here: {allowed}.", headers={"Allow": allowed})


async def made_on(loop: asyncio.AbstractEventLoop, making: Coroutine[Any, Any, Reply]) -> Reply:
    """Make a reply on another loop; one that is made just as its caller gives up is closed there."""
    made: list[Reply] = []

    async def make() -> None:
        made.append(await making)

    async def close() -> None:
        for reply in made:
            await reply.close()

    hop = asyncio.run_coroutine_threadsafe(make(), loop)
    try:
        await asyncio.wrap_future(hop)
    except asyncio.CancelledError:
        asyncio.run_coroutine_threadsafe(close(), loop)  # behind the cancellation, which is on its way there
        raise
    return made[0]


class PassthroughView(ProxyView):
    """`/proxy/{appSlug}/{userForeignIdentifier}/{path}`: anything, as the provider's own SDK sends it."""

    http_method_names = [method.lower() for method in METHODS]
    door = "passthrough"

    async def _pass(self, request: Request, **path: str) -> Reply:
        received = self.received
        places = await lookups.places_of(self.plane, PassthroughPath.of(received.raw_path).slug)
        asked = PassthroughRequest(received, places)
        received.record.slug = asked.slug
        caller = await self.admit(asked.presented)
        asked.check()
        route = await passthrough_route(self.plane, caller, asked)
        return await forward(self.plane, route, await asked.call(route))

    get = schema.passthrough("get", _pass)
    head = schema.passthrough("head", _pass)
    post = schema.passthrough("post", _pass)
    put = schema.passthrough("put", _pass)
    patch = schema.passthrough("patch", _pass)
    delete = schema.passthrough("delete", _pass)
    options = schema.passthrough("options", _pass)


class EnvelopedView(ProxyView):
    """What the envelope and StackGo's raw paths share: a whole request in a body, a few of them at a time."""

    http_method_names = ["post"]
    problem_statuses = (*schema.PROBLEM_STATUSES, 413)

    def parse(self, content: bytes, *, slug: str) -> Envelope:
        """Read the body. Raises Problem."""
        raise NotImplementedError

    async def wrapped(self, reply: Reply) -> Reply:
        """What to answer with the provider's reply in hand: the reply itself."""
        return reply

    async def enveloped(self, slug: str) -> Reply:
        self.received.record.slug = slug
        fields = headers.sort_request(self.received.fields, ONLY_AUTHORIZATION)
        caller = await self.admit(fields.presented)
        partner, places = caller.partner.pk, self.plane.limits.envelopes
        if not places.take(partner):
            raise Problem(
                "saturated",
                f"{places.total} envelopes are in flight here. Try again, or use the passthrough.",
                {"retryAfter": _SATURATED_RETRY_SECONDS},
            )
        try:
            reply = await self._forwarded(caller, fields, slug)
        except BaseException:
            places.give_back(partner)
            raise
        reply.on_close(lambda: places.give_back(partner))
        return reply

    async def _forwarded(self, caller: Caller, fields: RequestFields, slug: str) -> Reply:
        asked = controls.read(fields.controls)
        content = await incoming.read_content(self.received, fields, max_bytes=settings.ENVELOPE_MAX_BYTES)
        if len(content) > _PARSED_ON_LOOP_BYTES:
            envelope = await self.plane.reads.run(self.parse, content, slug=slug)
        else:
            envelope = self.parse(content, slug=slug)
        route = await self.route(caller, envelope.selector, asked)
        call = enveloped_call(
            envelope,
            route,
            self.received.record,
            timeout_seconds=asked.timeout_seconds,
            retries=asked.retries,
        )
        return await self.answered(caller, route, envelope, call)

    async def answered(self, caller: Caller, route: Route, envelope: Envelope, call: Call) -> Reply:
        """Make the call."""
        reply = await forward(self.plane, route, call)
        if envelope.method == "HEAD":
            reply.says_it_is_empty()
        try:
            made = await self.wrapped(reply)
        except BaseException:
            await reply.close()
            raise
        if made is not reply:
            await reply.close()
        return made


class EnvelopeView(EnvelopedView):
    """`POST /api/v1/proxy/{appSlug}`, or the same without `/api/v1`.

    The reply is the provider's own status, headers and bytes.
    """

    door = "envelope"

    @cached_property
    def preferred(self) -> Preference:
        """What the request's Prefer asks for."""
        return preference.read(self.received.fields)

    @schema.envelope
    async def post(self, request: Request, app_slug: str) -> Reply:
        return await self.enveloped(app_slug)

    def parse(self, content: bytes, *, slug: str) -> Envelope:
        return parse_envelope(content, slug=slug)

    async def route(self, caller: Caller, selector: Selector, asked: Controls) -> Route:
        """A call that is made later needs a connection that may be used now, and no fresh token."""
        if not self.preferred.respond_async:
            return await super().route(caller, selector, asked)
        return await self.plane.reads.run(routes.resolve, caller.credential, selector)

    async def answered(self, caller: Caller, route: Route, envelope: Envelope, call: Call) -> Reply:
        if not self.preferred.respond_async:
            return await super().answered(caller, route, envelope, call)
        return await later.answer(
            self.plane,
            caller.credential,
            route.connection_id,
            envelope=envelope,
            call=call,
            preferred=self.preferred,
        )


class StackGoView(EnvelopedView):
    """StackGo's raw calls: form or JSON in, `{"data": …}` out (contract section 5)."""

    door = "stackgo"

    @schema.stackgo
    async def post(self, request: Request, app_slug: str) -> Reply:
        reply = await self.enveloped(app_slug)
        stackgo.forbid_storing(reply)
        return reply

    def parse(self, content: bytes, *, slug: str) -> Envelope:
        return stackgo.parse(content, content_type=self.request.META.get("CONTENT_TYPE", ""), slug=slug)

    async def wrapped(self, reply: Reply) -> Reply:
        return await stackgo.wrapped(reply, request_id=self.request_id)
