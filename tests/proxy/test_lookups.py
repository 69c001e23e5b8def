"""What many calls need at once is asked once, and nothing is remembered of a caller that was not let in."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from accounts.models.partner import Permission
from integrations.models import Connection
from proxy import routes
from proxy.flights import Flights
from tests import factories
from tests.factories import World
from tests.proxy.calls import bearer, reply
from tests.proxy.conftest import Serve
from tests.proxy.servers import Served


async def test_calls_of_the_same_moment_share_one_answer() -> None:
    flights, asked = Flights(), []

    def ask() -> asyncio.Future[str]:
        asked.append(asyncio.get_running_loop().create_future())
        return asked[-1]

    waiting = [asyncio.create_task(flights.join("key", ask)) for _ in range(5)]
    other = asyncio.create_task(flights.join("other key", ask))
    await asyncio.sleep(0)
    assert len(asked) == 2
    waiting[0].cancel()
    await asyncio.sleep(0)
    asked[0].set_result("answer")
    asked[1].set_result("another")

    answers = await asyncio.gather(*waiting[1:], other)
    assert [answer.value for answer in answers] == ["answer"] * 4 + ["another"]
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    later = asyncio.create_task(flights.join("key", ask))
    await asyncio.sleep(0)
    assert len(asked) == 3
    asked[2].set_result("fresh")
    assert (await later).value == "fresh"


async def test_a_question_that_has_been_under_way_for_long_is_asked_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its answer may be older than an entry of the cache may be."""
    now, flights = [100.0], Flights()
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    asked: list[asyncio.Future[str]] = []

    def ask() -> asyncio.Future[str]:
        asked.append(asyncio.get_running_loop().create_future())
        return asked[-1]

    calls = []
    for moment in (100.0, 101.9, 102.0, 103.0):
        now[0] = moment
        calls.append(asyncio.create_task(flights.join("key", ask)))
        await asyncio.sleep(0)
    assert len(asked) == 2
    asked[0].set_result("old")
    await asyncio.gather(*calls[:2])
    calls.append(asyncio.create_task(flights.join("key", ask)))
    await asyncio.sleep(0)
    asked[1].set_result("new")
    assert len(asked) == 2
    assert await asyncio.gather(*calls) == [("old", 100.0)] * 2 + [("new", 102.0)] * 3


async def test_a_failure_is_everybody_s_and_is_asked_again_afterwards() -> None:
    flights = Flights()

    def failing() -> asyncio.Future[str]:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        future.set_exception(LookupError("no"))
        return future

    results = await asyncio.gather(*(flights.join("key", failing) for _ in range(3)), return_exceptions=True)

    assert [type(result) for result in results] == [LookupError] * 3


@pytest.mark.served
def test_a_crowd_on_a_cold_connection_asks_once(
    platform: Served, at: World, cust: Connection, provider: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider(lambda talk: [talk.send(reply(body=b"ok")) for _ in iter(talk.read_request, b"")])
    assert platform.call("GET", "/proxy/hbdev/cust/a", bearer(at)).status == 200
    everybody, asked = threading.Event(), []
    resolve = routes.resolve

    def slow(*arguments: Any) -> routes.Route:
        asked.append(arguments[1])
        everybody.wait(30)
        return resolve(*arguments)

    monkeypatch.setattr(routes, "resolve", slow)
    factories.connection(at, "crowd")
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(platform.call, "GET", "/proxy/hbdev/crowd/a", bearer(at)) for _ in range(8)]
        while platform.call("GET", "/healthz").status != 200 or not asked:
            pass
        threading.Timer(0.3, everybody.set).start()
        assert [call.result().status for call in calls] == [200] * 8

    assert len([one for one in asked if one.foreign_identifier == "crowd"]) == 1


@pytest.mark.served
def test_a_caller_without_the_permission_is_refused_again_and_again(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    provider(lambda talk: pytest.fail("the call was forwarded"))
    few = factories.credential(at.partner, at.integration, permissions=[Permission.CONNECTIONS_READ])
    headers = {"Authorization": f"Bearer {few.api_key}"}

    assert [platform.call("GET", "/proxy/hbdev/cust/a", headers).status for _ in range(4)] == [403] * 4
