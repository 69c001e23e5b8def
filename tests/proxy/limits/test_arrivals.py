"""In which line a request waits before it is read, told by the order in which turns come."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from integrations import catalogue
from proxy.cache import Shelf
from proxy.credentials import Places, Presented
from proxy.limits import Limits, arrivals
from proxy.limits.turns import PER_TURN, STRANGERS
from proxy.plane import DataPlane

FLOOD = 64


@pytest.fixture
async def plane() -> DataPlane:
    """A plane on which several partners have called, with Pipedrive's places, whose keys stand in a query too."""
    limits = Limits()
    limits.turns.see("one")
    limits.turns.see("another")
    places: Shelf[Any] = Shelf()
    places.put("pipe", Places.of(catalogue.get("pipedrive").api), seconds=60)
    made = SimpleNamespace(limits=limits, cache=SimpleNamespace(callers=Shelf(), places=places))
    return cast(DataPlane, made)


def scope(*headers: tuple[bytes, bytes], query: bytes = b"") -> dict[str, Any]:
    return {"headers": headers, "raw_path": b"/proxy/pipe/cust/x", "query_string": query}


async def place_of_mine(plane: DataPlane, mine: dict[str, Any], flood: dict[str, Any]) -> int:
    """How many of a flood that stands in line already come before the call that arrives then."""
    order: list[str] = []

    async def arrive(name: str, call: dict[str, Any]) -> None:
        await arrivals.turn(plane, call)
        order.append(name)

    await asyncio.gather(*(arrive("flood", flood) for _ in range(FLOOD)), arrive("mine", mine))
    assert len(order) == FLOOD + 1
    return order.index("mine")


@pytest.mark.parametrize(
    "mine",
    [
        scope((b"authorization", b"Bearer mine")),
        scope((b"authorization", b"Digest mine"), query=b"api_token=mine"),
        scope(query=b"a=b&api_token=mine"),
    ],
    ids=["authorization", "beside another scheme", "query"],
)
@pytest.mark.parametrize(
    "flood",
    [scope((b"authorization", b"Bearer flood")), scope(query=b"api_token=flood"), scope()],
    ids=["authorization", "query", "nothing"],
)
async def test_ops_14_a_key_that_is_not_known_yet_waits_behind_no_flood_of_another_strangers(
    plane: DataPlane, mine: dict[str, Any], flood: dict[str, Any]
) -> None:
    assert await place_of_mine(plane, mine, flood) <= 3 * PER_TURN


async def test_ops_14_a_partner_that_is_known_waits_for_all_strangers_together_as_for_one(
    plane: DataPlane,
) -> None:
    presented = Presented("authorization", "Bearer mine")
    caller = SimpleNamespace(partner=SimpleNamespace(pk="partner"))
    plane.cache.callers.put(presented.digest, caller, seconds=60)
    order: list[str] = []

    async def arrive(name: str) -> None:
        await arrivals.turn(plane, scope((b"authorization", b"Bearer " + name.encode())))
        order.append(name)

    await asyncio.gather(*(arrive(f"stranger {number}") for number in range(500)), arrive("mine"))
    assert order.index("mine") <= 2 * PER_TURN


async def test_strangers_make_a_bounded_number_of_lines(plane: DataPlane) -> None:
    waiting = [
        asyncio.create_task(arrivals.turn(plane, scope((b"authorization", b"Bearer %d" % number))))
        for number in range(500)
    ]
    await asyncio.sleep(0)
    assert list(plane.limits.turns._lines) == [STRANGERS]
    assert len(plane.limits.turns._lines[STRANGERS]._lines) <= arrivals._STRANGERS_LINES
    await asyncio.gather(*waiting)
    assert plane.limits.turns._lines == {}
