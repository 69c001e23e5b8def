"""A partner's own limit of requests, at every door, warm calls included."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from accounts.api import quotas
from integrations.models import Connection
from tests.egress.servers import replying
from tests.factories import World
from tests.proxy.calls import bearer, problem, reply
from tests.proxy.conftest import Serve
from tests.proxy.servers import Served
from tests.proxy.test_access import DOORS

pytestmark = pytest.mark.served


@pytest.mark.parametrize("door", DOORS)
def test_a_partner_over_its_limit_waits_and_the_provider_is_not_asked(
    platform: Served, at: World, cust: Connection, provider: Serve, door: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(
        quotas, "time", SimpleNamespace(time=lambda: 1_800_000_010.0, monotonic=time.monotonic)
    )
    upstream = provider(replying(reply(body=b"ok")))
    at.partner.requests_per_minute = 3
    at.partner.save()
    replies = [door(platform, bearer(at)) for _ in range(6)]
    assert [made.status for made in replies] == [200] * 3 + [429] * 3
    assert problem(replies[-1].body)["code"] == "rate_limited"
    assert replies[-1].get("Retry-After") == "50"
    assert replies[-1].all("RateLimit") == ['"default";r=0;t=50']
    assert replies[-1].all("RateLimit-Policy") == ['"default";q=3;w=60']
    assert not any(made.all("RateLimit") for made in replies[:3])
    assert len(upstream.requests) == 3


def test_a_partner_without_a_limit_is_not_held_up(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    provider(replying(reply(body=b"ok")))
    assert {DOORS[0](platform, bearer(at)).status for _ in range(30)} == {200}
