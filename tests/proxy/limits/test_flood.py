"""OPS-14: one partner's flood on the real door, told by the order in which calls reach the provider's client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from egress.aio import AsyncClient
from proxy import entry, plane
from proxy.limits.turns import PER_TURN
from tests import factories
from tests.factories import World

pytestmark = [pytest.mark.served, pytest.mark.usefixtures("cust")]
FLOOD = 64


class Answer:
    """A provider's reply in memory: some content, in pieces that come one a turn of the loop."""

    status = 200
    raw_headers = ((b"Content-Type", b"text/plain"),)

    def __init__(self, pieces: int) -> None:
        self._pieces = pieces
        self.is_complete = pieces == 0

    def read_buffered(self) -> bytes:
        return b""

    async def iter_chunks(self) -> AsyncIterator[bytes]:
        for _ in range(self._pieces):
            await asyncio.sleep(0)
            yield b"x" * 65_536

    async def aclose(self) -> None:
        return


@pytest.fixture
async def order(monkeypatch: Any, at: World) -> AsyncIterator[list[str]]:
    """The partners' letters in the order in which their calls are sent; each waits until the test goes on."""
    sent: list[str] = []

    async def stream(client: AsyncClient, method: str, target: Any, **call: Any) -> Answer:
        sent.append(target.raw_path[-1])
        await asyncio.sleep(0)
        return Answer(pieces=int(target.raw_query or 0))

    monkeypatch.setattr(AsyncClient, "stream", stream)
    yield sent
    await plane.closed()


async def call(api_key: str, letter: str, *, pieces: int = 0, told: list[str] | None = None) -> int:
    """One request through the ASGI door; its status. told: the letter for each piece that comes back."""
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
        elif told is not None and message["body"]:
            told.append(letter)

    raw_path = f"/proxy/hbdev/cust/{letter}".encode()
    scope = {
        "type": "http",
        "method": "GET",
        "path": raw_path.decode(),
        "raw_path": raw_path,
        "query_string": b"%d" % pieces if pieces else b"",
        "headers": [(b"host", b"localhost"), (b"authorization", b"Bearer " + api_key.encode())],
    }
    await entry.data_plane(_nobody)(scope, receive, send)
    return statuses[0]


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("not for the data plane")


@pytest.fixture
def other(at: World) -> World:
    made = factories.world("Umbrella", of=at.integration)
    factories.connection(made, "cust", access_token="CAnotherToken-0123456789")
    return made


async def test_ops_14_a_call_does_not_wait_behind_another_partners_flood(
    at: World, other: World, order: list[str]
) -> None:
    assert await call(at.api_key, "a") == await call(other.api_key, "b") == 200
    order.clear()
    flood = [asyncio.create_task(call(at.api_key, "a")) for _ in range(FLOOD)]
    quiet = asyncio.create_task(call(other.api_key, "b"))
    assert {await task for task in (*flood, quiet)} == {200}
    assert order.count("a") == FLOOD
    assert order.index("b") <= PER_TURN


async def test_ops_14_content_does_not_wait_behind_another_partners_downloads(
    at: World, other: World, order: list[str]
) -> None:
    assert await call(at.api_key, "a") == await call(other.api_key, "b") == 200
    told: list[str] = []
    flood = [asyncio.create_task(call(at.api_key, "a", pieces=8, told=told)) for _ in range(FLOOD)]
    while told.count("a") < FLOOD:
        await asyncio.sleep(0)
    before = len(told)
    await call(other.api_key, "b", pieces=8, told=told)
    between = told[before:][: told[before:].index("b") + 1]
    assert told.count("b") == 8
    assert len(between) <= 8 * PER_TURN
    assert sum(letter == "a" for letter in told[before:]) <= 30 * PER_TURN
    await asyncio.gather(*flood)


async def test_ops_14_lines_are_kept_for_a_partner_beside_wrong_keys_and_not_for_one_alone(
    at: World, order: list[str]
) -> None:
    turns = (await plane.opened()).limits.turns
    assert [await call(at.api_key, "a") for _ in range(2)] == [200, 200]
    assert not turns.are_kept
    assert await call("wrong", "w") == 401
    assert turns.are_kept
    flood = [asyncio.create_task(call("wrong", "w")) for _ in range(FLOOD)]
    assert await call(at.api_key, "a") == 200
    assert [await task for task in flood] == [401] * FLOOD


@pytest.fixture
def _limited(at: World) -> None:
    at.partner.requests_per_minute = 5
    at.partner.save()


@pytest.mark.usefixtures("_limited")
async def test_ops_14_a_flood_beyond_a_partners_limit_costs_nobody_else_a_call(
    at: World, other: World, order: list[str]
) -> None:
    flood = [asyncio.create_task(call(at.api_key, "a")) for _ in range(FLOOD)]
    quiet = [asyncio.create_task(call(other.api_key, "b")) for _ in range(8)]
    assert {await task for task in quiet} == {200}
    statuses = [await task for task in flood]
    assert (statuses.count(200), statuses.count(429)) == (5, FLOOD - 5)
