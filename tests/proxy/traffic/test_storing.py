"""Records become rows, and hours add up, on both databases."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from proxy.models import TrafficEntry, TrafficHour
from proxy.models.traffic import BUCKET_FIELDS, NOBODY
from proxy.record import BROKEN_OFF, PARTNER_GONE
from tests import factories
from tests.factories import World
from tests.proxy.traffic.records import record, store

pytestmark = [pytest.mark.django_db, pytest.mark.db]
AT = datetime(2026, 11, 25, 10, 59, 59, 990_000, tzinfo=UTC)


def test_every_field_of_a_call_is_kept(world: World) -> None:
    connection = factories.connection(world)
    made = record(
        began_at=AT.timestamp(),
        partner_id=world.partner.pk,
        credential_id=world.credential.pk,
        connection_id=connection.pk,
        method="POST",
        query="limit=5&email=ann@example.com",
        request_bytes=3_000_000_000,
        retries=2,
        is_refreshed=True,
    )
    store([made])
    entry = TrafficEntry.objects.select_related("partner", "credential", "connection").get()
    assert entry.at == datetime(2026, 11, 25, 11, 0, 0, 2_000, tzinfo=UTC)
    assert (entry.partner, entry.credential, entry.connection) == (
        world.partner,
        world.credential,
        connection,
    )
    assert (entry.slug, entry.provider, entry.door, entry.method) == (
        "hbdev",
        "hubspot",
        "passthrough",
        "POST",
    )
    assert (entry.host, entry.path) == ("api.hubapi.com", "/crm/v3/objects/contacts")
    assert entry.query == "limit=5&email=***"
    assert (entry.status, entry.code, entry.outcome) == (200, "", "completed")
    assert (entry.request_bytes, entry.reply_bytes) == (3_000_000_000, 1024)
    assert (entry.total_ms, entry.upstream_ms) == (12.0, 10.0)
    assert (entry.retries, entry.is_refreshed, entry.request_id) == (2, True, made.request_id)
    assert entry.id.version == 7


def test_what_is_too_long_or_unknown_is_cut_or_empty(world: World) -> None:
    store(
        [
            record(
                partner_id=world.partner.pk,
                path="/words" * 200,
                method="X" * 40,
                headers_at=0.0,
                provider_id="",
                slug="no slug",
            )
        ]
    )
    entry = TrafficEntry.objects.get()
    assert len(entry.path) == 500 and entry.path.endswith("…")
    assert (entry.method, entry.slug) == ("X" * 16, "")
    assert (entry.upstream_ms, entry.connection_id, entry.credential_id) == (None, None, None)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("hbdev", "hbdev"), ("2fd4e1c67a2d28fced849ee1bb76e7391b93eb12", ""), ("xoxb-1-2-abc", ""), ("a/b", "")],
)
def test_a_slug_that_led_nowhere_is_kept_unless_it_may_be_a_secret(
    world: World, typed: str, kept: str
) -> None:
    store([record(partner_id=world.partner.pk, provider_id="", slug=typed)])
    assert TrafficEntry.objects.get().slug == kept
    assert TrafficHour.objects.get().slug == ""


def test_a_call_of_nobody_is_counted_and_not_kept() -> None:
    store(
        [
            record(
                partner_id=None, provider_id="", slug="typed-by-anybody", status=401, code="not_authenticated"
            )
        ]
    )
    assert not TrafficEntry.objects.exists()
    hour = TrafficHour.objects.get()
    assert (hour.partner_id, hour.slug, hour.status_class, hour.calls, hour.ours) == (NOBODY, "", 4, 1, 1)


def test_hours_add_up_over_batches(world: World) -> None:
    def call(**values: Any) -> Any:
        return record(began_at=AT.timestamp() - 60, partner_id=world.partner.pk, **values)

    store([call(), call(ended=100.3), call(status=503, code="saturated")])
    store([call(retries=3, is_refreshed=True, request_bytes=7)])
    by_class = {hour.status_class: hour for hour in TrafficHour.objects.all()}
    good = by_class[2]
    assert good.hour == datetime(2026, 11, 25, 10, tzinfo=UTC)
    assert (good.calls, good.ours, good.retries, good.refreshed) == (3, 0, 3, 1)
    assert (good.request_bytes, good.reply_bytes) == (7, 3072)
    assert good.total_ms == pytest.approx(324)
    filled = {name: count for name in BUCKET_FIELDS if (count := getattr(good, name))}
    assert filled == {"ms_20": 2, "ms_500": 1}
    assert (by_class[5].calls, by_class[5].ours) == (1, 1)


def test_a_bound_counts_what_took_exactly_so_long_and_the_last_has_none(world: World) -> None:
    for seconds in (0.5, 31.0):
        store([record(partner_id=world.partner.pk, began=0.0, ended=seconds)])
    hour = TrafficHour.objects.get()
    assert (hour.ms_500, hour.ms_more) == (1, 1)


def test_only_failures_are_kept_when_asked_but_all_are_counted(world: World) -> None:
    ids = iter(uuid.UUID(int=number).hex for number in range(5))
    records = [
        record(partner_id=world.partner.pk, request_id=next(ids), **values)
        for values in ({}, {"status": 404}, {"outcome": BROKEN_OFF}, {"status": 0, "outcome": PARTNER_GONE})
    ]
    store(records, only_failures=True)
    assert {entry.request_id for entry in TrafficEntry.objects.all()} == {
        made.request_id for made in records[1:]
    }
    assert sum(TrafficHour.objects.values_list("calls", flat=True)) == 4


def test_the_failed_are_those_with_a_status_from_400(world: World) -> None:
    store([record(partner_id=world.partner.pk, status=status) for status in (0, 200, 399, 400, 504)])
    assert sorted(entry.status for entry in TrafficEntry.objects.failed()) == [400, 504]


def test_entries_outlive_what_they_name_but_not_their_partner(world: World) -> None:
    connection = factories.connection(world)
    store([record(partner_id=world.partner.pk, connection_id=connection.pk)])
    former = connection.pk
    connection.delete()
    entry = TrafficEntry.objects.select_related("connection").get()
    assert entry.connection is None and entry.connection_id == former
    with transaction.atomic():
        world.partner.delete()
    assert not TrafficEntry.objects.exists() and not TrafficHour.objects.exists()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="elsewhere statements go through Django")
def test_a_disk_that_is_full_is_told_as_a_database_that_is_away(world: World) -> None:
    """As Django's own error: the log waits for it, where it forgets what no database takes."""
    raw = connection.connection
    (pages,) = raw.execute("PRAGMA page_count").fetchone()
    (usual,) = raw.execute("PRAGMA max_page_count").fetchone()
    raw.execute(f"PRAGMA max_page_count={pages}")
    try:
        with pytest.raises(OperationalError, match="full"), transaction.atomic():
            store([record(partner_id=world.partner.pk) for _ in range(3_000)])
    finally:
        raw.execute(f"PRAGMA max_page_count={usual}")
    assert not TrafficEntry.objects.exists()
