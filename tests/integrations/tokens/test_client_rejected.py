"""REF-14: a client that the provider refuses is one alarm on the integration, and no customer's fault."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, Event
from integrations import secret_rotation, tokens
from integrations.errors import RefreshUnavailable
from integrations.models import ClientCredentials, Connection, GrantIncident
from integrations.models.connection import Status
from sealing import Secret
from tests import factories
from tests.factories import ACTOR, CLIENT_SECRET, World
from tests.integrations.connect.conftest import HUBSPOT_TOKEN
from tests.provider_server import Answer, ProviderServer, Received

pytestmark = [pytest.mark.django_db, pytest.mark.db]

WRONG = Answer({"status": "BAD_CLIENT_SECRET", "error": "invalid_client"}, status=400)


def only_with(secret: str) -> Any:
    """A token endpoint that knows this client secret alone, and gives every refresh token a successor."""

    def answer(request: Received) -> Answer:
        if request.form["client_secret"] != secret:
            return WRONG
        sent = request.form["refresh_token"]
        return Answer({"access_token": f"C-{sent}", "refresh_token": f"{sent}+", "expires_in": 1800})

    return answer


@pytest.fixture
def fifty(world: World) -> list[Connection]:
    made = [
        factories.connection(world, f"customer-{number}", refresh_token=f"na1-token-{number}")
        for number in range(50)
    ]
    Connection.objects.update(access_token_expires_at=timezone.now() - timedelta(minutes=1))
    return made


def use_all(made: list[Connection], *, at: datetime) -> int:
    """How many of them have a token after each was used once at that moment."""
    fresh = 0
    for connection in made:
        try:
            fresh += tokens.ensure_fresh(connection.pk, clock=lambda: at).version > 1
        except RefreshUnavailable:
            pass
    return fresh


def alarms() -> int:
    return AuditEntry.objects.filter(action="integration.client_rejected").count()


@pytest.mark.parametrize("minutes", [10, pytest.param(60, marks=pytest.mark.slow)])
def test_ref_14_fifty_customers_of_a_wrong_secret_stay_active_and_recover_without_being_asked(
    provider_server: ProviderServer, world: World, fifty: list[Connection], minutes: int
) -> None:
    provider_server.on("POST", HUBSPOT_TOKEN, only_with("the-secret-that-is-right"))
    start = timezone.now()
    for minute in range(0, minutes + 1, 2):
        assert use_all(fifty, at=start + timedelta(minutes=minute)) == 0
    assert {row.status for row in Connection.objects.all()} == {Status.ACTIVE}
    assert alarms() == 1
    assert not Event.objects.exists()
    client = ClientCredentials.objects.get(pk=world.client.pk)
    assert client.rejected_since == start
    # two until the alarm stands, then one a minute at most for all fifty
    assert len(provider_server.received(HUBSPOT_TOKEN)) == 2 + minutes // 2
    assert set(GrantIncident.objects.values_list("verdict", flat=True)) == {"client_wrong"}

    provider_server.on("POST", HUBSPOT_TOKEN, only_with(CLIENT_SECRET))  # corrected at the provider
    assert use_all(fifty, at=start + timedelta(minutes=minutes + 2)) >= 1
    assert use_all(fifty, at=start + timedelta(minutes=minutes + 4)) == 50
    client.refresh_from_db()
    assert (client.rejected_since, client.last_refused_at) == (None, None)
    assert {row.token_version for row in Connection.objects.all()} == {2}
    assert alarms() == 1


def test_ref_14_a_secret_that_staff_correct_lets_all_ask_again_at_once(
    provider_server: ProviderServer, world: World, fifty: list[Connection]
) -> None:
    provider_server.on("POST", HUBSPOT_TOKEN, only_with("the-new-secret"))
    now = timezone.now()
    assert use_all(fifty, at=now) == 0
    client = ClientCredentials.objects.get(pk=world.client.pk)
    client.next_client_secret = Secret("the-new-secret")
    client.save(update_fields=["next_client_secret"])
    secret_rotation.promote(world.integration, actor=ACTOR)
    assert use_all(fifty, at=now + timedelta(seconds=1)) == 50


def test_ref_14_two_secrets_are_live_while_one_is_rotated_in_and_nobody_is_alarmed(
    provider_server: ProviderServer, world: World, fifty: list[Connection]
) -> None:
    client = ClientCredentials.objects.get(pk=world.client.pk)
    client.next_client_secret = Secret("the-new-secret")
    client.save(update_fields=["next_client_secret"])
    provider_server.on("POST", HUBSPOT_TOKEN, only_with(CLIENT_SECRET))
    assert use_all(fifty[:25], at=timezone.now()) == 25
    assert len(provider_server.received(HUBSPOT_TOKEN)) == 25
    provider_server.on("POST", HUBSPOT_TOKEN, only_with("the-new-secret"))
    assert use_all(fifty[25:], at=timezone.now()) == 25
    assert len(provider_server.received(HUBSPOT_TOKEN)) == 25 + 2 * 25
    client.refresh_from_db()
    assert (alarms(), client.rejected_since, client.last_refused_at) == (0, None, None)
    assert not GrantIncident.objects.exists()


def test_ref_14_one_odd_reply_among_good_ones_is_no_alarm(
    provider_server: ProviderServer, world: World, fifty: list[Connection]
) -> None:
    good = only_with(CLIENT_SECRET)
    provider_server.on("POST", HUBSPOT_TOKEN, WRONG, good, good, WRONG, good)
    now = timezone.now()
    assert use_all(fifty, at=now) == 48
    client = ClientCredentials.objects.get(pk=world.client.pk)
    assert (alarms(), client.rejected_since, client.last_refused_at) == (0, None, None)
    assert use_all(fifty, at=now + timedelta(minutes=2)) == 50


def test_ref_14_one_connection_alone_raises_the_alarm_when_it_is_refused_again(
    provider_server: ProviderServer, fifty: list[Connection]
) -> None:
    provider_server.on("POST", HUBSPOT_TOKEN, WRONG)
    now = timezone.now()
    assert use_all(fifty[:1], at=now) == 0
    assert alarms() == 0
    assert use_all(fifty[:1], at=now + timedelta(minutes=2)) == 0
    assert alarms() == 1


def test_ref_14_while_the_alarm_stands_the_old_token_serves(
    provider_server: ProviderServer, world: World
) -> None:
    made = factories.connection(world)
    Connection.objects.update(access_token_expires_at=timezone.now() + timedelta(seconds=60))
    ClientCredentials.objects.update(rejected_since=timezone.now(), last_refused_at=timezone.now())
    assert tokens.ensure_fresh(made.pk).version == 1
    assert provider_server.received(HUBSPOT_TOKEN) == []
    assert Connection.objects.get(pk=made.pk).lease_owner is None


def test_an_alarm_from_before_last_refused_at_existed_is_probed_at_once(
    provider_server: ProviderServer, world: World, fifty: list[Connection]
) -> None:
    ClientCredentials.objects.update(rejected_since=timezone.now() - timedelta(days=1))
    provider_server.on("POST", HUBSPOT_TOKEN, only_with(CLIENT_SECRET))
    assert use_all(fifty, at=timezone.now()) == 50
    assert ClientCredentials.objects.get(pk=world.client.pk).rejected_since is None
