"""Contract section 2: each code of the table that can be brought about from outside."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.contract.outside import Outside, Partner, problem

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("contract")]
TOKEN_PATH = "/oauth/2026-09/token"


def test_invalid_request_names_the_field(outside: Outside) -> None:
    problem(outside.call("POST", "/api/v1/connect-links", json={}), 400, "invalid_request", field="appSlug")


def test_connection_ambiguous_lists_the_names(outside: Outside) -> None:
    customer = outside.customer()
    for name in ("north", "south"):
        outside.adopt(customer, connectionName=name)
    found = problem(outside.envelope(customer, url="/_echo/x"), 400, "connection_ambiguous")
    assert "north" in json.dumps(found) and "south" in json.dumps(found)
    found = problem(outside.call("GET", outside.through(customer, "/_echo/x")), 400, "connection_ambiguous")
    assert found["names"] == ["north", "south"]


def test_not_found_is_told_for_paths_that_are_none(outside: Outside) -> None:
    problem(outside.call("GET", "/api/v1/none-such"), 404, "not_found")
    problem(outside.call("GET", "/api/none-such"), 404, "not_found")


def test_connection_not_found(outside: Outside) -> None:
    customer = outside.customer()
    problem(outside.envelope(customer, url="/_echo/x"), 404, "connection_not_found")
    problem(outside.call("GET", outside.through(customer, "/_echo/x")), 404, "connection_not_found")
    outside.link(customer)  # a pending connection is not there for the proxy either
    problem(outside.envelope(customer, url="/_echo/x"), 404, "connection_not_found")


def test_connection_paused_is_423_until_resumed(outside: Outside) -> None:
    customer = outside.customer()
    path = f"/api/v1/connections/{outside.adopt(customer)['UUID']}"
    assert outside.call("GET", outside.through(customer, "/_echo/x")).status_code == 200
    assert outside.call("POST", f"{path}/pause").json()["status"] == "paused"
    for reply in (
        outside.envelope(customer, url="/_echo/x"),
        outside.call("GET", outside.through(customer, "/_echo/x")),
    ):
        problem(reply, 423, "connection_paused")
    assert outside.call("POST", f"{path}/resume").json()["status"] == "active"
    assert outside.call("GET", outside.through(customer, "/_echo/x")).status_code == 200


def test_reconnect_required_carries_the_url_to_send_the_customer_to(outside: Outside) -> None:
    customer = outside.customer()
    made = outside.adopt(customer, refreshToken="never-issued", expiresIn=0)
    for reply in (
        outside.envelope(customer, url="/_echo/x"),
        outside.call("GET", outside.through(customer, "/_echo/x")),
        outside.call("POST", f"/api/v1/connections/{made['UUID']}/refresh"),
    ):
        found = problem(reply, 424, "reconnect_required")
        assert found["reconnectUrl"].startswith(f"{outside.base}/reconnect/")
    shown = outside.connection(made["UUID"])
    assert shown["status"] == "reconnect_required"
    assert shown["statusReason"]["code"] and shown["statusReason"]["message"]
    assert shown["reconnectUrl"].startswith(f"{outside.base}/reconnect/")


def test_content_too_large(outside: Outside) -> None:
    reply = outside.call("POST", "/api/v1/connect-links", json={"appSlug": "x" * 2_000_000})
    problem(reply, 413, "content_too_large")


def test_rate_limited_says_when_to_come_back(outside: Outside) -> None:
    done = outside.manage(
        "create_partner",
        "--json",
        "--name",
        outside.customer(),
        "--integration",
        "hbdev",
        "--requests-per-minute",
        "2",
    )
    partner = Partner.of(json.loads(done.stdout))
    replies = [outside.call("GET", "/api/v1/integrations", partner=partner) for _ in range(3)]
    assert [reply.status_code for reply in replies[:2]] == [200, 200]
    found = problem(replies[2], 429, "rate_limited")
    assert found["retryAfter"] == int(replies[2].headers["Retry-After"])


def test_the_demos_partner_has_no_rate_limit(outside: Outside) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: outside.call("GET", "/api/v1/integrations"), range(150)))
    assert {reply.status_code for reply in replies} == {200}


@pytest.mark.usefixtures("_sandbox_at_rest")
def test_upstream_unreachable_is_502(outside: Outside, customer: str) -> None:
    for call in (
        lambda: outside.envelope(customer, url="/_echo/dropped"),
        lambda: outside.call("GET", outside.through(customer, "/_echo/dropped")),
    ):
        outside.control(
            "POST", "/faults", {"match": {"path": "/_echo/dropped"}, "times": 5, "action": "drop"}
        )
        reply = call()
        problem(reply, 502, "upstream_unreachable")
        assert "error=" in reply.headers["Proxy-Status"]
        outside.control("DELETE", "/faults")


def test_upstream_timeout_is_504(outside: Outside, customer: str) -> None:
    headers = {"Patchbay-Timeout": "0.3"}
    reply = outside.call("GET", outside.through(customer, "/_slow/5"), headers=headers)
    problem(reply, 504, "upstream_timeout")
    body = {"userForeignIdentifier": customer, "method": "GET", "url": "/_slow/5"}
    problem(outside.call("POST", "/proxy/hbdev", json=body, headers=headers), 504, "upstream_timeout")


@pytest.mark.usefixtures("_sandbox_at_rest")
def test_refresh_unavailable_is_503_for_at_most_a_minute_and_then_asks_again(outside: Outside) -> None:
    customer = outside.customer()
    fault = {"match": {"method": "POST", "path": TOKEN_PATH}, "times": 100, "status": 503}
    outside.control("POST", "/faults", fault)
    made = outside.adopt(customer, expiresIn=0)
    reply = outside.call("GET", outside.through(customer, "/_echo/x"))
    found = problem(reply, 503, "refresh_unavailable")
    assert found["retryAfter"] == int(reply.headers["Retry-After"]) <= 60
    assert outside.connection(made["UUID"])["status"] in ("active", "refresh_failing")
    outside.control("DELETE", "/faults")
    assert outside.call("POST", f"/api/v1/connections/{made['UUID']}/refresh").status_code == 200
    assert outside.call("GET", outside.through(customer, "/_echo/x")).status_code == 200
    assert outside.connection(made["UUID"])["status"] == "active"


def test_saturated_is_503_beyond_64_envelopes_in_flight(outside: Outside, customer: str) -> None:
    with ThreadPoolExecutor(70) as pool:
        replies: list[requests.Response] = list(
            pool.map(lambda _: outside.envelope(customer, url="/_slow/2"), range(70))
        )
    refused = [reply for reply in replies if reply.status_code != 200]
    assert 1 <= len(refused) <= 6
    for reply in refused:
        problem(reply, 503, "saturated")
    assert outside.envelope(customer, url="/_echo/x").status_code == 200
