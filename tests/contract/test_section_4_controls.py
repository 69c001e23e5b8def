"""Contract section 4: keys, the Patchbay fields, refreshes and retries."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from tests.contract.echo import Seen, passed
from tests.contract.outside import Outside, problem

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("contract")]


def refreshes(outside: Outside, tokens: dict[str, Any]) -> int:
    """How often this grant was refreshed; schedules may refresh others meanwhile."""
    arrived = outside.control("GET", "/requests?path=/oauth/2026-09/token")
    return sum(
        "grant_type=refresh_token" in seen["body"] and quote(tokens["refreshToken"], safe="") in seen["body"]
        for seen in arrived
    )


def tries(outside: Outside, path: str) -> int:
    return len(outside.control("GET", f"/requests?path={path}"))


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer {key}"},
        {"Authorization": "bearer {key}"},
        {"Authorization": "token {key}"},
        {"Authorization": "Token {key}"},
        {"Authorization": "{basic}"},
    ],
)
def test_the_partners_key_stands_where_the_providers_own_would(
    outside: Outside, customer: str, headers: dict[str, str]
) -> None:
    partner = outside.partner
    named = {"key": partner.api_key, "basic": partner.basic["Authorization"]}
    sent = {name: value.format(**named) for name, value in headers.items()}
    reply = outside.call("GET", outside.through(customer, "/_echo/x"), as_nobody=True, headers=sent)
    seen = Seen.of(reply.json())
    assert seen.values("authorization")[0].startswith("Bearer ")
    assert partner.api_key not in reply.text and partner.client_secret not in reply.text


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("hapikey={}", ""),
        ("a=1&hapikey={}&b=2", "?a=1&b=2"),
        ("hapikey={}&a=%2F+&a", "?a=%2F+&a"),
        ("a&hapikey={}", "?a"),
    ],
)
def test_a_key_in_the_query_is_taken_out_and_nothing_else(
    outside: Outside, customer: str, query: str, left: str
) -> None:
    path = outside.through(customer, f"/_echo/x?{query.format(outside.partner.api_key)}")
    reply = outside.raw("GET", path, headers=[])
    assert reply.status == 200, reply.body
    seen = Seen.of(reply.json())
    assert seen.target == f"/_echo/x{left}"
    assert outside.partner.api_key.encode() not in reply.body


def test_the_customers_token_never_comes_back(outside: Outside, customer: str) -> None:
    """Not in our own replies; a provider that echoes it is another matter."""
    token = passed(outside, customer).values("authorization")[0].partition(" ")[2]
    for path in ("/_status/200", "/_status/500", "/crm/v3/objects/contacts?limit=1"):
        reply = outside.raw("GET", outside.through(customer, path))
        assert token.encode() not in reply.body
        assert token not in json.dumps(reply.headers)


def test_another_host_of_the_provider_may_be_named_and_no_other(outside: Outside, customer: str) -> None:
    for host in ("api.hsforms.com", "api.hubspot.com"):
        seen = passed(outside, customer, headers=[("Patchbay-Host", host)])
        assert seen.values("host") == [host]
    for host in (
        "evil.example",
        "app.hubspot.com",
        "127.0.0.1",
        "",
        "api.hsforms.com@evil.example",
        "api.hsforms.com:81",
        "api.hsforms.com/x",
    ):
        headers = [*outside.partner.bearer.items(), ("Patchbay-Host", host)]
        reply = outside.raw("GET", outside.through(customer, "/_echo/x"), headers=headers)
        assert reply.status in (400, 403), host
        problem(reply, reply.status, reply.json()["code"], field="Patchbay-Host")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Patchbay-Timeout", "0"),
        ("Patchbay-Timeout", "-1"),
        ("Patchbay-Timeout", "121"),
        ("Patchbay-Timeout", "x"),
        ("Patchbay-Timeout", "NaN"),
        ("Patchbay-Timeout", ""),
        ("Patchbay-Retries", "11"),
        ("Patchbay-Retries", "-1"),
        ("Patchbay-Retries", "1.5"),
        ("Patchbay-Retries", "x"),
    ],
)
def test_a_control_of_no_sense_is_refused_by_name(
    outside: Outside, customer: str, name: str, value: str
) -> None:
    headers = [*outside.partner.bearer.items(), (name, value)]
    reply = outside.raw("GET", outside.through(customer, "/_echo/x"), headers=headers)
    problem(reply, 400, "invalid_request", field=name)


@pytest.mark.usefixtures("_sandbox_at_rest")
@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", {}, 1),
        ("GET", {"Patchbay-Retries": "2"}, 3),
        ("PUT", {"Patchbay-Retries": "2"}, 3),
        ("DELETE", {"Patchbay-Retries": "2"}, 3),
        ("POST", {"Patchbay-Retries": "2"}, 1),
        ("POST", {"Patchbay-Retries": "2", "Idempotency-Key": "k"}, 3),
        ("PATCH", {"Patchbay-Retries": "2"}, 1),
    ],
)
def test_retries_happen_for_idempotent_methods_or_with_a_key(
    outside: Outside, customer: str, method: str, headers: dict[str, str], expected: int
) -> None:
    path = f"/_echo/retried-{outside.customer()[-12:]}"
    outside.control(
        "POST",
        "/faults",
        {"match": {"path": path}, "times": 2, "status": 503, "headers": {"Retry-After": "0"}},
    )
    reply = outside.call(method, outside.through(customer, path), headers=headers)
    assert reply.status_code == (200 if expected == 3 else 503)
    assert tries(outside, path) == expected


@pytest.mark.usefixtures("_sandbox_at_rest")
def test_retry_after_is_honoured_and_one_beyond_the_time_out_hands_the_429_back_at_once(
    outside: Outside, customer: str
) -> None:
    path = f"/_echo/limited-{outside.customer()[-12:]}"
    limited = {"match": {"path": path}, "times": 1, "status": 429, "headers": {"Retry-After": "1"}}
    outside.control("POST", "/faults", limited)
    started = time.monotonic()
    reply = outside.call("GET", outside.through(customer, path), headers={"Patchbay-Retries": "1"})
    assert reply.status_code == 200 and time.monotonic() - started >= 0.9
    outside.control("POST", "/faults", {**limited, "headers": {"Retry-After": "60"}})
    started = time.monotonic()
    headers = {"Patchbay-Retries": "3", "Patchbay-Timeout": "30"}
    reply = outside.call("GET", outside.through(customer, path), headers=headers)
    assert reply.status_code == 429 and time.monotonic() - started < 15
    assert reply.headers["Retry-After"] == "60"
    assert "received-status=429" in reply.headers["Proxy-Status"]


def test_a_token_that_the_provider_calls_expired_is_refreshed_once_and_the_call_replayed(
    outside: Outside,
) -> None:
    customer = outside.customer()
    with outside.behaving(expiresIn=0):
        tokens = outside.grant()  # over for the provider, alive for the platform
    outside.adopt(customer, tokens=tokens)
    content = {"properties": {"email": f"{outside.customer()[-36:]}@example.com"}}
    reply = outside.call("POST", outside.through(customer, "/crm/v3/objects/contacts"), json=content)
    assert reply.status_code == 201, reply.text
    assert reply.json()["properties"]["email"] == content["properties"]["email"]
    assert refreshes(outside, tokens) == 1


def test_a_herd_on_one_expired_token_causes_one_refresh(outside: Outside) -> None:
    customer, tokens = outside.customer(), outside.grant()
    outside.adopt(customer, tokens=tokens, expiresIn=0)
    with ThreadPoolExecutor(20) as pool:
        replies = list(
            pool.map(lambda _: outside.raw("GET", outside.through(customer, "/_echo/x")), range(20))
        )
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    assert refreshes(outside, tokens) == 1


def test_another_401_comes_back_as_it_is(outside: Outside) -> None:
    customer, tokens = outside.customer(), outside.grant()
    outside.adopt(customer, tokens=tokens)
    assert outside.raw("GET", outside.through(customer, "/_status/401")).status == 401
    assert refreshes(outside, tokens) == 0
