"""The hot path: a call whose caller, route and token are known goes straight to the forwarder.

On any doubt it says None and the DRF view takes the call, which also makes every refusal.
"""

from __future__ import annotations

from accounts.api.problems import Problem
from integrations.errors import IntegrationsError
from proxy.envelope import METHODS
from proxy.forwarder import Call, forward
from proxy.incoming import Incoming
from proxy.plane import DataPlane
from proxy.replies import Reply
from proxy.requests import PassthroughRequest
from proxy.routes import Route
from proxy.selectors import PassthroughPath

_METHODS = frozenset(METHODS)


class HotCall:
    """A call that needs no look-up."""

    __slots__ = ("request", "route")

    def __init__(self, request: PassthroughRequest, route: Route) -> None:
        self.request = request
        self.route = route

    async def reply(self, plane: DataPlane, *, request_id: str) -> Reply:
        """Raises what the forwarder raises, and Problem for a destination that is not allowed."""
        call: Call = await self.request.call(self.route, request_id=request_id)
        return await forward(plane, self.route, call)


def hot_call(plane: DataPlane, received: Incoming) -> HotCall | None:
    """The call with its cached route, or None when anything is missing, odd or not allowed. Reads no content."""
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
        if caller is None or caller.partner.requests_per_minute is not None:
            return None
        request.check()
    except (Problem, IntegrationsError):
        return None
    route = cache.routes.get((caller.credential.pk, request.selector))
    if route is None or route.has_ended:
        return None
    record = received.record
    record.door, record.slug = "passthrough", request.slug
    record.partner_id, record.credential_id = caller.partner.pk, caller.credential.pk
    plane.credentials_used.note(caller.credential.pk)
    return HotCall(request, route)
