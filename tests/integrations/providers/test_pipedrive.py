"""Pipedrive: scopes live in its console, no PKCE, and every company has a host of its own."""

from __future__ import annotations

from typing import Any

import pytest

from integrations import catalogue, tokens
from integrations.errors import ReconnectRequired
from integrations.models.connection import Status
from tests.integrations.providers.conftest import (
    BASIC,
    check_authorize_url,
    check_token_call,
    disconnected,
    pair,
    refreshed,
)
from tests.provider_server import Answer, ProviderServer

TOKEN = "https://oauth.pipedrive.com/oauth/token"
REVOKE = "https://oauth.pipedrive.com/oauth/revoke"
ME = "https://acme-sandbox.pipedrive.com/api/v1/users/me"
TOKENS = {
    "access_token": "v1u:access-1",
    "token_type": "bearer",
    "refresh_token": "7:refresh",
    "scope": "base,deals:full",
    "expires_in": 3599,
    "api_domain": "https://acme-sandbox.pipedrive.com",
}
USER = {
    "success": True,
    "data": {"id": 7, "company_id": 42, "company_name": "Acme Ltd", "email": "a@acme.example"},
}


@pytest.fixture
def pipedrive(walk: Any) -> Any:
    return walk("pipedrive", scopes=("base", "deals:full"))


def script(server: ProviderServer, tokens: dict[str, Any] = TOKENS) -> None:
    server.on("POST", TOKEN, tokens, {**tokens, "access_token": "v1u:access-2"})
    server.on("GET", ME, USER)
    server.on("POST", REVOKE, {"success": True})


def test_the_authorize_url_names_no_scope_and_no_challenge(pipedrive: Any) -> None:
    check_authorize_url(
        pipedrive.leave(),
        "https://oauth.pipedrive.com/oauth/authorize",
        {"redirect_uri": "http://localhost:8000/oauth/pipedrive-dev/callback"},
        has_pkce=False,
        raw_scope=None,
    )


def test_a_customer_connects_and_the_company_s_host_is_kept(pipedrive: Any) -> None:
    script(pipedrive.server)
    made = pipedrive.connected()

    (call,) = pipedrive.server.received(TOKEN)
    check_token_call(
        call,
        auth="basic",
        body="form",
        grant_type="authorization_code",
        code="the-code",
        redirect_uri="http://localhost:8000/oauth/pipedrive-dev/callback",
    )
    (probe,) = pipedrive.server.received(ME)
    assert probe.header("Authorization") == "Bearer v1u:access-1"
    assert (made.provider_account_id, made.provider_account_name) == ("42", "Acme Ltd")
    assert made.provider_account_data == {
        "company_id": "42",
        "user_id": "7",
        "installed_by": "a@acme.example",
    }
    assert made.captured == {"api_domain_host": "acme-sandbox.pipedrive.com"}
    assert made.granted_scopes == ["base", "deals:full"]
    assert made.access_token_lifetime == 3599
    provider, values = made.integration.provider, made.config_values()
    assert catalogue.resolve_base_url(provider, values) == "https://acme-sandbox.pipedrive.com"
    hosts = {"acme-sandbox.pipedrive.com", "api.pipedrive.com"}
    assert catalogue.resolve_hosts(provider, values) == hosts


def test_the_account_s_address_is_the_company_s_own(pipedrive: Any) -> None:
    script(pipedrive.server)
    assert pipedrive.connected().provider_account_url == "https://acme-sandbox.pipedrive.com/"


def test_a_refresh_keeps_the_token_that_comes_back_unchanged(pipedrive: Any) -> None:
    script(pipedrive.server)
    made = pipedrive.connected()
    assert refreshed(made) == ("v1u:access-2", "7:refresh")
    check_token_call(
        pipedrive.server.received(TOKEN)[1],
        auth="basic",
        body="form",
        grant_type="refresh_token",
        refresh_token="7:refresh",
    )


def test_disconnecting_takes_the_refresh_token_back(pipedrive: Any) -> None:
    script(pipedrive.server)
    assert disconnected(pipedrive.connected()) == "confirmed"
    (call,) = pipedrive.server.received(REVOKE)
    assert call.header("Authorization") == BASIC
    assert call.form == {"token": "7:refresh", "token_type_hint": "refresh_token"}


@pytest.mark.parametrize(
    "api_domain",
    [
        "https://evil.example",
        "https://acme.pipedrive.com.evil.example",
        "https://acme.pipedrive.com:8443",
        "https://evil.example/.pipedrive.com",
        "http://acme.pipedrive.com",
        "",
        "https://user@acme.pipedrive.com",
    ],
)
def test_cal_16_a_company_host_of_somebody_else_ends_the_attempt(pipedrive: Any, api_domain: str) -> None:
    """The customer's token would go there."""
    script(pipedrive.server, {**TOKENS, "api_domain": api_domain})
    pipedrive.leave()
    finished = pipedrive.come_back()
    assert (finished.outcome, finished.reason) == ("failed", "bad_parameter")
    assert [request.url for request in pipedrive.server.requests] == [TOKEN]
    assert (pipedrive.connection().status, pipedrive.connection().access_token) == (Status.PENDING, None)


@pytest.mark.parametrize("api_domain", [None, 17.5, ["acme.pipedrive.com"]])
def test_a_reply_without_the_company_s_host_ends_the_attempt_calmly(pipedrive: Any, api_domain: Any) -> None:
    """Without it there is nowhere to send a call to."""
    script(pipedrive.server, {**TOKENS, "api_domain": api_domain})
    pipedrive.leave()
    finished = pipedrive.come_back()
    assert (finished.outcome, finished.reason) == ("failed", "bad_response")
    assert pipedrive.connection().access_token is None


def test_a_refresh_token_that_pipedrive_calls_invalid_ends_the_grant(pipedrive: Any) -> None:
    script(pipedrive.server)
    made = pipedrive.connected()
    gone = {"success": False, "message": "Invalid grant: refresh_token is invalid", "error": "invalid_grant"}
    pipedrive.server.on("POST", TOKEN, Answer(gone, status=400))
    with pytest.raises(ReconnectRequired):
        tokens.refresh_now(made.pk)
    assert pipedrive.connection().status == Status.RECONNECT_REQUIRED
    assert pair(made) == ("v1u:access-1", "7:refresh")
