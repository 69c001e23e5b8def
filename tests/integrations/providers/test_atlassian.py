"""Atlassian: audience and prompt in the authorize URL, JSON at the token endpoint, no call that ends a grant."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Event
from integrations import catalogue
from tests.integrations.providers.conftest import (
    check_authorize_url,
    check_token_call,
    disconnected,
    refreshed,
)
from tests.provider_server import ProviderServer

TOKEN = "https://auth.atlassian.com/oauth/token"
SITES = "https://api.atlassian.com/oauth/token/accessible-resources"
TOKENS = {
    "access_token": "atl-access-1",
    "token_type": "Bearer",
    "refresh_token": "atl-refresh-1",
    "expires_in": 3600,
    "scope": "read:jira-work offline_access",
}
ACME = {"id": "cloud-acme", "name": "acme", "url": "https://acme.atlassian.net", "scopes": ["read:jira-work"]}
OTHER = {"id": "cloud-other", "name": "other", "url": "https://other.atlassian.net", "scopes": []}


@pytest.fixture
def atlassian(walk: Any) -> Any:
    return walk("atlassian", scopes=("read:jira-work",))


def script(server: ProviderServer, *sites: dict[str, Any]) -> None:
    rotated = {**TOKENS, "access_token": "atl-access-2", "refresh_token": "atl-refresh-2"}
    server.on("POST", TOKEN, TOKENS, rotated)
    server.on("GET", SITES, list(sites))


def test_con_11_the_authorize_url_carries_what_atlassian_alone_asks_for(atlassian: Any) -> None:
    check_authorize_url(
        atlassian.leave(),
        "https://auth.atlassian.com/authorize",
        {
            "redirect_uri": "http://localhost:8000/oauth/atlassian-dev/callback",
            "audience": "api.atlassian.com",
            "prompt": "consent",
        },
        has_pkce=True,
        raw_scope="read%3Ajira-work%20offline_access",
    )


def test_a_customer_connects_and_the_site_is_kept(atlassian: Any) -> None:
    script(atlassian.server, ACME, OTHER)
    made = atlassian.connected()
    (call,) = atlassian.server.received(TOKEN)
    check_token_call(
        call,
        auth="post",
        body="json",
        has_verifier=True,
        grant_type="authorization_code",
        code="the-code",
        redirect_uri="http://localhost:8000/oauth/atlassian-dev/callback",
    )
    (probe,) = atlassian.server.received(SITES)
    assert (probe.header("Authorization"), probe.header("Accept")) == (
        "Bearer atl-access-1",
        "application/json",
    )
    assert (made.provider_account_id, made.provider_account_name) == ("cloud-acme", "acme")
    assert made.provider_account_url == "https://acme.atlassian.net"
    assert made.provider_account_data == {"cloud_id": "cloud-acme", "site_url": "https://acme.atlassian.net"}
    assert made.granted_scopes == ["read:jira-work", "offline_access"]
    provider, values = made.integration.provider, made.config_values()
    assert catalogue.resolve_base_url(provider, values) == "https://api.atlassian.com"
    assert catalogue.resolve_hosts(provider, values) == {"api.atlassian.com"}


def test_a_site_s_address_elsewhere_is_not_shown_as_a_link(atlassian: Any) -> None:
    script(atlassian.server, {**ACME, "url": "https://acme.atlassian.net.evil.example"})
    assert atlassian.connected().provider_account_url == ""


def test_a_refresh_is_json_too_and_stores_the_rotated_pair(atlassian: Any) -> None:
    script(atlassian.server, ACME)
    assert refreshed(atlassian.connected()) == ("atl-access-2", "atl-refresh-2")
    check_token_call(
        atlassian.server.received(TOKEN)[1],
        auth="post",
        body="json",
        grant_type="refresh_token",
        refresh_token="atl-refresh-1",
    )


def test_con_15_a_grant_that_was_widened_keeps_the_site_of_the_connection(atlassian: Any) -> None:
    script(atlassian.server, ACME)
    made = atlassian.connected()
    script(atlassian.server, OTHER, ACME)
    again = atlassian.connected()
    assert (again.pk, again.provider_account_id, again.provider_account_name) == (
        made.pk,
        "cloud-acme",
        "acme",
    )


def test_disconnecting_says_that_the_provider_cannot_be_told(atlassian: Any) -> None:
    script(atlassian.server, ACME)
    made = atlassian.connected()
    before = len(atlassian.server.requests)
    assert disconnected(made) is None
    assert len(atlassian.server.requests) == before
    assert Event.objects.get(type="connection.deleted").data["revocation"] == "unsupported"
    assert atlassian.connection().access_token is None


def test_the_customer_chooses_among_the_sites(atlassian: Any) -> None:
    script(atlassian.server, ACME, OTHER)
    made = atlassian.connected(account="cloud-other")
    assert (made.provider_account_id, made.provider_account_name) == ("cloud-other", "other")
    assert made.provider_account_url == "https://other.atlassian.net"
    assert made.provider_account_data["cloud_id"] == "cloud-other"
