"""The one place where a connection's status changes: the row, one audit entry and one event, together or not at all."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts import audit, events
from accounts.audit import Actor
from accounts.models.event import EventType
from integrations.models import Connection
from integrations.models.connection import Status
from integrations.representation import connection_data

#: what an event tells of a change into that status
_EVENTS: dict[str, EventType] = {
    Status.RECONNECT_REQUIRED: EventType.CONNECTION_RECONNECT_REQUIRED,
    Status.REFRESH_FAILING: EventType.CONNECTION_REFRESH_FAILING,
    Status.DISCONNECTED: EventType.CONNECTION_DELETED,
}


def change(
    connection_id: UUID,
    *,
    to: Status,
    actor: Actor,
    reason: str = "",
    evidence: str = "",
    only_if: dict[str, Any] | None = None,
    also: dict[str, Any] | None = None,
    event: EventType | None = None,
    members: dict[str, Any] | None = None,
    is_silent: bool = False,
) -> bool:
    """Change the status when `only_if` still holds and it differs; True when this call made the change.

    `also` are further columns of the same UPDATE. The event is that of the new status unless one is given;
    `members` are added to it; is_silent leaves the event to the caller, who knows more a moment later.
    Two callers that see the same failure therefore cause one event (REF-25).
    """
    with transaction.atomic():
        rows = Connection.objects.filter(pk=connection_id, **(only_if or {})).exclude(status=to)
        before = rows.values_list("status", flat=True).first()
        if before is None:
            return False
        changed = rows.filter(status=before).update(
            status=to,
            status_reason=reason,
            status_evidence=evidence[:500],
            updated_at=timezone.now(),
            **(also or {}),
        )
        if changed:
            changes = {"status": [before, to.value], "reason": reason}
            connection = _audited(connection_id, to.value, actor=actor, changes=changes)
            if not is_silent:
                tell(connection, event or event_of(before, to), **(members or {}))
    return bool(changed)


def recover(connection_id: UUID, *, actor: Actor) -> bool:
    """The end of refresh_failing once tokens are stored again; True when this call told it.

    A paused connection stays paused and is told as well: what it goes back to has changed. A failure that came
    later than those tokens has noted since when, and is left alone.
    """
    is_over: dict[str, Any] = {"refresh_failing_since": None}
    if change(
        connection_id, to=Status.ACTIVE, actor=actor, only_if={"status": Status.REFRESH_FAILING, **is_over}
    ):
        return True
    paused = Connection.objects.filter(
        pk=connection_id, status=Status.PAUSED, status_before_pause=Status.REFRESH_FAILING, **is_over
    )
    with transaction.atomic():
        has_changed = paused.update(
            status_before_pause=Status.ACTIVE, reason_before_pause="", updated_at=timezone.now()
        )
        if has_changed:
            changes = {"status_before_pause": [Status.REFRESH_FAILING, Status.ACTIVE]}
            tell(
                _audited(connection_id, "recovered", actor=actor, changes=changes),
                EventType.CONNECTION_RECOVERED,
            )
    return bool(has_changed)


def event_of(before: str, to: str) -> EventType:
    """What tells a change from one status to another; a made connection is told as created."""
    if to == Status.ACTIVE and before == Status.PENDING:
        return EventType.CONNECTION_CREATED
    if to == Status.ACTIVE and before in {Status.RECONNECT_REQUIRED, Status.REFRESH_FAILING}:
        return EventType.CONNECTION_RECOVERED
    return _EVENTS.get(to, EventType.CONNECTION_UPDATED)


def _audited(connection_id: UUID, act: str, *, actor: Actor, changes: dict[str, Any]) -> Connection:
    connection = Connection.objects.select_related("integration", "customer", "partner").get(pk=connection_id)
    audit.record(f"connection.{act}", connection, actor=actor, changes=changes)
    return connection


def tell(connection: Connection, event: EventType, **members: Any) -> None:
    """Record one partner event about a connection, in the caller's transaction."""
    events.record(
        event,
        partner=connection.partner,
        connection_id=connection.pk,
        data={**connection_data(connection), **members},
    )
