"""Hourly sums as a series: calls by class of status, and how long they took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet, Sum

from proxy.models import TrafficHour
from proxy.models.traffic import BUCKET_FIELDS, BUCKETS, SUM_FIELDS

_HOUR = timedelta(hours=1)


@dataclass
class Hour:
    """What went through in one hour. by_class: first digit of the status -> calls; 0 for no reply."""

    at: datetime
    by_class: dict[int, int] = field(default_factory=dict)
    calls: int = 0
    ours: int = 0
    retries: int = 0
    refreshed: int = 0
    request_bytes: int = 0
    reply_bytes: int = 0
    total_ms: float = 0.0
    counts: list[int] = field(default_factory=lambda: [0] * len(BUCKET_FIELDS))

    def percentile(self, share: float) -> float | None:
        """The duration in milliseconds that this share of the calls kept to; None without calls."""
        return percentile(self.counts, share)


def series(rows: QuerySet[TrafficHour], since: datetime, until: datetime) -> list[Hour]:
    """One Hour for each full or begun hour from since to until, oldest first, empty ones included."""
    first = since.replace(minute=0, second=0, microsecond=0)
    hours = {first: Hour(first)}
    following = first + _HOUR
    while following < until:
        hours[following] = Hour(following)
        following += _HOUR
    sums: Any = (
        rows.filter(hour__gte=first, hour__lt=until)
        .order_by()
        .values("hour", "status_class")
        .annotate(**{f"sum_{name}": Sum(name) for name in (*SUM_FIELDS, *BUCKET_FIELDS)})
    )
    for row in sums:
        hour = hours.setdefault(row["hour"], Hour(row["hour"]))
        hour.by_class[row["status_class"]] = row["sum_calls"]
        for name in SUM_FIELDS:
            setattr(hour, name, getattr(hour, name) + row[f"sum_{name}"])
        for place, name in enumerate(BUCKET_FIELDS):
            hour.counts[place] += row[f"sum_{name}"]
    return [hours[moment] for moment in sorted(hours)]


def percentile(counts: Sequence[int], share: float) -> float | None:
    """Estimated within the bucket as if its calls were spread evenly; the last bucket answers its lower bound."""
    total = sum(counts)
    if not total:
        return None
    wanted, below, lower = share * total, 0, 0.0
    for bound, count in zip(BUCKETS, counts, strict=False):
        if count and below + count >= wanted:
            return round(lower + (bound - lower) * (wanted - below) / count, 1)
        below, lower = below + count, float(bound)
    return lower
