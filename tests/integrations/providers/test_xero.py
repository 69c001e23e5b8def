"""Xero: HTTP Basic, scopes by spaces with offline_access, one consent for several organisations."""

from __future__ import annotations

from typing import Any

import pytest

from integrations import catalogue, connections
from integrations.models import Connection
from integrations.models.connection import Status
from tests.integrations.providers.conftest import (
    check_authorize_url,
    check_token_call,
    disconnected,
    refreshed,
)
from tests.provider_server import Answer, ProviderServer

TOKEN = "https://identity.xero.com/connect/token"
TENANTS = "https://api.xero.com/connections"
ENDS_ACME, ENDS_OTHER = (f"https://api.xero.com/connections/{number}" for number in ("conn-1", "conn-2"))
TOKENS = {
    "access_token": "xero-access-1",
    "token_type": "Bearer",
    "refresh_token": "xero-refresh-1",
    "expires_in": 1800,
    "scope": "accounting.contacts offline_access",
}
ACME = {"id": "conn-1", "tenantId": "tenant-acme", "tenantType": "ORGANISATION", "tenantName": "Acme"}
OTHER = {"id": "conn-2", "tenantId": "tenant-other", "tenantType": "ORGANISATION", "tenantName": "Other"}


@pytest.fixture
def xero(walk: Any) -> Any:
    return walk("xero", scopes=("accounting.contacts",))


def script(server: ProviderServer, *tenants: dict[str, str]) -> None:
    rotated = {**TOKENS, "access_token": "xero-access-2", "refresh_token": "xero-refresh-2"}
    server.on("POST", TOKEN, TOKENS, rotated)
    server.on("GET", TENANTS, list(tenants))
    for address in (ENDS_ACME, ENDS_OTHER):
        server.on("DELETE", address, Answer(b"", status=204))


def test_the_authorize_url_asks_for_offline_access(xero: Any) -> None:
    check_authorize_url(
        xero.leave(),
        "https://login.xero.com/identity/connect/authorize",
        {"redirect_uri": "http://localhost:8000/oauth/xero-dev/callback"},
        has_pkce=True,
        raw_scope="accounting.contacts%20offline_access",
    )


def test_a_customer_connects_and_the_organisation_is_kept(xero: Any) -> None:
    script(xero.server, ACME)
    made = xero.connected()
    (call,) = xero.server.received(TOKEN)
    check_token_call(
        call,
        auth="basic",
        body="form",
        has_verifier=True,
        grant_type="authorization_code",
        code="the-code",
        redirect_uri="http://localhost:8000/oauth/xero-dev/callback",
    )
    (probe,) = xero.server.received(TENANTS)
    assert (probe.header("Authorization"), probe.header("Accept")) == (
        "Bearer xero-access-1",
        "application/json",
    )
    assert (made.provider_account_id, made.provider_account_name) == ("tenant-acme", "Acme")
    assert made.provider_account_data == {
        "tenant_id": "tenant-acme",
        "tenant_type": "ORGANISATION",
        "tenant_connection_id": "conn-1",
    }
    assert (made.granted_scopes, made.missing_scopes) == (["accounting.contacts", "offline_access"], [])
    provider, values = made.integration.provider, made.config_values()
    assert catalogue.resolve_base_url(provider, values) == "https://api.xero.com"
    assert catalogue.resolve_hosts(provider, values) == {"api.xero.com"}
    assert catalogue.resolve_headers(provider, {**values, **made.provider_account_data}) == {
        "Accept": "application/json",
        "Xero-Tenant-Id": "tenant-acme",
    }


def test_a_refresh_stores_the_rotated_pair(xero: Any) -> None:
    script(xero.server, ACME)
    assert refreshed(xero.connected()) == ("xero-access-2", "xero-refresh-2")
    check_token_call(
        xero.server.received(TOKEN)[1],
        auth="basic",
        body="form",
        grant_type="refresh_token",
        refresh_token="xero-refresh-1",
    )


def test_disconnecting_ends_the_connection_to_this_organisation_alone(xero: Any) -> None:
    """Revoking the token would end the user's connections to every organisation."""
    script(xero.server, ACME, OTHER)
    made = xero.connected(account="tenant-acme")
    xero.leave(xero.link("customer-2"))
    assert xero.choose(xero.come_back(), "tenant-other").outcome == "connected"
    assert disconnected(made) == "confirmed"
    (call,) = xero.server.received(ENDS_ACME)
    assert (call.method, call.header("Authorization"), call.body) == ("DELETE", "Bearer xero-access-1", b"")
    assert xero.server.received(ENDS_OTHER) == []


def test_con_15_a_reconnect_keeps_its_organisation_though_the_consent_lists_another_first(xero: Any) -> None:
    script(xero.server, ACME)
    made = xero.connected()
    script(xero.server, OTHER, ACME)
    again = xero.connected()
    assert (again.pk, again.provider_account_id) == (made.pk, "tenant-acme")
    assert again.provider_account_data["tenant_connection_id"] == "conn-1"
    assert connections.check(again).provider_account_id == "tenant-acme"


def test_con_15_a_consent_without_the_organisation_is_refused_and_given_back(xero: Any) -> None:
    script(xero.server, ACME)
    before = xero.connected()
    script(xero.server, OTHER)
    xero.leave()
    finished = xero.come_back()
    assert (finished.outcome, finished.reason) == ("failed", "account_mismatch")
    after = xero.connection()
    assert (after.access_token, after.refresh_token) == (before.access_token, before.refresh_token)
    assert (after.status, after.provider_account_id) == (Status.ACTIVE, "tenant-acme")
    assert Connection.objects.count() == 1
    (call,) = xero.server.received(ENDS_OTHER)
    assert call.method == "DELETE"
    assert xero.server.received(ENDS_ACME) == []


def test_a_grant_that_lists_no_organisation_is_connected_with_a_warning(xero: Any) -> None:
    script(xero.server)
    xero.leave()
    finished = xero.come_back()
    assert finished.outcome == "connected"
    assert xero.connection().status_reason == "identity_unknown"


def test_another_issuer_in_the_callback_is_refused_before_any_call(xero: Any) -> None:
    """RFC 9207 section 2.4."""
    script(xero.server, ACME)
    xero.leave()
    finished = xero.come_back(iss="https://identity.evil.example")
    assert (finished.outcome, finished.reason) == ("failed", "issuer_mismatch")
    assert xero.server.requests == []
    xero.leave()
    assert xero.come_back(iss="https://identity.xero.com").outcome == "connected"


def test_an_error_of_another_issuer_is_not_taken_for_the_customers_no(xero: Any) -> None:
    """RFC 9207 section 2.4 speaks of error responses too."""
    xero.leave()
    finished = xero.come_back(iss="https://identity.evil.example", code="", error="access_denied")
    assert (finished.outcome, finished.reason) == ("failed", "issuer_mismatch")
    xero.leave()
    finished = xero.come_back(iss="https://identity.xero.com", code="", error="access_denied")
    assert finished.outcome == "denied"


def test_the_customer_chooses_among_the_organisations_and_calls_name_that_one(xero: Any) -> None:
    script(xero.server, ACME, OTHER)
    made = xero.connected(account="tenant-other")
    assert (made.provider_account_id, made.provider_account_name) == ("tenant-other", "Other")
    fields = catalogue.resolve_headers(made.integration.provider, made.provider_account_data)
    assert fields["Xero-Tenant-Id"] == "tenant-other"
