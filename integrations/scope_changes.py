"""A refresh may tell other scopes than the grant had: stored with the tokens, told here (RFC 6749 section 6)."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from accounts import audit
from accounts.audit import Actor
from accounts.models.event import EventType
from integrations import granted_scopes, states
from integrations.models import Connection
from integrations.models.connection import Status

WITHDRAWN = "scope_withdrawn"
#: what a withdrawn scope may be told over; other reasons matter more
_LESSER_REASONS = ("", "identity_unknown")


def tell(before: Connection, granted: Sequence[str] | None, *, actor: Actor) -> bool:
    """One audit entry and one event when a stored refresh changed what the grant covers; True when it did.

    before is the row as it was read; granted is what the provider told now and is stored, None when it told nothing.
    Costs no query while both cover the same. The status stays, since the rest of the grant works on; while a scope
    that the integration requires is lacking, the reason is scope_withdrawn, and goes when it is granted again.
    """
    if granted is None:
        return False
    held = before.granted_scopes or [*before.requested_scopes, *before.requested_optional_scopes]
    lost, gained = _beyond(before, held, granted), _beyond(before, granted, held)
    if not lost and not (gained and before.granted_scopes):
        return False
    with transaction.atomic():
        row = Connection.objects.select_related("integration", "customer", "partner").get(pk=before.pk)
        _set_reason(row, is_lost=bool(lost))
        audit.record("connection.scopes_changed", row, actor=actor, changes={"lost": lost, "gained": gained})
        row.refresh_from_db(fields=["status_reason"])
        states.tell(row, EventType.CONNECTION_UPDATED)
    return True


def _beyond(connection: Connection, wanted: Sequence[str], held: Sequence[str]) -> list[str]:
    """Those of wanted that held does not cover; a list that is empty covers nothing here."""
    provider = connection.provider_or_none()
    return granted_scopes.lacking(provider, wanted, granted=held, requested=())


def _set_reason(row: Connection, *, is_lost: bool) -> None:
    active = Connection.objects.filter(pk=row.pk, status=Status.ACTIVE)
    if is_lost and row.lacks_required_scopes:
        active.filter(status_reason__in=_LESSER_REASONS).update(status_reason=WITHDRAWN, status_evidence="")
    elif not row.lacks_required_scopes:
        active.filter(status_reason=WITHDRAWN).update(status_reason="", status_evidence="")
