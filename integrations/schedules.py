"""Periodic jobs: their defaults, seeded once into the database where staff change them, and their slots.

The schedules of django-celery-beat are rows. CELERY_BEAT_SCHEDULE holds our defaults only: what staff have
changed or deleted there stays changed or deleted. Intervals are elapsed time in UTC, so that no clock change
moves, doubles or drops a run (OPS-09).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar

import structlog
from celery import current_task
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from integrations.models import ScheduledJob

log = structlog.get_logger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

#: a run may begin this share of the interval early: messages wait a little longer one time than another
_TOLERANCE_SHARE = 10

#: what each default does, in words for staff
DESCRIPTIONS: dict[str, str] = {
    "worker-heartbeat": "Proves to readyz that messages reach a worker.",
    "refresh-due-connections": "Refreshes access tokens ahead of use, and touches idle grants once a day.",
    "tell-ending-grants": "Tells partners of grants that end for good soon, each once.",
    "purge-expired-links": "Deletes links and attempts that ended a day ago, and connections never made.",
    "retry-revocations": "Ends grants at their provider after a disconnect, again where that failed.",
    "complete-identities": "Looks up provider accounts that could not be read at connecting.",
    "purge-issued-tokens": "Deletes partners' access tokens that have expired.",
    "purge-old-rows": "Deletes old events, incidents, sessions and heartbeats.",
}


class SeededScheduler(DatabaseScheduler):
    """The database's scheduler, which writes our defaults once instead of at each start."""

    def setup_schedule(self) -> None:
        seed(self.app.conf.beat_schedule)


def seed(wanted: Mapping[str, Any], *, is_wanted_back: bool = False) -> list[str]:
    """Write the schedules that have never been written; returns their names.

    is_wanted_back: also those that staff have deleted since. Two schedulers may do this at once.
    """
    written = []
    for name, default in wanted.items():
        with transaction.atomic():
            _, is_new = ScheduledJob.objects.get_or_create(pk=name)
            if (is_new or is_wanted_back) and _write(name, default):
                written.append(name)
    return written


def _write(name: str, default: Mapping[str, Any]) -> bool:
    """Write one schedule unless there is one of that name."""
    seconds = int(_seconds(default))
    if PeriodicTask.objects.filter(name=name).exists():
        return False
    interval = IntervalSchedule.objects.filter(every=seconds, period=IntervalSchedule.SECONDS).first()
    if interval is None:
        interval = IntervalSchedule.objects.create(every=seconds, period=IntervalSchedule.SECONDS)
    _, is_written = PeriodicTask.objects.get_or_create(
        name=name,
        defaults={
            "task": default["task"],
            "interval": interval,
            "description": DESCRIPTIONS.get(name, ""),
        },
    )
    return is_written


def _seconds(default: Mapping[str, Any]) -> float:
    every = default["schedule"]
    return float(every.total_seconds() if isinstance(every, timedelta) else every)


def once_a_slot(job: Callable[P, T]) -> Callable[P, T | None]:
    """Run a periodic job once in each interval of its schedule, however many schedulers send it (OPS-02).

    Only what a schedule has sent is held to its slot: a person who runs it by hand is obeyed. None when the
    slot is taken.
    """

    @functools.wraps(job)
    def run(*args: P.args, **kwargs: P.kwargs) -> T | None:
        name = _schedule_of_message()
        if name and not claim_slot(name, now=timezone.now()):
            log.info("another scheduler's message came first", job=name)
            return None
        return job(*args, **kwargs)

    return run


def _schedule_of_message() -> str | None:
    """The name of the schedule that the running task's message came from; beat writes it into the headers."""
    if not current_task:
        return None
    request = current_task.request
    name = request.get("periodic_task_name") or (request.headers or {}).get("periodic_task_name")
    return str(name) if name else None


def claim_slot(name: str, *, now: datetime) -> bool:
    """Whether this run is the first of its slot: one conditional UPDATE decides."""
    interval = interval_of(name)
    if interval is None:
        return True
    ScheduledJob.objects.get_or_create(pk=name)
    opened_before = now - interval + interval / _TOLERANCE_SHARE
    is_open = Q(slot_started_at=None) | Q(slot_started_at__lte=opened_before)
    # Begun by a clock that ran ahead: it must not stop the job until that moment comes.
    is_open |= Q(slot_started_at__gt=now + interval)
    return bool(ScheduledJob.objects.filter(is_open, pk=name).update(slot_started_at=now))


def interval_of(name: str) -> timedelta | None:
    """How far apart the runs of a schedule are; None when it is no interval, or gone."""
    row = PeriodicTask.objects.select_related("interval").filter(name=name).first()
    return None if row is None else interval_of_row(row)


def interval_of_row(row: PeriodicTask) -> timedelta | None:
    """The same for a schedule that is at hand."""
    return None if row.interval is None else timedelta(**{row.interval.period: row.interval.every})


def defaults() -> Mapping[str, Any]:
    """Our schedules, by name."""
    found: Mapping[str, Any] = settings.CELERY_BEAT_SCHEDULE
    return found


def default_seconds(name: str) -> float | None:
    """How far apart the runs of a default are; None when the schedule is not ours."""
    default = defaults().get(name)
    return None if default is None else _seconds(default)
