"""Whose turn it is when a request arrives, told by the little that is known before it is read.

To read a request and to find its route is half of a call's work, so turns are taken before it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from accounts.api.problems import Problem
from proxy import credentials, headers
from proxy.credentials import ONLY_AUTHORIZATION
from proxy.selectors import PassthroughPath

if TYPE_CHECKING:
    from proxy.plane import DataPlane

#: the one line of all whose credential has not been seen these seconds, and of those who have none
STRANGERS = "strangers"


async def turn(plane: DataPlane, scope: Mapping[str, Any]) -> None:
    """Wait for the turn of the partner whose request an ASGI scope is."""
    await plane.limits.turn(_line(plane, scope))


def _line(plane: DataPlane, scope: Mapping[str, Any]) -> Hashable:
    presented = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            presented = credentials.from_authorization(value)
            break
    else:
        presented = headers.sort_request(scope["headers"], _places(plane, scope["raw_path"])).presented
    caller = None if presented is None else plane.cache.callers.get(presented.digest)
    return STRANGERS if caller is None else caller.partner.pk


def _places(plane: DataPlane, raw_path: bytes) -> credentials.Places:
    try:
        return plane.cache.places.get(PassthroughPath.of(raw_path).slug) or ONLY_AUTHORIZATION
    except Problem:
        return ONLY_AUTHORIZATION
