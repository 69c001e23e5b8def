"""Schedules and jobs of integrations: ids in, one call into a domain module each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from celery import shared_task
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from integrations import connections, tokens
from integrations.catalogue import UnknownProvider
from integrations.errors import IntegrationsError
from integrations.models import AuthorizationAttempt, Connection, ConnectLink, ManageLink, PendingRevocation
from integrations.models.connection import Status
from integrations.tokens.store import DAILY
from sealing import UnreadableSecret

log = structlog.get_logger(__name__)
BATCH = 200
#: what one run of the refresh sweep looks at is bounded, far above what a worker gets done until the next
MOST_BATCHES = 50
IDENTITY_BATCH = 50
#: as many pending connections as are locked at a time
PURGE_BATCH = 1_000
#: how long a due connection is left to the message that was sent for it; then it is due again
CLAIM = timedelta(minutes=5)
#: a connection used within this time has its token kept fresh; others are touched once a day
USED_LATELY = timedelta(hours=24)
#: how long links and attempts are kept after they ended, so that repeats and polls still find them
KEEP = timedelta(days=1)


@shared_task(name="integrations.tasks.refresh_due")
def refresh_due() -> int:
    """Refresh what is due, found anew in the database each time (design rule 11); returns how many were due.

    Goes on until nothing is due: what is claimed or put off is due no longer, so that connections which
    cannot be refreshed hold no others up (REF-24).
    """
    now = timezone.now()
    found = 0
    for _ in range(MOST_BATCHES):
        size, claimed = _claim_batch(now)
        for connection_id in claimed:
            refresh_connection.delay(str(connection_id))
        found += size
        if size < BATCH:
            break
    return found


def _claim_batch(now: datetime) -> tuple[int, list[UUID]]:
    """(how many were due, those to be refreshed), claimed: a second scheduler does not see them (OPS-02)."""
    with transaction.atomic():
        due = Connection.objects.due(now).only("pk", "last_used_at", "token_stored_at", "connected_at")
        batch = list(due.select_for_update(skip_locked=True)[:BATCH])
        claimed = [connection.pk for connection in batch if _is_worth_refreshing(connection, now)]
        Connection.objects.filter(pk__in=claimed).update(next_refresh_at=now + CLAIM)
        for connection in batch:
            if connection.pk not in claimed:
                _put_off(connection, now)
    return len(batch), claimed


def _is_worth_refreshing(connection: Connection, now: datetime) -> bool:
    """Used or made lately, or its token is a day old: a refresh token that is never used may lapse (REF-23)."""
    moments = [moment for moment in (connection.last_used_at, connection.connected_at) if moment is not None]
    stored_at = connection.token_stored_at
    return (
        any(now - moment < USED_LATELY for moment in moments) or stored_at is None or now - stored_at >= DAILY
    )


def _put_off(connection: Connection, now: datetime) -> None:
    Connection.objects.filter(pk=connection.pk, next_refresh_at__lte=now).update(
        next_refresh_at=(connection.token_stored_at or now) + DAILY
    )


@shared_task(name="integrations.tasks.refresh_connection", expires=CLAIM.total_seconds())
def refresh_connection(connection_id: str) -> bool:
    """Refresh one connection ahead of use; True when a fresh token is stored."""
    try:
        tokens.renew_ahead(UUID(connection_id))
    except (IntegrationsError, UnreadableSecret, UnknownProvider) as error:
        log.info("refresh ahead of use did not happen", connection=connection_id, error=type(error).__name__)
        return False
    return True


@shared_task(name="integrations.tasks.retry_revocations")
def retry_revocations() -> int:
    """Carry out revocations that are due; what is lost in the broker is found here again."""
    due = PendingRevocation.objects.filter(next_attempt_at__lte=timezone.now()).order_by("next_attempt_at")
    found = list(due.values_list("pk", flat=True)[:BATCH])
    for revocation_id in found:
        with _others_go_on("revocation", revocation_id):
            connections.carry_out_revocation(revocation_id)
    return len(found)


@contextmanager
def _others_go_on(what: str, row_id: UUID) -> Iterator[None]:
    """One row that fails in a way nobody thought of must not stop the sweep: it has been moved back already."""
    try:
        yield
    except Exception:
        log.exception("a sweep left one row out", what=what, row=str(row_id))


@shared_task(name="integrations.tasks.carry_out_revocation")
def carry_out_revocation(revocation_id: str) -> str | None:
    """Tell the provider that a grant has ended."""
    outcome = connections.carry_out_revocation(UUID(revocation_id))
    return None if outcome is None else outcome.value


def revoke_soon(revocation_id: UUID | None) -> None:
    """Hand what disconnect() returned to a worker once its transaction stands.

    A broker that is down delays it until retry_revocations finds the row (design rule 11).
    """
    if revocation_id is not None:
        transaction.on_commit(lambda: _enqueue(revocation_id))


def _enqueue(revocation_id: UUID) -> None:
    try:
        carry_out_revocation.apply_async(args=(str(revocation_id),), retry=False)
    except Exception as error:  # noqa: BLE001 (whatever the broker raises, the connection has ended)
        log.warning("revocation left to the sweep", revocation=str(revocation_id), error=type(error).__name__)


@shared_task(name="integrations.tasks.complete_identities")
def complete_identities() -> int:
    """Look up accounts that could not be read when the customer connected; returns how many were found."""
    found = 0
    for connection in list(connections.due_for_identity(timezone.now())[:IDENTITY_BATCH]):
        with _others_go_on("identity", connection.pk):
            found += connections.complete_identity(connection)
    return found


@shared_task(name="integrations.tasks.purge_expired")
def purge_expired() -> int:
    """Delete links and attempts that ended a day ago, and pending connections without any link left."""
    before = timezone.now() - KEEP
    AuthorizationAttempt.objects.filter(expires_at__lt=before).delete()
    ManageLink.objects.filter(expires_at__lt=before).delete()
    deleted, _ = ConnectLink.objects.filter(expires_at__lt=before).delete()
    _purge_orphans(before)
    return deleted


def _purge_orphans(before: datetime) -> None:
    """Pending connections that no link can fill any more; locked, so that none is filled while it goes."""
    has_link = ConnectLink.objects.filter(connection=OuterRef("pk"))
    orphans = Connection.objects.filter(~Exists(has_link), status=Status.PENDING, created_at__lt=before)
    with transaction.atomic():
        locked = list(orphans.select_for_update(skip_locked=True).values_list("pk", flat=True)[:PURGE_BATCH])
        orphans.filter(
            pk__in=locked
        ).delete()  # asked again: a link may have been made before the lock was ours
