"""Contract section 3: integrations and connections."""

from __future__ import annotations

import time
import uuid
from datetime import datetime
from typing import Any

import pytest
import requests

from tests.contract.browser import Browser
from tests.contract.outside import Outside, Partner, problem

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("contract")]
MEMBERS = {
    "UUID",
    "appSlug",
    "provider",
    "userForeignIdentifier",
    "connectionName",
    "status",
    "statusReason",
    "providerAccount",
    "grantedScopes",
    "missingScopes",
    "createdAt",
    "updatedAt",
    "lastUsedAt",
    "accessTokenExpiresAt",
}


def listed(outside: Outside, **filters: str) -> list[dict[str, Any]]:
    reply = outside.call("GET", "/api/v1/connections", params=filters)
    assert reply.status_code == 200, reply.text
    return list(reply.json()["results"])


def act(outside: Outside, made: dict[str, Any], verb: str) -> requests.Response:
    return outside.call("POST", f"/api/v1/connections/{made['UUID']}/{verb}")


def test_integrations_tell_what_the_credential_may_use_and_no_secret(outside: Outside, second: str) -> None:
    reply = outside.call("GET", "/api/v1/integrations")
    rows = reply.json()["results"]
    assert [row["appSlug"] for row in rows] == [outside.slug]
    assert rows[0] == outside.call("GET", f"/api/v1/integrations/{outside.slug}").json()
    assert {"provider", "displayName", "logo", "scopes"} <= set(rows[0])
    assert rows[0]["provider"] == "hubspot"
    settings = (outside.folder / ".env").read_text()
    secret = next(line for line in settings.splitlines() if line.startswith("SANDBOX_DEMO_CLIENT_SECRET="))
    assert secret.partition("=")[2].strip("'") not in reply.text
    assert outside.app_client_id not in reply.text
    logo = requests.get(rows[0]["logo"], timeout=10)
    assert logo.status_code == 200 and logo.headers["Content-Type"].startswith("image/")


def test_a_connected_customer_shows_every_member(outside: Outside) -> None:
    customer = outside.customer()
    link = outside.link(customer, customer={"displayName": "Ada's Bakery", "email": "ada@example.com"})
    Browser().walk(link["url"])
    shown = outside.connection(link["UUID"])
    assert set(shown) - {"reconnectUrl"} == MEMBERS
    assert shown["UUID"] == link["UUID"]
    assert (shown["appSlug"], shown["provider"]) == ("hbdev", "hubspot")
    assert (shown["userForeignIdentifier"], shown["connectionName"]) == (customer, "default")
    assert (shown["status"], shown["statusReason"]) == ("active", None)
    assert set(shown["providerAccount"]) == {"id", "name", "url"}
    assert shown["providerAccount"]["id"] == "62515"
    assert "oauth" in shown["grantedScopes"] and shown["missingScopes"] == []
    assert shown["lastUsedAt"] is None
    for name in ("createdAt", "updatedAt", "accessTokenExpiresAt"):
        assert datetime.fromisoformat(shown[name]).tzinfo is not None and shown[name].endswith("Z")
    assert listed(outside, userForeignIdentifier=customer) == [shown]


def test_filters_narrow_a_list(outside: Outside) -> None:
    customer = outside.customer()
    active, paused = outside.adopt(customer), outside.adopt(customer, connectionName="other")
    act(outside, paused, "pause")

    def uuids(**filters: str) -> list[str]:
        return [row["UUID"] for row in listed(outside, userForeignIdentifier=customer, **filters)]

    assert sorted(uuids()) == sorted([active["UUID"], paused["UUID"]])
    assert uuids(status="paused") == [paused["UUID"]]
    assert uuids(status="active", appSlug="hbdev") == [active["UUID"]]
    assert uuids(status="reconnect_required") == []
    assert listed(outside, userForeignIdentifier=outside.customer()) == []


def test_a_pending_connection_is_listed_only_where_asked_for(outside: Outside) -> None:
    customer = outside.customer()
    link = outside.link(customer)
    assert listed(outside, userForeignIdentifier=customer) == []
    (shown,) = listed(outside, userForeignIdentifier=customer, status="pending")
    assert shown["UUID"] == link["UUID"]
    assert shown["accessTokenExpiresAt"] is None and shown["grantedScopes"] == []
    assert outside.connection(link["UUID"])["status"] == "pending"


def test_a_disconnected_connection_is_a_tombstone_and_a_later_link_gets_a_new_uuid(outside: Outside) -> None:
    customer = outside.customer()
    made = outside.adopt(customer)
    assert outside.call("GET", outside.through(customer, "/_echo/x")).status_code == 200
    reply = outside.call("DELETE", f"/api/v1/connections/{made['UUID']}")
    assert (reply.status_code, reply.content) == (204, b"")
    shown = outside.connection(made["UUID"])
    assert shown["status"] == "disconnected" and shown["accessTokenExpiresAt"] is None
    assert listed(outside, userForeignIdentifier=customer) == []
    problem(outside.call("GET", outside.through(customer, "/_echo/x")), 404, "connection_not_found")
    problem(outside.envelope(None, url="/_echo/x", UUID=made["UUID"]), 404, "connection_not_found")
    assert outside.link(customer)["UUID"] != made["UUID"]


def test_disconnecting_deletes_the_secrets_at_once_and_revokes_at_the_provider(
    outside: Outside, callers: dict[str, Partner], second: str
) -> None:
    """At an app whose other connections are all known, since HubSpot's revocation ends those of one account."""
    stranger = callers["stranger"]
    link, hub_id = outside.link(outside.customer(), partner=stranger, appSlug=second), outside.account()
    Browser().walk(link["url"], hub_id=str(hub_id))
    grants = outside.control("GET", "/state")["refreshTokens"]
    (token,) = [row["token"] for row in grants if row["hubId"] == hub_id]
    outside.call("DELETE", f"/api/v1/connections/{link['UUID']}", partner=stranger)
    db = outside.database()
    row = db.execute(
        "SELECT access_token, refresh_token FROM integrations_connection WHERE id = ?",
        [uuid.UUID(link["UUID"]).hex],
    ).fetchone()
    db.close()
    assert not any(row)
    give_up_at = time.monotonic() + 60
    while time.monotonic() < give_up_at:
        told = outside.control("GET", "/requests?path=/oauth/2026-09/token/revoke")
        if any(token in request["body"] for request in told):
            return
        time.sleep(0.2)
    raise AssertionError("the provider was not told")


def test_a_tombstone_cannot_be_used_by_any_verb(outside: Outside) -> None:
    made = outside.adopt(outside.customer())
    path = f"/api/v1/connections/{made['UUID']}"
    outside.call("DELETE", path)
    assert outside.call("DELETE", path).status_code in (204, 404)
    for verb in ("refresh", "check", "pause", "resume"):
        reply = act(outside, made, verb)
        assert 400 <= reply.status_code < 500, (verb, reply.text)
    assert outside.connection(made["UUID"])["status"] == "disconnected"


def test_reconnecting_keeps_the_uuid(outside: Outside) -> None:
    customer = outside.customer()
    first = outside.link(customer)
    Browser().walk(first["url"])
    again = outside.link(customer)
    assert Browser().walk(again["url"]).status_code == 200
    assert again["UUID"] == first["UUID"]
    assert outside.connection(first["UUID"])["status"] == "active"


def test_refresh_gets_a_new_access_token(outside: Outside) -> None:
    customer = outside.customer()
    made = outside.adopt(customer)

    def sent() -> str:
        seen = outside.call("GET", outside.through(customer, "/_echo/x")).json()["headers"]
        return str(dict(seen)["authorization" if "authorization" in dict(seen) else "Authorization"])

    before = sent()
    reply = act(outside, made, "refresh")
    assert reply.status_code == 200 and set(reply.json()) - {"reconnectUrl"} == MEMBERS
    assert reply.json()["accessTokenExpiresAt"] > made["accessTokenExpiresAt"]
    assert sent() != before


def test_check_asks_the_provider(outside: Outside) -> None:
    link, hub_id = outside.link(outside.customer()), outside.account()
    Browser().walk(link["url"], hub_id=str(hub_id))
    before = len(outside.arrived("/account-info/"))
    reply = act(outside, link, "check")
    assert reply.status_code == 200 and reply.json()["status"] == "active"
    assert len(outside.arrived("/account-info/")) > before
    outside.control("POST", "/uninstall", {"hubId": hub_id})
    problem(act(outside, link, "check"), 424, "reconnect_required")
    assert outside.connection(link["UUID"])["status"] == "reconnect_required"


def test_pausing_and_resuming_twice_is_no_error(outside: Outside) -> None:
    made = outside.adopt(outside.customer())
    assert [act(outside, made, "pause").json()["status"] for _ in range(2)] == ["paused", "paused"]
    assert [act(outside, made, "resume").json()["status"] for _ in range(2)] == ["active", "active"]


@pytest.mark.parametrize("verb", ["refresh", "check", "resume", "pause"])
def test_a_pending_connection_cannot_be_used_by_any_verb(outside: Outside, verb: str) -> None:
    link = outside.link(outside.customer())
    reply = act(outside, link, verb)
    assert 400 <= reply.status_code < 500, reply.text
    problem(reply, reply.status_code, reply.json()["code"])
    assert outside.connection(link["UUID"])["status"] == "pending"


def test_import_adopts_tokens_without_asking_the_customer(outside: Outside) -> None:
    customer = outside.customer()
    made = outside.adopt(customer)
    assert set(made) - {"reconnectUrl"} == MEMBERS
    assert made["status"] == "active"
    reply = outside.call("GET", outside.through(customer, "/crm/v3/objects/contacts?limit=1"))
    assert reply.status_code == 200 and len(reply.json()["results"]) == 1


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"accessToken": None}, "accessToken"),
        ({"accessToken": ""}, "accessToken"),
        ({"accessToken": 5}, "accessToken"),
        ({"accessToken": "a\r\nb"}, "accessToken"),
        ({"accessToken": "a\0b"}, "accessToken"),
        ({"accessToken": "x" * 20_000}, "accessToken"),
        ({"refreshToken": ["x"]}, "refreshToken"),
        ({"expiresIn": None}, "expiresIn"),
        ({"expiresIn": "60"}, "expiresIn"),
        ({"expiresIn": -1}, "expiresIn"),
        ({"expiresIn": 10**12}, "expiresIn"),
        ({"expiresAt": "tomorrow", "expiresIn": None}, "expiresAt"),
        ({"expiresAt": "2030-01-01T00:00:00Z"}, "expiresIn"),
        ({"scopes": "oauth"}, "scopes"),
        ({"connectionName": ""}, "connectionName"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_an_import_of_a_wrong_shape_is_refused_by_name_and_leaves_no_row(
    outside: Outside, members: dict[str, Any], field: str
) -> None:
    before = outside.rows()
    body: dict[str, Any] = {"appSlug": outside.slug, "userForeignIdentifier": outside.customer()}
    body |= {"accessToken": "CAccess", "expiresIn": 60, **members}
    body = {name: value for name, value in body.items() if value is not None}
    reply = outside.call("POST", "/api/v1/connections/import", json=body)
    problem(reply, 400, "invalid_request", field=field)
    assert "CAccess" not in reply.text
    assert outside.rows() == before


def test_an_import_over_a_living_connection_is_refused(outside: Outside, customer: str) -> None:
    tokens = outside.grant()
    body = {"appSlug": outside.slug, "userForeignIdentifier": customer, "accessToken": tokens["accessToken"]}
    reply = outside.call("POST", "/api/v1/connections/import", json={**body, "expiresIn": 60})
    assert reply.status_code in (400, 409)
    problem(reply, reply.status_code, reply.json()["code"])


def test_a_token_is_handed_to_who_may_read_tokens_and_that_is_audited(
    outside: Outside, callers: dict[str, Partner]
) -> None:
    made = outside.adopt(outside.customer(), partner=callers["holder"])
    trail = f"replace(object_id, '-', '') = '{uuid.UUID(made['UUID']).hex}'"
    before = outside.count("accounts_auditentry", trail)
    reply = outside.call("GET", f"/api/v1/connections/{made['UUID']}/token", partner=callers["holder"])
    assert reply.status_code == 200 and "no-store" in reply.headers["Cache-Control"]
    tokens = [row["token"] for row in outside.control("GET", "/state")["accessTokens"]]
    assert reply.json()["accessToken"] in tokens
    assert outside.count("accounts_auditentry", trail) == before + 1


def test_reading_a_reconnect_url_writes_nothing_and_opening_it_makes_a_link(outside: Outside) -> None:
    customer = outside.customer()
    made = outside.adopt(customer, refreshToken="never-issued", expiresIn=0)
    act(outside, made, "refresh")
    before = outside.rows()
    url = outside.connection(made["UUID"])["reconnectUrl"]
    assert outside.connection(made["UUID"])["reconnectUrl"].startswith(f"{outside.base}/reconnect/")
    assert outside.rows() == before
    browser = Browser()
    reply = browser.open(url)
    assert reply.status_code == 302
    place = requests.compat.urljoin(url, reply.headers["Location"])
    assert place.startswith(f"{outside.base}/connect/")
    assert outside.rows()["integrations_connectlink"] == before["integrations_connectlink"] + 1
    assert browser.walk(place).status_code == 200
    shown = outside.connection(made["UUID"])
    assert shown["status"] == "active" and "reconnectUrl" not in shown


@pytest.mark.parametrize("spoilt", ["x", "", "a:b:c", "%00", "." * 300])
def test_a_reconnect_url_that_we_did_not_sign_is_not_found(outside: Outside, spoilt: str) -> None:
    before = outside.rows()
    assert requests.get(f"{outside.base}/reconnect/{spoilt}", timeout=10).status_code == 404
    assert outside.rows() == before


def test_an_idle_connection_whose_token_merely_expired_is_active(outside: Outside) -> None:
    customer = outside.customer()
    made = outside.adopt(customer, expiresIn=0)
    assert outside.connection(made["UUID"])["status"] == "active"
    assert outside.call("GET", outside.through(customer, "/_echo/x")).status_code == 200


def test_a_revoked_grant_ends_in_reconnect_required(outside: Outside) -> None:
    hub_id = outside.account()
    customer = outside.customer()
    link = outside.link(customer)
    Browser().walk(link["url"], hub_id=str(hub_id))
    outside.control("POST", "/revoke", {"hubId": hub_id})
    problem(act(outside, link, "refresh"), 424, "reconnect_required")
    problem(outside.call("GET", outside.through(customer, "/_echo/x")), 424, "reconnect_required")
    shown = outside.connection(link["UUID"])
    assert (shown["status"], shown["statusReason"]["code"]) == ("reconnect_required", "revoked_at_provider")


@pytest.mark.parametrize("text", ["x", "%00", "3F1C2A6E-8F0B-4F0E-9A55-0D3F6A1B7C2", "{}", "~"])
def test_a_uuid_that_is_none_is_not_found(outside: Outside, text: str) -> None:
    problem(outside.call("GET", f"/api/v1/connections/{text}"), 404, "connection_not_found")
    for verb in ("refresh", "check", "pause", "resume"):
        problem(outside.call("POST", f"/api/v1/connections/{text}/{verb}"), 404, "connection_not_found")
