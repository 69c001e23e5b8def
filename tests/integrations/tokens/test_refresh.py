"""Refresh at use, against the served sandbox: verdicts, back-off, and what each does to the row."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Event
from integrations import tokens
from integrations.connections import disconnect
from integrations.errors import ConnectionNotFound, ReconnectRequired, RefreshUnavailable
from integrations.models import ClientCredentials, Connection, PendingRevocation
from integrations.models.connection import Status
from integrations.tokens import lease, outcomes
from integrations.tokens.refresh import load
from sealing import Secret, seal
from tests.factories import ACTOR, World, connection
from tests.integrations.tokens.conftest import MakeConnection, expire, fail_token_endpoint, refreshes

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def clock_at(moment: datetime) -> Any:
    return lambda: moment


def test_a_token_with_life_left_is_used_as_it_is(connected: MakeConnection, at_sandbox: Any) -> None:
    made = connected()
    token = tokens.ensure_fresh(made.pk)
    assert token.version == made.token_version
    assert refreshes(at_sandbox) == []


def test_an_expired_token_is_refreshed_before_use(connected: MakeConnection, at_sandbox: Any) -> None:
    made = connected(expired=True)
    old = made.access_token.open().reveal()
    token = tokens.ensure_fresh(made.pk)
    assert token.secret.reveal() != old
    assert token.version == made.token_version + 1
    assert len(refreshes(at_sandbox)) == 1
    row = Connection.objects.get(pk=made.pk)
    assert row.lease_owner is None
    assert row.access_token_expires_at is not None and row.access_token_expires_at > timezone.now()


def test_ref_01_a_reply_without_refresh_token_keeps_the_stored_one(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected(expired=True)
    before = made.refresh_token.open().reveal()
    for absent in ({"__drop": ["refresh_token"]}, {"refresh_token": ""}, {"refresh_token": None}):
        at_sandbox.control("PATCH", "/_control/behaviour", {"shape": absent})
        expire(made.pk)
        tokens.ensure_fresh(made.pk)
        assert Connection.objects.get(pk=made.pk).refresh_token.open().reveal() == before


def test_ref_03_a_lost_reply_is_asked_for_again_at_once(connected: MakeConnection, at_sandbox: Any) -> None:
    at_sandbox.control(
        "PATCH", "/_control/behaviour", {"rotateRefreshTokens": True, "refreshGraceSeconds": 30}
    )
    made = connected(expired=True)
    before = made.refresh_token.open().reveal()
    fail_token_endpoint(at_sandbox, action="truncate")
    tokens.ensure_fresh(made.pk)
    row = Connection.objects.get(pk=made.pk)
    assert row.status == Status.ACTIVE
    assert row.refresh_token.open().reveal() != before
    assert len(refreshes(at_sandbox)) == 2


def test_ref_06_a_loser_takes_the_winners_tokens_instead_of_declaring_death(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected(expired=True)
    stale = load(made.pk)
    owner = lease.take(made.pk, token_version=stale.token_version)
    assert owner is not None
    Connection.objects.filter(pk=made.pk).update(
        token_version=stale.token_version + 1,
        access_token=seal("C-winner", model=Connection, field="access_token", pk=made.pk),
        refresh_token=seal("winner", model=Connection, field="refresh_token", pk=made.pk),
        access_token_expires_at=timezone.now() + timedelta(minutes=30),
    )
    fail_token_endpoint(at_sandbox, status=400, body={"error": "invalid_grant"})
    outcomes.refresh_under_lease(stale, owner=owner, clock=timezone.now)
    assert Connection.objects.get(pk=made.pk).status == Status.ACTIVE
    assert tokens.ensure_fresh(made.pk).secret.reveal() == "C-winner"


def test_ref_07_a_release_leaves_a_lease_alone_that_is_not_its_own(world: World) -> None:
    made = connection(world)
    first = lease.take(made.pk, token_version=1)
    assert first is not None
    assert lease.take(made.pk, token_version=1) is None
    Connection.objects.filter(pk=made.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    second = lease.take(made.pk, token_version=1)
    assert second is not None
    lease.release(made.pk, first)
    assert Connection.objects.get(pk=made.pk).lease_owner == second


@pytest.mark.parametrize(
    "fault",
    [
        {
            "status": 403,
            "body": "<html>Checking your browser</html>",
            "headers": {"Content-Type": "text/html"},
        },
        {"status": 404, "body": "no"},
        {"status": 408, "body": ""},
        {"status": 429, "body": {"message": "slow down"}},
        {"status": 500, "body": ""},
        {"status": 502, "body": {"error": "invalid_grant"}},  # REF-10: a 5xx is never a verdict
        {"status": 503, "body": ""},
        {"status": 200, "body": "<html></html>", "headers": {"Content-Type": "text/html"}},
    ],
)
def test_ref_09_temporary_trouble_keeps_the_grant_and_backs_off(
    connected: MakeConnection, at_sandbox: Any, fault: dict[str, Any]
) -> None:
    made = connected(expired=True)
    fail_token_endpoint(at_sandbox, **fault)
    with pytest.raises(RefreshUnavailable) as error:
        tokens.ensure_fresh(made.pk)
    row = Connection.objects.get(pk=made.pk)
    assert row.status == Status.REFRESH_FAILING
    assert row.refresh_token.open().reveal() == made.refresh_token.open().reveal()
    assert row.refresh_not_before is not None and row.refresh_not_before > timezone.now()
    assert 1 <= error.value.retry_after <= 60


def test_ref_09_invalid_grant_alone_asks_the_customer(connected: MakeConnection, at_sandbox: Any) -> None:
    made = connected(expired=True)
    fail_token_endpoint(
        at_sandbox, status=400, body={"error": "invalid_grant", "status": "BAD_REFRESH_TOKEN"}
    )
    with pytest.raises(ReconnectRequired) as error:
        tokens.ensure_fresh(made.pk)
    assert error.value.reconnect_url
    row = Connection.objects.get(pk=made.pk)
    assert (row.status, row.status_reason) == (Status.RECONNECT_REQUIRED, "revoked_at_provider")
    with pytest.raises(ReconnectRequired):
        tokens.ensure_fresh(made.pk)
    assert len(refreshes(at_sandbox)) == 1


def test_case_37_a_deleted_account_is_a_grant_that_is_gone(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected(expired=True)
    body = {"status": "BAD_HUB", "message": "missing or unknown hub id", "error": "access_denied"}
    fail_token_endpoint(at_sandbox, status=400, body=body)
    with pytest.raises(ReconnectRequired):
        tokens.ensure_fresh(made.pk)


def test_the_old_token_serves_while_it_lives(connected: MakeConnection, at_sandbox: Any) -> None:
    made = connected()
    due = timezone.now() + timedelta(seconds=60)
    Connection.objects.filter(pk=made.pk).update(access_token_expires_at=due)
    fail_token_endpoint(at_sandbox, times=5, status=503, body="")
    assert tokens.ensure_fresh(made.pk).secret.reveal() == made.access_token.open().reveal()
    assert tokens.ensure_fresh(made.pk).secret.reveal() == made.access_token.open().reveal()
    assert len(refreshes(at_sandbox)) == 1
    assert Connection.objects.get(pk=made.pk).status == Status.ACTIVE


def test_ref_12_an_unknown_refusal_is_tried_six_times_over_an_hour(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected(expired=True)
    fail_token_endpoint(at_sandbox, times=100, status=400, body={"error": "invalid_request"})
    now = timezone.now()
    for second in range(0, 70 * 60, 20):
        with pytest.raises((RefreshUnavailable, ReconnectRequired)):
            tokens.ensure_fresh(made.pk, clock=clock_at(now + timedelta(seconds=second)))
    assert len(refreshes(at_sandbox)) == outcomes.UNKNOWN_TRIES
    assert Connection.objects.get(pk=made.pk).status == Status.RECONNECT_REQUIRED


def test_two_secrets_are_live_while_one_is_rotated_in(
    connected: MakeConnection, at_sandbox: Any, world: World
) -> None:
    made = connected(expired=True)
    right = world.client.client_secret.open()
    world.client.client_secret = Secret("00000000-0000-4000-8000-000000000000")
    world.client.next_client_secret = Secret(right.reveal())
    world.client.save()
    assert tokens.ensure_fresh(made.pk).version == 2


def test_ref_15_a_reply_without_expires_in_keeps_the_last_known_lifetime(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected(expired=True)
    at_sandbox.control("PATCH", "/_control/behaviour", {"shape": {"__drop": ["expires_in"]}})
    now = timezone.now()
    for _ in range(10):
        tokens.ensure_fresh(made.pk, clock=clock_at(now))
    row = Connection.objects.get(pk=made.pk)
    assert row.access_token_expires_at == now + timedelta(seconds=1800)
    assert len(refreshes(at_sandbox)) == 1


def test_ref_17_a_rejected_token_that_is_young_is_not_refreshed_again(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected()
    Connection.objects.filter(pk=made.pk).update(token_stored_at=timezone.now() - timedelta(minutes=10))
    first = tokens.ensure_fresh(made.pk, rejected_version=made.token_version)
    second = tokens.ensure_fresh(made.pk, rejected_version=first.version)
    assert second.version == first.version
    assert len(refreshes(at_sandbox)) == 1


def test_ref_19_short_lived_tokens_are_not_refreshed_on_every_call(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    at_sandbox.control("PATCH", "/_control/behaviour", {"expiresIn": 60})
    made = connected()
    now = timezone.now()
    for second in range(0, 30, 3):
        tokens.ensure_fresh(made.pk, clock=clock_at(now + timedelta(seconds=second)))
    assert refreshes(at_sandbox) == []


def test_ref_20_a_disconnect_during_a_refresh_stays_a_disconnect(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected(expired=True)
    in_flight = load(made.pk)
    owner = lease.take(made.pk, token_version=in_flight.token_version)
    assert owner is not None
    disconnect(made, actor=ACTOR)
    outcomes.refresh_under_lease(in_flight, owner=owner, clock=timezone.now)
    row = Connection.objects.get(pk=made.pk)
    assert (row.status, row.access_token, row.refresh_token) == (Status.DISCONNECTED, None, None)
    told = [tokens.open_tokens(revocation) for revocation in PendingRevocation.objects.all()]
    assert len(told) == 2  # what was stored, and what the refresh brought afterwards
    assert all(pair["refresh_token"] == in_flight.refresh_token.open().reveal() for pair in told)
    assert len({pair.get("access_token") for pair in told}) == 2  # one that has expired is not kept
    with pytest.raises(ConnectionNotFound):
        tokens.ensure_fresh(made.pk)


def test_ref_25_one_event_tells_one_failure(connected: MakeConnection, at_sandbox: Any) -> None:
    made = connected(expired=True)
    fail_token_endpoint(at_sandbox, times=9, status=400, body={"error": "invalid_grant"})
    for _ in range(5):
        with pytest.raises(ReconnectRequired):
            tokens.ensure_fresh(made.pk)
    assert Event.objects.filter(type="connection.reconnect_required").count() == 1


def test_ref_30_a_failing_token_endpoint_is_asked_rarely(connected: MakeConnection, at_sandbox: Any) -> None:
    made = connected(expired=True)
    fail_token_endpoint(at_sandbox, times=1_000, status=503, body="")
    for _ in range(100):
        with pytest.raises(RefreshUnavailable):
            tokens.ensure_fresh(made.pk)
    assert len(refreshes(at_sandbox)) <= 3


def test_ref_31_a_connection_is_refreshed_with_the_client_that_made_it(
    connected: MakeConnection, at_sandbox: Any, world: World
) -> None:
    made = connected(expired=True)
    ClientCredentials.objects.filter(pk=world.client.pk).update(is_current=False)
    ClientCredentials.objects.create(
        integration=world.integration,
        client_id="11111111-2222-4333-8444-555555555555",
        client_secret=Secret("c2-secret"),
    )
    tokens.ensure_fresh(made.pk)
    (request,) = refreshes(at_sandbox)
    assert f"client_id={world.client.client_id}" in request["body"]


def test_ref_34_an_expired_token_that_cannot_be_renewed_asks_the_customer(world: World) -> None:
    made = connection(world, refresh_token=None, expires_in=3600)
    later = clock_at(timezone.now() + timedelta(hours=2))
    for _ in range(2):
        with pytest.raises(ReconnectRequired):
            tokens.ensure_fresh(made.pk, clock=later)
    assert Event.objects.filter(type="connection.reconnect_required").count() == 1


def test_tok_02_an_unknown_expiry_without_refresh_token_means_usable(world: World, sandbox: Any) -> None:
    made = connection(world, access_token="gho_x", refresh_token=None, expires_in=None)
    later = clock_at(timezone.now() + timedelta(days=30))
    assert tokens.ensure_fresh(made.pk, clock=later).secret.reveal() == "gho_x"
    assert refreshes(sandbox) == []


def test_ref_36_asking_for_a_refresh_does_not_demote(connected: MakeConnection, at_sandbox: Any) -> None:
    made = connected()
    assert tokens.refresh_now(made.pk).token_version == made.token_version + 1
    fail_token_endpoint(at_sandbox, status=503, body="")
    with pytest.raises(RefreshUnavailable):
        tokens.refresh_now(made.pk)
    assert Connection.objects.get(pk=made.pk).status == Status.ACTIVE


def test_adm_04_a_token_that_no_key_opens_changes_no_status(world: World) -> None:
    from sealing import UnreadableSecret

    made = connection(world)
    other = connection(world, "customer-2")
    Connection.objects.filter(pk=made.pk).update(
        access_token=seal("x", model=Connection, field="access_token", pk=other.pk)
    )
    with pytest.raises(UnreadableSecret):
        tokens.ensure_fresh(made.pk)
    assert Connection.objects.get(pk=made.pk).status == Status.ACTIVE


def test_tok_05_tokens_that_are_born_expired_are_refreshed_once_a_call(
    connected: MakeConnection, at_sandbox: Any
) -> None:
    made = connected(expired=True)
    at_sandbox.control("PATCH", "/_control/behaviour", {"shape": {"expires_in": 0}})
    assert tokens.ensure_fresh(made.pk).version == made.token_version + 1
    assert len(refreshes(at_sandbox)) == 1
