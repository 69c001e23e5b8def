"""Handing connections over: from here on this installation refreshes them no more, so that another one may.

A refresh token that rotates must be used by one installation alone (RFC 6749 section 10.4). The row is therefore read
and paused in one transaction that sees no refresh under way; its token_version grows, so that a process which
read the row a moment before cannot take the lease on it any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.audit import Actor
from integrations import states
from integrations.errors import IntegrationsError
from integrations.models import Connection
from integrations.models.connection import ConnectionQuerySet, Status
from integrations.moving.records import HANDED_OVER, is_handed_over
from integrations.tokens import lease
from sealing import UnreadableSecret

BATCH = 200
#: longer than a lease: what is still being refreshed then has found a process that does not let go
_PATIENCE_SECONDS = 90.0
_PAUSE_SECONDS = 0.5


class StillRefreshing(IntegrationsError):
    """Connections that were being refreshed for as long as was waited."""


def hand_over(
    rows: ConnectionQuerySet,
    export: Callable[[Connection], None],
    *,
    actor: Actor,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Export each row and pause it, both or neither; returns how many this call has paused.

    Rows that are paused already are exported as they are, so that an export which was broken off can be run
    again. export may raise UnreadableSecret: such a row stays as it is. Raises StillRefreshing.
    """
    handing = _HandingOver(export, actor)
    handing.each(rows)
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while (rest := handing.rest(rows)).exists():
        handing.each(rest)
        if not handing.rest(rows).exists():
            break
        if time.monotonic() >= give_up_at:
            raise StillRefreshing(
                "Some connections are still being refreshed. Stop the web and worker processes, and run it again."
            )
        sleep(_PAUSE_SECONDS)
    return handing.paused


def batches(rows: ConnectionQuerySet) -> Iterator[list[Connection]]:
    """The rows by key, a bounded number at a time, with all that a record needs."""
    related = rows.select_related("customer", "integration", "client", "number").order_by("pk")
    batch = list(related[:BATCH])
    while batch:
        yield batch
        batch = list(related.filter(pk__gt=batch[-1].pk)[:BATCH])


class _HandingOver:
    def __init__(self, export: Callable[[Connection], None], actor: Actor) -> None:
        self._export, self._actor = export, actor
        self._unreadable: set[UUID] = set()
        self.paused = 0

    def rest(self, rows: ConnectionQuerySet) -> ConnectionQuerySet:
        """What was being refreshed, or was not there, when its turn came."""
        return rows.exclude(status=Status.PAUSED).exclude(pk__in=self._unreadable)

    def each(self, rows: ConnectionQuerySet) -> None:
        """Take every row that nobody is refreshing, a batch a transaction, which keeps others from its rows."""
        free = rows.filter(lease.is_free()).select_for_update(of=("self",), no_key=True)
        related = free.select_related("customer", "integration", "client", "number").order_by("pk")
        last: UUID | None = None
        while True:
            with transaction.atomic():
                batch = list((related if last is None else related.filter(pk__gt=last))[:BATCH])
                for row in batch:
                    self._take(row)
            if not batch:
                return
            last = batch[-1].pk

    def _take(self, row: Connection) -> None:
        try:
            self._export(row)
        except UnreadableSecret:
            self._unreadable.add(row.pk)
            return
        if row.status != Status.PAUSED:
            self.paused += _pause(row, self._actor)


def _pause(row: Connection, actor: Actor) -> bool:
    """Inside the transaction that has locked the row."""
    return states.change(
        row.pk,
        to=Status.PAUSED,
        actor=actor,
        reason="paused_by_staff",
        evidence=f"{HANDED_OVER} at {timezone.now():%Y-%m-%d %H:%M} UTC.",
        only_if={"status": row.status, "token_version": row.token_version},
        also={
            "status_before_pause": row.status,
            "reason_before_pause": row.status_reason,
            "token_version": row.token_version + 1,
        },
        is_silent=True,  # for the partner nothing has changed: the connection goes on elsewhere
    )


def take_back(rows: ConnectionQuerySet, *, actor: Actor) -> int:
    """End the pause of what was handed over, when the move was called off; returns how many."""
    handed_over = rows.filter(status=Status.PAUSED, status_evidence__startswith=HANDED_OVER)
    taken = 0
    for batch in batches(handed_over):
        for row in batch:
            assert is_handed_over(row)
            taken += states.change(
                row.pk,
                to=Status(row.status_before_pause or Status.ACTIVE),
                actor=actor,
                reason=row.reason_before_pause,
                only_if={"status": Status.PAUSED, "status_evidence": row.status_evidence},
                also={"status_before_pause": "", "reason_before_pause": ""},
                is_silent=True,
            )
    return taken
