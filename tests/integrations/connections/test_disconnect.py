"""Ending a connection: secrets at once, the provider by a job."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.utils import timezone

from accounts.models import AuditEntry, Event
from integrations import connections, tasks
from integrations.errors import ConnectionNotFound
from integrations.models import Connection, PendingRevocation
from integrations.models.connection import Status
from integrations.provider_calls import Revoked
from tests import factories
from tests.factories import ACTOR, World
from tests.integrations.tokens.conftest import MakeConnection, expire

pytestmark = [pytest.mark.django_db, pytest.mark.db]
REVOKE = {"method": "POST", "path": "/oauth/2026-09/token/revoke"}


def revocations(sandbox: Any) -> list[dict[str, Any]]:
    return list(sandbox.control("GET", f"/_control/requests?path={REVOKE['path']}"))


def test_a_tombstone_holds_no_secret_and_the_provider_is_told(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected()
    refresh_token = made.refresh_token.open().reveal()
    revocation = connections.disconnect(made, actor=ACTOR)
    row = Connection.objects.get(pk=made.pk)
    assert (row.status, row.access_token, row.refresh_token) == (Status.DISCONNECTED, None, None)
    assert row.next_refresh_at is None
    assert revocation is not None
    assert connections.carry_out_revocation(revocation) == Revoked.CONFIRMED
    (sent,) = revocations(at_sandbox)
    assert refresh_token in sent["body"]
    assert Event.objects.get(type="connection.deleted").data["revocation"] == "confirmed"
    assert PendingRevocation.objects.count() == 0
    assert AuditEntry.objects.filter(action="connection.disconnected").count() == 1


def test_ref_32_a_dead_access_token_does_not_keep_the_grant_alive(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected()
    expire(made.pk)
    revocation = connections.disconnect(made, actor=ACTOR)
    assert revocation is not None
    assert connections.carry_out_revocation(revocation) == Revoked.CONFIRMED


def test_ref_32_a_failing_revocation_is_tried_again_and_given_up_in_the_end(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected()
    at_sandbox.control("POST", "/_control/faults", {"match": REVOKE, "times": 2, "status": 503, "body": ""})
    revocation = connections.disconnect(made, actor=ACTOR)
    assert revocation is not None
    assert connections.carry_out_revocation(revocation) is None
    waiting = PendingRevocation.objects.get()
    assert waiting.next_attempt_at > timezone.now()
    assert tasks.retry_revocations() == 0
    PendingRevocation.objects.update(next_attempt_at=timezone.now(), give_up_at=timezone.now())
    assert connections.carry_out_revocation(revocation) == Revoked.FAILED
    assert Event.objects.get(type="connection.deleted").data["revocation"] == "failed"


def test_a_lost_message_is_found_again_in_the_database(connected: MakeConnection, at_sandbox: Any) -> None:
    connections.disconnect(connected(), actor=ACTOR)
    assert tasks.retry_revocations() == 1
    assert len(revocations(at_sandbox)) == 1
    assert tasks.retry_revocations() == 0


def test_a_later_link_gets_a_new_id(connected: MakeConnection, at_sandbox: Any) -> None:
    made = connected()
    connections.disconnect(made, actor=ACTOR)
    with pytest.raises(ConnectionNotFound):
        connections.disconnect(made, actor=ACTOR)
    assert connected().pk != made.pk


def test_two_workers_revoke_once(connected: MakeConnection, at_sandbox: Any) -> None:
    revocation = connections.disconnect(connected(), actor=ACTOR)
    assert revocation is not None
    PendingRevocation.objects.update(
        lease_owner="00000000-0000-4000-8000-000000000000",
        lease_expires_at=timezone.now() + timedelta(minutes=1),
    )
    assert connections.carry_out_revocation(revocation) is None
    assert revocations(at_sandbox) == []


def test_pause_stops_use_and_resume_brings_back_what_was(world: World) -> None:
    made = factories.connection(world, status=Status.REFRESH_FAILING)
    assert connections.pause(made, actor=ACTOR).status == Status.PAUSED
    paused = connections.pause(Connection.objects.get(pk=made.pk), actor=ACTOR)
    assert paused.status_before_pause == Status.REFRESH_FAILING
    assert connections.resume(paused, actor=ACTOR).status == Status.REFRESH_FAILING


def test_pending_connections_go_with_their_last_link(world: World) -> None:
    from integrations import connect
    from integrations.models import ConnectLink

    connect.create_link(
        world.partner, world.integration, connect.LinkRequest(foreign_identifier="never"), actor=ACTOR
    )
    long_ago = timezone.now() - timedelta(days=3)
    ConnectLink.objects.update(expires_at=long_ago)
    Connection.objects.update(created_at=long_ago)
    tasks.purge_expired()
    assert Connection.objects.count() == 0


def test_tokens_that_no_key_opens_are_told_as_a_revocation_that_failed(world: World, settings: Any) -> None:
    made = factories.connection(world)
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    assert connections.disconnect(made, actor=ACTOR) is None
    row = Connection.objects.get(pk=made.pk)
    assert (row.status, row.access_token, row.refresh_token) == (Status.DISCONNECTED, None, None)
    assert Event.objects.get(type="connection.deleted").data["revocation"] == "failed"
