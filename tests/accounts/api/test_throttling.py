"""`requests_per_minute` of a partner."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.test import Client

from accounts.api import throttling
from tests import factories
from tests.factories import World

pytestmark = pytest.mark.db
PATH = "/api/v1/connections"


def test_a_partner_without_a_limit_is_never_limited(world: World) -> None:
    assert {throttling.count(world.partner, now=1_000.0) for _ in range(200)} == {None}


def test_a_minute_holds_exactly_as_many_requests_as_the_limit_says(world: World) -> None:
    world.partner.requests_per_minute = 3
    start = 1_200.0
    assert [throttling.count(world.partner, now=start + second) for second in range(3)] == [None] * 3
    assert throttling.count(world.partner, now=start + 20) == 40.0
    assert throttling.count(world.partner, now=start + 59.5) == 0.5
    assert throttling.count(world.partner, now=start + 60) is None


def test_partners_are_counted_apart(world: World) -> None:
    other = factories.partner("Umbrella", requests_per_minute=1)
    world.partner.requests_per_minute = 1
    assert throttling.count(world.partner, now=0.0) is None
    assert throttling.count(other, now=0.0) is None
    assert throttling.count(other, now=0.0) == 60.0


def test_the_call_above_the_limit_says_when_to_come_back(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(throttling.time, "time", lambda: 6_030.25)
    world.partner.requests_per_minute = 2
    world.partner.save()
    replies = [Client().get(PATH, **world.auth) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    body = replies[2].json()
    assert (body["code"], body["retryAfter"], replies[2]["Retry-After"]) == ("rate_limited", 30, "30")


def test_all_credentials_of_a_partner_share_its_limit(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(throttling.time, "time", lambda: 6_000.0)
    world.partner.requests_per_minute = 1
    world.partner.save()
    second = factories.credential(world.partner, world.integration)
    assert Client().get(PATH, **world.auth).status_code == 200
    assert Client().get(PATH, HTTP_AUTHORIZATION=f"Bearer {second.api_key}").status_code == 429


def test_a_call_that_names_no_credential_counts_for_nobody(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(throttling.time, "time", lambda: 6_000.0)
    world.partner.requests_per_minute = 1
    world.partner.save()
    assert [Client().get(PATH).status_code for _ in range(3)] == [401] * 3
    assert Client().get(PATH, **world.auth).status_code == 200


class Away:
    """A cache server that is not there, until it is."""

    def __init__(self) -> None:
        self.is_there = False
        self.asked = 0
        self._counts = LocMemCache("a-shared-cache", {})
        self._counts.clear()

    def add(self, key: str, value: int, timeout: int) -> bool:
        self.asked += 1
        if not self.is_there:
            raise ConnectionError("Connection refused.")
        return bool(self._counts.add(key, value, timeout))

    def incr(self, key: str) -> int:
        return int(self._counts.incr(key))


@pytest.fixture
def away(monkeypatch: Any) -> Away:
    """The clock of the pause stands at 100 until a test moves it."""
    made = Away()
    monkeypatch.setattr(throttling, "cache", made)
    monkeypatch.setattr(throttling, "_state", throttling._CacheState())
    monkeypatch.setattr(throttling, "_own_counts", LocMemCache("own-counts-of-a-test", {}))
    throttling._own_counts.clear()
    monkeypatch.setattr(throttling.time, "monotonic", lambda: 100.0)
    return made


def test_ops_12_calls_are_answered_and_counted_while_the_cache_is_away(world: World, away: Away) -> None:
    world.partner.requests_per_minute = 2
    world.partner.save()
    replies = [Client().get(PATH, **world.auth).status_code for _ in range(3)]
    assert replies == [200, 200, 429]


def test_ops_12_a_cache_that_is_away_is_not_asked_by_every_call(world: World, away: Away) -> None:
    world.partner.requests_per_minute = 100
    assert {throttling.count(world.partner, now=600.0) for _ in range(50)} == {None}
    assert away.asked == 1


def test_ops_12_a_cache_that_is_back_counts_again(world: World, away: Away, monkeypatch: Any) -> None:
    world.partner.requests_per_minute = 2
    assert [throttling.count(world.partner, now=600.0) for _ in range(3)] == [None, None, 60.0]
    away.is_there = True
    assert throttling.count(world.partner, now=601.0) == 59.0  # not asked yet
    monkeypatch.setattr(throttling.time, "monotonic", lambda: 100.0 + throttling.CACHE_PAUSE_SECONDS)
    assert [throttling.count(world.partner, now=602.0) for _ in range(3)] == [None, None, 58.0]
    assert away.asked == 4
