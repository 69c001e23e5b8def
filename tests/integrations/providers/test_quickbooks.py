"""QuickBooks Online: the company comes in the callback alone, and revoking takes JSON."""

from __future__ import annotations

from typing import Any

import pytest

from integrations import catalogue
from integrations.models.connection import Status
from tests.integrations.providers.conftest import (
    BASIC,
    check_authorize_url,
    check_token_call,
    disconnected,
    refreshed,
)
from tests.provider_server import Answer, ProviderServer

TOKEN = "https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer"
COMPANY = "https://quickbooks.api.intuit.com/v3/company/9130/companyinfo/9130"
REVOKE = "https://developer.api.intuit.com/v2/oauth2/tokens/revoke"
TOKENS = {
    "token_type": "bearer",
    "access_token": "qb-access-1",
    "refresh_token": "qb-refresh-1",
    "expires_in": 3600,
    "x_refresh_token_expires_in": 8726400,
}


@pytest.fixture
def quickbooks(walk: Any) -> Any:
    return walk("quickbooks", scopes=("com.intuit.quickbooks.accounting",))


def script(server: ProviderServer) -> None:
    changed = {**TOKENS, "access_token": "qb-access-2", "refresh_token": "qb-refresh-2"}
    server.on("POST", TOKEN, TOKENS, changed)
    server.on("GET", COMPANY, {"CompanyInfo": {"CompanyName": "Acme Books", "Country": "US"}})
    server.on("POST", REVOKE, b"")


def test_the_authorize_url(quickbooks: Any) -> None:
    check_authorize_url(
        quickbooks.leave(),
        "https://appcenter.intuit.com/connect/oauth2",
        {"redirect_uri": "http://localhost:8000/oauth/quickbooks-dev/callback"},
        has_pkce=True,
        raw_scope="com.intuit.quickbooks.accounting",
    )


def test_cal_16_the_company_of_the_callback_is_kept_and_unknown_parameters_are_not(quickbooks: Any) -> None:
    script(quickbooks.server)
    made = quickbooks.connected(realmId="9130", location="eu")
    (call,) = quickbooks.server.received(TOKEN)
    check_token_call(
        call,
        auth="basic",
        body="form",
        has_verifier=True,
        grant_type="authorization_code",
        code="the-code",
        redirect_uri="http://localhost:8000/oauth/quickbooks-dev/callback",
    )
    (probe,) = quickbooks.server.received(COMPANY)
    assert (probe.header("Authorization"), probe.header("Accept")) == (
        "Bearer qb-access-1",
        "application/json",
    )
    assert made.captured == {"realm_id": "9130"}
    assert (made.provider_account_id, made.provider_account_name) == ("9130", "Acme Books")
    assert made.provider_account_url == "https://app.qbo.intuit.com/app/homepage"
    assert made.provider_account_data == {"country": "US"}
    assert (made.granted_scopes, made.missing_scopes) == ([], [])
    assert made.refresh_token_expires_at is not None and made.token_stored_at is not None
    assert (made.refresh_token_expires_at - made.token_stored_at).total_seconds() == 8726400
    provider, values = made.integration.provider, made.config_values()
    assert catalogue.resolve_base_url(provider, values) == "https://quickbooks.api.intuit.com"
    assert catalogue.resolve_hosts(provider, values) == {
        "quickbooks.api.intuit.com",
        "sandbox-quickbooks.api.intuit.com",
    }
    assert catalogue.resolve_headers(provider, values) == {"Accept": "application/json"}


@pytest.mark.parametrize("realm", ["../9130", "9130/x", "abc", "9" * 26, "9130%00"])
def test_cal_16_a_company_of_an_odd_shape_ends_the_attempt_before_any_call(
    quickbooks: Any, realm: str
) -> None:
    script(quickbooks.server)
    quickbooks.leave()
    finished = quickbooks.come_back(realmId=realm)
    assert (finished.outcome, finished.reason) == ("failed", "bad_parameter")
    assert quickbooks.server.requests == []


def test_cal_16_a_callback_without_the_company_ends_the_attempt_calmly(quickbooks: Any) -> None:
    script(quickbooks.server)
    quickbooks.leave()
    finished = quickbooks.come_back()
    assert (finished.outcome, finished.reason) == ("failed", "bad_response")
    made = quickbooks.connection()
    assert (made.status, made.access_token) == (Status.PENDING, None)


def test_development_keys_are_known_by_the_company_s_number_alone(quickbooks: Any) -> None:
    """The production host refuses them, and the connection is no worse for it."""
    script(quickbooks.server)
    quickbooks.server.on("GET", COMPANY, Answer({"Fault": {}}, status=403))
    made = quickbooks.connected(realmId="9130")
    assert (made.provider_account_id, made.provider_account_name) == ("9130", "")


def test_con_15_another_company_is_refused_by_its_number(quickbooks: Any) -> None:
    script(quickbooks.server)
    before = quickbooks.connected(realmId="9130")
    quickbooks.leave()
    finished = quickbooks.come_back(realmId="9131")
    assert (finished.outcome, finished.reason) == ("failed", "account_mismatch")
    after = quickbooks.connection()
    assert (after.access_token, after.captured) == (before.access_token, {"realm_id": "9130"})


def test_a_refresh_stores_whatever_comes_back(quickbooks: Any) -> None:
    script(quickbooks.server)
    assert refreshed(quickbooks.connected(realmId="9130")) == ("qb-access-2", "qb-refresh-2")
    check_token_call(
        quickbooks.server.received(TOKEN)[1],
        auth="basic",
        body="form",
        grant_type="refresh_token",
        refresh_token="qb-refresh-1",
    )


def test_disconnecting_revokes_with_json(quickbooks: Any) -> None:
    script(quickbooks.server)
    assert disconnected(quickbooks.connected(realmId="9130")) == "confirmed"
    (call,) = quickbooks.server.received(REVOKE)
    assert (call.header("Authorization"), call.json) == (BASIC, {"token": "qb-refresh-1"})
