"""Entries live for a month, hours for a year."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import purging
from integrations import tasks
from proxy.models import TrafficEntry, TrafficHour
from tests.factories import World
from tests.proxy.traffic.records import record, store

pytestmark = [pytest.mark.django_db, pytest.mark.db]


def keep(world: World, *, days_ago: float) -> None:
    moment = timezone.now() - timedelta(days=days_ago)
    store([record(partner_id=world.partner.pk, began_at=moment.timestamp())])


def test_entries_go_after_thirty_days_in_chunks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "CHUNK", 2)
    for days_ago in (29.9, 30.1, 31, 32, 33, 34):
        keep(world, days_ago=days_ago)
    tasks.purge_old()
    assert TrafficEntry.objects.count() == 1
    assert sum(TrafficHour.objects.values_list("calls", flat=True)) == 6


def test_the_time_that_entries_are_kept_is_a_setting(world: World, settings: Any) -> None:
    keep(world, days_ago=3)
    settings.TRAFFIC_DAYS = 2
    tasks.purge_old()
    assert not TrafficEntry.objects.exists()


def test_hours_go_after_400_days(world: World) -> None:
    for days_ago in (399, 401, 402):
        keep(world, days_ago=days_ago)
    tasks.purge_old()
    assert TrafficHour.objects.count() == 1
