"""What dead workers have left: repeated when that can do no harm, else ended without a repeat."""

from __future__ import annotations

from django.db.models.functions import Now

from accounts.api.problems import Problem
from proxy.models import Receipt
from proxy.models.receipt import ReceiptQuerySet, State
from proxy.receipts import outcomes
from proxy.receipts.outcomes import Outcome

#: a call that was sent so often without an end is not sent again
MAX_TRIES = 3
#: nor is one taken up again that was under way so often when its process died: it may be the reason. Far more, since
#: a process that dies takes others' calls along
MAX_UNSENT_TRIES = 10
_BATCH = 200


def recover() -> int:
    """See to the receipts whose lease has run out; returns how many there were.

    Not sent: made again. Sent, and a second try cannot do the work twice: made again. Sent otherwise: nobody can
    know what came of it, so it is not repeated and says so.
    """
    stale = list(_stale().select_related("partner").order_by("lease_expires_at")[:_BATCH])
    return sum(_seen_to(receipt) for receipt in stale)


def _stale() -> ReceiptQuerySet:
    return Receipt.objects.filter(state=State.RUNNING, lease_expires_at__lt=Now())


def _seen_to(receipt: Receipt) -> bool:
    # By owner and mark: since it was read, its holder may have woken, or another may have seen to it.
    same = _stale().filter(pk=receipt.pk, lease_owner=receipt.lease_owner)
    same = same.filter(sent_at__isnull=receipt.sent_at is None)
    if receipt.sent_at is None:
        may_repeat = receipt.tries < MAX_UNSENT_TRIES
    else:
        may_repeat = receipt.is_repeatable and receipt.tries < MAX_TRIES
    if may_repeat:
        return bool(same.update(state=State.PENDING, sent_at=None, lease_owner=None, lease_expires_at=None))
    if receipt.sent_at is not None:
        return outcomes.end(receipt, Outcome(State.OUTCOME_UNKNOWN), only_if=same)
    detail = "Each process that took up this call has ended before it could be made."
    failed = outcomes.of_error(Problem("internal_error", detail), request_id=receipt.request_id)
    return outcomes.end(receipt, failed, only_if=same)
