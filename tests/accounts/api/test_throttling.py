"""`requests_per_minute` of a partner at the API; the count itself: test_quotas."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.api import quotas
from tests import factories
from tests.factories import World

pytestmark = pytest.mark.db
PATH = "/api/v1/connections"


def test_a_partner_without_a_limit_is_told_of_none(world: World) -> None:
    reply = Client().get(PATH, **world.auth)
    assert "RateLimit" not in reply and "RateLimit-Policy" not in reply


def test_every_reply_of_ours_tells_what_is_left(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(quotas.time, "time", lambda: 6_030.25)
    world.partner.requests_per_minute = 3
    world.partner.save()
    replies = [Client().get(path, **world.auth) for path in (PATH, f"{PATH}/no-uuid", PATH, PATH)]
    assert [reply.status_code for reply in replies] == [200, 404, 200, 429]
    assert [reply["RateLimit"] for reply in replies] == [f'"default";r={left};t=30' for left in (2, 1, 0, 0)]
    assert {reply["RateLimit-Policy"] for reply in replies} == {'"default";q=3;w=60'}


def test_the_call_above_the_limit_says_when_to_come_back(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(quotas.time, "time", lambda: 6_030.25)
    world.partner.requests_per_minute = 2
    world.partner.save()
    replies = [Client().get(PATH, **world.auth) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    body = replies[2].json()
    assert (body["code"], body["retryAfter"], replies[2]["Retry-After"]) == ("rate_limited", 30, "30")


def test_all_credentials_of_a_partner_share_its_limit(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(quotas.time, "time", lambda: 6_000.0)
    world.partner.requests_per_minute = 1
    world.partner.save()
    second = factories.credential(world.partner, world.integration)
    assert Client().get(PATH, **world.auth).status_code == 200
    assert Client().get(PATH, HTTP_AUTHORIZATION=f"Bearer {second.api_key}").status_code == 429


def test_a_call_that_names_no_credential_counts_for_nobody(world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(quotas.time, "time", lambda: 6_000.0)
    world.partner.requests_per_minute = 1
    world.partner.save()
    assert [Client().get(PATH).status_code for _ in range(3)] == [401] * 3
    assert Client().get(PATH, **world.auth).status_code == 200
