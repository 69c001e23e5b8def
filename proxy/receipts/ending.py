"""When receipts go: 24 hours after they were made, when the connection ends, or when the partner says so."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models.functions import Now
from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts import purging
from accounts.api.problems import Problem
from accounts.models import AuditEntry
from integrations.models.connection import Status
from proxy.models import Receipt, ReceiptPart
from proxy.models.receipt import OPEN, State
from proxy.receipts import outcomes
from proxy.receipts.outcomes import Outcome

#: what holds a provider's reply
_HOLDING = (State.COMPLETED, State.RESULT_TOO_LARGE)
_ENDED = f"connection.{Status.DISCONNECTED.value}"


def purge(limit: int) -> int:
    """End what has expired without having been made, and delete what has expired after its end: at most limit rows,
    content first. What is under way ends by itself."""
    done = _give_up(limit)
    parts = ReceiptPart.objects.filter(receipt__expires_at__lte=Now()).exclude(receipt__state__in=OPEN)
    done += purging.delete_some(parts.order_by("receipt__expires_at"), limit - done)
    empty = Receipt.objects.filter(expires_at__lte=Now(), parts=None).exclude(state__in=OPEN)
    return done + purging.delete_some(empty.order_by("expires_at"), limit - done)


def _give_up(limit: int) -> int:
    """The partner is told of it, as of any other end, and can read why for a while."""
    pending = Receipt.objects.filter(state=State.PENDING, expires_at__lte=Now())
    late = pending.select_related("partner").order_by("expires_at")[:limit]
    return sum(outcomes.end(receipt, _not_made(receipt), only_if=pending) for receipt in late)


def _not_made(receipt: Receipt) -> Outcome:
    detail = "The call could not be made within 24 hours of being taken in."
    return outcomes.of_error(Problem("saturated", detail), request_id=receipt.request_id)


@receiver(post_save, sender=AuditEntry, dispatch_uid="receipts of an ended connection")
def expire_with_connection(instance: AuditEntry, *, created: bool, **_: Any) -> None:
    """A connection that ends takes its customer's data along: in the same transaction, which this is called in.

    What is still to be made ends by itself, as refused.
    """
    if created and instance.action == _ENDED:
        held = Receipt.objects.filter(connection=UUID(instance.object_id), state__in=_HOLDING)
        held.update(expires_at=Now())


def cancel(receipt: Receipt) -> None:
    """Call off what has not begun, and delete what is over. Raises Problem (conflict) for what is under way."""
    pending = Receipt.objects.filter(state=State.PENDING)
    if outcomes.end(receipt, Outcome(State.CANCELLED), only_if=pending):
        return
    deleted, _ = Receipt.objects.filter(pk=receipt.pk).exclude(state__in=OPEN).delete()
    if not deleted and Receipt.objects.filter(pk=receipt.pk).exists():
        raise Problem("conflict", "The call is under way. Delete the receipt when it has ended.")


purging.register("receipts", purge)
