"""The hot path: a call whose caller is known goes straight to the forwarder, after a look-up of its route if need be.

On any doubt it says None and the DRF view takes the call, which also makes every refusal.
"""

from __future__ import annotations

from accounts import request_context
from accounts.api.authentication import Caller
from accounts.api.problems import Problem
from accounts.api.quotas import quotas
from integrations.errors import IntegrationsError, InvalidInput
from proxy import lookups
from proxy.envelope import METHODS
from proxy.forwarder import Call, forward
from proxy.incoming import Incoming
from proxy.plane import DataPlane
from proxy.replies import Reply
from proxy.requests import PassthroughRequest
from proxy.routes import Route
from proxy.selectors import PassthroughPath

_METHODS = frozenset(METHODS)
#: what an envelope says in a member, a passthrough call says in a header field
_HEADER_OF_MEMBER = {"UUID": "Patchbay-Connection", "connectionName": "Patchbay-Connection-Name"}


class HotCall:
    """A call that is known to be allowed. Its route may still have to be looked up."""

    __slots__ = ("caller", "request", "route")

    def __init__(self, request: PassthroughRequest, caller: Caller, route: Route | None) -> None:
        self.request = request
        self.caller = caller
        self.route = route

    async def reply(self, plane: DataPlane, *, request_id: str) -> Reply:
        """Raises what the look-up and the forwarder raise, and Problem for a destination that is not allowed."""
        route = self.route
        if route is None:
            context = request_context.enter(request_id, None)
            try:
                route = await passthrough_route(plane, self.caller, self.request)
            finally:
                request_context.leave(context)
        call: Call = await self.request.call(route)
        return await forward(plane, route, call)


async def passthrough_route(plane: DataPlane, caller: Caller, request: PassthroughRequest) -> Route:
    """The route that a request means; a problem with one of its names is told by its header field."""
    try:
        return await lookups.route_of(plane, caller, request.selector, request.controls)
    except InvalidInput as error:
        raise InvalidInput(_HEADER_OF_MEMBER.get(error.field, error.field), str(error)) from error


def hot_call(plane: DataPlane, received: Incoming) -> HotCall | None:
    """The call of a known caller, or None when anything is missing, odd or not allowed. Reads no content."""
    cache = plane.cache
    cache.generation()
    if received.method not in _METHODS:
        return None
    try:
        places = cache.places.get(PassthroughPath.of(received.raw_path).slug)
        if places is None:
            return None
        request = PassthroughRequest(received, places)
        caller = None if request.presented is None else cache.callers.get(request.presented.digest)
        if caller is None:
            return None
        request.check()
    except (Problem, IntegrationsError):
        return None
    limit = caller.partner.requests_per_minute
    if limit is not None and not quotas.take_here(caller.partner.pk, limit):
        return None
    route = cache.routes.get((caller.credential.pk, request.selector))
    record = received.record
    record.door, record.slug = "passthrough", request.slug
    record.partner_id, record.credential_id = caller.partner.pk, caller.credential.pk
    plane.credentials_used.note(caller.credential.pk)
    return HotCall(request, caller, route if route is None or not route.has_ended else None)
