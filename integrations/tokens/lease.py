"""Leases in rows: at most one holder, by the database's clock; above all that of a refresh (design rule 2)."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Case, DateTimeField, DurationField, ExpressionWrapper, F, Q, Value, When
from django.db.models.functions import Now

from integrations.models import Connection
from integrations.models.connection import USABLE

#: one token call of 15 s and its immediate retry, and room to store
LEASE = timedelta(seconds=40)


def is_free() -> Q:
    """That nobody holds the lease of a row, or that it has run out, by the database's clock."""
    return Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=Now())


def ends_at(duration: timedelta) -> ExpressionWrapper:
    """The moment at which a lease taken now ends, by the database's clock."""
    return ExpressionWrapper(
        Now() + Value(duration, output_field=DurationField()), output_field=DateTimeField()
    )


def take(
    connection_id: UUID, *, token_version: int, refresh_not_before: datetime | None = None
) -> UUID | None:
    """The owner id of a lease on that version of the tokens, or None when another holds it or was faster.

    refresh_not_before: as it was read with the version. Another's failure since then has moved it, and asking
    once more would pass over the back-off that this failure has begun (REF-30).
    It counts as a refresh that has not ended until tokens are stored or the lease is given back: what is still
    counted when the lease has run out has killed its process (OPS-05).
    """
    owner = uuid.uuid4()
    back_off = Q(refresh_not_before=refresh_not_before)  # None is compared by IS NULL
    row = Connection.objects.filter(back_off, pk=connection_id, token_version=token_version)
    # The status once more: between reading the row and this, another may have been told that the grant is gone.
    taken = row.filter(is_free(), status__in=USABLE).update(
        lease_owner=owner,
        lease_expires_at=ends_at(LEASE),
        unfinished_refreshes=F("unfinished_refreshes") + 1,
    )
    return owner if taken else None


def release(connection_id: UUID, owner: UUID) -> None:
    """Give the lease back, if it is still this owner's (REF-07).

    It lifts a quarantine: then the sweep must find the row again, whatever has come of the refresh.
    """
    is_lifted = When(
        refresh_quarantined_at__isnull=False, next_refresh_at__isnull=True, status__in=USABLE, then=Now()
    )
    Connection.objects.filter(pk=connection_id, lease_owner=owner).update(
        next_refresh_at=Case(is_lifted, default=F("next_refresh_at")),
        lease_owner=None,
        lease_expires_at=None,
        unfinished_refreshes=0,
        refresh_quarantined_at=None,
    )
