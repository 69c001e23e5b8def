"""The limits as a partner meets them, on the platform as it is served."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from integrations.models import Connection
from proxy import plane
from proxy.limits import circuits
from proxy.limits.places import Places
from tests import factories
from tests.egress.servers import Conversation, replying
from tests.factories import World
from tests.proxy.calls import bearer, problem, reply, wait_until_seen
from tests.proxy.conftest import API, Serve
from tests.proxy.servers import RawReply, Served
from tests.proxy.test_access import DOORS
from tests.services import free_port

pytestmark = [pytest.mark.served, pytest.mark.usefixtures("cust")]
TARGET = "/proxy/hbdev/cust/x"
LIMIT = (b"X-HubSpot-RateLimit-Max: 110", b"X-HubSpot-RateLimit-Interval-Milliseconds: 10000")


def told(made: RawReply) -> tuple[int, str]:
    """Status and code of a reply of ours."""
    return made.status, problem(made.body)["code"]


@pytest.mark.parametrize("door", DOORS)
def test_an_account_whose_limit_is_used_up_is_not_called(
    platform: Served, at: World, provider: Serve, door: Callable[..., RawReply]
) -> None:
    upstream = provider(replying(reply("200 OK", *LIMIT, b"X-HubSpot-RateLimit-Remaining: 0", body=b"{}")))
    assert door(platform, bearer(at)).status == 200
    refused = door(platform, bearer(at))
    assert told(refused) == (429, "rate_limited")
    assert problem(refused.body)["limitedBy"] == "provider"
    assert 1 <= int(refused.get("Retry-After") or 0) <= 10
    assert (refused.get("Proxy-Status") or "").startswith("patchbay; error=destination_unavailable; details=")
    assert len(upstream.requests) == 1


def test_another_account_of_the_same_app_is_called(platform: Served, at: World, provider: Serve) -> None:
    other = factories.connection(at, "other", access_token="CAnotherToken-0123456789")
    Connection.objects.filter(pk=other.pk).update(provider_account_id="another")
    upstream = provider(replying(reply("200 OK", *LIMIT, b"X-HubSpot-RateLimit-Remaining: 0")))
    assert platform.call("GET", TARGET, bearer(at)).status == 200
    assert platform.call("GET", TARGET, bearer(at)).status == 429
    assert platform.call("GET", "/proxy/hbdev/other/x", bearer(at)).status == 200
    assert len(upstream.requests) == 2


def test_prx_29_the_providers_own_429_goes_back_untouched_and_the_next_call_is_ours(
    platform: Served, at: World, provider: Serve
) -> None:
    upstream = provider(replying(reply("429 Too Many Requests", b"Retry-After: 120", body=b"theirs")))
    first, second = (platform.call("GET", TARGET, bearer(at)) for _ in range(2))
    assert (first.status, first.body, first.get("Retry-After")) == (429, b"theirs", "120")
    assert told(second) == (429, "rate_limited")
    assert 119 <= int(second.get("Retry-After") or 0) <= 120
    assert len(upstream.requests) == 1


def test_budgets_can_be_turned_off(platform: Served, at: World, provider: Serve, settings: Any) -> None:
    settings.PROVIDER_BUDGETS = False
    upstream = provider(replying(reply("429 Too Many Requests", b"Retry-After: 120")))
    assert [platform.call("GET", TARGET, bearer(at)).get("Via") for _ in range(3)] == ["1.1 patchbay"] * 3
    assert len(upstream.requests) == 3


def test_a_call_that_may_be_repeated_waits_for_the_budget(
    platform: Served, at: World, provider: Serve
) -> None:
    fields = (
        LIMIT[0],
        b"X-HubSpot-RateLimit-Interval-Milliseconds: 600",
        b"X-HubSpot-RateLimit-Remaining: 0",
    )
    upstream = provider(replying(reply("200 OK", *fields)))
    assert platform.call("GET", TARGET, bearer(at)).status == 200
    assert platform.call("GET", TARGET, bearer(at) | {"Patchbay-Retries": "1"}).status == 200
    hasty = platform.call("GET", TARGET, bearer(at) | {"Patchbay-Retries": "1", "Patchbay-Timeout": "0.1"})
    assert told(hasty) == (429, "rate_limited")
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("limit", [None, 1_000])
def test_a_partner_with_a_limit_is_served_on_the_hot_path_too(
    platform: Served, at: World, provider: Serve, limit: int | None
) -> None:
    provider(replying(reply(body=b"ok")))
    at.partner.requests_per_minute = limit
    at.partner.save()
    wait_until_seen()
    assert {platform.call("GET", TARGET, bearer(at)).status for _ in range(20)} == {200}


def test_calls_beyond_the_places_are_refused_and_places_come_back(
    platform: Served, at: World, provider: Serve
) -> None:
    provider(replying(reply(body=b"ok")))
    (here,) = plane._planes.values()
    here.limits.places = Places(0)
    refused = platform.call("GET", TARGET, bearer(at))
    assert told(refused) == (503, "saturated")
    assert refused.get("Retry-After") == "1"
    here.limits.places = Places(2)
    assert {platform.call("GET", TARGET, bearer(at)).status for _ in range(5)} == {200}
    assert here.limits.calls == 0


def test_a_provider_that_cannot_be_reached_is_left_alone_and_asked_again(
    platform: Served, at: World, provider: Serve, settings: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(circuits, "OPEN_SECONDS", 1.0)
    settings.UPSTREAM_MAP = {API: f"http://127.0.0.1:{free_port()}"}
    unreachable = [platform.call("GET", TARGET, bearer(at)) for _ in range(circuits.UNCONNECTED_IN_ROW)]
    assert {told(made) for made in unreachable} == {(502, "upstream_unreachable")}
    refused = platform.call("GET", TARGET, bearer(at))
    assert told(refused) == (503, "circuit_open")
    assert refused.get("Retry-After") == "1"
    assert refused.get("Proxy-Status") == "patchbay; error=destination_unavailable"
    (here,) = plane._planes.values()
    assert [each.origin for each in here.limits.open_circuits()] == [API]
    provider(replying(reply(body=b"ok")))
    statuses = [503]
    while statuses[-1] == 503 and len(statuses) < 1_000:
        statuses.append(platform.call("GET", TARGET, bearer(at)).status)
        time.sleep(0.01)
    assert statuses[-1] == 200
    assert here.limits.open_circuits() == []


def test_a_providers_own_errors_do_not_open_the_circuit(platform: Served, at: World, provider: Serve) -> None:
    provider(replying(reply("500 Internal Server Error", body=b"theirs")))
    replies = [platform.call("GET", TARGET, bearer(at)) for _ in range(circuits.UNANSWERED_IN_ROW + 5)]
    assert {(made.status, made.body) for made in replies} == {(500, b"theirs")}


def test_gateway_errors_in_a_row_open_it_and_each_goes_back_untouched_before(
    platform: Served, at: World, provider: Serve
) -> None:
    upstream = provider(replying(reply("503 Service Unavailable", body=b"theirs")))
    replies = [platform.call("GET", TARGET, bearer(at)) for _ in range(circuits.UNANSWERED_IN_ROW)]
    assert {(made.status, made.body) for made in replies} == {(503, b"theirs")}
    assert told(platform.call("GET", TARGET, bearer(at))) == (503, "circuit_open")
    assert len(upstream.requests) == circuits.UNANSWERED_IN_ROW


def test_a_callers_own_short_time_outs_open_no_circuit(platform: Served, at: World, provider: Serve) -> None:
    def handler(talk: Conversation) -> None:
        talk.read_request()
        talk.wait_for_close()

    provider(handler)
    hasty = bearer(at) | {"Patchbay-Timeout": "0.02"}
    replies = [platform.call("GET", TARGET, hasty) for _ in range(circuits.UNANSWERED_IN_ROW + 2)]
    assert {told(made) for made in replies} == {(504, "upstream_timeout")}


def test_a_call_that_may_be_repeated_is_not_when_its_own_try_has_opened_the_circuit(
    platform: Served, at: World, provider: Serve, monkeypatch: Any
) -> None:
    monkeypatch.setattr(circuits, "UNANSWERED_IN_ROW", 2)
    upstream = provider(replying(reply("503 Service Unavailable")))
    assert told(platform.call("GET", TARGET, bearer(at) | {"Patchbay-Retries": "4"})) == (503, "circuit_open")
    assert len(upstream.requests) == 2
