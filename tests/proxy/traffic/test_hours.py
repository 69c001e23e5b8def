"""Hourly sums as a series, and what can be told of durations that were only counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from proxy.models import TrafficHour
from proxy.models.traffic import BUCKETS
from proxy.traffic.hours import percentile, series
from tests.factories import World
from tests.proxy.traffic.records import record, store

AT = datetime(2026, 11, 25, 10, 20, tzinfo=UTC)


def counted(**by_bound: int) -> list[int]:
    return [by_bound.get(f"ms_{bound}", 0) for bound in BUCKETS] + [by_bound.get("more", 0)]


@pytest.mark.parametrize(
    ("counts", "share", "milliseconds"),
    [
        (counted(), 0.5, None),
        (counted(ms_10=10), 0.5, 7.5),
        (counted(ms_1=1), 1.0, 1.0),
        (counted(ms_10=50, ms_100=50), 0.5, 10.0),
        (counted(ms_10=90, ms_100=10), 0.95, 75.0),
        (counted(ms_10=1, more=9), 0.95, 30_000.0),
    ],
    ids=["none", "middle of a bucket", "its bound", "at the bound", "in the next", "beyond the last"],
)
def test_a_percentile_lies_within_its_bucket(
    counts: list[int], share: float, milliseconds: float | None
) -> None:
    assert percentile(counts, share) == milliseconds


@pytest.mark.django_db
@pytest.mark.db
def test_a_series_has_every_hour_and_adds_integrations_up(world: World) -> None:
    for slug, status, began_at in (("a", 200, AT), ("b", 200, AT), ("a", 502, AT - timedelta(hours=2))):
        store([record(partner_id=world.partner.pk, slug=slug, status=status, began_at=began_at.timestamp())])
    hours = series(TrafficHour.objects.all(), AT - timedelta(hours=3), AT)
    assert [(hour.at.hour, hour.by_class) for hour in hours] == [(7, {}), (8, {5: 1}), (9, {}), (10, {2: 2})]
    assert (hours[3].calls, hours[3].reply_bytes, hours[3].percentile(0.5)) == (2, 2048, 15.0)
    assert hours[2].percentile(0.5) is None
