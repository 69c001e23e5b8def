"""The values of a connection lead to the hosts that its provider allows, and nowhere else."""

from __future__ import annotations

import pytest

from integrations.catalogue import (
    InvalidConnectionField,
    MissingValue,
    account_url,
    captured,
    check_connection_fields,
    get,
    render_url,
    resolve_base_url,
    resolve_headers,
    resolve_hosts,
)

CON_19 = ["evil.example/#", "evil.example:443/x?", "a@evil.example", "a.b", "xn--shop-1"]


def test_hubspot_needs_no_values() -> None:
    hubspot = get("hubspot")
    assert resolve_base_url(hubspot, {}) == "https://api.hubapi.com"
    assert resolve_hosts(hubspot, {}) == {
        "api.hubapi.com",
        "api.hubspot.com",
        "api-eu1.hubapi.com",
        "api.hsforms.com",
        "api-eu1.hsforms.com",
    }


def test_shopify_s_host_comes_from_the_shop() -> None:
    shopify = get("shopify")
    values = {"shop": "My-Shop-1"}
    assert resolve_hosts(shopify, values) == {"my-shop-1.myshopify.com"}
    assert resolve_base_url(shopify, values) == "https://my-shop-1.myshopify.com"
    assert render_url(shopify, shopify.oauth.token_endpoint, values) == (
        "https://my-shop-1.myshopify.com/admin/oauth/access_token"
    )


def test_servicenow_s_host_comes_from_the_instance() -> None:
    servicenow = get("servicenow")
    assert resolve_hosts(servicenow, {"instance": "dev12345"}) == {"dev12345.service-now.com"}


def test_the_host_that_gets_servicenow_s_client_secret_is_chosen_by_staff() -> None:
    field = get("servicenow").connection_field("instance")
    assert field is not None
    assert field.asked_of == "staff"


def test_pipedrive_s_host_comes_from_the_token_answer() -> None:
    pipedrive = get("pipedrive")
    rule = pipedrive.oauth.token_captures[0]
    values = {rule.store_as: captured(rule, "https://Acme.pipedrive.com")}
    assert resolve_hosts(pipedrive, values) == {"acme.pipedrive.com", "api.pipedrive.com"}
    assert resolve_base_url(pipedrive, values) == "https://acme.pipedrive.com"


@pytest.mark.parametrize(
    "told",
    [
        "https://evil.example",
        "http://acme.pipedrive.com",
        "https://acme.pipedrive.com@evil.example",
        "https://acme.pipedrive.com:8443",
        "https://pipedrive.com",
        "https://acme.pipedrive.com.evil.example",
        "https://[::1]",
        "https://[",
        "//acme.pipedrive.com",
        "",
        "https://evil.example/.pipedrive.com",
    ],
)
def test_cal_16_a_captured_host_outside_the_provider_is_refused(told: str) -> None:
    with pytest.raises(InvalidConnectionField):
        captured(get("pipedrive").oauth.token_captures[0], told)


@pytest.mark.parametrize(
    "stored", ["evil.example", "acme.pipedrive.com.evil.example", "a@acme.pipedrive.com"]
)
def test_a_stored_host_is_checked_again_at_use(stored: str) -> None:
    with pytest.raises(InvalidConnectionField):
        resolve_hosts(get("pipedrive"), {"api_domain_host": stored})


def test_hosts_are_not_told_before_the_values_are_there() -> None:
    with pytest.raises(MissingValue) as caught:
        resolve_hosts(get("shopify"), {})
    assert caught.value.field == "shop"


@pytest.mark.parametrize("value", CON_19)
@pytest.mark.parametrize(("provider_id", "field"), [("shopify", "shop"), ("servicenow", "instance")])
def test_con_19_no_typed_value_leads_to_another_host(provider_id: str, field: str, value: str) -> None:
    provider = get(provider_id)
    with pytest.raises(InvalidConnectionField):
        check_connection_fields(provider, {field: value})
    with pytest.raises(InvalidConnectionField):
        resolve_hosts(provider, {field: value})
    with pytest.raises(InvalidConnectionField):
        render_url(provider, provider.oauth.authorization_endpoint, {field: value})


def test_a_value_that_the_provider_s_pattern_refuses_is_refused() -> None:
    with pytest.raises(InvalidConnectionField) as caught:
        check_connection_fields(get("shopify"), {"shop": "a" * 61})
    assert caught.value.reason == "must look like my-shop-1"


def test_connection_fields_are_stored_without_spaces_and_in_lower_case() -> None:
    assert check_connection_fields(get("shopify"), {"shop": "  My-Shop-1 "}) == {"shop": "my-shop-1"}


@pytest.mark.parametrize("given", [{}, {"shop": ""}, {"shop": "  "}])
def test_a_required_field_that_is_not_given_is_missing(given: dict[str, str]) -> None:
    with pytest.raises(MissingValue):
        check_connection_fields(get("shopify"), given)


def test_a_field_that_the_provider_does_not_have_is_refused() -> None:
    with pytest.raises(InvalidConnectionField) as caught:
        check_connection_fields(get("hubspot"), {"shop": "my-shop"})
    assert str(caught.value) == "shop: is not a field of HubSpot"


def test_a_customer_cannot_give_a_field_that_is_asked_of_staff() -> None:
    with pytest.raises(InvalidConnectionField):
        check_connection_fields(get("servicenow"), {"instance": "dev1"}, asked_of=("customer",))
    assert check_connection_fields(get("servicenow"), {}, asked_of=("customer", "partner")) == {}


def test_cal_16_quickbooks_keeps_the_company_of_the_callback() -> None:
    quickbooks = get("quickbooks")
    rule = quickbooks.oauth.callback_captures[0]
    assert (rule.parameter, rule.store_as) == ("realmId", "realm_id")
    assert captured(rule, "9130") == "9130"
    with pytest.raises(InvalidConnectionField):
        captured(rule, "9130/../1")


def test_shopify_s_callback_must_name_the_shop_that_was_asked() -> None:
    rule = get("shopify").oauth.callback_captures[0]
    assert captured(rule, "my-shop.myshopify.com", values={"shop": "my-shop"}) == "my-shop.myshopify.com"
    with pytest.raises(InvalidConnectionField):
        captured(rule, "other-shop.myshopify.com", values={"shop": "my-shop"})


def test_headers_with_unknown_values_are_left_out() -> None:
    xero = get("xero")
    assert resolve_headers(xero, {}) == {"Accept": "application/json"}
    assert resolve_headers(xero, {"tenant_id": "t-1"}) == {
        "Accept": "application/json",
        "Xero-Tenant-Id": "t-1",
    }


def test_the_address_of_an_account_is_built_from_its_answer() -> None:
    probe = get("hubspot").identity[0]
    values = {"ui_domain": "app-eu1.hubspot.com", "account_id": "62515"}
    assert account_url(probe, values) == "https://app-eu1.hubspot.com/home?portalId=62515"


@pytest.mark.parametrize(
    "ui_domain", ["evil.example", "app.hubspot.com.evil.example", "a@app.hubspot.com", ""]
)
def test_the_address_of_an_account_never_leads_elsewhere(ui_domain: str) -> None:
    assert account_url(get("hubspot").identity[0], {"ui_domain": ui_domain, "account_id": "1"}) is None


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("https://acme.atlassian.net", "https://acme.atlassian.net"),
        ("https://evil.example", None),
        ("javascript:alert(1)", None),
        ("https://a@acme.atlassian.net", None),
        (17, None),
        (None, None),
    ],
)
def test_an_address_in_the_answer_is_kept_on_the_provider_s_hosts_only(
    told: object, expected: str | None
) -> None:
    assert account_url(get("atlassian").identity[0], {}, answer={"url": told}) == expected
