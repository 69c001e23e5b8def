"""Grants that end for good although they are used: their partner is told ahead of time, once (REF-23)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import audit
from accounts.audit import Actor
from accounts.models.event import EventType
from integrations import states
from integrations.models import Connection
from integrations.representation import timestamp

BATCH = 200
#: rows that one run tells at most; the next goes on where it ended
_MOST_BATCHES = 50
_ACTOR = Actor.system("grant ends")


def tell_due(now: datetime) -> int:
    """Write one connection.updated event with refreshTokenExpiresAt for each grant whose alert is due."""
    told = 0
    for _ in range(_MOST_BATCHES):
        with transaction.atomic():
            due = Connection.objects.with_ending_grant(now).select_related(
                "integration", "customer", "partner"
            )
            rows = list(due.select_for_update(skip_locked=True, no_key=True, of=("self",))[:BATCH])
            for row in rows:
                _tell(row)
            Connection.objects.filter(pk__in=[row.pk for row in rows]).update(refresh_token_alert_at=None)
        told += len(rows)
        if len(rows) < BATCH:
            break
    return told


def _tell(row: Connection) -> None:
    ends_at = timestamp(row.refresh_token_expires_at)
    audit.record("connection.grant_ends", row, actor=_ACTOR, changes={"refresh_token_expires_at": ends_at})
    states.tell(row, EventType.CONNECTION_UPDATED, refreshTokenExpiresAt=ends_at)
