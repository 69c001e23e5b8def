"""Entries go after TRAFFIC_DAYS, hours after TRAFFIC_HOUR_DAYS."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from accounts import purging
from proxy.models import TrafficEntry, TrafficHour
from proxy.traffic.ids import first_id


def purge_entries(limit: int) -> int:
    """The oldest entries; their keys say how old they are."""
    before = first_id(timezone.now() - timedelta(days=settings.TRAFFIC_DAYS))
    return purging.delete_some(TrafficEntry.objects.filter(pk__lt=before).order_by("pk"), limit)


def purge_hours(limit: int) -> int:
    before = timezone.now() - timedelta(days=settings.TRAFFIC_HOUR_DAYS)
    return purging.delete_some(TrafficHour.objects.filter(hour__lt=before).order_by("hour"), limit)


purging.register("traffic entries", purge_entries)
purging.register("traffic hours", purge_hours)
