"""Limits over several web processes, as they are deployed (design rule 13)."""

from __future__ import annotations

import time

import pytest
from django.conf import settings

from integrations.models import Connection
from tests.egress.servers import replying
from tests.factories import World
from tests.proxy.calls import bearer, reply
from tests.proxy.conftest import Serve
from tests.proxy.servers import Served
from tests.proxy.test_processes import processes

pytestmark = [pytest.mark.served, pytest.mark.slow, pytest.mark.db, pytest.mark.usefixtures("cust")]
TARGET = "/proxy/hbdev/cust/x"
LIMIT = 40
#: the whole of a test must lie within one minute of the clock
NEEDED_SECONDS = 20


def limited(at: World) -> None:
    at.partner.requests_per_minute = LIMIT
    at.partner.save()
    left = 60 - time.time() % 60
    if left < NEEDED_SECONDS:
        time.sleep(left)


def let_through(at: World, *running: Served) -> list[int]:
    """How many of more calls than the limit each process lets through, asked in turn."""
    statuses = [[one.call("GET", TARGET, bearer(at)).status for one in running] for _ in range(LIMIT + 10)]
    assert {status for each in statuses for status in each} == {200, 429}
    return [column.count(200) for column in zip(*statuses, strict=True)]


def test_two_processes_let_a_partners_limit_through_together(at: World, provider: Serve) -> None:
    upstream = provider(replying(reply(body=b"ok")))
    with processes(2, upstream_port=upstream.port) as running:
        limited(at)
        went = let_through(at, *running)
    assert sum(went) == (LIMIT if settings.CACHE_URL else LIMIT * 2)
    assert all(went)


def test_workers_of_one_command_let_an_equal_part_through_each(at: World, provider: Serve) -> None:
    upstream = provider(replying(reply(body=b"ok")))
    with processes(1, upstream_port=upstream.port, options=["--workers", "2"]) as (one,):
        limited(at)
        (went,) = let_through(at, one)
    assert LIMIT // 2 <= went <= LIMIT
    assert went == LIMIT or not settings.CACHE_URL


def test_what_one_process_learns_of_a_provider_holds_for_the_other(
    at: World, cust: Connection, provider: Serve
) -> None:
    fields = (b"X-HubSpot-RateLimit-Interval-Milliseconds: 10000", b"X-HubSpot-RateLimit-Remaining: 0")
    upstream = provider(replying(reply("200 OK", *fields)))
    with processes(2, upstream_port=upstream.port) as (mine, yours):
        assert mine.call("GET", TARGET, bearer(at)).status == 200
        if settings.CACHE_URL:
            time.sleep(2.0)  # they tell each other twice a second
        assert yours.call("GET", TARGET, bearer(at)).status == (429 if settings.CACHE_URL else 200)
        assert mine.call("GET", TARGET, bearer(at)).status == 429
