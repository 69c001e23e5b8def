"""Introspection, revocation, the legacy metadata paths, account facts, uninstalling."""

from typing import Any
from urllib.parse import quote

import pytest
import requests

from sandbox.testing import RunningSandbox
from tests.sandbox.conftest import Api
from tests.sandbox.consent import EU, STARTER, App, code_for, exchange, refresh

VERSIONS = ["v3", "2026-03", "2026-09"]


def _ask(sandbox: RunningSandbox, app: App, path: str, **fields: str) -> requests.Response:
    data = {"client_id": app["clientId"], "client_secret": app["clientSecret"], **fields}
    return requests.post(f"{sandbox.url}/oauth/{path}", data=data, timeout=10)


@pytest.mark.parametrize("version", VERSIONS)
def test_introspection_tells_the_facts_of_both_kinds(
    sandbox: RunningSandbox, app: App, grant: dict[str, Any], version: str
) -> None:
    path = f"{version}/token/introspect"
    access = _ask(sandbox, app, path, token=grant["accessToken"], token_type_hint="access_token").json()
    again = _ask(sandbox, app, path, token=grant["refreshToken"], token_type_hint="refresh_token").json()
    for facts in (access, again):
        assert (facts["active"], facts["hub_id"], facts["app_id"]) == (True, STARTER, app["appId"])
        assert facts["client_id"] == app["clientId"]
    assert (access["token_use"], again["token_use"]) == ("access_token", "refresh_token")
    assert access["signed_access_token"]["hubId"] == STARTER
    assert not {"signed_access_token", "expires_in", "is_private_distribution"} & set(again)


def test_unknown_expired_revoked_and_foreign_tokens_are_inactive_with_200(
    sandbox: RunningSandbox, app: App, grant: dict[str, Any]
) -> None:
    other = sandbox.control("POST", "/_control/apps", {})
    path = "2026-09/token/introspect"
    replies = [
        _ask(sandbox, app, path, token="unknown"),
        _ask(sandbox, other, path, token=grant["accessToken"]),
    ]
    sandbox.clock.advance(1801)
    replies.append(_ask(sandbox, app, path, token=grant["accessToken"]))
    sandbox.control("POST", "/_control/revoke", {"hubId": STARTER})
    replies.append(_ask(sandbox, app, path, token=grant["refreshToken"]))
    assert [(reply.status_code, reply.json()) for reply in replies] == [(200, {"active": False})] * 4


def test_introspection_needs_the_client(sandbox: RunningSandbox, app: App, grant: dict[str, Any]) -> None:
    reply = _ask(sandbox, app, "v3/token/introspect", token=grant["accessToken"], client_secret="wrong")
    assert (reply.status_code, reply.json()["status"]) == (400, "BAD_CLIENT_SECRET")


@pytest.mark.parametrize("version", VERSIONS)
def test_revoking_a_refresh_token_leaves_access_tokens_alive(
    sandbox: RunningSandbox, app: App, grant: dict[str, Any], api: Api, version: str
) -> None:
    reply = _ask(
        sandbox, app, f"{version}/token/revoke", token=grant["refreshToken"], token_type_hint="refresh_token"
    )
    assert (reply.status_code, reply.content) == (200, b"")
    assert refresh(sandbox, app, grant["refreshToken"]).json()["status"] == "BAD_REFRESH_TOKEN"
    assert api.get("/account-info/v3/details").status_code == 200


def test_legacy_metadata_of_an_access_token(sandbox: RunningSandbox, app: App, grant: dict[str, Any]) -> None:
    url = f"{sandbox.url}/oauth/v1/access-tokens/{quote(grant['accessToken'], safe='')}"
    facts = requests.get(url, timeout=10).json()
    assert (facts["hub_id"], facts["app_id"], facts["token_type"]) == (STARTER, app["appId"], "access")
    assert facts["token"] == grant["accessToken"]


def test_legacy_refresh_token_can_be_read_and_deleted(
    sandbox: RunningSandbox, app: App, grant: dict[str, Any], api: Api
) -> None:
    url = f"{sandbox.url}/oauth/v1/refresh-tokens/{grant['refreshToken']}"
    assert requests.get(url, timeout=10).json()["client_id"] == app["clientId"]
    assert requests.delete(url, timeout=10).status_code == 204
    assert requests.get(url, timeout=10).status_code == 404
    assert api.get("/account-info/v3/details").status_code == 200
    assert refresh(sandbox, app, grant["refreshToken"]).status_code == 400


def test_account_details_name_the_region(sandbox: RunningSandbox, app: App) -> None:
    tokens = exchange(sandbox, app, code_for(sandbox, app, hub_id=EU)).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    for version in VERSIONS:
        facts = requests.get(
            f"{sandbox.url}/account-info/{version}/details", headers=headers, timeout=10
        ).json()
        assert (facts["portalId"], facts["uiDomain"]) == (EU, "app-eu1.hubspot.com")
        assert (facts["utcOffset"], facts["utcOffsetMilliseconds"]) == ("+01:00", 3_600_000)


def test_uninstalling_through_the_api_kills_every_token(
    sandbox: RunningSandbox, app: App, grant: dict[str, Any], api: Api
) -> None:
    reply = api.delete("/appinstalls/2026-09/external-install")
    assert (reply.status_code, reply.content) == (204, b"")
    assert api.get("/account-info/v3/details").json()["category"] == "INVALID_AUTHENTICATION"
    assert refresh(sandbox, app, grant["refreshToken"]).json()["status"] == "BAD_REFRESH_TOKEN"


def test_customer_revokes_and_uninstalls_at_hubspot(
    sandbox: RunningSandbox, app: App, grant: dict[str, Any], api: Api
) -> None:
    assert sandbox.control("POST", "/_control/revoke", {"hubId": STARTER}) == {"revoked": 1}
    assert refresh(sandbox, app, grant["refreshToken"]).json()["status"] == "BAD_REFRESH_TOKEN"
    assert api.get("/account-info/v3/details").status_code == 200
    assert sandbox.control("POST", "/_control/uninstall", {"hubId": str(STARTER)}) == {"revoked": 1}
    assert api.get("/account-info/v3/details").status_code == 401
