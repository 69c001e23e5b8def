"""Many callers of one connection whose refresh fails: one event, few token requests, quick answers."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database_connection
from django.utils import timezone

from accounts.models import AuditEntry, Event
from integrations import states, tokens
from integrations.errors import ReconnectRequired, RefreshUnavailable
from integrations.models import Connection, GrantIncident
from integrations.models.connection import Status
from tests import factories
from tests.factories import ACTOR, World
from tests.integrations.connect.conftest import HUBSPOT_TOKEN
from tests.provider_server import Answer, ProviderServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.db]

DEAD = Answer({"error": "invalid_grant"}, status=400, delay_seconds=0.3)


def expired(world: World) -> Connection:
    made = factories.connection(world)
    Connection.objects.filter(pk=made.pk).update(
        access_token_expires_at=timezone.now() - timedelta(minutes=1)
    )
    return made


def call_together(connection: Connection, *, threads: int, calls: int = 1) -> Counter[str]:
    """What the calls of all threads ended in, by name."""
    ended: Counter[str] = Counter()

    def call() -> None:
        try:
            for _ in range(calls):
                try:
                    tokens.ensure_fresh(connection.pk)
                    ended["fresh"] += 1
                except (ReconnectRequired, RefreshUnavailable) as error:
                    ended[type(error).__name__] += 1
        finally:
            database_connection.close()

    started = [threading.Thread(target=call) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(timeout=60)
    return ended


def told() -> int:
    return Event.objects.filter(type="connection.reconnect_required").count()


def test_ref_25_twenty_parallel_callers_of_a_dead_grant_cause_one_event_and_the_next_death_one_more(
    provider_server: ProviderServer, world: World
) -> None:
    provider_server.on("POST", HUBSPOT_TOKEN, DEAD)
    made = expired(world)
    assert call_together(made, threads=20) == {"ReconnectRequired": 20}
    assert len(provider_server.received(HUBSPOT_TOKEN)) == 1
    assert (told(), GrantIncident.objects.count()) == (1, 1)
    assert AuditEntry.objects.filter(action="connection.reconnect_required").count() == 1
    states.change(made.pk, to=Status.ACTIVE, actor=ACTOR)
    assert call_together(made, threads=20) == {"ReconnectRequired": 20}
    assert told() == 2


def test_ref_30_five_hundred_calls_on_a_failing_token_endpoint_cause_few_requests(
    provider_server: ProviderServer, world: World
) -> None:
    provider_server.on("POST", HUBSPOT_TOKEN, Answer(b"", status=503, delay_seconds=0.3))
    made = expired(world)
    assert call_together(made, threads=20, calls=25) == {"RefreshUnavailable": 500}
    assert len(provider_server.received(HUBSPOT_TOKEN)) <= 3
    assert Event.objects.filter(type="connection.refresh_failing").count() == 1


def test_ref_14_twenty_parallel_callers_with_a_wrong_secret_raise_one_alarm(
    provider_server: ProviderServer, world: World
) -> None:
    provider_server.on("POST", HUBSPOT_TOKEN, Answer({"error": "invalid_client"}, status=401))
    made = [factories.connection(world, f"customer-{number}") for number in range(20)]
    Connection.objects.update(access_token_expires_at=timezone.now() - timedelta(minutes=1))
    ended: list[Any] = []

    def call(connection: Connection) -> None:
        try:
            tokens.ensure_fresh(connection.pk)
        except RefreshUnavailable as error:
            ended.append(error)
        finally:
            database_connection.close()

    threads = [threading.Thread(target=call, args=(row,)) for row in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(ended) == 20
    assert AuditEntry.objects.filter(action="integration.client_rejected").count() == 1
    assert {row.status for row in Connection.objects.all()} == {Status.ACTIVE}
