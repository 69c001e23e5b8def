"""What a scrape tells from the database: the same whichever process answers.

Read on a thread at most every 15 seconds, and more rarely where reading takes long. A million connections are
counted from indexes; rows are read of those connections alone that are not well.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import DatabaseError, InterfaceError
from django.db.models import Case, Count, F, Max, Min, QuerySet, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.health_checks import WORKER_MAX_AGE
from accounts.models import Event, WorkerHeartbeat
from integrations.models import Connection, GrantIncident, Integration, PendingRevocation, ProviderPace
from integrations.models.connection import Status
from sealing.health import keys_are_well

log = structlog.get_logger(__name__)
#: (metric, values of its labels, number)
Reading = tuple[str, tuple[str, ...], float]

KEEP_SECONDS = 15.0
#: reading takes at most one part in so many of a thread's time
_REST = 20
#: backlogs are counted up to here; more is told as so many
COUNTED = 100_000
RECENT = timedelta(minutes=15)
#: those with rows of their own to look at; `active` is what is left of the usable ones
_UNWELL = (Status.REFRESH_FAILING, Status.RECONNECT_REQUIRED, Status.PAUSED, Status.PENDING)


@dataclass(frozen=True, slots=True)
class Readings:
    """What was read. providers: the slugs of all integrations with their providers' ids."""

    readings: list[Reading]
    providers: dict[str, str]


#: what is told where the database does not answer, or not in time
DOWN = Readings([("patchbay_database_up", (), 0.0)], {})


class Database:
    """Keeps what was read last. Call read() from a database thread, one at a time or not: it does no harm."""

    def __init__(self) -> None:
        self._kept: Readings | None = None
        self._until = 0.0

    def read(self) -> Readings:
        """What is kept, if it is young enough, else what the database says now. Raises nothing."""
        began = time.monotonic()
        if self._kept is None or began >= self._until:
            self._kept = _read()
            now = time.monotonic()
            self._until = now + max(KEEP_SECONDS, _REST * (now - began))
        return self._kept


def _read() -> Readings:
    now = timezone.now()
    readings: list[Reading] = []
    providers: dict[str, str] = {}
    is_up = True
    try:
        apps = {pk: (slug, provider) for pk, slug, provider in _integrations()}
        providers = dict(apps.values())
        readings += _connections(apps, now)
        for part in (_backlogs, _refresh_trouble, _workers):
            readings += part(now)
    except (DatabaseError, InterfaceError) as error:
        log.error("metrics not read from the database", error=type(error).__name__)
        is_up = False
    if is_up:
        readings.append(("patchbay_keys_well", (), float(keys_are_well()[0])))
    readings.append(("patchbay_database_up", (), float(is_up)))
    return Readings(readings, providers)


def _integrations() -> Iterable[tuple[UUID, str, str]]:
    return Integration.objects.order_by().values_list("pk", "slug", "provider_id")


def _connections(apps: dict[UUID, tuple[str, str]], now: datetime) -> Iterator[Reading]:
    """By status, and what is due: the usable ones from the index connection_due, the others by their status."""
    counts: Counter[tuple[UUID, str]] = Counter()
    for status in _UNWELL:
        for pk, count in _of_status(status):
            counts[pk, status] = count
    usable = {row[0]: row[1:] for row in _usable(now)}
    for pk, app in apps.items():
        count, due, _ = usable.get(pk, (0, 0, None))
        counts[pk, Status.ACTIVE] = max(0, count - counts[pk, Status.REFRESH_FAILING])
        yield "patchbay_refreshes_due", app, due
        for status in (Status.ACTIVE, *_UNWELL):
            yield "patchbay_connections", (*app, str(status)), counts[pk, status]
    firsts = [first for _, due, first in usable.values() if due and first is not None]
    yield "patchbay_refresh_oldest_due_seconds", (), _age(min(firsts, default=None), now)


def _of_status(status: Status) -> Iterable[tuple[UUID, int]]:
    """(integration, how many), through the index of statuses.

    One status at a time, and grouped by an expression: else SQLite takes the index by which it could group, and
    reads every row there is.
    """
    rows = Connection.objects.filter(status=status).order_by()
    of = Coalesce(F("integration_id"), F("integration_id"))
    return rows.annotate(of=of).values_list("of").annotate(count=Count("pk"))


def _usable(now: datetime) -> Iterable[tuple[UUID, int, int, datetime | None]]:
    """(integration, connections in use, how many of them are due, the earliest refresh), from the index alone."""
    rows = Connection.objects.usable().order_by()
    is_due = Case(When(next_refresh_at__lte=now, then=1))
    return rows.values_list("integration_id").annotate(
        count=Count("integration_id"), due=Count(is_due), first=Min("next_refresh_at")
    )


def _backlogs(now: datetime) -> Iterator[Reading]:
    waiting = Event.objects.filter(dispatched_at=None).order_by("occurred_at")
    yield "patchbay_events_undelivered", (), _counted(waiting)
    first = waiting.values_list("occurred_at", flat=True).first()
    yield "patchbay_event_oldest_undelivered_seconds", (), _age(first, now)
    yield "patchbay_revocations_pending", (), _counted(PendingRevocation.objects.order_by())


def _refresh_trouble(now: datetime) -> Iterator[Reading]:
    for provider, failures in ProviderPace.objects.values_list("provider_id", "failures"):
        yield "patchbay_provider_refresh_failures_in_a_row", (provider,), failures
    lately = GrantIncident.objects.filter(at__gte=now - RECENT).order_by("-at")
    found = Counter(lately.values_list("verdict", "process")[:COUNTED])
    for (verdict, process), count in found.items():
        yield "patchbay_refresh_failures_recent", (verdict, process), count


def _workers(now: datetime) -> Iterator[Reading]:
    alive = WorkerHeartbeat.objects.filter(beaten_at__gte=now - WORKER_MAX_AGE).count()
    yield "patchbay_workers", (), alive
    newest = WorkerHeartbeat.objects.aggregate(newest=Max("beaten_at"))["newest"]
    if newest is not None:
        yield "patchbay_worker_heartbeat_age_seconds", (), _age(newest, now)


def _counted(rows: QuerySet) -> int:
    return rows[:COUNTED].count()


def _age(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())
