"""Connectors whose host is the customer's own: Pipedrive, Shopify, ServiceNow."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.integrations.stackgo_eight.conftest import App, MakeApp, signed
from tests.integrations.stackgo_eight.connectors import PIPEDRIVE, SERVICENOW, SHOPIFY

pytestmark = pytest.mark.served


@pytest.fixture
def two_companies(app: MakeApp) -> App:
    """Customers `cust` of acme.pipedrive.com and `other` of meow.pipedrive.com."""
    at = app(PIPEDRIVE)
    at.connect()
    at.provider.extras_of["code-2"] = {**PIPEDRIVE.token_extras, "api_domain": "https://meow.pipedrive.com"}
    user = {"id": 8, "company_id": 43, "company_name": "Meow"}
    at.provider.serves("GET", "https://meow.pipedrive.com/api/v1/users/me", {"success": True, "data": user})
    at.connect("other", code="code-2")
    for company in ("acme", "meow"):
        at.provider.serves("GET", f"https://{company}.pipedrive.com/api/v1/deals", {"deals of": company})
    return at


def test_pipedrive_the_company_s_own_host_is_called(two_companies: App) -> None:
    """api_domain of the token reply decides it, also for an address that names no host."""
    at = two_companies
    for company, identifier in (("acme", "cust"), ("meow", "other")):
        for url in ("/api/v1/deals", f"https://{company}.pipedrive.com/api/v1/deals"):
            reply = at.raw(url, identifier=identifier)
            assert reply.json() == {"data": {"deals of": company}}
    calls = at.provider.calls("https://meow.pipedrive.com/api/v1/deals")
    assert [call.header("Authorization") for call in calls] == ["Bearer access-2"] * 2


def test_pipedrive_another_company_s_host_is_refused(two_companies: App) -> None:
    two_companies.check_refused("https://meow.pipedrive.com/api/v1/deals", "cust")
    two_companies.check_refused("https://acme.pipedrive.com/api/v1/deals", "other")
    two_companies.check_refused("https://acme.pipedrive.com.evil.example/api/v1/deals", "cust")


def test_pipedrive_the_host_that_all_companies_share_takes_each_one_s_token(two_companies: App) -> None:
    """Apps that never learn a company's host have this one in their code."""
    at, url = two_companies, "https://api.pipedrive.com/v1/deals"
    at.provider.serves("GET", url, {"deals": []})
    for identifier in ("cust", "other"):
        assert at.raw(url, identifier=identifier).json() == {"data": {"deals": []}}
    sent = [call.header("Authorization") for call in at.provider.calls(url)]
    assert sent == ["Bearer access-1", "Bearer access-2"]
    reply = at.raw("https://api.pipedrive.com/v1/authorizations")
    assert (reply.status_code, len(at.provider.calls("https://api.pipedrive.com/v1/authorizations"))) == (
        403,
        0,
    )


def test_pipedrive_a_host_that_is_not_its_own_connects_nobody(app: MakeApp) -> None:
    at = app(PIPEDRIVE)
    at.provider.extras_of["code-1"]["api_domain"] = "https://evil.example"
    reply = at.come_back(at.leave(at.link()), Accept="application/json")
    assert (reply.json()["status"], reply.json()["reason"]) == ("failed", "bad_parameter")
    assert (at.users(), at.is_connected()) == ({}, False)
    assert [call.url for call in at.provider.server.requests] == [PIPEDRIVE.token]


def test_shopify_a_shop_that_the_link_names_is_not_asked_for(app: MakeApp) -> None:
    at = app(SHOPIFY)
    page = at.browser.open(at.here(at.link()["url"]))
    assert 'name="shop"' in page.text and ".myshopify.com" in page.text
    made = at.link("given", shop="meow-shop")
    assert 'name="shop"' not in at.browser.open(at.here(made["url"])).text
    url = at.leave(made)
    assert url.startswith(f"{SHOPIFY.authorize}?")
    reply = at.come_back(url, Accept="application/json")
    assert reply.json() == {"message": "User Registered", "userForeignIdentifier": "given"}


def test_shopify_what_is_no_shop_is_refused_before_anything_is_sent(app: MakeApp) -> None:
    at = app(SHOPIFY)
    params = {"userForeignIdentifier": "cust", "shop": "evil.example/#"}
    reply = at.call("GET", "/api/shopify/auth/shopify-dev", params=params)
    assert (reply.status_code, reply.json()["field"]) == (400, "shop")
    page = at.browser.press(at.browser.open(at.here(at.link()["url"])), shop="evil.example/#")
    assert page.status_code == 400 and 'http-equiv="refresh"' not in page.text
    assert at.provider.server.requests == []


def _callback(**change: str) -> dict[str, str]:
    return {**SHOPIFY.callback, **change}


def test_shopify_a_callback_that_shopify_did_not_sign_connects_nobody(app: MakeApp) -> None:
    at = app(SHOPIFY)

    def result_of(url: str, callback: dict[str, str]) -> requests.Response:
        return at.come_back(url, callback, Accept="application/json")

    def leave() -> tuple[str, dict[str, str]]:
        url = at.leave(at.link(), shop="meow-shop")
        return url, {"code": "code-1", "state": parse_qs(urlsplit(url).query)["state"][0]}

    for number in range(3):
        url, members = leave()
        good = signed(_callback(**members))
        forged = (
            _callback(hmac=signed(_callback(**members), secret="another secret")),
            _callback(hmac=good, timestamp="1764000001"),
            _callback(shop="evil-shop.myshopify.com"),
        )[number]
        told = result_of(url, forged).json()
        assert (told["status"], told["reason"]) == ("failed", "bad_parameter")
    assert (at.provider.server.requests, at.is_connected()) == ([], False)
    url, members = leave()
    told = result_of(url, _callback(hmac=signed(_callback(**members)))).json()
    assert told["message"] == "User Registered"


def test_shopify_calls_carry_its_own_header_and_stay_in_the_shop(app: MakeApp) -> None:
    at = app(SHOPIFY)
    at.connect()
    assert at.field_sent("X-Shopify-Access-Token", '{"x-shopify-access-token": "own"}') == ["access-1"]
    assert at.field_sent("Authorization", '{"authorization": "Bearer own"}') == []
    at.check_refused("https://another-shop.myshopify.com/admin/api/2026-10/products.json")


def test_servicenow_the_instance_is_staff_s_to_name(app: MakeApp) -> None:
    """The client secret goes to its token endpoint, so neither an app nor a customer chooses the host."""
    at = app(SERVICENOW)
    made = at.link(instance="evil")
    assert 'name="instance"' not in at.browser.open(at.here(made["url"])).text
    url = at.leave(made, instance="evil")
    assert url.startswith(f"{SERVICENOW.authorize}?")
    at.come_back(url)
    at.end_token()
    at.read()
    hosts = {call.header("Host") for call in at.provider.server.requests}
    assert (hosts, len(at.provider.calls(SERVICENOW.token))) == ({"dev12345.service-now.com"}, 2)
    at.check_refused("https://evil.service-now.com/api/now/table/incident")
