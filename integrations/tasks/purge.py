"""Deleting what has served its time: in chunks, each its own transaction, so that any may be the last of a run."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts import purging, statistics
from integrations import connect
from integrations.models import AuthorizationAttempt, Connection, ConnectLink, ManageLink
from integrations.models.connection import Status
from integrations.schedules import once_a_slot
from integrations.tokens import incidents

#: how long links and attempts are kept after they ended, so that repeats and polls still find them
KEEP = timedelta(days=1)
INCIDENTS_KEEP = timedelta(days=90)


@shared_task(name="integrations.tasks.purge_expired")
@once_a_slot
def purge_expired() -> int:
    """Give back what nobody chose from; delete links and attempts that ended a day ago, and pending connections
    without any link left."""
    before = timezone.now() - KEEP
    deleted = connect.drop_old_choices()
    for model in (AuthorizationAttempt, ManageLink, ConnectLink):
        ended = model._default_manager.filter(expires_at__lt=before).order_by("expires_at")
        deleted += purging.delete_in_chunks(ended)
    return deleted + purging.in_chunks(lambda limit: _purge_orphans(limit))


def _purge_orphans(limit: int) -> int:
    """Pending connections that no link can fill any more; locked, so that none is filled while it goes."""
    before = timezone.now() - KEEP
    has_link = ConnectLink.objects.filter(connection=OuterRef("pk"))
    # In no order: the newest first would be looked for among all connections.
    pending = Connection.objects.filter(status=Status.PENDING, created_at__lt=before).order_by()
    orphans = pending.filter(~Exists(has_link))
    with transaction.atomic():
        locked = list(orphans.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
        # Asked again: a link may have been made before the lock was ours.
        _, by_model = orphans.filter(pk__in=locked).delete()
    return by_model.get(Connection._meta.label, 0)


@shared_task(name="integrations.tasks.purge_old")
@once_a_slot
def purge_old() -> int:
    """Delete what every part of the platform keeps for a time only (accounts.purging); returns how many rows."""
    deleted = purging.purge_all()
    statistics.refresh()
    return deleted


def _purge_incidents(limit: int) -> int:
    return incidents.purge_incidents(timezone.now() - INCIDENTS_KEEP, limit)


purging.register("incidents of grants", _purge_incidents)
