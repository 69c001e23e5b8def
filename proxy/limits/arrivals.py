"""Whose turn it is when a request arrives, told by the little that is known before it is read.

To read a request and to find its route is half of a call's work, so turns are taken before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from accounts.api.problems import Problem
from proxy import credentials, headers
from proxy.credentials import ONLY_AUTHORIZATION, Presented
from proxy.limits.turns import STRANGERS
from proxy.selectors import PassthroughPath

if TYPE_CHECKING:
    from accounts.api.authentication import Caller
    from proxy.plane import DataPlane

#: lines of strangers' credentials, whatever is presented
_STRANGERS_LINES = 64
_NOBODYS = -1


async def turn(plane: DataPlane, scope: Mapping[str, Any]) -> None:
    """Wait for the turn of the partner whose request an ASGI scope is."""
    presented = _presented(plane, scope)
    if presented is None:
        await plane.limits.turn(STRANGERS, within=_NOBODYS)
        return
    digest = presented.digest
    caller: Caller | None = plane.cache.callers.get(digest)
    if caller is None:
        await plane.limits.turn(STRANGERS, within=digest[0] % _STRANGERS_LINES)
    else:
        await plane.limits.turn(caller.partner.pk)


def _presented(plane: DataPlane, scope: Mapping[str, Any]) -> Presented | None:
    """The credential as PassthroughRequest finds it, which spares the rest when it is in Authorization."""
    for name, value in scope["headers"]:
        if name == b"authorization" and (presented := credentials.from_authorization(value)) is not None:
            return presented
    places = _places(plane, scope["raw_path"])
    if places is ONLY_AUTHORIZATION:
        return None
    presented = headers.sort_request(scope["headers"], places).presented
    query: bytes = scope.get("query_string", b"")
    if presented is None and query and places.query_names:
        _, presented = credentials.take_from_query(query.decode("latin-1"), places.query_names)
    return presented


def _places(plane: DataPlane, raw_path: bytes) -> credentials.Places:
    try:
        return plane.cache.places.get(PassthroughPath.of(raw_path).slug) or ONLY_AUTHORIZATION
    except Problem:
        return ONLY_AUTHORIZATION
