"""The three ways to name a credential, and what ends one."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import credentials
from accounts.models import Credential, IssuedToken
from tests.factories import ACTOR, World

PATH = "/api/v1/connections"
TOKEN = "/oauth/token"
FORM = "application/x-www-form-urlencoded"


def get(authorization: str | None) -> Any:
    headers = {} if authorization is None else {"HTTP_AUTHORIZATION": authorization}
    return Client(raise_request_exception=False).get(PATH, **headers)


def basic(client_id: str, client_secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()


def issue(body: Any, **extra: Any) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    extra.setdefault("content_type", "application/json")
    return Client(raise_request_exception=False).generic("POST", TOKEN, content, **extra)


def grant(world: World, **change: Any) -> dict[str, Any]:
    return {
        "grant_type": "client_credentials",
        "client_id": world.credential.client_id,
        "client_secret": world.new_credential.client_secret,
        **change,
    }


def test_the_api_key_is_a_bearer_token(world: World) -> None:
    assert get(f"Bearer {world.api_key}").status_code == 200
    assert get(f"bearer   {world.api_key} ").status_code == 200


def test_client_id_and_secret_are_basic_credentials(world: World) -> None:
    assert get(basic(world.credential.client_id, world.new_credential.client_secret)).status_code == 200
    assert get(basic(world.credential.client_id, world.api_key)).status_code == 401


def test_an_issued_token_is_a_bearer_token_for_a_day(world: World) -> None:
    response = issue(grant(world, audience="https://api.stackgo.example"))
    body = response.json()
    assert response.status_code == 200 and response["Content-Type"] == "application/json"
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 86_400)
    assert set(body) == {"access_token", "token_type", "expires_in"}
    assert (response["Cache-Control"], response["Pragma"]) == ("no-store", "no-cache")
    assert get(f"Bearer {body['access_token']}").status_code == 200
    assert body["access_token"] not in str(IssuedToken.objects.values().get())
    IssuedToken.objects.update(expires_at=timezone.now())
    assert get(f"Bearer {body['access_token']}").status_code == 401


def test_the_token_request_may_be_a_form_and_the_client_in_basic(world: World) -> None:
    secret = world.new_credential.client_secret
    form = f"grant_type=client_credentials&client_id={world.credential.client_id}&client_secret={secret}"
    assert issue(form.encode(), content_type=FORM).status_code == 200
    named = basic(world.credential.client_id, secret)
    reply = issue(b"grant_type=client_credentials", content_type=FORM, HTTP_AUTHORIZATION=named)
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_secret": "pbs_wrong"}, 401, "invalid_client"),
        ({"client_id": "pbc_nobody"}, 401, "invalid_client"),
        ({"client_id": "a\x00b"}, 401, "invalid_client"),
        ({"client_id": 7}, 401, "invalid_client"),
        ({"client_secret": None}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": ["client_credentials"]}, 400, "invalid_request"),
    ],
)
def test_a_refused_token_request_speaks_rfc_6749_and_rfc_9457(
    world: World, change: dict[str, Any], status: int, error: str
) -> None:
    response = issue(grant(world, **change))
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    body = response.json()
    assert body["error"] == error and body["error_description"] == body["detail"]
    assert body["code"] == ("not_authenticated" if status == 401 else "invalid_request")
    assert ("WWW-Authenticate" in response) == (status == 401)
    assert not IssuedToken.objects.exists()


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 401),
        (b"", "application/json", 401),
        (b"grant_type=%FF", FORM, 400),
        (b'{"client_id": "\\ud800"}', "application/json", 400),
        (b"grant_type=client_credentials", "text/plain", 415),
        (b"x" * 2_000_000, FORM, 413),
    ],
)
def test_a_token_request_that_cannot_be_read_is_a_problem(
    db: Any, body: bytes, content_type: str, status: int
) -> None:
    response = issue(body, content_type=content_type)
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer pbk_wrong",
        "Bearer \x00",
        "Bearer ÿÿ",
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"a\x00b:c").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Digest username=x",
        "Token abc",
    ],
)
def test_whoever_is_not_known_gets_401_with_both_challenges(db: Any, authorization: str | None) -> None:
    response = get(authorization)
    assert (response.status_code, response["Content-Type"]) == (401, "application/problem+json")
    assert response.json()["code"] == "not_authenticated"
    assert "Bearer" in response["WWW-Authenticate"] and "Basic" in response["WWW-Authenticate"]


def test_a_credential_ends_by_expiry_by_revocation_and_with_its_partner(world: World) -> None:
    bearer = f"Bearer {world.api_key}"
    issued = f"Bearer {issue(grant(world)).json()['access_token']}"
    Credential.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert (get(bearer).status_code, get(issued).status_code) == (401, 401)
    Credential.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    assert (get(bearer).status_code, get(issued).status_code) == (200, 200)
    world.partner.is_active = False
    world.partner.save()
    assert (get(bearer).status_code, get(issued).status_code) == (401, 401)
    world.partner.is_active = True
    world.partner.save()
    credentials.revoke(world.credential, actor=ACTOR)
    assert (get(bearer).status_code, get(issued).status_code) == (401, 401)
    assert issue(grant(world)).status_code == 401


def test_secrets_are_stored_as_digests_alone(world: World) -> None:
    stored = str(Credential.objects.values().get())
    assert world.api_key not in stored and world.new_credential.client_secret not in stored


def test_a_cookie_of_the_admin_opens_nothing(world: World, admin_client: Client) -> None:
    assert admin_client.get(PATH).status_code == 401


def test_the_last_use_is_remembered_in_steps_of_ten_minutes(world: World) -> None:
    assert get(f"Bearer {world.api_key}").status_code == 200
    first = Credential.objects.get().last_used_at
    assert first is not None and timezone.now() - first < timedelta(minutes=1)
    get(f"Bearer {world.api_key}")
    assert Credential.objects.get().last_used_at == first
    Credential.objects.update(last_used_at=first - timedelta(minutes=11))
    get(f"Bearer {world.api_key}")
    assert Credential.objects.get().last_used_at >= first
