"""What a credential may use."""

from __future__ import annotations

from typing import Any

from django.test import Client

from integrations.models import IntegrationGrant
from tests import factories
from tests.factories import CLIENT_SECRET, World
from tests.integrations.api.conftest import Api, of, problem, same_but_for_the_request

INTEGRATIONS = "/api/v1/integrations"


def test_an_integration_shows_what_a_link_will_ask_for(api: Api, world: World) -> None:
    world.integration.environment = "dev"
    world.integration.save()
    body = api.get(f"{INTEGRATIONS}/hbdev").json()
    assert set(body) == {"appSlug", "provider", "displayName", "environment", "logo", "scopes"}
    assert (body["appSlug"], body["provider"], body["displayName"]) == ("hbdev", "hubspot", "HubSpot")
    assert body["environment"] == "dev"
    required = {scope["name"] for scope in body["scopes"] if scope["required"]}
    optional = {scope["name"] for scope in body["scopes"] if not scope["required"]}
    assert (required, optional) == (set(factories.SCOPES), set(factories.OPTIONAL_SCOPES))
    assert all(scope["meaning"] for scope in body["scopes"])


def test_the_logo_is_served_from_here(api: Api) -> None:
    url = api.get(f"{INTEGRATIONS}/hbdev").json()["logo"]
    response = Client().get(url.removeprefix("http://localhost:8000"))
    assert response["Content-Type"] == "image/svg+xml" and b"Hs" in response.content
    assert Client().get("/logos/no-such-provider.svg").status_code == 404
    assert Client().get("/logos/%00.svg").status_code == 404


def test_lists_hold_what_was_granted_and_is_switched_on(api: Api, world: World) -> None:
    factories.integration("foreign-app", client_id="00000000-aaaa-4aaa-8aaa-000000000000")
    listed = api.get(INTEGRATIONS)
    assert [row["appSlug"] for row in listed.json()["results"]] == ["hbdev"] and listed.json()["next"] is None
    assert (
        CLIENT_SECRET not in listed.content.decode() and world.client.client_id not in listed.content.decode()
    )
    world.integration.is_enabled = False
    world.integration.save()
    assert api.get(INTEGRATIONS).json()["results"] == []
    problem(api.get(f"{INTEGRATIONS}/hbdev"), 404, "not_found")


def test_a_provider_that_left_the_catalogue_does_not_spoil_the_list(api: Api, world: World) -> None:
    orphan = factories.integration("orphan", "gone")
    IntegrationGrant.objects.create(credential=world.credential, integration=orphan)
    assert [row["appSlug"] for row in api.get(INTEGRATIONS).json()["results"]] == ["hbdev"]
    problem(api.get(f"{INTEGRATIONS}/orphan"), 404, "not_found")


def test_foreign_and_unknown_integrations_look_alike(api: Api) -> None:
    factories.world("Umbrella", "umbrella-crm")
    unknown = problem(api.get(f"{INTEGRATIONS}/no-such-app"), 404, "not_found")
    for slug in ("umbrella-crm", "%00", "HBDEV", "x" * 500, "%F0%9F%98%80"):
        assert same_but_for_the_request(problem(api.get(f"{INTEGRATIONS}/{slug}"), 404, "not_found"), unknown)


def test_a_credential_without_integrations_sees_none_and_nobody_sees_nothing(
    world: World, nobody: Api
) -> None:
    bare = Api(f"Bearer {factories.credential(world.partner).api_key}")
    assert bare.get(INTEGRATIONS).json() == {"results": [], "next": None}
    problem(bare.get(f"{INTEGRATIONS}/hbdev"), 404, "not_found")
    problem(nobody.get(INTEGRATIONS), 401, "not_authenticated")
    problem(nobody.get(f"{INTEGRATIONS}/hbdev"), 401, "not_authenticated")


def test_an_unknown_parameter_of_the_list_is_named(world: World) -> None:
    problem(of(world).get(INTEGRATIONS, provider="hubspot"), 400, "invalid_request", "provider")


def test_many_integrations_cost_as_many_queries_as_few(
    api: Api, world: World, django_assert_max_num_queries: Any
) -> None:
    for number in range(4):
        made = factories.integration(f"app-{number}", client_id=f"client-{number}")
        world.credential.integration_grants.create(integration=made)
    api.get(INTEGRATIONS)
    with django_assert_max_num_queries(3):
        assert len(api.get(INTEGRATIONS).json()["results"]) == 5
