"""Adopting tokens that another system holds (TOK-21, TOK-22)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.models import Customer
from integrations import tokens
from integrations.models import Connection
from tests import factories
from tests.factories import World
from tests.integrations.api.conftest import Api, of, problem, without

CONNECTIONS = "/api/v1/connections"
IMPORT = {
    "appSlug": "hbdev",
    "userForeignIdentifier": "tenant-42",
    "accessToken": "CImported0123456789",
    "refreshToken": "na1-imported",
}


def test_tok_21_an_import_says_when_the_token_ends(api: Api) -> None:
    problem(api.post(f"{CONNECTIONS}/import", IMPORT), 400, "invalid_request", "expiresIn")
    assert not Customer.objects.exists()
    response = api.post(f"{CONNECTIONS}/import", {**IMPORT, "expiresIn": 1_800})
    assert response.status_code == 201
    lives = parse_datetime(response.json()["accessTokenExpiresAt"]) - timezone.now()  # type: ignore[operator]
    assert timedelta(seconds=1_790) < lives <= timedelta(seconds=1_800)
    never = api.post(
        f"{CONNECTIONS}/import", {**IMPORT, "userForeignIdentifier": "tenant-43", "neverExpires": True}
    ).json()
    assert never["accessTokenExpiresAt"] is None
    row = Connection.objects.get(pk=never["UUID"])
    assert (row.next_refresh_at, row.status) == (None, "active")
    moment = timezone.now() + timedelta(days=1)
    dated = api.post(
        f"{CONNECTIONS}/import",
        {**IMPORT, "userForeignIdentifier": "tenant-44", "expiresAt": moment.isoformat()},
    ).json()
    assert abs(parse_datetime(dated["accessTokenExpiresAt"]) - moment) < timedelta(seconds=5)  # type: ignore[operator]


@pytest.mark.parametrize("token", ["tok\n", " tok ", "tok"])
def test_tok_22_white_space_around_an_imported_token_is_dropped(api: Api, token: str) -> None:
    made = api.post(f"{CONNECTIONS}/import", {**IMPORT, "accessToken": token, "expiresIn": 60}).json()
    opened = tokens.open_tokens(Connection.objects.get(pk=made["UUID"]))
    assert opened == {"access_token": "tok", "refresh_token": "na1-imported"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"accessToken": "to\r\nX-Evil: 1"}, "accessToken"),
        ({"accessToken": "tökén"}, "accessToken"),
        ({"accessToken": " "}, "accessToken"),
        ({"accessToken": ""}, "accessToken"),
        ({"accessToken": "x" * 20_000}, "accessToken"),
        ({"refreshToken": "a\x00b"}, "refreshToken"),
        ({"refreshToken": "a\x07b"}, "refreshToken"),
        ({"expiresIn": -1}, "expiresIn"),
        ({"expiresIn": 10**30}, "expiresIn"),
        ({"expiresIn": 60, "neverExpires": True}, "expiresIn"),
        ({"expiresIn": None, "expiresAt": "soon"}, "expiresIn"),
        ({"expiresAt": "soon"}, "expiresAt"),
        ({"expiresAt": "9999-12-31T23:59:59-12:00"}, "expiresAt"),
        ({"expiresAt": "9999-12-31T23:59:59Z"}, "expiresAt"),
        ({"neverExpires": "true"}, "neverExpires"),
        ({"scopes": "oauth"}, "scopes"),
        ({"userForeignIdentifier": "x" * 1_025, "expiresIn": 60}, "userForeignIdentifier"),
        ({"connectionName": "\n", "expiresIn": 60}, "connectionName"),
        ({"connectionConfig": {"shop": "a"}, "expiresIn": 60}, "connectionConfig.shop"),
        ({"accesToken": "typo"}, "accesToken"),
        ({"providerData": {"realm_id": "1"}, "expiresIn": 60}, "providerData.realm_id"),
        ({"providerData": {"hub_id": "x"}, "expiresIn": 60}, "providerData.hub_id"),
        ({"providerData": {"hub_id": 7}, "expiresIn": 60}, "providerData.hub_id"),
        ({"providerData": "hub_id", "expiresIn": 60}, "providerData"),
        ({"clientId": "another-client", "expiresIn": 60}, "clientId"),
    ],
)
def test_an_import_that_cannot_be_used_names_the_field_and_makes_nothing(
    api: Api, change: dict[str, Any], field: str
) -> None:
    body = problem(api.post(f"{CONNECTIONS}/import", {**IMPORT, **change}), 400, "invalid_request", field)
    assert "X-Evil" not in str(body)
    assert not Customer.objects.exists() and not Connection.objects.exists()


def test_an_import_does_not_overwrite_a_living_connection(api: Api, world: World) -> None:
    made = factories.connection(world, "tenant-42", access_token="COld0123456789")
    refused = api.post(f"{CONNECTIONS}/import", {**IMPORT, "expiresIn": 60})
    problem(refused, 400, "invalid_request", "userForeignIdentifier")
    made.refresh_from_db()
    assert tokens.open_tokens(made)["access_token"] == "COld0123456789"


def test_import_needs_the_permission_and_the_integration(world: World, nobody: Api) -> None:
    body = {**IMPORT, "expiresIn": 60}
    problem(without(world, "connections:write").post(f"{CONNECTIONS}/import", body), 403, "permission_denied")
    bare = Api(f"Bearer {factories.credential(world.partner).api_key}")
    problem(bare.post(f"{CONNECTIONS}/import", body), 404, "not_found")
    problem(nobody.post(f"{CONNECTIONS}/import", body), 401, "not_authenticated")
    assert not Customer.objects.exists()


def test_an_import_names_the_value_that_the_providers_addresses_need(world: World) -> None:
    made = factories.integration("shop-dev", "shopify", client_id="shopify-client")
    world.credential.integration_grants.create(integration=made)
    body = {**IMPORT, "appSlug": "shop-dev", "neverExpires": True}
    problem(of(world).post(f"{CONNECTIONS}/import", body), 400, "invalid_request", "connectionConfig.shop")
    assert not Customer.objects.exists()
    body["connectionConfig"] = {"shop": "adas-bakery"}
    assert of(world).post(f"{CONNECTIONS}/import", body).status_code == 201


def test_an_integration_without_credentials_is_not_ready_for_imports(api: Api, world: World) -> None:
    world.client.delete()
    problem(api.post(f"{CONNECTIONS}/import", {**IMPORT, "expiresIn": 60}), 404, "not_found")
    assert not Customer.objects.exists()


def test_an_import_carries_what_the_provider_told_beside_the_tokens(world: World) -> None:
    made = factories.integration("pd-dev", "pipedrive", client_id="0123456789abcdef")
    world.credential.integration_grants.create(integration=made)
    body = {**IMPORT, "appSlug": "pd-dev", "expiresIn": 60}
    refused = of(world).post(f"{CONNECTIONS}/import", body)
    problem(refused, 400, "invalid_request", "providerData.api_domain_host")
    body["providerData"] = {"api_domain_host": "https://ada.evil.example"}
    refused = of(world).post(f"{CONNECTIONS}/import", body)
    problem(refused, 400, "invalid_request", "providerData.api_domain_host")
    assert not Connection.objects.exists()
    body["providerData"] = {"api_domain_host": "https://ada.pipedrive.com"}
    made_id = of(world).post(f"{CONNECTIONS}/import", body).json()["UUID"]
    assert Connection.objects.get(pk=made_id).captured == {"api_domain_host": "ada.pipedrive.com"}


def test_an_import_may_name_the_client_that_made_the_tokens(api: Api, world: World) -> None:
    """With another client the tokens could never be refreshed (RFC 6749 section 6)."""
    older = world.integration.clients.create(client_id="older-client", is_current=False)
    body = {**IMPORT, "expiresIn": 60, "clientId": "older-client"}
    made_id = api.post(f"{CONNECTIONS}/import", body).json()["UUID"]
    assert Connection.objects.get(pk=made_id).client == older


def test_imported_tokens_that_have_ended_are_renewed_soon_but_not_all_at_once(api: Api) -> None:
    """A refresh token that was dead when it came shows within minutes; the provider meets no stampede."""
    dues = set()
    for number in range(3):
        body = {**IMPORT, "userForeignIdentifier": f"t-{number}", "expiresIn": 0}
        row = Connection.objects.get(pk=api.post(f"{CONNECTIONS}/import", body).json()["UUID"])
        assert row.next_refresh_at is not None
        assert timezone.now() <= row.next_refresh_at <= timezone.now() + timedelta(minutes=10)
        dues.add(row.next_refresh_at)
    assert len(dues) == 3
    live = {**IMPORT, "userForeignIdentifier": "live", "expiresIn": 1_800}
    row = Connection.objects.get(pk=api.post(f"{CONNECTIONS}/import", live).json()["UUID"])
    assert row.next_refresh_at is not None and row.access_token_expires_at is not None
    ahead = row.access_token_expires_at - row.next_refresh_at
    assert timedelta(seconds=180) <= ahead <= timedelta(seconds=180 + 162), "spread by a tenth, never later"
