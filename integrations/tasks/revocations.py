"""Grants that have ended here and are still to be ended at the provider."""

from __future__ import annotations

from uuid import UUID

import structlog
from celery import shared_task
from django.db import transaction
from django.utils import timezone

from integrations import connections
from integrations.models import PendingRevocation
from integrations.schedules import once_a_slot
from integrations.tasks.sweeping import others_go_on

log = structlog.get_logger(__name__)
BATCH = 200


@shared_task(name="integrations.tasks.retry_revocations")
@once_a_slot
def retry_revocations() -> int:
    """Carry out revocations that are due; what is lost in the broker is found here again."""
    due = PendingRevocation.objects.filter(next_attempt_at__lte=timezone.now()).order_by("next_attempt_at")
    found = list(due.values_list("pk", flat=True)[:BATCH])
    for revocation_id in found:
        with others_go_on("revocation", revocation_id):
            connections.carry_out_revocation(revocation_id)
    return len(found)


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
