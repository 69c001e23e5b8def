"""Lines of Nango and of StackGo: which member goes where (docs/moving.md)."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Customer
from integrations.models import Connection
from tests import factories
from tests.factories import World
from tests.integrations.moving.imports import CANARY, NANGO, STACKGO, opened

pytestmark = pytest.mark.db


def test_nango_lines_are_mapped_as_the_table_says(adopt: Any) -> None:
    result = adopt([NANGO], "--format", "nango")
    assert result.is_well and result.counts("adopted", "without_refresh_token") == (1, 0)
    row = Connection.objects.select_related("customer").get()
    assert (row.customer.foreign_identifier, row.customer.email) == ("tenant-42", "ada@example.com")
    assert opened() == {"access_token": f"{CANARY}access", "refresh_token": f"{CANARY}refresh"}
    assert row.granted_scopes == ["oauth", "crm.objects.contacts.read"]
    assert row.captured == {"hub_id": "62515"}
    assert row.access_token_expires_at is not None and row.access_token_expires_at.year in (2098, 2099)
    assert row.created_at.isoformat() == "2025-03-08T09:43:03.725000+00:00"


def test_nango_values_that_the_provider_told_find_their_place(world: World, adopt: Any) -> None:
    factories.integration("qb", "quickbooks", client_id="qb-client")
    factories.integration("pd", "pipedrive", client_id="pd-client")
    factories.integration("shop", "shopify", client_id="shop-client")
    lines = [
        {**NANGO, "provider_config_key": "quickbooks", "connection_config": {"realmId": "123146"}},
        {
            **NANGO,
            "provider_config_key": "pipedrive",
            "credentials": {**NANGO["credentials"], "raw": {"api_domain": "https://ada.pipedrive.com"}},  # type: ignore[dict-item]
        },
        {**NANGO, "provider_config_key": "shopify", "connection_config": {"subdomain": "adas-bakery"}},
    ]
    maps = ["--map", "quickbooks=qb", "--map", "pipedrive=pd", "--map", "shopify=shop"]
    result = adopt(lines, "--format", "nango", *maps)
    assert result.counts("adopted", "refused") == (3, 0), result.err
    kept = {row.integration.slug: row.config_values() for row in Connection.objects.all()}
    assert kept == {
        "qb": {"realm_id": "123146"},
        "pd": {"api_domain_host": "ada.pipedrive.com"},
        "shop": {"shop": "adas-bakery"},
    }


def test_a_value_that_calls_need_is_missed_by_name_and_may_be_pointed_at(world: World, adopt: Any) -> None:
    factories.integration("qb", "quickbooks", client_id="qb-client")
    line = {**NANGO, "provider_config_key": "quickbooks", "metadata": {"company": 123146}}
    arguments = ("--format", "nango", "--map", "quickbooks=qb")
    assert adopt([line], *arguments).err.startswith("line 1: providerData.realm_id: ")
    assert adopt([line], *arguments, "--value", "realm_id=metadata.company").is_well
    assert Connection.objects.get().captured == {"realm_id": "123146"}


@pytest.mark.parametrize(
    ("change", "arguments", "said"),
    [
        ({"credentials": {}}, (), "credentials: Nango's list holds none"),
        ({"credentials": None}, (), "credentials: "),
        ({"credentials": {"type": "API_KEY", "apiKey": CANARY}}, (), "credentials.type: "),
        ({"tags": {}}, (), "tags.end_user_id and end_user.id: Neither is there"),
        ({"end_user": {"id": "other"}}, (), "tags.end_user_id and end_user.id: They differ"),
        ({}, ("--identifier", "end_user.id"), "end_user.id: There is no text"),
        ({"connection_config": {"oauth_client_id_override": CANARY}}, (), "clientId: "),
        ({"provider_config_key": None}, (), None),
    ],
)
def test_a_nango_line_that_cannot_be_used_says_what_to_do(
    adopt: Any, change: dict[str, Any], arguments: tuple[str, ...], said: str | None
) -> None:
    result = adopt([{**NANGO, **change}], "--format", "nango", *arguments)
    assert result.is_well if said is None else result.err.startswith(f"line 1: {said}")


@pytest.mark.parametrize(
    ("path", "identifier"),
    [("connection_id", NANGO["connection_id"]), ("id", "18393"), ("metadata.plan", "gold")],
)
def test_the_operator_chooses_what_names_the_customer(adopt: Any, path: str, identifier: str) -> None:
    assert adopt([NANGO], "--format", "nango", "--identifier", path).is_well
    assert Customer.objects.get().foreign_identifier == identifier


def test_tok_21_a_nango_token_whose_end_nobody_kept_is_renewed_before_its_first_use(adopt: Any) -> None:
    credentials: Any = NANGO["credentials"]
    line = {**NANGO, "credentials": {**credentials, "expires_at": None}}
    assert adopt([line], "--format", "nango").is_well
    row = Connection.objects.get()
    assert row.access_token_expires_at is not None and row.access_token_expires_at <= timezone.now()
    assert row.next_refresh_at is not None
    lost = {**line, "credentials": {**credentials, "expires_at": None, "refresh_token": None}}
    assert adopt([lost], "--format", "nango").err.startswith("line 1: credentials.expires_at: ")


def test_one_integration_does_not_get_the_tokens_of_two_nango_keys(adopt: Any) -> None:
    other = {**NANGO, "provider_config_key": "slack", "tags": {"end_user_id": "tenant-43"}}
    result = adopt([NANGO, other], "--format", "nango")
    assert result.counts("adopted", "refused") == (1, 1)
    assert result.err.startswith("line 2: provider_config_key: ")


# --- StackGo ---------------------------------------------------------------------------------------------


def test_stackgo_lines_keep_the_uuid_and_the_number_that_partners_have_stored(adopt: Any) -> None:
    result = adopt([STACKGO], "--format", "stackgo")
    assert result.is_well and result.counts("adopted", "numbers_not_kept") == (1, 0)
    row = Connection.objects.select_related("number").get()
    assert (str(row.pk), row.number.pk) == (STACKGO["UUID"], STACKGO["id"])
    assert opened()["refresh_token"] == f"{CANARY}refresh"
    assert row.created_at.isoformat() == "2024-06-01T08:00:00+00:00"
    following = factories.connection(World(row.partner, None, row.integration, row.client))  # type: ignore[arg-type]
    assert following.number.pk == STACKGO["id"] + 1  # type: ignore[operator]


def test_a_stackgo_number_that_is_taken_is_replaced_and_counted(adopt: Any, world: World) -> None:
    made = factories.connection(world, "other")
    result = adopt([{**STACKGO, "id": made.number.pk}], "--format", "stackgo")
    assert result.is_well and result.counts("adopted", "numbers_not_kept") == (1, 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "REVOKED"}, "status: "),
        ({"token": {}}, "token.access_token: "),
        ({"userForeignIdentifier": None}, "userForeignIdentifier: "),
        ({"id": "4711"}, "id: "),
        ({"appSlug": "other-app"}, "appSlug: "),
    ],
)
def test_a_stackgo_line_that_cannot_be_used_says_what_to_do(
    adopt: Any, change: dict[str, Any], said: str
) -> None:
    result = adopt([{**STACKGO, **change}], "--format", "stackgo")
    assert result.err.startswith(f"line 1: {said}") and not Connection.objects.exists()
