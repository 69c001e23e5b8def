"""Procore: no scopes, no PKCE, a company header, and a refresh token that is spent by its first use."""

from __future__ import annotations

from typing import Any

import pytest

from integrations import catalogue
from integrations.models import Integration
from tests.integrations.providers.conftest import (
    CLIENT_ID,
    CLIENT_SECRET,
    check_authorize_url,
    check_token_call,
    disconnected,
    refreshed,
)
from tests.provider_server import Answer, ProviderServer, Received

TOKEN = "https://login.procore.com/oauth/token"
COMPANIES = "https://api.procore.com/rest/v1.0/companies"
ME = "https://api.procore.com/rest/v1.0/me"
REVOKE = "https://login.procore.com/oauth/revoke"
TOKENS = {
    "access_token": "pc-access-1",
    "token_type": "Bearer",
    "expires_in": 5400,
    "refresh_token": "pc-refresh-1",
    "created_at": 1764000000,
}


@pytest.fixture
def procore(walk: Any) -> Any:
    return walk("procore")


def script(server: ProviderServer) -> None:
    server.on(
        "POST", TOKEN, TOKENS, {**TOKENS, "access_token": "pc-access-2", "refresh_token": "pc-refresh-2"}
    )
    server.on("GET", COMPANIES, [{"id": 10, "name": "Build Co"}, {"id": 11, "name": "Other Co"}])
    server.on("GET", ME, {"id": 5, "login": "pm@build.example"})
    server.on("POST", REVOKE, {})


def test_the_authorize_url_names_no_scope_and_no_challenge(procore: Any) -> None:
    check_authorize_url(
        procore.leave(),
        "https://login.procore.com/oauth/authorize",
        {"redirect_uri": "http://localhost:8000/oauth/procore-dev/callback"},
        has_pkce=False,
        raw_scope=None,
    )


def test_a_customer_connects_and_the_company_is_kept(procore: Any) -> None:
    script(procore.server)
    made = procore.connected()
    (call,) = procore.server.received(TOKEN)
    check_token_call(
        call,
        auth="post",
        body="form",
        grant_type="authorization_code",
        code="the-code",
        redirect_uri="http://localhost:8000/oauth/procore-dev/callback",
    )
    assert [probe.header("Authorization") for probe in procore.server.received(COMPANIES)] == [
        "Bearer pc-access-1"
    ]
    assert (made.provider_account_id, made.provider_account_name) == ("10", "Build Co")
    assert made.provider_account_data == {"company_id": "10", "installed_by": "pm@build.example"}
    assert (made.granted_scopes, made.access_token_lifetime) == ([], 5400)
    provider, values = made.integration.provider, made.config_values()
    assert catalogue.resolve_base_url(provider, values) == "https://api.procore.com"
    assert catalogue.resolve_hosts(provider, values) == {"api.procore.com"}
    assert catalogue.resolve_headers(provider, {**values, **made.provider_account_data}) == {
        "Procore-Company-Id": "10"
    }


def test_the_login_is_not_needed(procore: Any) -> None:
    script(procore.server)
    procore.server.on("GET", ME, Answer({}, status=404))
    assert procore.connected().provider_account_data == {"company_id": "10"}


def test_a_refresh_stores_the_rotated_pair(procore: Any) -> None:
    script(procore.server)
    assert refreshed(procore.connected()) == ("pc-access-2", "pc-refresh-2")
    check_token_call(
        procore.server.received(TOKEN)[1],
        auth="post",
        body="form",
        grant_type="refresh_token",
        refresh_token="pc-refresh-1",
    )


def _check_revocation(call: Received) -> None:
    assert call.header("Authorization") is None
    assert call.form == {"token": "pc-access-1", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


def test_disconnecting_revokes_the_access_token(procore: Any) -> None:
    script(procore.server)
    assert disconnected(procore.connected()) == "confirmed"
    (call,) = procore.server.received(REVOKE)
    _check_revocation(call)


def test_each_of_two_connections_to_a_company_ends_its_own_grant(procore: Any) -> None:
    script(procore.server)
    first = procore.connected()
    procore.leave(procore.link("customer-2"))
    assert procore.choose(procore.come_back()).outcome == "connected"
    assert disconnected(first) == "confirmed"
    (call,) = procore.server.received(REVOKE)
    _check_revocation(call)


def test_cal_11_an_integration_that_is_switched_off_during_consent_keeps_nothing_and_revokes(
    procore: Any,
) -> None:
    script(procore.server)
    procore.leave()
    Integration.objects.filter(pk=procore.integration.pk).update(is_enabled=False)
    finished = procore.come_back()
    assert (finished.outcome, finished.reason) == ("failed", "integration_gone")
    assert procore.connection().access_token is None
    (call,) = procore.server.received(REVOKE)
    _check_revocation(call)


def test_the_customer_chooses_among_the_companies_and_calls_name_that_one(procore: Any) -> None:
    script(procore.server)
    made = procore.connected(account="11")
    assert (made.provider_account_id, made.provider_account_name) == ("11", "Other Co")
    fields = catalogue.resolve_headers(made.integration.provider, made.provider_account_data)
    assert fields["Procore-Company-Id"] == "11"
