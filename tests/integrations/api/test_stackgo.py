"""StackGo's paths, as its public reference describes them."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.models import Customer
from integrations.api import stackgo
from integrations.models import Connection, ConnectLink
from tests import factories
from tests.factories import World
from tests.integrations.api.conftest import Api, of, problem, same_but_for_the_request, without

pytestmark = pytest.mark.db
AUTH = "/api/hubspot/auth/hbdev"
USERS = "/api/saas-org-user/get-users/hbdev"
USER = "/api/saas-org-user/get-user/hbdev"
DELETE = "/api/saas-org-user/delete-user/hbdev"


def test_the_install_link_has_stackgos_shape_and_lives_seven_days(api: Api) -> None:
    response = api.get(AUTH, userForeignIdentifier="ada@example.com")
    assert response.status_code == 200 and response["Cache-Control"] == "no-store"
    body = response.json()
    assert set(body) == {"url", "userForeignIdentifier", "UUID"}
    assert body["userForeignIdentifier"] == "ada@example.com"
    assert Client().get(urlsplit(body["url"]).path).status_code == 200
    link = ConnectLink.objects.get()
    assert str(link.connection_id) == body["UUID"] and link.shows_json_result
    assert timedelta(days=6, hours=23) < link.expires_at - timezone.now() <= timedelta(days=7)


def test_basic_credentials_do_as_well(world: World) -> None:
    pair = f"{world.credential.client_id}:{world.new_credential.client_secret}".encode()
    basic = Api(f"Basic {base64.b64encode(pair).decode()}")
    assert basic.get(AUTH, userForeignIdentifier="1").status_code == 200


@pytest.mark.parametrize("word", ["true", "True", "TRUE"])
def test_redirect_true_goes_to_the_hosted_page_at_once(api: Api, word: str) -> None:
    response = api.get(AUTH, userForeignIdentifier="1", redirect=word)
    assert response.status_code == 302 and response["Cache-Control"] == "no-store"
    assert urlsplit(response["Location"]).path.startswith("/connect/")
    assert ConnectLink.objects.get().return_url == ""


def test_a_redirect_under_an_allowed_origin_is_kept(api: Api) -> None:
    url = "https://app.example.com/done?x=1"
    assert api.get(AUTH, userForeignIdentifier="1", redirect=url).status_code == 200
    link = ConnectLink.objects.get()
    assert link.return_url == url and not link.shows_json_result


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "userForeignIdentifier"),
        ("userForeignIdentifier=", "userForeignIdentifier"),
        ("userForeignIdentifier=" + "x" * 1_025, "userForeignIdentifier"),
        ("userForeignIdentifier=a%00b", "userForeignIdentifier"),
        ("userForeignIdentifier=..", "userForeignIdentifier"),
        ("userForeignIdentifier=~", "userForeignIdentifier"),
        ("userForeignIdentifier=%ED%A0%80", "query"),
        ("userForeignIdentifier=a&redirect=https://evil.example/", "redirect"),
        ("userForeignIdentifier=a&redirect=yes", "redirect"),
        ("userForeignIdentifier=a&redirect=%00", "redirect"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_and_no_link_is_made(api: Api, query: str, field: str) -> None:
    problem(api.get(f"{AUTH}?{query}"), 400, "invalid_request", field)
    assert not Customer.objects.exists() and not ConnectLink.objects.exists()


@pytest.mark.parametrize("identifier", [" ", "a b/c%2F", "Zoë 😀", "x" * 1_024, "a+b@example.com"])
def test_odd_identifiers_arrive_as_they_were_meant(api: Api, identifier: str) -> None:
    body = api.get(f"{AUTH}?userForeignIdentifier={quote(identifier, safe='')}").json()
    assert body["userForeignIdentifier"] == identifier


def test_the_path_has_to_name_the_integrations_own_provider(api: Api) -> None:
    for path in (
        "/api/xero/auth/hbdev",
        "/api/v1/auth/hbdev",
        "/api/hubspot/auth/nope",
        "/api/hubspot/auth/%00",
    ):
        problem(api.get(path, userForeignIdentifier="1"), 404, "not_found")
    assert not ConnectLink.objects.exists()


def test_every_connector_of_stackgo_has_its_path(world: World) -> None:
    names = {
        "pipedrive": "pipedrive",
        "xero": "xero",
        "shopify": "shopify",
        "atlassian": "atlassian",
        "quick-books": "quickbooks",
        "procore": "procore",
        "servicenow": "servicenow",
    }
    for name, provider_id in names.items():
        made = factories.integration(f"dev-{name}", provider_id, client_id=f"client-of-{name}")
        world.credential.integration_grants.create(integration=made)
        response = of(world).get(f"/api/{name}/auth/dev-{name}", userForeignIdentifier="1")
        assert response.status_code == 200, (name, response.content)


def test_values_of_the_providers_addresses_may_come_as_parameters(world: World) -> None:
    made = factories.integration("shop-dev", "shopify", client_id="shopify-client")
    world.credential.integration_grants.create(integration=made)
    api, path = of(world), "/api/shopify/auth/shop-dev"
    problem(api.get(path, userForeignIdentifier="1", shop="evil.example/#"), 400, "invalid_request", "shop")
    assert not ConnectLink.objects.exists()
    assert api.get(path, userForeignIdentifier="1", shop="adas-bakery", unknown="x").status_code == 200
    assert ConnectLink.objects.get().connection_config == {"shop": "adas-bakery"}


def test_only_get_makes_a_link(api: Api) -> None:
    for method in ("HEAD", "POST", "PUT"):
        assert api.call(method, f"{AUTH}?userForeignIdentifier=1").status_code == 405
    assert not ConnectLink.objects.exists()


def test_users_are_listed_in_stackgos_shape(api: Api, world: World) -> None:
    first = factories.connection(world, "first")
    factories.connection(world, "second", status="reconnect_required")
    factories.connection(world, "waiting", status="pending")
    factories.connection(world, "gone", status="disconnected")
    body = api.get(USERS).json()
    assert set(body) == {"userForeignIdentifiers"}
    rows = body["userForeignIdentifiers"]
    assert [(row["userForeignIdentifier"], row["status"]) for row in rows] == [
        ("first", "ACTIVE"),
        ("second", "RECONNECT_REQUIRED"),
    ]
    assert set(rows[0]) == {"id", "status", "createdAt", "updatedAt", "userForeignIdentifier"}
    assert rows[0]["id"] == first.number.pk and isinstance(rows[0]["id"], int)
    assert parse_datetime(rows[0]["createdAt"]) and parse_datetime(rows[0]["updatedAt"])


def test_users_come_in_pages_from_one(api: Api, world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(stackgo, "PAGE_SIZE", 2)
    for number in range(5):
        factories.connection(world, f"customer-{number}")

    def page(number: int) -> list[str]:
        rows = api.get(USERS, page=number).json()["userForeignIdentifiers"]
        return [row["userForeignIdentifier"] for row in rows]

    assert [page(number) for number in (1, 2, 3, 4)] == [
        ["customer-0", "customer-1"],
        ["customer-2", "customer-3"],
        ["customer-4"],
        [],
    ]
    assert api.get(USERS).json() == api.get(USERS, page=1).json()


@pytest.mark.parametrize("page", ["0", "-1", "one", "", "1.5", "²", "9" * 30])
def test_a_page_that_is_none_is_refused(api: Api, page: str) -> None:
    problem(api.get(USERS, page=page), 400, "invalid_request", "page")


def test_whether_a_user_is_connected(api: Api, world: World) -> None:
    for status in ("active", "reconnect_required", "pending"):
        factories.connection(world, status, status=status)
    answers = {
        name: api.get(USER, userForeignIdentifier=name).json() for name in ("active", "pending", "nobody")
    }
    assert answers["active"] == {"connected": True, "data": "active"}
    assert answers["pending"] == {"connected": False, "data": "pending"}
    assert answers["nobody"] == {"connected": False, "data": "nobody"}
    lost = api.get(USER, userForeignIdentifier="reconnect_required").json()
    assert lost == {"connected": False, "data": "reconnect_required"}
    problem(api.get(USER), 400, "invalid_request", "userForeignIdentifier")
    problem(api.get(USER, userForeignIdentifier="x" * 1_025), 400, "invalid_request", "userForeignIdentifier")


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("query", "body", "content_type"),
    [
        ("?userForeignIdentifier=42", b"", "application/json"),
        ("", b'{"userForeignIdentifier": "42"}', "application/json"),
        ("", b'{"userForeignIdentifier": 42}', "application/json"),
        ("", b"userForeignIdentifier=42", FORM),
    ],
)
def test_a_user_is_deleted_by_query_json_or_form(
    api: Api, world: World, query: str, body: bytes, content_type: str
) -> None:
    made = factories.connection(world, "42")
    response = api.delete(DELETE + query, body, content_type=content_type)
    assert response.status_code == 200
    answer = response.json()
    assert set(answer) == {"message", "userForeignIdentifier", "appSlug"}
    assert (answer["userForeignIdentifier"], answer["appSlug"]) == ("42", "hbdev")
    made.refresh_from_db()
    assert (made.status, made.access_token, made.refresh_token) == ("disconnected", None, None)
    problem(api.delete(f"{DELETE}?userForeignIdentifier=42"), 404, "connection_not_found")


def test_deleting_a_user_ends_each_of_its_connections_of_that_app(api: Api, world: World) -> None:
    for name in ("default", "emea"):
        factories.connection(world, "42", name=name)
    factories.connection(world, "43")
    assert api.delete(f"{DELETE}?userForeignIdentifier=42").status_code == 200
    assert set(Connection.objects.values_list("customer__foreign_identifier", "status")) == {
        ("42", "disconnected"),
        ("43", "active"),
    }


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code", "field"),
    [
        (b"", "application/json", 400, "invalid_request", "userForeignIdentifier"),
        (b"{}", "application/json", 400, "invalid_request", "userForeignIdentifier"),
        (b"[]", "application/json", 400, "invalid_request", "body"),
        (b"{", "application/json", 400, "invalid_request", "body"),
        (
            b'{"userForeignIdentifier": true}',
            "application/json",
            400,
            "invalid_request",
            "userForeignIdentifier",
        ),
        (
            b'{"userForeignIdentifier": ["a"]}',
            "application/json",
            400,
            "invalid_request",
            "userForeignIdentifier",
        ),
        (b"userForeignIdentifier=%FF", FORM, 400, "invalid_request", "body"),
        (b"userForeignIdentifier=\xff", FORM, 400, "invalid_request", "body"),
        (b"&a=b" * 3_000, FORM, 400, "invalid_request", "body"),
        (b"userForeignIdentifier=a", "text/plain", 415, "unsupported_media_type", None),
        (b"userForeignIdentifier=a", "multipart/form-data", 415, "unsupported_media_type", None),
        (b" " * 1_100_000, FORM, 413, "content_too_large", None),
    ],
)
def test_a_body_that_cannot_be_used_deletes_nothing(
    api: Api, world: World, body: bytes, content_type: str, status: int, code: str, field: str | None
) -> None:
    factories.connection(world, "a")
    problem(api.delete(DELETE, body, content_type=content_type), status, code, field)
    assert Connection.objects.get().status == "active"


def test_stackgos_paths_keep_partners_apart(world: World, other: World, nobody: Api) -> None:
    factories.connection(other, "42")
    assert of(world).get(USERS).json() == {"userForeignIdentifiers": []}
    assert of(world).get(USER, userForeignIdentifier="42").json()["connected"] is False
    foreign = problem(of(world).delete(f"{DELETE}?userForeignIdentifier=42"), 404, "connection_not_found")
    unknown = problem(of(world).delete(f"{DELETE}?userForeignIdentifier=43"), 404, "connection_not_found")
    assert same_but_for_the_request(foreign, unknown)
    bare = Api(f"Bearer {factories.credential(world.partner).api_key}")
    for path in (AUTH, USERS, USER):
        problem(bare.get(path, userForeignIdentifier="42"), 404, "not_found")
        problem(nobody.get(path, userForeignIdentifier="42"), 401, "not_authenticated")
    lacking = without(world, "connect")
    problem(lacking.get(AUTH, userForeignIdentifier="42"), 403, "permission_denied")
    reading = without(world, "connections:read")
    problem(reading.get(USERS), 403, "permission_denied")
    problem(reading.get(USER, userForeignIdentifier="42"), 403, "permission_denied")
    writing = without(world, "connections:write")
    problem(writing.delete(f"{DELETE}?userForeignIdentifier=42"), 403, "permission_denied")
    assert Connection.objects.get().status == "active"
