"""The token endpoints: grants, both error dialects, PKCE, rotation, shapes."""

from typing import Any

import pytest
import requests

from sandbox.testing import RunningSandbox
from tests.sandbox.consent import STARTER, App, code_for, exchange, refresh, token

VERSIONS = ["v1", "v3", "2026-03", "2026-09"]


def _behave(sandbox: RunningSandbox, **changes: Any) -> None:
    sandbox.control("PATCH", "/_control/behaviour", changes)


def _refused(reply: requests.Response) -> tuple[str, str]:
    body = reply.json()
    assert reply.status_code == 400, body
    return body["status"], body["error"]


@pytest.mark.parametrize("version", VERSIONS)
def test_code_is_exchanged_for_tokens(sandbox: RunningSandbox, app: App, version: str) -> None:
    reply = exchange(sandbox, app, code_for(sandbox, app), version=version)
    body = reply.json()
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "application/json;charset=utf-8"
    assert body["token_type"] == "bearer"
    assert body["access_token"].startswith("C")
    assert body["refresh_token"].startswith("na1-")
    assert (body["hub_id"], body["expires_in"], body["token_use"]) == (STARTER, 1800, "access_token")
    assert body["scopes"] == app["scopes"]


def test_access_tokens_grow_beyond_512_characters(sandbox: RunningSandbox, app: App) -> None:
    tokens = [
        sandbox.control("POST", "/_control/grants", {"clientId": app["clientId"], "hubId": STARTER})[
            "accessToken"
        ]
        for _ in range(16)
    ]
    assert [len(text) for text in tokens] == sorted(len(text) for text in tokens)
    assert len(tokens[-1]) > 512


def test_code_works_once(sandbox: RunningSandbox, app: App) -> None:
    code = code_for(sandbox, app)
    assert exchange(sandbox, app, code).status_code == 200
    assert _refused(exchange(sandbox, app, code)) == ("BAD_AUTH_CODE", "invalid_grant")


def test_code_expires_after_a_minute(sandbox: RunningSandbox, app: App) -> None:
    code = code_for(sandbox, app)
    sandbox.clock.advance(59)
    late = code_for(sandbox, app)
    sandbox.clock.advance(2)
    assert _refused(exchange(sandbox, app, code)) == ("EXPIRED_AUTH_CODE", "invalid_grant")
    assert exchange(sandbox, app, late).status_code == 200


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"client_id": "nobody"}, ("BAD_CLIENT_ID", "invalid_client")),
        ({"client_id": None}, ("BAD_CLIENT_ID", "invalid_client")),
        ({"client_secret": "wrong"}, ("BAD_CLIENT_SECRET", "invalid_client")),
        ({"code": "dummy"}, ("BAD_AUTH_CODE", "invalid_grant")),
        ({"redirect_uri": None}, ("BAD_REDIRECT_URI", "invalid_request")),
        ({"redirect_uri": "https://elsewhere.example.com/cb"}, ("BAD_REDIRECT_URI", "invalid_request")),
        ({"grant_type": "password"}, ("BAD_GRANT_TYPE", "unsupported_grant_type")),
        ({"grant_type": "refresh_token"}, ("BAD_REFRESH_TOKEN", "invalid_grant")),
    ],
)
def test_refusals_name_their_cause_and_leave_the_code_usable(
    sandbox: RunningSandbox, app: App, fields: dict[str, str | None], expected: tuple[str, str]
) -> None:
    base: dict[str, str | None] = {"code": code_for(sandbox, app), "grant_type": "authorization_code"}
    base |= {"redirect_uri": app["redirectUrls"][0]}
    assert _refused(token(sandbox, app, **(base | fields))) == expected
    assert token(sandbox, app, **base).status_code == 200


def test_redirect_uri_of_another_registration_is_a_mismatch(sandbox: RunningSandbox) -> None:
    body = {"redirectUrls": ["https://a.example.com/cb", "https://b.example.com/cb"]}
    app = sandbox.control("POST", "/_control/apps", body)
    reply = exchange(sandbox, app, code_for(sandbox, app), redirect_uri="https://b.example.com/cb")
    assert _refused(reply) == ("MISMATCH_REDIRECT_URI_AUTH_CODE", "invalid_grant")


def test_refresh_token_of_another_app_says_so(
    sandbox: RunningSandbox, app: App, grant: dict[str, Any]
) -> None:
    other = sandbox.control("POST", "/_control/apps", {})
    reply = refresh(sandbox, other, grant["refreshToken"])
    assert _refused(reply) == ("BAD_REFRESH_TOKEN", "invalid_grant")
    assert reply.json()["message"] == "refresh token was not issued to this client"


def test_deleted_account_is_bad_hub(sandbox: RunningSandbox, app: App, grant: dict[str, Any]) -> None:
    sandbox.control("POST", "/_control/delete-account", {"hubId": STARTER})
    assert _refused(refresh(sandbox, app, grant["refreshToken"])) == ("BAD_HUB", "access_denied")


def test_new_versions_speak_both_dialects_in_one_body(sandbox: RunningSandbox, app: App) -> None:
    text = "refresh token is invalid, expired or revoked"
    assert refresh(sandbox, app, "unknown").json() == {
        "error": "invalid_grant",
        "error_description": text,
        "status": "BAD_REFRESH_TOKEN",
        "message": text,
    }


def test_v1_speaks_the_older_dialect(sandbox: RunningSandbox, app: App) -> None:
    body = refresh(sandbox, app, "unknown", version="v1").json()
    assert set(body) == {"status", "message", "correlationId"}
    assert body["status"] == "BAD_REFRESH_TOKEN"


def test_json_body_is_refused(sandbox: RunningSandbox, app: App, grant: dict[str, Any]) -> None:
    fields = {
        "grant_type": "refresh_token", "refresh_token": grant["refreshToken"],
        "client_id": app["clientId"], "client_secret": app["clientSecret"],
    }  # fmt: skip
    reply = requests.post(f"{sandbox.url}/oauth/v3/token", json=fields, timeout=10)
    assert _refused(reply) == ("BAD_REQUEST", "invalid_request")


def test_only_v1_reads_the_query(sandbox: RunningSandbox, app: App, grant: dict[str, Any]) -> None:
    query = {"client_secret": app["clientSecret"], "refresh_token": grant["refreshToken"]}
    form = {"grant_type": "refresh_token", "client_id": app["clientId"]}
    replies = {
        version: requests.post(f"{sandbox.url}/oauth/{version}/token", params=query, data=form, timeout=10)
        for version in VERSIONS
    }
    assert replies.pop("v1").status_code == 200
    assert {_refused(reply)[0] for reply in replies.values()} == {"BAD_CLIENT_SECRET"}


def test_pkce_is_verified_when_a_challenge_was_sent(sandbox: RunningSandbox, app: App) -> None:
    # The verifier and challenge of RFC 7636 appendix B.
    verifier, challenge = (
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    )
    code = code_for(sandbox, app, code_challenge=challenge, code_challenge_method="S256")
    assert _refused(exchange(sandbox, app, code)) == ("BAD_CODE_VERIFIER", "invalid_grant")
    assert _refused(exchange(sandbox, app, code, code_verifier="x" * 43))[0] == "BAD_CODE_VERIFIER"
    assert _refused(exchange(sandbox, app, code, code_verifier=challenge))[0] == "BAD_CODE_VERIFIER"
    assert exchange(sandbox, app, code, code_verifier=verifier).status_code == 200


def test_refresh_returns_the_same_refresh_token_and_old_access_tokens_live_on(
    sandbox: RunningSandbox, app: App, grant: dict[str, Any]
) -> None:
    body = refresh(sandbox, app, grant["refreshToken"]).json()
    assert body["refresh_token"] == grant["refreshToken"]
    assert body["access_token"] != grant["accessToken"]
    for text in (grant["accessToken"], body["access_token"]):
        headers = {"Authorization": f"Bearer {text}"}
        url = f"{sandbox.url}/account-info/v3/details"
        assert requests.get(url, headers=headers, timeout=10).status_code == 200


def test_rotation_without_grace_ends_the_old_token_at_once(
    sandbox: RunningSandbox, app: App, grant: dict[str, Any]
) -> None:
    _behave(sandbox, rotateRefreshTokens=True)
    new = refresh(sandbox, app, grant["refreshToken"]).json()["refresh_token"]
    assert new != grant["refreshToken"]
    assert _refused(refresh(sandbox, app, grant["refreshToken"]))[0] == "BAD_REFRESH_TOKEN"
    assert refresh(sandbox, app, new).status_code == 200


def test_rotation_with_grace_hands_the_same_successor_out_until_it_ends(
    sandbox: RunningSandbox, app: App, grant: dict[str, Any]
) -> None:
    _behave(sandbox, rotateRefreshTokens=True, refreshGraceSeconds=30)
    first = refresh(sandbox, app, grant["refreshToken"]).json()["refresh_token"]
    sandbox.clock.advance(29)
    again = refresh(sandbox, app, grant["refreshToken"]).json()["refresh_token"]
    assert again == first != grant["refreshToken"]
    sandbox.clock.advance(2)
    assert _refused(refresh(sandbox, app, grant["refreshToken"]))[0] == "BAD_REFRESH_TOKEN"
    assert refresh(sandbox, app, first).status_code == 200


def test_client_credentials_give_an_app_token_without_refresh_token(
    sandbox: RunningSandbox, app: App
) -> None:
    reply = token(sandbox, app, grant_type="client_credentials", scope="developer.webhooks_journal.read")
    body = reply.json()
    assert (reply.status_code, body["token_use"]) == (200, "client_credentials")
    assert "refresh_token" not in body


@pytest.mark.parametrize("scope", [None, "crm.objects.contacts.read", "nonsense"])
def test_client_credentials_need_scopes_of_the_app_level(
    sandbox: RunningSandbox, app: App, scope: str | None
) -> None:
    reply = token(sandbox, app, grant_type="client_credentials", scope=scope)
    assert _refused(reply) == ("BAD_SCOPES", "invalid_scope")


def test_expires_in_follows_the_behaviour(sandbox: RunningSandbox, app: App, grant: dict[str, Any]) -> None:
    _behave(sandbox, expiresIn=5)
    body = refresh(sandbox, app, grant["refreshToken"]).json()
    assert body["expires_in"] == 5
    sandbox.clock.advance(6)
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    reply = requests.get(f"{sandbox.url}/account-info/v3/details", headers=headers, timeout=10)
    assert (reply.status_code, reply.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")


def test_shape_adds_overrides_nulls_and_drops_members(
    sandbox: RunningSandbox, app: App, grant: dict[str, Any]
) -> None:
    _behave(
        sandbox, shape={"token_type": "Bearer", "extra": {"a": 1}, "hub_id": None, "__drop": ["expires_in"]}
    )
    body = refresh(sandbox, app, grant["refreshToken"]).json()
    assert (body["token_type"], body["extra"], body["hub_id"]) == ("Bearer", {"a": 1}, None)
    assert "expires_in" not in body
    assert body["access_token"].startswith("C")


def test_shape_can_replace_status_type_and_body_of_one_grant(
    sandbox: RunningSandbox, app: App, grant: dict[str, Any]
) -> None:
    shape = {"__grants": ["refresh_token"], "__status": 201, "__contentType": "text/plain", "__body": "a=b"}
    _behave(sandbox, shape=shape)
    reply = refresh(sandbox, app, grant["refreshToken"])
    assert (reply.status_code, reply.headers["Content-Type"], reply.text) == (201, "text/plain", "a=b")
    assert "access_token" in exchange(sandbox, app, code_for(sandbox, app)).json()


def test_token_delay_comes_after_the_work(sandbox: RunningSandbox, app: App, grant: dict[str, Any]) -> None:
    _behave(sandbox, tokenDelaySeconds=20, rotateRefreshTokens=True)
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{sandbox.url}/oauth/v3/token",
            data={
                "grant_type": "refresh_token", "refresh_token": grant["refreshToken"],
                "client_id": app["clientId"], "client_secret": app["clientSecret"],
            },
            timeout=1,
        )  # fmt: skip
    _behave(sandbox, tokenDelaySeconds=0)
    assert _refused(refresh(sandbox, app, grant["refreshToken"]))[0] == "BAD_REFRESH_TOKEN"


@pytest.mark.parametrize("body", [b"", b"%", b"grant_type=%ff&client_id=%00", b"\xff\xfe", b"a" * 100_000])
def test_nonsense_is_a_400_in_hubspots_shape(sandbox: RunningSandbox, body: bytes) -> None:
    for version in VERSIONS:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        reply = requests.post(f"{sandbox.url}/oauth/{version}/token", data=body, headers=headers, timeout=10)
        assert reply.status_code == 400
        assert reply.json()["status"].startswith("BAD_")
