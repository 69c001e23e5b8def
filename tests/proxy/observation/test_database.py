"""What a scrape reads from the database: right numbers, from indexes, at most every fifteen seconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Event, WorkerHeartbeat
from accounts.models.event import EventType
from integrations.models import Connection, ProviderPace
from integrations.models.connection import Status
from proxy.observation import database
from proxy.observation.database import Database, Readings
from tests import factories
from tests.factories import World

pytestmark = [pytest.mark.db, pytest.mark.django_db]
APP = ("hbdev", "hubspot")


@pytest.fixture
def world(db: Any) -> World:
    return factories.world()


def numbers(read: Readings) -> dict[tuple[str, ...], float]:
    return {(name, *labels): number for name, labels, number in read.readings}


def test_connections_are_counted_by_status_and_what_is_due_among_them(world: World) -> None:
    now = timezone.now()
    for number, (status, due_in) in enumerate(
        [
            (Status.ACTIVE, -120),
            (Status.ACTIVE, 3_600),
            (Status.ACTIVE, None),
            (Status.REFRESH_FAILING, -600),
            (Status.RECONNECT_REQUIRED, -9_999),
            (Status.PAUSED, None),
            (Status.DISCONNECTED, None),
        ]
    ):
        made = factories.connection(world, f"customer-{number}")
        due_at = None if due_in is None else now + timedelta(seconds=due_in)
        Connection.objects.filter(pk=made.pk).update(status=status, next_refresh_at=due_at)
    read = Database().read()
    found = numbers(read)
    by_status = {
        status: found["patchbay_connections", *APP, status]
        for status in ("active", "refresh_failing", "reconnect_required", "paused", "pending")
    }
    assert by_status == {
        "active": 3,
        "refresh_failing": 1,
        "reconnect_required": 1,
        "paused": 1,
        "pending": 0,
    }
    assert ("patchbay_connections", *APP, "disconnected") not in found
    assert found["patchbay_refreshes_due", *APP] == 2
    assert found["patchbay_refresh_oldest_due_seconds",] == pytest.approx(600, abs=30)
    assert read.providers == {"hbdev": "hubspot"}


def test_an_integration_without_connections_is_told_as_having_none(world: World) -> None:
    found = numbers(Database().read())
    assert found["patchbay_connections", *APP, "active"] == 0
    assert found["patchbay_refreshes_due", *APP] == 0
    assert found["patchbay_refresh_oldest_due_seconds",] == 0


def test_backlogs_workers_and_providers_in_trouble_are_told(world: World) -> None:
    now = timezone.now()
    for age in (50, 200):
        Event.objects.create(
            partner=world.partner,
            type=EventType.CONNECTION_CREATED,
            occurred_at=now - timedelta(seconds=age),
            dispatched_at=None,
        )
    Event.objects.create(
        partner=world.partner, type=EventType.CONNECTION_CREATED, occurred_at=now, dispatched_at=now
    )
    for name, age in (("one", 5), ("other", 20), ("gone", 4_000)):
        WorkerHeartbeat.objects.create(name=name, beaten_at=now - timedelta(seconds=age))
    ProviderPace.objects.create(provider_id="hubspot", failures=7)
    found = numbers(Database().read())
    assert found["patchbay_events_undelivered",] == 2
    assert found["patchbay_event_oldest_undelivered_seconds",] == pytest.approx(200, abs=30)
    assert found["patchbay_workers",] == 2
    assert found["patchbay_worker_heartbeat_age_seconds",] == pytest.approx(5, abs=30)
    assert found["patchbay_provider_refresh_failures_in_a_row", "hubspot"] == 7
    assert found["patchbay_revocations_pending",] == 0
    assert found["patchbay_keys_well",] == found["patchbay_database_up",] == 1


def test_a_worker_that_has_never_answered_has_no_age(world: World) -> None:
    found = numbers(Database().read())
    assert found["patchbay_workers",] == 0
    assert ("patchbay_worker_heartbeat_age_seconds",) not in found


def test_keys_that_do_not_fit_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "keys_are_well", lambda: (False, "reason"))
    assert numbers(Database().read())["patchbay_keys_well",] == 0


def test_what_was_read_is_kept_for_a_while(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000.0]
    monkeypatch.setattr(database.time, "monotonic", lambda: clock[0])
    kept = Database()
    first = kept.read()
    factories.connection(world, "cust")
    clock[0] += database.KEEP_SECONDS - 0.1
    assert kept.read() is first
    clock[0] += 0.2
    assert numbers(kept.read())["patchbay_connections", *APP, "active"] == 1


def test_reading_that_takes_long_is_done_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000.0]
    reads: list[float] = []

    def slow() -> Readings:
        reads.append(clock[0])
        clock[0] += 3.0
        return Readings([], {})

    monkeypatch.setattr(database.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(database, "_read", slow)
    kept = Database()
    for _ in range(120):
        kept.read()
        clock[0] += 1.0
    assert reads == [1_000.0, 1_063.0]


def test_a_database_that_does_not_answer_is_told_as_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> Any:
        raise OperationalError("secret-host refused")

    monkeypatch.setattr(database, "_integrations", down)
    assert Database().read().readings == [("patchbay_database_up", (), 0.0)]


def test_no_query_reads_all_connections_or_events(world: World) -> None:
    """SQLite's plans: a search, or the partial index of the usable ones, which is as long as they are many."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL chooses by size, and here is next to nothing")
    with CaptureQueriesContext(connection) as captured:
        database._read()
    plans: list[str] = []
    with connection.cursor() as cursor:
        for query in captured.captured_queries:
            if query["sql"].startswith("SELECT"):
                cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
                plans += [row[3] for row in cursor.fetchall()]
    of_large_tables = [
        plan for plan in plans if "integrations_connection" in plan or "accounts_event" in plan
    ]
    assert len(of_large_tables) == 7
    for plan in of_large_tables:
        assert "SEARCH" in plan or "connection_due" in plan or "event_undispatched" in plan, plan
