"""Exporting a bundle and restoring it: everything that makes a connection is there again, and nothing twice."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from django.utils import timezone

from accounts import credentials
from accounts.models import AuditEntry, Customer, Event, Partner
from integrations import setup, tokens
from integrations.models import ClientCredentials, Connection, Integration
from integrations.models.connection import Status
from integrations.moving import records
from integrations.setup import IntegrationValues
from sealing import Secret
from tests import factories
from tests.factories import ACTOR, CLIENT_SECRET, World
from tests.integrations.moving.bundles import Mover, forget_everything, make_unreadable

pytestmark = pytest.mark.db

CANARY = "CNR7canary"
ALL = ("--with-integrations", "--with-api-keys")


def snapshot() -> list[dict[str, Any]]:
    """Everything about every connection that a partner or a provider could notice."""
    rows = Connection.objects.select_related("customer", "integration", "client", "number").order_by("pk")
    return [
        {
            **records.columns_of(row, left=[*records.NOT_CARRIED, "next_refresh_at"]),
            "UUID": row.pk,
            "number": row.number.pk,
            "tokens": tokens.open_tokens(row),
            "client": row.client.client_id if row.client else None,
            "customer": (row.customer.pk, row.customer.foreign_identifier, row.customer.display_name),
            "integration": row.integration.slug,
            "partner": row.partner.name,
        }
        for row in rows
    ]


@pytest.fixture
def fleet(world: World) -> World:
    """Connections in every state, of two clients, two integrations and two partners."""
    other = factories.world("Umbrella", of=world.integration)
    quick = factories.integration("qb", "quickbooks", client_id="qb-client")
    quick.clients.update(app_id="")
    older = ClientCredentials.objects.create(
        integration=world.integration,
        client_id="older",
        client_secret=Secret("older-secret"),
        is_current=False,
    )
    for name, status in (("a", "active"), ("b", "refresh_failing"), ("c", "reconnect_required")):
        factories.connection(world, name, status=status, access_token=f"{CANARY}-{name}-0123456789")
    factories.connection(
        world, "d", status="paused", status_before_pause="active", status_reason="paused_by_partner"
    )
    factories.connection(world, "e", refresh_token=None, expires_in=None)
    made = factories.connection(other, "a", captured={"hub_id": "1"}, connection_config={"x": "y"})
    Connection.objects.filter(pk=made.pk).update(
        client=older, granted_scopes=["oauth", "ünï"], created_at=timezone.now() - timedelta(days=400)
    )
    at_quick = World(other.partner, other.new_credential, quick, quick.current_client())
    factories.connection(at_quick, "a", captured={"realm_id": "123"}, name="second")
    factories.connection(world, "gone", status=Status.DISCONNECTED, refresh_token=None)
    factories.connection(world, "never", status=Status.PENDING)
    return world


def carried() -> Any:
    return Connection.objects.listed()


def test_what_was_exported_is_restored_as_it_was(fleet: World, mover: Mover) -> None:
    Connection.objects.exclude(pk__in=carried()).delete()
    before, key, scopes = snapshot(), fleet.api_key, fleet.integration.required_scopes()
    report = mover.export(*ALL)
    assert (report["connections"], report["partners"], report["integrations"], report["api_keys"]) == (
        7,
        2,
        2,
        2,
    )
    forget_everything()
    Event.objects.all().delete()
    restored = mover.restore()
    assert (restored["adopted"], restored["refused"]) == (7, 0), mover.err
    assert (restored["partners_made"], restored["integrations_made"], restored["clients_made"]) == (2, 2, 3)
    assert snapshot() == before
    integration = Integration.objects.get(slug="hbdev")
    assert integration.required_scopes() == scopes
    secret = tokens.client_secret(integration.current_client())
    assert secret is not None and secret.reveal() == CLIENT_SECRET
    assert not Event.objects.exists(), "to the partner nothing has happened"
    credential = credentials.by_bearer(key, now=timezone.now())
    assert credential is not None and credential.partner.name == "Acme"
    assert [grant.integration.slug for grant in credential.integration_grants.all()] == ["hbdev"]


def test_restoring_twice_restores_nothing_twice_and_a_dry_run_nothing_at_all(
    fleet: World, mover: Mover
) -> None:
    mover.export(*ALL)
    forget_everything()
    foreseen = mover.restore("--dry-run")
    assert not Partner.objects.exists() and not Integration.objects.exists() and not Customer.objects.exists()
    assert mover.restore() == foreseen
    before = snapshot()
    again = mover.restore()
    assert (again["adopted"], again["already_there"], again["partners_made"]) == (0, 7, 0)
    assert snapshot() == before


def test_a_restore_finds_what_is_there_and_leaves_it_as_it_is(fleet: World, mover: Mover) -> None:
    """The target has partner and integration, with a setting of its own, and no connection yet."""
    mover.export()
    Connection.objects.all().delete()
    Integration.objects.filter(slug="hbdev").update(display_name="Ours")
    report = mover.restore()
    assert (report["adopted"], report["partners_made"], report["integrations_made"]) == (7, 0, 0)
    assert Integration.objects.get(slug="hbdev").display_name == "Ours"


def test_partners_and_integrations_may_have_other_names_here(world: World, mover: Mover) -> None:
    made = factories.connection(world, "a")
    mover.export()
    forget_everything()
    here = factories.integration("hubspot-live")
    factories.partner("Acme Ltd")
    report = mover.restore("--map", "hbdev=hubspot-live", "--map-partner", "Acme=Acme Ltd")
    assert (report["adopted"], report["partners_made"]) == (1, 0)
    row = Connection.objects.get()
    assert (row.pk, row.integration, row.partner.name) == (made.pk, here, "Acme Ltd")


def test_a_bundle_without_settings_asks_for_what_is_missing_before_it_writes(
    world: World, mover: Mover
) -> None:
    factories.connection(world, "a")
    mover.export()
    forget_everything()
    with pytest.raises(CommandError, match=r"no integration hbdev here.*--with-integrations"):
        mover.restore()
    factories.integration(client_id="another-client")
    with pytest.raises(CommandError, match="has no client"):
        mover.restore()
    Integration.objects.all().delete()
    factories.integration("hbdev", "pipedrive")
    with pytest.raises(CommandError, match="is of pipedrive here and of hubspot"):
        mover.restore()
    assert not Partner.objects.exists() and not Connection.objects.exists()


def test_a_credential_that_another_partner_has_stops_the_restore(world: World, mover: Mover) -> None:
    factories.connection(world, "a")
    mover.export(*ALL)
    Connection.objects.all().delete()
    world.credential.partner = factories.partner("Thief")
    world.credential.save()
    with pytest.raises(CommandError, match="belongs to another partner"):
        mover.restore()
    assert not Connection.objects.exists()


def test_another_connection_of_the_customer_is_not_replaced(world: World, mover: Mover) -> None:
    factories.connection(world, "a")
    factories.connection(world, "b")
    mover.export()
    Connection.objects.filter(customer__foreign_identifier="a").delete()
    rival = factories.connection(world, "a", access_token="CHere0123456789")
    report = mover.restore()
    assert (report["already_there"], report["refused"]) == (1, 1)
    assert "userForeignIdentifier" in mover.err and str(rival.pk) in mover.err
    assert tokens.open_tokens(rival)["access_token"] == "CHere0123456789"


def test_what_was_disconnected_here_does_not_come_back(world: World, mover: Mover) -> None:
    made = factories.connection(world, "a")
    mover.export()
    Connection.objects.filter(pk=made.pk).update(status=Status.DISCONNECTED, access_token=None)
    report = mover.restore("--on-conflict", "replace")
    assert (report["already_there"], report["replaced"]) == (1, 0)
    assert Connection.objects.get().status == Status.DISCONNECTED


def test_a_newer_bundle_replaces_what_an_earlier_one_brought(world: World, mover: Mover) -> None:
    """A trial move first, the real one a week later, with the tokens of that day."""
    made = factories.connection(world, "a", access_token="CEarlier0123456789")
    mover.export(name="trial")
    Connection.objects.filter(pk=made.pk).delete()
    newer = factories.connection(world, "a", access_token="CNewer0123456789", id=made.pk, status="paused")
    mover.export(name="real")
    Connection.objects.filter(pk=newer.pk).delete()
    mover.restore(name="trial")
    assert mover.restore("--on-conflict", "replace", name="real")["replaced"] == 1
    row = Connection.objects.get()
    assert (tokens.open_tokens(row)["access_token"], row.status) == ("CNewer0123456789", "paused")


@pytest.mark.parametrize("place", [0.1, 0.5, 0.99])
def test_a_bundle_that_was_changed_or_cut_off_gives_nothing(fleet: World, mover: Mover, place: float) -> None:
    for number in range(150):
        factories.connection(fleet, f"more-{number}")
    mover.export(*ALL)
    forget_everything()
    content = mover.path("bundle").read_bytes()
    position = int(len(content) * place)
    for changed in (content[:position], content[:position] + b"x" + content[position + 1 :]):
        mover.path("bundle").write_bytes(changed)
        with pytest.raises(CommandError, match=r"cut off|first line|does not open"):
            mover.restore()
    assert not Partner.objects.exists() and not Connection.objects.exists()


def test_another_key_is_named_as_wrong(world: World, mover: Mover, tmp_path: Path) -> None:
    mover.export()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = Mover(elsewhere)
    other.path("bundle").write_bytes(mover.path("bundle").read_bytes())
    with pytest.raises(CommandError, match="does not open this bundle"):
        other.restore()


def test_a_bundle_is_private_shows_nothing_and_is_not_overwritten(fleet: World, mover: Mover) -> None:
    mover.export(*ALL)
    path = mover.path("bundle")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    assert not any(word in content for word in (CANARY.encode(), CLIENT_SECRET.encode(), b"Acme", b"hbdev"))
    assert {entry.name for entry in path.parent.iterdir()} == {"key", "bundle"}
    with pytest.raises(CommandError, match="there already"):
        mover.export(*ALL)
    assert path.read_bytes() == content


def test_who_took_and_who_brought_how_many_is_in_the_audit_trail(fleet: World, mover: Mover) -> None:
    mover.export("--with-integrations", "--partner", "Acme")
    Connection.objects.all().delete()
    mover.restore()
    taken = AuditEntry.objects.get(action="connections.exported")
    assert (taken.actor_label, taken.partner, taken.object_label) == ("manage.py", fleet.partner, "hbdev")
    assert taken.changes | {"operator": ""} == {
        "operator": "",
        "finished": True,
        "handed_over": False,
        "with_client_secrets": True,
        "with_api_keys": False,
        "connections": 5,
    }
    assert AuditEntry.objects.get(action="connections.imported").changes["adopted"] == 5
    assert AuditEntry.objects.filter(action="connection.restored").count() == 5
    everything = json.dumps(list(AuditEntry.objects.values()), default=str)
    assert CANARY not in everything and CLIENT_SECRET not in everything


def test_connections_that_cannot_be_read_are_left_out_by_name(
    world: World, mover: Mover, settings: Any
) -> None:
    lost = factories.connection(world, "a")
    other = factories.connection(world, "b")
    make_unreadable(lost, other)
    report = mover.export()
    assert (report["connections"], report["unreadable"]) == (1, 1)
    assert str(lost.pk) in mover.err


def test_an_export_of_one_integration_holds_no_other(fleet: World, mover: Mover) -> None:
    report = mover.export("--integration", "qb")
    assert (report["connections"], report["partners"], report["integrations"]) == (1, 1, 1)


def test_every_column_is_carried_or_left_behind_on_purpose() -> None:
    """A column that is added later travels by itself; one that must not has to be named."""
    names = {field.name for field in Connection._meta.concrete_fields}
    by_hand = {"id", "partner", "customer", "integration", "client", "access_token", "refresh_token"}
    assert set(records.columns_of(Connection())) == names - by_hand
    assert set(records.NOT_CARRIED) <= names


def test_settings_that_the_catalogue_refuses_today_are_told_before_anything_is_written(
    world: World, mover: Mover
) -> None:
    setup.update(
        world.integration,
        IntegrationValues(client_id=world.client.client_id, app_id="1", required_scopes=["oauth"]),
        actor=ACTOR,
    )
    Integration.objects.update(connection_config={"unknown": "1"})
    factories.connection(world, "a")
    mover.export(*ALL)
    forget_everything()
    with pytest.raises(CommandError, match="hbdev: connection_config"):
        mover.restore()
    assert not Partner.objects.exists()
