"""Deleting old rows: in chunks that lock little and may end anywhere, registered by the parts that own the rows.

A part registers a function that deletes at most so many rows and returns how many it deleted; the job calls it
until it returns fewer. What a killed or timed-out run leaves is found by the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Event, IssuedToken, WorkerHeartbeat

log = structlog.get_logger(__name__)

#: rows that one statement deletes at most
CHUNK = 500
#: how long one kind of rows may take in one run
SECONDS = 60.0
#: a worker that has not answered for so long has gone for good
HEARTBEAT_KEEP = timedelta(days=1)
SIGN_IN_KEEP = timedelta(days=90)

Purge = Callable[[int], int]
_purges: dict[str, Purge] = {}


def register(what: str, purge: Purge) -> None:
    """Have purge(limit) called by the hourly job: it deletes at most limit old rows, returns how many."""
    _purges[what] = purge


def purge_all() -> int:
    """Call every registered purge to its end; one that fails holds no other up. Returns how many rows went."""
    deleted = 0
    for what, purge in _purges.items():
        try:
            found = in_chunks(purge)
        except Exception:
            log.exception("old rows were not deleted", what=what)
            continue
        if found:
            log.info("old rows deleted", what=what, rows=found)
        deleted += found
    return deleted


def in_chunks(purge: Purge, *, seconds: float = SECONDS) -> int:
    """Call purge(CHUNK) until it deletes fewer, or until the time is over; returns how many rows went."""
    give_up_at = time.monotonic() + seconds
    deleted = 0
    while time.monotonic() < give_up_at:
        found = purge(CHUNK)
        deleted += found
        if found < CHUNK:
            break
    return deleted


def delete_in_chunks(rows: QuerySet[Any], *, seconds: float = SECONDS) -> int:
    """Delete rows in the query's order, chunk by chunk, each committed by itself; returns how many."""
    return in_chunks(lambda limit: delete_some(rows, limit), seconds=seconds)


def delete_some(rows: QuerySet[Any], limit: int) -> int:
    """Delete at most limit of these rows; returns how many of their own kind went."""
    found = list(rows.values_list("pk", flat=True)[:limit])
    if found:
        rows.model._default_manager.filter(pk__in=found).delete()
    return len(found)


def purge_issued_tokens(limit: int) -> int:
    """Issued tokens that no longer open anything."""
    ended = IssuedToken.objects.filter(expires_at__lt=timezone.now())
    return delete_some(ended.order_by("expires_at"), limit)


def purge_events(limit: int) -> int:
    """Events older than EVENT_DAYS, delivered or not: whoever has not asked for them by then reads the API."""
    before = timezone.now() - timedelta(days=settings.EVENT_DAYS)
    old = Event.objects.filter(occurred_at__lt=before).order_by("occurred_at")
    undelivered = delete_some(old.filter(dispatched_at=None), limit)  # through the index of those
    return undelivered + delete_some(old.exclude(dispatched_at=None), limit - undelivered)


def purge_heartbeats(limit: int) -> int:
    """Workers that are gone."""
    return delete_some(
        WorkerHeartbeat.objects.filter(beaten_at__lt=timezone.now() - HEARTBEAT_KEEP).order_by("pk"), limit
    )


def purge_sessions(limit: int) -> int:
    """Staff's sessions that have expired."""
    return delete_some(Session.objects.filter(expire_date__lt=timezone.now()).order_by("expire_date"), limit)


def purge_sign_ins(limit: int) -> int:
    """What django-axes keeps of sign-ins: attempts long after their lock-out has ended, and its log."""
    from axes.models import AccessAttempt, AccessFailureLog, AccessLog

    before = timezone.now() - SIGN_IN_KEEP
    return sum(
        delete_some(model.objects.filter(attempt_time__lt=before).order_by("pk"), limit)
        for model in (AccessAttempt, AccessFailureLog, AccessLog)
    )


register("events", purge_events)
register("heartbeats", purge_heartbeats)
register("sessions", purge_sessions)
register("sign-ins", purge_sign_ins)
