"""Contract section 2: who calls, and what a partner never learns about another."""

from __future__ import annotations

import hashlib
import uuid
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import pytest
import requests

from tests.contract.outside import Outside, Partner, problem, without_id

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("contract")]
UNKNOWN = "3f1c2a6e-8f0b-4f0e-9a55-0d3f6a1b7c21"
TOKEN = "/oauth/token"
CLIENT_CREDENTIALS = {"grant_type": "client_credentials"}
#: every call of a partner: method, path, the permission that it needs
CALLS = [
    ("POST", "/api/v1/connect-links", "connect"),
    ("GET", f"/api/v1/connect-links/{UNKNOWN}", "connect"),
    ("DELETE", f"/api/v1/connect-links/{UNKNOWN}", "connect"),
    ("POST", "/api/v1/manage-links", "connect"),
    ("GET", "/api/hubspot/auth/hbdev?userForeignIdentifier=x", "connect"),
    ("GET", "/api/v1/connections", "connections:read"),
    ("GET", f"/api/v1/connections/{UNKNOWN}", "connections:read"),
    ("GET", "/api/saas-org-user/get-users/hbdev", "connections:read"),
    ("GET", "/api/saas-org-user/get-user/hbdev?userForeignIdentifier=x", "connections:read"),
    ("POST", "/api/v1/connections/import", "connections:write"),
    ("POST", f"/api/v1/connections/{UNKNOWN}/refresh", "connections:write"),
    ("POST", f"/api/v1/connections/{UNKNOWN}/check", "connections:write"),
    ("POST", f"/api/v1/connections/{UNKNOWN}/pause", "connections:write"),
    ("POST", f"/api/v1/connections/{UNKNOWN}/resume", "connections:write"),
    ("DELETE", f"/api/v1/connections/{UNKNOWN}", "connections:write"),
    ("DELETE", "/api/saas-org-user/delete-user/hbdev?userForeignIdentifier=x", "connections:write"),
    ("GET", f"/api/v1/connections/{UNKNOWN}/token", "tokens:read"),
    ("POST", "/proxy/hbdev", "proxy"),
    ("GET", "/proxy/hbdev/x/_echo/y", "proxy"),
    ("POST", "/api/raw/hbdev", "proxy"),
]


def as_basic(text: str) -> str:
    return f"Basic {b64encode(text.encode()).decode()}"


def token_of(outside: Outside, **kwargs: Any) -> requests.Response:
    return requests.post(outside.base + TOKEN, timeout=10, **kwargs)


def test_all_three_ways_name_the_same_credential(outside: Outside) -> None:
    partner = outside.partner
    token = token_of(
        outside,
        data={**CLIENT_CREDENTIALS, "client_id": partner.client_id, "client_secret": partner.client_secret},
    )
    ways = [partner.bearer, partner.basic, {"Authorization": f"Bearer {token.json()['access_token']}"}]
    customer = outside.customer()
    made = outside.adopt(customer)
    for way in ways:
        replies = [
            outside.call("GET", f"/api/v1/connections/{made['UUID']}", as_nobody=True, headers=way),
            outside.call("GET", outside.through(customer, "/_echo/x"), as_nobody=True, headers=way),
            outside.call(
                "GET",
                f"/api/saas-org-user/get-user/{outside.slug}",
                as_nobody=True,
                headers=way,
                params={"userForeignIdentifier": customer},
            ),
        ]
        assert [reply.status_code for reply in replies] == [200, 200, 200]


@pytest.mark.parametrize("shape", ["data", "json"])
@pytest.mark.parametrize("authenticates", ["in the body", "by Basic"])
def test_the_token_endpoint_answers_exactly_as_oauth_says(
    outside: Outside, shape: str, authenticates: str
) -> None:
    partner = outside.partner
    members = {**CLIENT_CREDENTIALS, "audience": "https://api.example.com"}
    headers: Mapping[str, str] = partner.basic
    if authenticates == "in the body":
        members |= {"client_id": partner.client_id, "client_secret": partner.client_secret}
        headers = {}
    reply = token_of(outside, headers=headers, **{shape: members})
    assert reply.status_code == 200, reply.text
    answer = reply.json()
    assert set(answer) == {"access_token", "token_type", "expires_in"}
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 86_400)
    assert "no-store" in reply.headers["Cache-Control"]
    assert reply.headers["X-Request-Id"]


@pytest.mark.parametrize(
    "members", [CLIENT_CREDENTIALS, {**CLIENT_CREDENTIALS, "client_id": "x", "client_secret": "y"}, {}]
)
def test_the_token_endpoint_refuses_a_client_that_it_does_not_know(
    outside: Outside, members: dict[str, str]
) -> None:
    found = problem(token_of(outside, data=members), 401, "not_authenticated")
    assert found["error"] == "invalid_client"


@pytest.mark.parametrize("members", [{}, {"grant_type": "password"}, {"grant_type": ""}])
def test_the_token_endpoint_refuses_another_grant_type_by_name(
    outside: Outside, members: dict[str, str]
) -> None:
    reply = token_of(outside, data=members, headers=outside.partner.basic)
    problem(reply, 400, "invalid_request", field="grant_type")


@pytest.mark.parametrize(
    "field",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        "Bearer \xff",
        "Basic !!!",
        as_basic("no colon"),
        as_basic("unknown:secret"),
        "Digest x",
        "Bearer " + "x" * 4_000,
    ],
)
@pytest.mark.parametrize(
    "path", ["/api/v1/connections", "/proxy/hbdev/x/_echo/y", "/api/saas-org-user/get-users/hbdev"]
)
def test_who_is_not_known_gets_401(outside: Outside, field: str | None, path: str) -> None:
    headers = [] if field is None else [("Authorization", field)]
    problem(outside.raw("GET", path, headers=headers), 401, "not_authenticated")


def test_halves_of_two_credentials_do_not_make_one(outside: Outside, callers: dict[str, Partner]) -> None:
    mixed = as_basic(f"{outside.partner.client_id}:{callers['stranger'].client_secret}")
    reply = outside.call("GET", "/api/v1/integrations", as_nobody=True, headers={"Authorization": mixed})
    problem(reply, 401, "not_authenticated")
    swapped = {"Authorization": f"Bearer {outside.partner.client_secret}"}
    reply = outside.call("GET", "/api/v1/integrations", as_nobody=True, headers=swapped)
    problem(reply, 401, "not_authenticated")


@pytest.mark.parametrize("word", ["bearer", "BEARER", "basic", "BASIC"])
def test_the_scheme_is_read_in_any_case(outside: Outside, word: str) -> None:
    known = outside.partner.bearer if word.lower() == "bearer" else outside.partner.basic
    value = f"{word} {known['Authorization'].partition(' ')[2]}"
    reply = outside.call("GET", "/api/v1/integrations", as_nobody=True, headers={"Authorization": value})
    assert reply.status_code == 200


def test_only_digests_of_the_secrets_are_stored(outside: Outside) -> None:
    db = outside.database()
    text = "\n".join(db.iterdump())
    db.close()
    for secret in (outside.partner.api_key, outside.partner.client_secret):
        assert secret not in text
        assert hashlib.sha256(secret.encode()).hexdigest() in text


@pytest.mark.parametrize(("method", "path", "permission"), CALLS)
def test_each_call_needs_its_permission(
    outside: Outside, callers: dict[str, Partner], method: str, path: str, permission: str
) -> None:
    problem(outside.call(method, path, partner=callers["outsider"]), 403, "permission_denied")
    reply = outside.call(method, path, partner=callers["reader"])
    assert (reply.status_code == 403) == (permission != "connections:read"), reply.text


def test_reading_tokens_is_off_by_default(outside: Outside, customer: str) -> None:
    listed = outside.call("GET", "/api/v1/connections", params={"userForeignIdentifier": customer}).json()
    path = f"/api/v1/connections/{listed['results'][0]['UUID']}/token"
    problem(outside.call("GET", path), 403, "permission_denied")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/connections/{}"),
        ("DELETE", "/api/v1/connections/{}"),
        ("POST", "/api/v1/connections/{}/refresh"),
        ("POST", "/api/v1/connections/{}/check"),
        ("POST", "/api/v1/connections/{}/pause"),
        ("POST", "/api/v1/connections/{}/resume"),
    ],
)
def test_a_strangers_connection_is_not_there(
    outside: Outside, callers: dict[str, Partner], method: str, path: str
) -> None:
    """Neither for a partner without the integration, nor for one that uses it as well."""
    made = outside.adopt(outside.customer())
    for name in ("stranger", "holder"):
        there = outside.call(method, path.format(made["UUID"]), partner=callers[name])
        nowhere = outside.call(method, path.format(uuid.uuid4()), partner=callers[name])
        found = problem(there, 404, "connection_not_found")
        assert without_id(found) == without_id(problem(nowhere, 404, "connection_not_found"))
        shown = {known for known in there.headers if known not in ("X-Request-Id", "Date")}
        assert shown == {known for known in nowhere.headers if known not in ("X-Request-Id", "Date")}
    assert outside.connection(made["UUID"])["status"] == "active"


def test_a_strangers_link_is_not_there(outside: Outside, callers: dict[str, Partner]) -> None:
    link = outside.link(outside.customer())
    for method in ("GET", "DELETE"):
        there = outside.call(method, f"/api/v1/connect-links/{link['id']}", partner=callers["stranger"])
        nowhere = outside.call(method, f"/api/v1/connect-links/{uuid.uuid4()}", partner=callers["stranger"])
        assert without_id(problem(there, 404, "not_found")) == without_id(problem(nowhere, 404, "not_found"))
    assert outside.call("GET", f"/api/v1/connect-links/{link['id']}").json()["state"] == "pending"


def test_a_strangers_integration_is_not_there(
    outside: Outside, callers: dict[str, Partner], second: str
) -> None:
    """`second` exists and is granted to the stranger alone; `none-such` does not exist."""

    def answers(slug: str) -> list[Any]:
        body = {"appSlug": slug, "userForeignIdentifier": "x"}
        envelope = {"userForeignIdentifier": "x", "method": "GET", "url": "/_echo/x"}
        tokens = {"accessToken": "a", "expiresIn": 60}
        return [
            outside.call("GET", f"/api/v1/integrations/{slug}"),
            outside.call("POST", "/api/v1/connect-links", json=body),
            outside.call("POST", "/api/v1/connections/import", json={**body, **tokens}),
            outside.call("GET", "/api/v1/connections", params={"appSlug": slug}),
            outside.call("POST", f"/proxy/{slug}", json=envelope),
            outside.call("GET", f"/proxy/{slug}/x/_echo/x"),
            outside.call("POST", f"/api/raw/{slug}", json=envelope),
            outside.call("GET", f"/api/hubspot/auth/{slug}", params={"userForeignIdentifier": "x"}),
            outside.call("GET", f"/api/saas-org-user/get-users/{slug}"),
            outside.call("GET", f"/api/saas-org-user/get-user/{slug}", params={"userForeignIdentifier": "x"}),
            outside.call(
                "DELETE", f"/api/saas-org-user/delete-user/{slug}", json={"userForeignIdentifier": "x"}
            ),
        ]

    before = outside.rows()
    for there, nowhere in zip(answers(second), answers("none-such"), strict=True):
        found, other = problem(there, 404, "not_found"), problem(nowhere, 404, "not_found")
        assert without_id(found) == without_id(other), there.url
    assert outside.rows() == before
    known = outside.call("GET", "/api/v1/integrations", partner=callers["stranger"]).json()
    assert [row["appSlug"] for row in known["results"]] == [second]


def test_a_strangers_customer_is_not_there(outside: Outside, callers: dict[str, Partner]) -> None:
    customer = outside.customer()
    outside.adopt(customer)
    other = outside.customer()

    def manage(name: str) -> dict[str, Any]:
        reply = outside.call(
            "POST", "/api/v1/manage-links", json={"userForeignIdentifier": name}, partner=callers["stranger"]
        )
        return without_id(problem(reply, 404, "not_found"))

    assert manage(customer) == manage(other)
    for name in (customer, other):
        reply = outside.call(
            "GET", "/api/v1/connections", params={"userForeignIdentifier": name}, partner=callers["holder"]
        )
        assert reply.json() == {"results": [], "next": None}


def test_two_partners_may_use_the_same_name_for_their_customers(
    outside: Outside, callers: dict[str, Partner]
) -> None:
    customer = outside.customer()
    mine, theirs = outside.adopt(customer), outside.adopt(customer, partner=callers["holder"])
    assert mine["UUID"] != theirs["UUID"]
    assert (
        outside.call("DELETE", f"/api/v1/connections/{theirs['UUID']}", partner=callers["holder"]).status_code
        == 204
    )
    assert outside.connection(mine["UUID"])["status"] == "active"


@pytest.mark.parametrize(
    "path",
    [
        "/healthz",
        "/readyz",
        "/connect.js",
        "/api/schema",
        "/api/docs",
        "/api/v1/connections",
        "/api/v1/none-such",
        "/none-such",
        "/connect/none-such",
        "/manage/none-such",
        "/reconnect/none-such",
        "/oauth/hbdev/callback",
        "/oauth/none-such/callback",
        "/admin/",
        "/proxy/hbdev/x/y",
        "/proxy/",
        "/static/none-such.css",
        "/",
    ],
)
def test_every_reply_of_ours_carries_a_request_id_of_its_own(outside: Outside, path: str) -> None:
    first, again = (requests.get(outside.base + path, timeout=10, allow_redirects=False) for _ in range(2))
    assert first.headers["X-Request-Id"] != again.headers["X-Request-Id"]
    assert first.status_code < 500


def test_lists_are_paged_by_cursors(outside: Outside) -> None:
    customer = outside.customer()
    made = [outside.adopt(customer, connectionName=name)["UUID"] for name in ("one", "two", "three")]
    url = f"{outside.base}/api/v1/connections?limit=2&appSlug=hbdev"
    first = outside.call("GET", url, params={"userForeignIdentifier": customer}).json()
    assert set(first) == {"results", "next"} and len(first["results"]) == 2
    assert first["next"].startswith(f"{outside.base}/api/v1/connections?")
    rest = outside.call("GET", first["next"]).json()
    assert rest["next"] is None
    assert sorted(row["UUID"] for row in first["results"] + rest["results"]) == sorted(made)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("limit", "0"),
        ("limit", "x"),
        ("limit", "-1"),
        ("limit", "1e3"),
        ("cursor", "x"),
        ("cursor", "cD1ub3c="),
        ("status", "x"),
        ("status", "disconnected"),
        ("nonsense", "1"),
    ],
)
def test_a_list_refuses_parameters_that_mean_nothing_by_name(
    outside: Outside, parameter: str, value: str
) -> None:
    reply = outside.call("GET", "/api/v1/connections", params={parameter: value})
    problem(reply, 400, "invalid_request", field=parameter)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/v1/connections"),
        ("PUT", "/api/v1/connect-links"),
        ("GET", "/api/v1/connect-links"),
        ("POST", f"/api/v1/connections/{UNKNOWN}"),
        ("GET", f"/api/v1/connections/{UNKNOWN}/pause"),
        ("GET", "/oauth/token"),
        ("GET", "/proxy/hbdev"),
        ("PATCH", "/api/v1/integrations"),
    ],
)
def test_a_method_that_a_call_does_not_have_is_405_with_allow(
    outside: Outside, method: str, path: str
) -> None:
    reply = outside.call(method, path)
    problem(reply, 405, "method_not_allowed")
    assert reply.headers["Allow"]
    assert method not in reply.headers["Allow"].split(", ")
