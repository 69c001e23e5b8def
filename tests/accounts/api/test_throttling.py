"""`requests_per_minute` of a partner."""

from __future__ import annotations

from typing import Any

import pytest
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
