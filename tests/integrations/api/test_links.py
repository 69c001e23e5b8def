"""Connect links and manage links."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.models import AuditEntry, Customer
from integrations.models import Connection, ConnectLink, IntegrationScope
from tests import factories
from tests.factories import World
from tests.integrations.api.conftest import Api, of, problem, same_but_for_the_request, without

LINKS = "/api/v1/connect-links"
ASKED = {"appSlug": "hbdev", "userForeignIdentifier": "tenant-42"}


def test_a_link_is_made_with_a_pending_connection(api: Api, world: World) -> None:
    response = api.post(LINKS, ASKED)
    assert response.status_code == 201
    body = response.json()
    assert set(body) == {"id", "url", "userForeignIdentifier", "UUID", "expiresAt"}
    assert body["url"].startswith("http://localhost:8000/connect/")
    assert body["userForeignIdentifier"] == "tenant-42"
    assert response["Cache-Control"] == "no-store"
    lives = parse_datetime(body["expiresAt"]) - timezone.now()  # type: ignore[operator]
    assert timedelta(minutes=29) < lives <= timedelta(minutes=30)
    connection = Connection.objects.get(pk=body["UUID"])
    assert (connection.status, connection.access_token) == ("pending", None)
    entry = AuditEntry.objects.get(action="link.created")
    assert (entry.actor_kind, entry.actor_id) == ("partner", str(world.credential.pk))


def test_the_link_leads_to_our_page_and_its_token_is_not_stored(api: Api) -> None:
    url = api.post(LINKS, ASKED).json()["url"]
    token = urlsplit(url).path.rsplit("/", 1)[1]
    assert Client().get(urlsplit(url).path).status_code == 200
    assert token not in str(ConnectLink.objects.values().get())


def test_every_option_reaches_the_link(api: Api) -> None:
    wanted = {
        **ASKED,
        "returnUrl": "https://app.example.com/settings?tab=crm",
        "scopes": ["crm.objects.contacts.read"],
        "optionalScopes": ["crm.objects.deals.read"],
        "expiresInSeconds": 604_800,
        "connectionName": "emea",
        "customer": {"displayName": "Ada's Bakery", "email": "ada@example.com"},
    }
    body = api.post(LINKS, wanted).json()
    link = ConnectLink.objects.select_related("connection__customer").get(pk=body["id"])
    assert link.return_url == wanted["returnUrl"]
    assert link.scopes == ["crm.objects.contacts.read", "oauth"]
    assert link.optional_scopes == ["crm.objects.deals.read"]
    assert link.expires_at - timezone.now() > timedelta(days=6, hours=23)
    assert link.connection.name == "emea"
    assert link.connection.customer.display_name == "Ada's Bakery"
    assert link.connection.customer.email == "ada@example.com"


def test_a_second_link_for_the_same_customer_names_the_same_connection(api: Api) -> None:
    first, second = api.post(LINKS, ASKED).json(), api.post(LINKS, ASKED).json()
    assert first["UUID"] == second["UUID"] and first["url"] != second["url"]


@pytest.mark.parametrize("identifier", [" ", "a b/c%2F", "Zoë 😀", "x" * 1_024, "a@b.example", "..."])
def test_odd_identifiers_are_kept_character_for_character(api: Api, identifier: str) -> None:
    response = api.post(LINKS, {**ASKED, "userForeignIdentifier": identifier})
    assert response.status_code == 201
    assert response.json()["userForeignIdentifier"] == identifier
    assert Customer.objects.get().foreign_identifier == identifier


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"userForeignIdentifier": ""}, "userForeignIdentifier"),
        ({"userForeignIdentifier": "x" * 1_025}, "userForeignIdentifier"),
        ({"userForeignIdentifier": "a\x00b"}, "userForeignIdentifier"),
        ({"userForeignIdentifier": "a\nb"}, "userForeignIdentifier"),
        ({"userForeignIdentifier": "."}, "userForeignIdentifier"),
        ({"userForeignIdentifier": ".."}, "userForeignIdentifier"),
        ({"userForeignIdentifier": "~"}, "userForeignIdentifier"),
        ({"userForeignIdentifier": 42}, "userForeignIdentifier"),
        ({"userForeignIdentifier": None}, "userForeignIdentifier"),
        ({"userForeignIdentifier": ["a"]}, "userForeignIdentifier"),
        ({"appSlug": 7}, "appSlug"),
        ({"appSlug": ""}, "appSlug"),
        ({"returnUrl": "https://evil.example/"}, "returnUrl"),
        ({"returnUrl": "https://app.example.com@evil.example/"}, "returnUrl"),
        ({"returnUrl": "javascript:alert(1)"}, "returnUrl"),
        ({"returnUrl": "//app.example.com/"}, "returnUrl"),
        ({"returnUrl": "http://app.example.com/"}, "returnUrl"),
        ({"returnUrl": "https://app.example.com:444/"}, "returnUrl"),
        ({"returnUrl": "https://app.example.com\\@evil.example/"}, "returnUrl"),
        ({"returnUrl": "https://[bad/"}, "returnUrl"),
        ({"returnUrl": "https://app.example.com/" + "x" * 2_048}, "returnUrl"),
        ({"scopes": ["crm.objects.contacts.reed"]}, "scopes"),
        ({"scopes": "oauth"}, "scopes"),
        ({"scopes": [1]}, "scopes.0"),
        ({"scopes": ["x" * 201]}, "scopes.0"),
        ({"scopes": ["oauth"] * 201}, "scopes"),
        ({"optionalScopes": ["nothing"]}, "optionalScopes"),
        ({"expiresInSeconds": 59}, "expiresInSeconds"),
        ({"expiresInSeconds": 604_801}, "expiresInSeconds"),
        ({"expiresInSeconds": "60"}, "expiresInSeconds"),
        ({"expiresInSeconds": True}, "expiresInSeconds"),
        ({"expiresInSeconds": 61.5}, "expiresInSeconds"),
        ({"expiresInSeconds": 10**400}, "expiresInSeconds"),
        ({"connectionName": ""}, "connectionName"),
        ({"connectionName": "x" * 65}, "connectionName"),
        ({"connectionName": " a"}, "connectionName"),
        ({"connectionConfig": {"shop": "x"}}, "connectionConfig.shop"),
        ({"connectionConfig": "shop"}, "connectionConfig"),
        ({"connectionConfig": {"shop": 1}}, "connectionConfig.shop"),
        ({"customer": "Ada"}, "customer"),
        ({"customer": {"displayName": "x" * 201}}, "customer.displayName"),
        ({"customer": {"email": "not an address"}}, "customer.email"),
        ({"customer": {"name": "Ada"}}, "customer.name"),
        ({"foreignIdentifier": "x"}, "foreignIdentifier"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_and_nothing_is_made(
    api: Api, change: dict[str, Any], field: str
) -> None:
    problem(api.post(LINKS, {**ASKED, **change}), 400, "invalid_request", field)
    assert not Customer.objects.exists()
    assert not Connection.objects.exists()
    assert not ConnectLink.objects.exists()


@pytest.mark.parametrize("slug", ["hbprod", "HBDEV", "hbdev ", "a\nb", "%00"])
def test_an_unknown_integration_is_not_found(api: Api, slug: str) -> None:
    problem(api.post(LINKS, {**ASKED, "appSlug": slug}), 404, "not_found")
    assert not Customer.objects.exists()


def test_another_partners_integration_looks_like_one_that_does_not_exist(world: World) -> None:
    factories.world("Umbrella", "umbrella-crm")
    foreign = problem(of(world).post(LINKS, {**ASKED, "appSlug": "umbrella-crm"}), 404, "not_found")
    unknown = problem(of(world).post(LINKS, {**ASKED, "appSlug": "no-such-app"}), 404, "not_found")
    assert same_but_for_the_request(foreign, unknown)


def test_a_disabled_integration_is_not_found(api: Api, world: World) -> None:
    world.integration.is_enabled = False
    world.integration.save()
    problem(api.post(LINKS, ASKED), 404, "not_found")


def test_links_need_the_permission_and_a_credential(world: World, nobody: Api) -> None:
    problem(without(world, "connect").post(LINKS, ASKED), 403, "permission_denied")
    refused = nobody.post(LINKS, ASKED)
    problem(refused, 401, "not_authenticated")
    assert "Bearer" in refused["WWW-Authenticate"]
    problem(Api("Bearer pbk_wrong").post(LINKS, ASKED), 401, "not_authenticated")


def test_con_14_naming_another_partners_customer_reaches_only_ones_own(world: World, other: World) -> None:
    theirs = factories.connection(other, "tenant-42")
    before = Connection.objects.values().get(pk=theirs.pk)
    made = of(world).post(LINKS, ASKED).json()
    assert made["UUID"] != str(theirs.pk)
    foreign = problem(of(world).post(f"/api/v1/connections/{theirs.pk}/refresh"), 404, "connection_not_found")
    unknown = problem(
        of(world).post("/api/v1/connections/00000000-0000-4000-8000-000000000000/refresh"),
        404,
        "connection_not_found",
    )
    assert same_but_for_the_request(foreign, unknown)
    assert Connection.objects.values().get(pk=theirs.pk) == before


def test_the_state_of_a_link_can_be_read(api: Api) -> None:
    made = api.post(LINKS, ASKED).json()
    body = api.get(f"{LINKS}/{made['id']}").json()
    assert body["state"] == "pending" and body["UUID"] == made["UUID"] and "url" not in body
    Client().get(urlsplit(made["url"]).path)
    assert api.get(f"{LINKS}/{made['id']}").json()["state"] == "opened"
    ConnectLink.objects.update(expires_at=timezone.now())
    assert api.get(f"{LINKS}/{made['id']}").json()["state"] == "expired"


def test_a_revoked_link_is_revoked_once_and_for_all(api: Api) -> None:
    made = api.post(LINKS, ASKED).json()
    for _ in range(2):
        response = api.delete(f"{LINKS}/{made['id']}")
        assert (response.status_code, response.content) == (204, b"")
    assert api.get(f"{LINKS}/{made['id']}").json()["state"] == "revoked"
    assert AuditEntry.objects.filter(action="link.revoked").count() == 1
    page = Client().get(urlsplit(made["url"]).path, HTTP_ACCEPT="application/json")
    problem(page, 410, "link_revoked")


def test_a_used_link_cannot_be_revoked(api: Api) -> None:
    made = api.post(LINKS, ASKED).json()
    ConnectLink.objects.update(completed_at=timezone.now())
    problem(api.delete(f"{LINKS}/{made['id']}"), 410, "link_used")


def test_links_of_others_and_links_that_are_none_look_alike(world: World, other: World) -> None:
    made = of(world).post(LINKS, ASKED).json()
    unknown = problem(of(other).get(f"{LINKS}/00000000-0000-4000-8000-000000000000"), 404, "not_found")
    for path in (made["id"], "not-a-uuid", "%00", "%F0%9F%98%80", made["id"].replace("-", "")):
        found = problem(of(other).get(f"{LINKS}/{path}"), 404, "not_found")
        assert same_but_for_the_request(found, unknown)
    problem(of(other).delete(f"{LINKS}/{made['id']}"), 404, "not_found")
    assert ConnectLink.objects.get().revoked_at is None


def test_a_credential_without_the_integration_does_not_see_its_links(world: World, api: Api) -> None:
    made = api.post(LINKS, ASKED).json()
    bare = Api(f"Bearer {factories.credential(world.partner).api_key}")
    problem(bare.get(f"{LINKS}/{made['id']}"), 404, "not_found")


def test_scopes_that_staff_did_not_configure_cannot_be_asked_for(api: Api) -> None:
    IntegrationScope.objects.filter(scope="crm.objects.companies.read").delete()
    asked = {**ASKED, "scopes": ["crm.objects.companies.read"]}
    problem(api.post(LINKS, asked), 400, "invalid_request", "scopes")


def test_a_manage_link_opens_the_customers_page(api: Api, world: World) -> None:
    factories.connection(world, "tenant-42")
    response = api.post(
        "/api/v1/manage-links", {"userForeignIdentifier": "tenant-42", "expiresInSeconds": 600}
    )
    assert response.status_code == 201 and set(response.json()) == {"url", "expiresAt"}
    assert Client().get(urlsplit(response.json()["url"]).path).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"userForeignIdentifier": "stranger"}, 404, "not_found", None),
        (
            {"userForeignIdentifier": "tenant-42", "expiresInSeconds": 1},
            400,
            "invalid_request",
            "expiresInSeconds",
        ),
        ({"userForeignIdentifier": ""}, 400, "invalid_request", "userForeignIdentifier"),
        ({}, 400, "invalid_request", "userForeignIdentifier"),
        ({"userForeignIdentifier": "tenant-42", "x": 1}, 400, "invalid_request", "x"),
    ],
)
def test_a_manage_link_needs_a_customer(
    api: Api, world: World, body: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    factories.connection(world, "tenant-42")
    problem(api.post("/api/v1/manage-links", body), status, code, field)


def test_manage_links_are_for_ones_own_customers(world: World, other: World, nobody: Api) -> None:
    factories.connection(other, "tenant-42")
    body = {"userForeignIdentifier": "tenant-42"}
    problem(of(world).post("/api/v1/manage-links", body), 404, "not_found")
    problem(without(other, "connect").post("/api/v1/manage-links", body), 403, "permission_denied")
    problem(nobody.post("/api/v1/manage-links", body), 401, "not_authenticated")
