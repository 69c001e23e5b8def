"""ServiceNow: the instance is staff's to name, since the client secret goes to its host."""

from __future__ import annotations

from typing import Any

import pytest

from integrations import catalogue
from integrations.errors import InvalidInput
from integrations.models import Integration
from tests.integrations.providers.conftest import (
    check_authorize_url,
    check_token_call,
    disconnected,
    refreshed,
)
from tests.provider_server import Answer, ProviderServer

HOST = "dev12345.service-now.com"
TOKEN = f"https://{HOST}/oauth_token.do"
USERS = f"https://{HOST}/api/now/table/sys_user"
REVOKE = f"https://{HOST}/oauth_revoke_token.do"
TOKENS = {
    "access_token": "sn-access-1",
    "refresh_token": "sn-refresh-1",
    "scope": "useraccount",
    "token_type": "Bearer",
    "expires_in": 1799,
}


@pytest.fixture
def servicenow(walk: Any) -> Any:
    return walk("servicenow", scopes=("useraccount",), instance="dev12345")


def script(server: ProviderServer) -> None:
    server.on(
        "POST", TOKEN, TOKENS, {**TOKENS, "access_token": "sn-access-2", "refresh_token": "sn-refresh-2"}
    )
    server.on("GET", USERS, {"result": [{"sys_id": "6816f79cc0a8016401c5a33be04be441"}]})
    server.on("GET", REVOKE, b"")


def test_the_authorize_url_is_the_instance_s(servicenow: Any) -> None:
    check_authorize_url(
        servicenow.leave(),
        f"https://{HOST}/oauth_auth.do",
        {"redirect_uri": "http://localhost:8000/oauth/servicenow-dev/callback"},
        has_pkce=True,
        raw_scope="useraccount",
    )


def test_a_customer_connects_to_the_instance(servicenow: Any) -> None:
    script(servicenow.server)
    made = servicenow.connected()
    (call,) = servicenow.server.received(TOKEN)
    check_token_call(
        call,
        auth="post",
        body="form",
        has_verifier=True,
        grant_type="authorization_code",
        code="the-code",
        redirect_uri="http://localhost:8000/oauth/servicenow-dev/callback",
    )
    (probe,) = servicenow.server.received(USERS)
    assert probe.header("Authorization") == "Bearer sn-access-1"
    assert probe.query == {"sysparm_limit": "1", "sysparm_fields": "sys_id"}
    assert (made.provider_account_id, made.provider_account_url) == ("dev12345", f"https://{HOST}/")
    assert (made.granted_scopes, made.access_token_lifetime) == (["useraccount"], 1799)
    provider, values = made.integration.provider, made.config_values()
    assert catalogue.resolve_base_url(provider, values) == f"https://{HOST}"
    assert catalogue.resolve_hosts(provider, values) == {HOST}


def test_an_instance_that_hides_its_users_is_the_account_all_the_same(servicenow: Any) -> None:
    script(servicenow.server)
    servicenow.server.on("GET", USERS, Answer({"error": {}}, status=403))
    assert servicenow.connected().provider_account_id == "dev12345"


def test_con_19_a_customer_or_partner_cannot_name_the_instance(servicenow: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        servicenow.link(connection_config={"instance": "evil"})
    assert refused.value.field == "connectionConfig.instance"
    assert servicenow.leave(servicenow.link(), instance="evil").startswith(f"https://{HOST}/")


def test_a_refresh_stores_the_rotated_pair(servicenow: Any) -> None:
    script(servicenow.server)
    assert refreshed(servicenow.connected()) == ("sn-access-2", "sn-refresh-2")
    check_token_call(
        servicenow.server.received(TOKEN)[1],
        auth="post",
        body="form",
        grant_type="refresh_token",
        refresh_token="sn-refresh-1",
    )


def test_disconnecting_gives_the_token_back_in_the_query(servicenow: Any) -> None:
    script(servicenow.server)
    assert disconnected(servicenow.connected()) == "confirmed"
    (call,) = servicenow.server.received(REVOKE)
    assert (call.method, call.body, call.query) == ("GET", b"", {"token": "sn-refresh-1"})
    assert call.header("Authorization") is None


def test_cal_11_unused_tokens_are_given_back_to_the_instance_that_staff_named(servicenow: Any) -> None:
    script(servicenow.server)
    servicenow.leave()
    Integration.objects.filter(pk=servicenow.integration.pk).update(is_enabled=False)
    assert servicenow.come_back().reason == "integration_gone"
    assert [call.query for call in servicenow.server.received(REVOKE)] == [{"token": "sn-refresh-1"}]
