"""Contract section 3: connect links and manage links."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.contract.browser import Browser
from tests.contract.outside import Outside, problem

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("contract")]
WEEK = 604_800


def moment(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


def state(outside: Outside, link: dict[str, Any]) -> str:
    return str(outside.call("GET", f"/api/v1/connect-links/{link['id']}").json()["state"])


def test_a_link_has_the_members_that_the_contract_names(outside: Outside) -> None:
    customer = outside.customer()
    link = outside.link(customer)
    assert set(link) == {"id", "url", "userForeignIdentifier", "UUID", "expiresAt"}
    assert link["userForeignIdentifier"] == customer
    assert uuid.UUID(link["UUID"]) and uuid.UUID(link["id"])
    token = link["url"].removeprefix(f"{outside.base}/connect/")
    assert len(token) >= 43 and "/" not in token
    assert link["id"] not in link["url"] and link["UUID"] not in link["url"]


@pytest.mark.parametrize(("asked", "seconds"), [(None, 1_800), (60, 60), (WEEK, WEEK)])
def test_a_link_lives_30_minutes_or_as_long_as_was_asked(
    outside: Outside, asked: int | None, seconds: int
) -> None:
    link = outside.link(outside.customer(), **({} if asked is None else {"expiresInSeconds": asked}))
    left = moment(link["expiresAt"]) - datetime.now(UTC)
    assert abs(left - timedelta(seconds=seconds)) < timedelta(seconds=20)


@pytest.mark.parametrize("asked", [0, -1, WEEK + 1, 10**30, "60", 60.5, True, [], {}])
def test_a_lifetime_that_is_none_is_refused_by_name(outside: Outside, asked: Any) -> None:
    before = outside.rows()
    for path in ("connect-links", "manage-links"):
        body = {"userForeignIdentifier": outside.customer(), "expiresInSeconds": asked}
        body |= {"appSlug": outside.slug} if path == "connect-links" else {}
        reply = outside.call("POST", f"/api/v1/{path}", json=body)
        problem(reply, 400, "invalid_request", field="expiresInSeconds")
    assert outside.rows() == before


def test_two_links_of_one_customer_carry_the_same_uuid(outside: Outside) -> None:
    customer = outside.customer()
    first, again, named = (
        outside.link(customer),
        outside.link(customer),
        outside.link(customer, connectionName="other"),
    )
    assert first["UUID"] == again["UUID"] != named["UUID"]
    assert first["url"] != again["url"]


def test_a_link_goes_from_pending_over_opened_to_completed(outside: Outside) -> None:
    link = outside.link(outside.customer())
    assert state(outside, link) == "pending"
    browser = Browser()
    browser.open(link["url"])
    assert state(outside, link) == "opened"
    assert browser.walk(link["url"]).status_code == 200
    assert state(outside, link) == "completed"


def test_reading_a_link_shows_no_url(outside: Outside) -> None:
    link = outside.link(outside.customer())
    shown = outside.call("GET", f"/api/v1/connect-links/{link['id']}")
    assert link["url"].rpartition("/")[2] not in shown.text


def test_opening_a_link_never_spends_it(outside: Outside) -> None:
    link = outside.link(outside.customer())
    for _ in range(3):
        assert Browser().open(link["url"]).status_code == 200
        assert requests.head(link["url"], timeout=10).status_code == 200
    assert Browser().walk(link["url"]).status_code == 200


def test_pressing_the_button_without_consenting_does_not_spend_it(outside: Outside) -> None:
    link = outside.link(outside.customer())
    Browser().leave(link["url"])
    assert state(outside, link) == "opened"
    assert Browser().walk(link["url"]).status_code == 200


def test_deny_leaves_the_link_usable(outside: Outside) -> None:
    customer = outside.customer()
    link = outside.link(customer)
    browser = Browser()
    denied = browser.walk(link["url"], "deny")
    assert denied.status_code < 500
    assert state(outside, link) == "failed"
    assert outside.connection(link["UUID"])["status"] == "pending"
    assert browser.walk(link["url"]).status_code == 200
    assert state(outside, link) == "completed"
    assert outside.connection(link["UUID"])["status"] == "active"


@pytest.mark.usefixtures("_sandbox_at_rest")
def test_a_failure_at_the_provider_leaves_the_link_usable(outside: Outside) -> None:
    link = outside.link(outside.customer())
    fault = {"match": {"method": "POST", "path": "/oauth/2026-09/token"}, "times": 100, "status": 500}
    outside.control("POST", "/faults", fault)
    failed = Browser().walk(link["url"], accept="application/json")
    assert (failed.json()["status"], failed.json()["UUID"]) == ("failed", link["UUID"])
    assert state(outside, link) == "failed"
    outside.control("DELETE", "/faults")
    assert Browser().walk(link["url"]).status_code == 200
    assert outside.connection(link["UUID"])["status"] == "active"


def test_a_used_link_is_410(outside: Outside) -> None:
    link = outside.link(outside.customer())
    Browser().walk(link["url"])
    problem(Browser().open(link["url"], Accept="application/json"), 410, "link_used")
    page = Browser().open(link["url"])
    assert page.status_code == 410 and page.headers["Content-Type"].startswith("text/html")
    problem(outside.call("DELETE", f"/api/v1/connect-links/{link['id']}"), 410, "link_used")
    assert outside.connection(link["UUID"])["status"] == "active"


def test_the_first_of_two_completions_wins(outside: Outside) -> None:
    """Two browsers hold the page; the link is spent once."""
    link = outside.link(outside.customer())
    one, two = Browser(), Browser()
    ways = [(browser, browser.decide(browser.leave(link["url"]))) for browser in (one, two)]
    replies = [browser.open(way, Accept="application/json") for browser, way in ways]
    assert [reply.json()["status"] for reply in replies] == ["connected", "failed"]
    assert replies[1].json()["reason"] == "link_used"


def test_a_repeated_callback_shows_the_first_outcome(outside: Outside) -> None:
    link = outside.link(outside.customer())
    browser = Browser()
    callback = browser.decide(browser.leave(link["url"]))
    first, again = (browser.open(callback, Accept="application/json") for _ in range(2))
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert first.json()["status"] == "connected"


def test_a_revoked_link_is_410_and_revoking_twice_is_no_error(outside: Outside) -> None:
    link = outside.link(outside.customer())
    for _ in range(2):
        assert outside.call("DELETE", f"/api/v1/connect-links/{link['id']}").status_code == 204
    assert state(outside, link) == "revoked"
    problem(Browser().open(link["url"], Accept="application/json"), 410, "link_revoked")


def test_a_link_revoked_while_the_customer_consents_connects_nothing(outside: Outside) -> None:
    link = outside.link(outside.customer())
    browser = Browser()
    callback = browser.decide(browser.leave(link["url"]))
    outside.call("DELETE", f"/api/v1/connect-links/{link['id']}")
    result = browser.open(callback, Accept="application/json").json()
    assert (result["status"], result["reason"]) == ("failed", "link_revoked")
    assert outside.connection(link["UUID"])["status"] == "pending"


def test_an_expired_link_is_410_for_every_step(outside: Outside) -> None:
    link = outside.link(outside.customer())
    browser = Browser()
    page = browser.open(link["url"])
    outside.expire_link(link["id"])
    assert state(outside, link) == "expired"
    problem(Browser().open(link["url"], Accept="application/json"), 410, "link_expired")
    problem(browser.press(page, accept="application/json"), 410, "link_expired")
    assert browser.press(page).headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "http://localhost:3001/",
        "https://localhost:3000/",
        "http://localhost:3000.evil.example/",
        "http://localhost:3000@evil.example/",
        "http://user@localhost:3000/",
        "//localhost:3000/",
        "/settings",
        "javascript:alert(1)",
        "http://localhost:3000\\@evil.example/",
        "http://localhost:3000/\r\nSet-Cookie: a=b",
        "not a url",
        5,
        ["http://localhost:3000/"],
        {},
        None,
    ],
)
def test_a_return_url_outside_the_allowed_origins_is_refused_by_name(outside: Outside, url: Any) -> None:
    before = outside.rows()
    body = {"appSlug": outside.slug, "userForeignIdentifier": outside.customer(), "returnUrl": url}
    reply = outside.call("POST", "/api/v1/connect-links", json=body)
    problem(reply, 400, "invalid_request", field="returnUrl")
    assert outside.rows() == before


@pytest.mark.parametrize(("decision", "status"), [("allow", "connected"), ("deny", "denied")])
@pytest.mark.parametrize("url", ["http://localhost:3000", "http://localhost:3000/back?tab=1#part"])
def test_the_customer_comes_back_to_the_return_url_with_status_and_uuid(
    outside: Outside, decision: str, status: str, url: str
) -> None:
    link = outside.link(outside.customer(), returnUrl=url)
    reply = Browser().walk(link["url"], decision)
    assert reply.status_code in (302, 303)
    place = reply.headers["Location"]
    assert place.startswith("http://localhost:3000")
    query = requests.utils.urlparse(place).query.split("&")
    assert f"status={status}" in query and f"UUID={link['UUID']}" in query
    if "tab" in url:
        assert "tab=1" in query and place.endswith("#part") and "/back?" in place


@pytest.mark.usefixtures("_sandbox_at_rest")
def test_a_failure_comes_back_to_the_return_url_as_failed(outside: Outside) -> None:
    link = outside.link(outside.customer(), returnUrl="http://localhost:3000/back")
    fault = {"match": {"method": "POST", "path": "/oauth/2026-09/token"}, "times": 100, "status": 500}
    outside.control("POST", "/faults", fault)
    place = Browser().walk(link["url"]).headers["Location"]
    assert "status=failed" in place and f"UUID={link['UUID']}" in place


@pytest.mark.parametrize("member", ["scopes", "optionalScopes"])
@pytest.mark.parametrize("value", [["none.such"], "oauth", [1], [None], {"a": 1}, ["oauth "], [""]])
def test_a_scope_that_is_not_configured_is_refused_by_name(outside: Outside, member: str, value: Any) -> None:
    before = outside.rows()
    body = {"appSlug": outside.slug, "userForeignIdentifier": outside.customer(), member: value}
    found = problem(outside.call("POST", "/api/v1/connect-links", json=body), 400, "invalid_request")
    assert found["field"].startswith(member)
    assert outside.rows() == before


def test_a_link_may_ask_for_fewer_optional_scopes(outside: Outside) -> None:
    offered = outside.call("GET", f"/api/v1/integrations/{outside.slug}").json()["scopes"]
    optional = [scope["name"] for scope in offered if not scope["required"]]
    assert optional
    link = outside.link(outside.customer(), optionalScopes=[])
    authorize = requests.utils.unquote(Browser().leave(link["url"]))
    assert "optional_scope" not in authorize
    link = outside.link(outside.customer(), optionalScopes=optional[:1])
    assert optional[0] in requests.utils.unquote(Browser().leave(link["url"]))


@pytest.mark.parametrize("name", ["", " ", "x" * 65, " a", "a\n", "a\0b", 5, None, []])
def test_a_connection_name_that_is_none_is_refused_by_name(outside: Outside, name: Any) -> None:
    before = outside.rows()
    body = {"appSlug": outside.slug, "userForeignIdentifier": outside.customer(), "connectionName": name}
    reply = outside.call("POST", "/api/v1/connect-links", json=body)
    problem(reply, 400, "invalid_request", field="connectionName")
    assert outside.rows() == before


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"customer": "Ada"}, "customer"),
        ({"customer": {"displayName": 5}}, "customer.displayName"),
        ({"customer": {"displayName": "x" * 201}}, "customer.displayName"),
        ({"customer": {"displayName": "a\0b"}}, "customer.displayName"),
        ({"customer": {"email": "no address"}}, "customer.email"),
        ({"customer": {"name": "Ada"}}, "customer.name"),
        ({"connectionConfig": {"shop": "x"}}, "connectionConfig.shop"),
        ({"connectionConfig": "x"}, "connectionConfig"),
        ({"connectionConfig": {"shop": 1}}, "connectionConfig.shop"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_members_of_a_wrong_shape_are_refused_by_name(
    outside: Outside, members: dict[str, Any], field: str
) -> None:
    before = outside.rows()
    body = {"appSlug": outside.slug, "userForeignIdentifier": outside.customer(), **members}
    problem(outside.call("POST", "/api/v1/connect-links", json=body), 400, "invalid_request", field=field)
    assert outside.rows() == before


def test_a_manage_link_has_url_and_expiry_and_leads_to_the_customers_page(outside: Outside) -> None:
    customer = outside.customer()
    outside.adopt(customer)
    reply = outside.call("POST", "/api/v1/manage-links", json={"userForeignIdentifier": customer})
    assert reply.status_code == 201
    assert set(reply.json()) == {"url", "expiresAt"}
    assert moment(reply.json()["expiresAt"]) > datetime.now(UTC)
    token = reply.json()["url"].removeprefix(f"{outside.base}/manage/")
    assert len(token) >= 43
    assert Browser().open(reply.json()["url"]).status_code == 200


@pytest.mark.parametrize(
    "link_id", ["x", "5f0e4a5e-0000-4000-8000-000000000000", "%00", "0" * 36, "-".join("0" * 5)]
)
def test_a_link_id_that_is_none_is_not_found(outside: Outside, link_id: str) -> None:
    for method in ("GET", "DELETE"):
        problem(outside.call(method, f"/api/v1/connect-links/{link_id}"), 404, "not_found")
