"""What a connection's report tells, and what it leaves out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.audit import Actor
from accounts.models import Event
from accounts.models.audit import ActorKind
from integrations import connections, tokens
from integrations.connections import report
from integrations.errors import ReconnectRequired, RefreshUnavailable
from integrations.models import ClientCredentials, Connection, GrantIncident
from integrations.models.connection import Status
from integrations.tokens.refresh import load
from sealing import seal
from tests import factories
from tests.factories import ACTOR, CLIENT_SECRET, World
from tests.integrations.connect.conftest import HUBSPOT_TOKEN
from tests.provider_server import Answer, ProviderServer

pytestmark = [pytest.mark.django_db]
REFRESH_TOKEN = "na1-1111-2222-3333-4444-refresh-of-a-test"
REVOKED = Answer(
    {"error": "invalid_grant", "status": "BAD_REFRESH_TOKEN", "message": f"gone: {REFRESH_TOKEN}"}, status=400
)


@pytest.fixture
def expired(world: World) -> Connection:
    made = factories.connection(world, "customer-42", refresh_token=REFRESH_TOKEN)
    Connection.objects.filter(pk=made.pk).update(access_token_expires_at=timezone.now() - timedelta(hours=1))
    return load(made.pk)


def told(connection: Connection) -> dict[str, Any]:
    return report.report_data(report.build(load(connection.pk)))


def test_a_death_is_told_from_its_cause_to_what_can_be_done(
    provider_server: ProviderServer, expired: Connection
) -> None:
    provider_server.on("POST", HUBSPOT_TOKEN, Answer(b"", status=503), REVOKED)
    for minute, error in ((0, RefreshUnavailable), (2, ReconnectRequired)):
        with pytest.raises(error):
            tokens.ensure_fresh(expired.pk, clock=lambda m=minute: timezone.now() + timedelta(minutes=m))
    data = told(expired)
    assert (data["status"], data["statusReason"]["code"]) == ("reconnect_required", "revoked_at_provider")
    entries = sorted(data["timeline"], key=lambda entry: entry["kind"])
    assert [entry["kind"] for entry in entries] == ["failed", "failed", "status", "status", "told", "told"]
    first, last = [entry for entry in data["timeline"] if entry["kind"] == "failed"]
    assert (first["verdict"], first["httpStatus"], first["error"]) == ("temporary", 503, None)
    assert first["nextTryAt"] is not None
    assert (last["verdict"], last["httpStatus"], last["error"]) == ("grant_gone", 400, "invalid_grant")
    assert last["rule"] == "rule 3 of the provider's file"
    assert "status=BAD_REFRESH_TOKEN" in last["evidence"]
    assert last["nextTryAt"] is None
    changes = [
        (entry["statusBefore"], entry["statusAfter"])
        for entry in data["timeline"]
        if entry["kind"] == "status"
    ]
    assert changes == [("active", "refresh_failing"), ("refresh_failing", "reconnect_required")]
    events = [entry["event"] for entry in data["timeline"] if entry["kind"] == "told"]
    assert events == ["connection.refresh_failing", "connection.reconnect_required"]
    assert "Connect again" in data["advice"]["customer"]
    assert data["clientId"] == factories.CLIENT_ID
    assert data["lifetimes"]["accessTokenSeconds"] == 1800
    assert data["isComplete"] is True


def test_adm_01_neither_the_report_nor_its_text_holds_a_secret_or_a_name(
    provider_server: ProviderServer, expired: Connection
) -> None:
    provider_server.on("POST", HUBSPOT_TOKEN, REVOKED)
    with pytest.raises(ReconnectRequired):
        tokens.ensure_fresh(expired.pk)
    staff = Actor(ActorKind.STAFF, "17", "grace.hopper")
    connections.pause(expired, actor=staff)
    GrantIncident.objects.create(
        connection=expired,
        at=timezone.now(),
        verdict="unknown",
        evidence="body begins: refresh_token=SECRET1xyz&client_secret=SECRET2xyz",
        process="web",
        token_version=1,
    )
    built = report.build(load(expired.pk))
    for text in (repr(report.report_data(built)), report.as_text(built)):
        assert "BAD_REFRESH_TOKEN" in text and "operator" in text
        for secret in (REFRESH_TOKEN, CLIENT_SECRET, "SECRET1", "SECRET2", "grace.hopper", "customer-42"):
            assert secret not in text


def test_a_report_costs_the_same_however_much_has_happened(
    world: World, django_assert_num_queries: Any
) -> None:
    made = factories.connection(world)
    now = timezone.now()
    for number in range(60):
        GrantIncident.objects.create(
            connection=made,
            at=now - timedelta(hours=number),
            verdict="temporary",
            process="web",
            token_version=1,
        )
        Event.objects.create(
            partner=world.partner, connection_id=made.pk, type="connection.updated", occurred_at=now
        )
    row = load(made.pk)
    with django_assert_num_queries(3):
        built = report.build(row)
    assert len(built.entries) == 2 * report.MOST
    assert built.is_complete is False
    assert [entry.at for entry in built.entries] == sorted(entry.at for entry in built.entries)


def test_a_tombstone_has_a_report(world: World) -> None:
    made = factories.connection(world)
    connections.disconnect(made, actor=ACTOR)
    data = told(made)
    assert data["status"] == "disconnected"
    assert data["timeline"][0]["statusAfter"] == "disconnected"
    assert "new connect link" in data["advice"]["customer"]


def test_a_provider_that_has_left_the_catalogue_leaves_lifetimes_unknown(world: World) -> None:
    made = factories.connection(world)
    world.integration.provider_id = "vanished"
    world.integration.save()
    assert set(told(made)["lifetimes"].values()) == {None}


@pytest.mark.parametrize(
    ("status", "reason", "customer"),
    [
        ("active", "", "Nothing to do."),
        ("active", "no_refresh_token", "when the access ends"),
        ("refresh_failing", "provider_unavailable", "by itself"),
        ("reconnect_required", "revoked_at_provider", "Connect again"),
        ("reconnect_required", "refresh_token_expired", "old or was not used"),
        ("reconnect_required", "scope_withdrawn", "grant every permission"),
        ("paused", "paused_by_staff", "Resume"),
        ("pending", "", "connect link"),
    ],
)
def test_the_advice_fits_status_and_reason(world: World, status: str, reason: str, customer: str) -> None:
    made = factories.connection(world, status=status, status_reason=reason)
    assert customer in told(made)["advice"]["customer"]


def test_while_the_client_is_refused_the_operator_alone_has_something_to_do(world: World) -> None:
    made = factories.connection(world)
    ClientCredentials.objects.update(rejected_since=timezone.now())
    given = told(made)["advice"]
    assert "client secret" in given["operator"]
    assert given["customer"].startswith("Nothing to do")


def test_adm_04_a_token_that_no_key_opens_is_the_operator_s_to_restore(world: World) -> None:
    made = factories.connection(world)
    other = factories.connection(world, "customer-2")
    sealed = seal("x", model=Connection, field="refresh_token", pk=other.pk)
    Connection.objects.filter(pk=made.pk).update(refresh_token=sealed)
    assert "FERNET_KEYS" in told(made)["advice"]["operator"]


def test_a_failure_whose_old_token_still_serves_is_told_to_the_operator_alone(
    provider_server: ProviderServer, world: World
) -> None:
    made = factories.connection(world)
    provider_server.on("POST", HUBSPOT_TOKEN, Answer(b"", status=503))
    with pytest.raises(RefreshUnavailable):
        tokens.refresh_now(made.pk)
    assert Connection.objects.get(pk=made.pk).status == Status.ACTIVE
    assert "still serves" in told(made)["advice"]["operator"]
    assert told(made)["advice"]["customer"] == "Nothing to do."
