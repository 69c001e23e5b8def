"""After a restore: what ended since the backup ends again, what cannot be known is paused, the rest is checked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.audit import Actor
from integrations.backup.known_states import KnownStates
from integrations.backup.manifest import Manifest
from integrations.connections.disconnect import disconnect
from integrations.connections.use import pause
from integrations.models import Connection
from integrations.models.connection import USABLE, Status
from sealing.models import KeyCheck

_ACTOR = Actor.system("restore")
_ENDABLE = (*USABLE, Status.PAUSED, Status.RECONNECT_REQUIRED)


@dataclass
class Settled:
    """How many connections were ended again, paused, and left to be refreshed before their next use."""

    ended: int = 0
    paused: int = 0
    to_verify: int = 0


def settle(made: Manifest, known: KnownStates, *, accepts_unknown: bool) -> Settled:
    """Idempotent: a run that was broken off is run again.

    Where known is not complete, a connection that was usable is paused: whether it was disconnected since cannot be
    told, and a grant that no provider revokes would still work. accepts_unknown leaves those in use; that is written
    into the audit trail.
    """
    found = Settled()
    _verify_before_use(found)  # first: from here on no restored token is used unseen
    for pk, status in list(Connection.objects.filter(status__in=_ENDABLE).values_list("pk", "status")):
        wanted = _wanted(pk, known, accepts_unknown=accepts_unknown)
        if wanted == Status.DISCONNECTED:
            disconnect(Connection.objects.get(pk=pk), actor=_ACTOR)
            found.ended += 1
        elif wanted == Status.PAUSED and status in USABLE:
            pause(Connection.objects.get(pk=pk), actor=_ACTOR)
            found.paused += 1
    _record(made, known, found, accepts_unknown=accepts_unknown)
    return found


def _wanted(pk: UUID, known: KnownStates, *, accepts_unknown: bool) -> Status | None:
    last = known.statuses.get(pk)
    if last in {Status.DISCONNECTED, Status.PAUSED}:
        return Status(last)
    is_sure = last is not None and known.is_complete
    return None if is_sure or accepts_unknown else Status.PAUSED


def _verify_before_use(found: Settled) -> None:
    """An access token that counts as expired is refreshed before anything is sent with it; that asks the provider."""
    now = timezone.now()
    rows = Connection.objects.filter(status__in=[*USABLE, Status.PAUSED], refresh_token__isnull=False)
    found.to_verify = rows.update(
        access_token_expires_at=now,
        next_refresh_at=now,
        refresh_not_before=None,
        lease_owner=None,
        lease_expires_at=None,
    )


def _record(made: Manifest, known: KnownStates, found: Settled, *, accepts_unknown: bool) -> None:
    with transaction.atomic():
        audit.record(
            "installation.restored",
            KeyCheck.objects.get(pk=KeyCheck.THE_ONE),
            actor=_ACTOR,
            changes={
                "backup_made_at": made.made_at,
                "states_known_until": known.as_of.isoformat(),
                "unknown_accepted": accepts_unknown,
                **asdict(found),
            },
        )
