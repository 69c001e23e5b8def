"""Contract section 5: StackGo's paths, with StackGo's shapes (its public API reference)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin

import pytest

from tests.contract.browser import Browser
from tests.contract.echo import Seen
from tests.contract.outside import Outside, Partner, problem

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("contract")]
API = "https://api.hubapi.com"
AUTH = "/api/hubspot/auth/hbdev"
RAW = "/api/raw/hbdev"
USERS, USER, DELETE_USER = (
    f"/api/saas-org-user/{verb}/hbdev" for verb in ("get-users", "get-user", "delete-user")
)


def raw_call(outside: Outside, customer: str, shape: str, method: str, url: str, **members: Any) -> Any:
    body = {"method": method, "url": url, "userForeignIdentifier": customer, **members}
    return outside.call("POST", RAW, **{shape: body})


def test_an_install_link_has_exactly_stackgos_members_and_lives_seven_days(outside: Outside) -> None:
    customer = outside.customer()
    reply = outside.call("GET", AUTH, params={"userForeignIdentifier": customer})
    assert reply.status_code == 200
    made = reply.json()
    assert set(made) == {"url", "userForeignIdentifier", "UUID"}
    assert made["userForeignIdentifier"] == customer
    assert made["url"].startswith(f"{outside.base}/connect/")
    assert reply.headers["Cache-Control"] == "no-store"
    db = outside.database()
    (expires_at,) = db.execute(
        "SELECT expires_at FROM integrations_connectlink ORDER BY created_at DESC"
    ).fetchone()
    db.close()
    left = datetime.fromisoformat(expires_at).replace(tzinfo=UTC) - datetime.now(UTC)
    assert abs(left - timedelta(days=7)) < timedelta(minutes=1)


def test_without_redirect_a_link_ends_on_the_result_page_or_on_stackgos_json(outside: Outside) -> None:
    customer = outside.customer()
    made = outside.call("GET", AUTH, params={"userForeignIdentifier": customer}).json()
    reply = Browser().walk(made["url"], accept="application/json")
    assert reply.json() == {"message": "User Registered", "userForeignIdentifier": customer}
    made = outside.call("GET", AUTH, params={"userForeignIdentifier": customer}).json()
    page = Browser().walk(made["url"])
    assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html")
    assert customer not in page.text


def test_with_redirect_the_customer_comes_back_there(outside: Outside) -> None:
    params = {"userForeignIdentifier": outside.customer(), "redirect": "http://localhost:3000/done?a=1"}
    made = outside.call("GET", AUTH, params=params).json()
    place = Browser().walk(made["url"]).headers["Location"]
    assert place.startswith("http://localhost:3000/done?a=1&")
    assert "status=connected" in place and made["UUID"] in place


def test_redirect_true_goes_to_the_hosted_page_at_once(outside: Outside) -> None:
    params = {"userForeignIdentifier": outside.customer(), "redirect": "true"}
    reply = outside.call("GET", AUTH, params=params)
    assert reply.status_code == 302
    place = urljoin(outside.base, reply.headers["Location"])
    assert place.startswith(f"{outside.base}/connect/")
    assert Browser().walk(place, accept="application/json").json()["message"] == "User Registered"


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/here", "false"]
)
def test_a_redirect_elsewhere_is_refused_by_name(outside: Outside, url: str) -> None:
    before = outside.rows()
    reply = outside.call("GET", AUTH, params={"userForeignIdentifier": outside.customer(), "redirect": url})
    problem(reply, 400, "invalid_request", field="redirect")
    assert outside.rows() == before


def test_the_identifier_is_needed_and_the_provider_has_to_fit(outside: Outside) -> None:
    problem(outside.call("GET", AUTH), 400, "invalid_request", field="userForeignIdentifier")
    params = {"userForeignIdentifier": outside.customer()}
    for provider in ("xero", "none-such", "HubSpot"):
        problem(outside.call("GET", f"/api/{provider}/auth/hbdev", params=params), 404, "not_found")


@pytest.mark.parametrize("shape", ["data", "json"])
def test_a_2xx_of_the_provider_is_wrapped_in_data(outside: Outside, customer: str, shape: str) -> None:
    reply = raw_call(outside, customer, shape, "GET", f"{API}/crm/v3/objects/contacts?limit=1")
    assert reply.status_code == 200 and set(reply.json()) == {"data"}
    assert len(reply.json()["data"]["results"]) == 1
    assert reply.headers["Content-Type"].startswith("application/json")
    assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("shape", ["data", "json"])
def test_201_becomes_200_and_the_body_may_be_a_string_that_holds_json(
    outside: Outside, customer: str, shape: str
) -> None:
    email = f"{outside.customer()[-36:]}@example.com"
    body = json.dumps({"properties": {"email": email}})
    reply = raw_call(outside, customer, shape, "post", f"{API}/crm/v3/objects/contacts", body=body)
    assert reply.status_code == 200, reply.text
    assert reply.json()["data"]["properties"]["email"] == email


def test_body_and_headers_may_be_json_values_or_strings(outside: Outside, customer: str) -> None:
    for shape, headers, body in (
        ("json", {"X-Tenant": "t-1"}, {"a": [1, "é"]}),
        ("json", json.dumps({"X-Tenant": "t-1"}), json.dumps({"a": [1, "é"]})),
        ("data", json.dumps({"X-Tenant": "t-1"}), json.dumps({"a": [1, "é"]})),
    ):
        reply = raw_call(outside, customer, shape, "PUT", f"{API}/_echo/x", headers=headers, body=body)
        seen = Seen.of(reply.json()["data"])
        assert (seen.method, seen.values("x-tenant")) == ("PUT", ["t-1"])
        assert json.loads(seen.body) == {"a": [1, "é"]}
        assert seen.values("content-type") == ["application/json"]


@pytest.mark.parametrize("method", ["GET", "get", "POST", "Put", "PATCH", "DELETE", "HEAD", "options"])
def test_methods_are_taken_in_any_case(outside: Outside, customer: str, method: str) -> None:
    reply = raw_call(outside, customer, "data", method, f"{API}/_echo/x")
    assert reply.status_code == 200
    data = reply.json()["data"]
    assert data is None if method == "HEAD" else data["method"] == method.upper()


@pytest.mark.usefixtures("_sandbox_at_rest")
def test_text_and_nothing_are_data_too(outside: Outside, customer: str) -> None:
    assert raw_call(outside, customer, "data", "GET", f"{API}/_status/204").json() == {"data": None}
    fault = {"match": {"path": "/crm/v3/objects/deals"}, "headers": {"Content-Type": "text/plain"}}
    outside.control("POST", "/faults", {**fault, "times": 1, "status": 200, "body": "plain é"})
    assert raw_call(outside, customer, "data", "GET", f"{API}/crm/v3/objects/deals").json() == {
        "data": "plain é"
    }


@pytest.mark.parametrize("code", [301, 302, 304, 400, 401, 404, 409, 429, 500, 503])
@pytest.mark.parametrize("shape", ["data", "json"])
def test_any_other_status_is_the_providers_own_unwrapped(
    outside: Outside, customer: str, shape: str, code: int
) -> None:
    reply = raw_call(outside, customer, shape, "GET", f"{API}/_status/{code}")
    assert reply.status_code == code
    assert reply.headers["Cache-Control"] == "no-store"
    if code != 304:
        assert reply.json() == {"status": code}


@pytest.mark.parametrize(
    "path",
    [
        "/api/raw/hbdev",
        "/api/raw/xe/hbdev",
        "/api/atlassian/proxy/hbdev",
        "/api/quick-books/proxy/hbdev",
        "/api/servicenow/proxy/hbdev",
        "/api/shopify/hbdev",
    ],
)
def test_each_of_stackgos_raw_paths_answers(outside: Outside, path: str) -> None:
    body = {"method": "GET", "url": f"{API}/_echo/x", "userForeignIdentifier": "nobody"}
    found = problem(
        outside.call("POST", path, data=body), 404, outside.call("POST", path, data=body).json()["code"]
    )
    assert found["code"] in ("connection_not_found", "not_found")
    problem(outside.call("POST", path, data=body, as_nobody=True), 401, "not_authenticated")
    assert outside.call("POST", path, data=body).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"method": "TRACE"}, "method"),
        ({"method": None}, "method"),
        ({"url": None}, "url"),
        ({"url": "https://evil.example/"}, "url"),
        ({"url": "//evil.example/"}, "url"),
        ({"url": f"{API}/a/../b"}, "url"),
        ({"userForeignIdentifier": None}, "userForeignIdentifier"),
        ({"userForeignIdentifier": ".."}, "userForeignIdentifier"),
        ({"userForeignIdentifier": ""}, "userForeignIdentifier"),
        ({"userForeignIdentifier": "a\0"}, "userForeignIdentifier"),
        ({"userForeignIdentifier": "x" * 1_025}, "userForeignIdentifier"),
        ({"headers": "{"}, "headers"),
        ({"headers": "[]"}, "headers"),
        ({"headers": '{"A": "b\\r\\nc"}'}, "headers.A"),
    ],
)
@pytest.mark.parametrize("shape", ["data", "json"])
def test_what_cannot_be_sent_is_refused_by_name(
    outside: Outside, customer: str, shape: str, members: dict[str, Any], field: str
) -> None:
    body = {"method": "GET", "url": f"{API}/_echo/x", "userForeignIdentifier": customer, **members}
    body = {name: value for name, value in body.items() if value is not None}
    reply = outside.call("POST", RAW, **{shape: body})
    assert reply.status_code in (400, 403), reply.text
    problem(reply, reply.status_code, reply.json()["code"], field=field)


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/json", b"{"),
        ("application/json", b"[]"),
        ("application/json", b"\xff"),
        ("application/x-www-form-urlencoded", b"method=%ff"),
        ("application/x-www-form-urlencoded", b"\xff=\xfe"),
        ("application/x-www-form-urlencoded", b"a&" * 5_000),
        ("application/x-www-form-urlencoded", b""),
    ],
)
def test_malformed_bodies_are_problems(outside: Outside, content_type: str, content: bytes) -> None:
    headers = [*outside.partner.bearer.items(), ("Content-Type", content_type)]
    problem(outside.raw("POST", RAW, headers=headers, body=content), 400, "invalid_request")


def test_a_body_of_another_type_is_415(outside: Outside) -> None:
    reply = outside.call("POST", RAW, data=b"<x/>", headers={"Content-Type": "application/xml"})
    problem(reply, 415, "unsupported_media_type")


def test_users_are_listed_with_exactly_stackgos_members(
    outside: Outside, callers: dict[str, Partner]
) -> None:
    holder = callers["holder"]
    names = [outside.customer() for _ in range(3)]
    for name in names:
        outside.adopt(name, partner=holder)
    reply = outside.call("GET", USERS, partner=holder, params={"page": "1"})
    assert set(reply.json()) == {"userForeignIdentifiers"}
    rows = reply.json()["userForeignIdentifiers"]
    assert reply.headers["Cache-Control"] == "no-store"
    for row in rows:
        assert set(row) == {"id", "status", "createdAt", "updatedAt", "userForeignIdentifier"}
        assert isinstance(row["id"], int) and row["status"] == "ACTIVE"
        assert datetime.fromisoformat(row["createdAt"]) <= datetime.fromisoformat(row["updatedAt"])
    assert [row["userForeignIdentifier"] for row in rows[-3:]] == names
    assert outside.call("GET", USERS, partner=holder).json() == reply.json()
    assert outside.call("GET", USERS, partner=holder, params={"page": "999"}).json() == {
        "userForeignIdentifiers": []
    }


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", "", "9" * 30])
def test_a_page_that_is_none_is_refused_by_name(outside: Outside, page: str) -> None:
    problem(outside.call("GET", USERS, params={"page": page}), 400, "invalid_request", field="page")


def test_a_user_is_connected_or_not(outside: Outside, customer: str) -> None:
    stranger = outside.customer()
    for name, connected in ((customer, True), (stranger, False)):
        reply = outside.call("GET", USER, params={"userForeignIdentifier": name})
        assert (reply.status_code, reply.json()) == (200, {"connected": connected, "data": name})
    outside.link(stranger)
    assert outside.call("GET", USER, params={"userForeignIdentifier": stranger}).json()["connected"] is False
    problem(outside.call("GET", USER), 400, "invalid_request", field="userForeignIdentifier")


@pytest.mark.parametrize("where", ["params", "data", "json"])
def test_deleting_a_user_is_for_good(outside: Outside, where: str) -> None:
    customer = outside.customer()
    made = outside.adopt(customer)
    reply = outside.call("DELETE", DELETE_USER, **{where: {"userForeignIdentifier": customer}})
    assert reply.status_code == 200
    assert set(reply.json()) == {"message", "userForeignIdentifier", "appSlug"}
    assert (reply.json()["userForeignIdentifier"], reply.json()["appSlug"]) == (customer, "hbdev")
    assert outside.connection(made["UUID"])["status"] == "disconnected"
    assert outside.call("GET", USER, params={"userForeignIdentifier": customer}).json()["connected"] is False
    again = outside.call("DELETE", DELETE_USER, **{where: {"userForeignIdentifier": customer}})
    problem(again, 404, "connection_not_found")


def test_both_of_stackgos_ways_to_authenticate_work_on_its_paths(outside: Outside, customer: str) -> None:
    form = {"grant_type": "client_credentials", "audience": "stackgo"}
    form |= {"client_id": outside.partner.client_id, "client_secret": outside.partner.client_secret}
    token = outside.call("POST", "/oauth/token", data=form, as_nobody=True).json()["access_token"]
    for headers in (outside.partner.basic, {"Authorization": f"Bearer {token}"}):
        body = {"method": "GET", "url": f"{API}/_echo/x", "userForeignIdentifier": customer}
        assert outside.call("POST", RAW, data=body, as_nobody=True, headers=headers).status_code == 200
