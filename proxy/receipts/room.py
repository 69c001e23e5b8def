"""How much the receipts of one partner may keep: calls that wait, rows, bytes, and results that are still to come.

Near enough: what arrives at the same moment may pass the bounds by a few.
"""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db.models import Count, Q, Sum

from accounts.api.problems import Problem
from proxy.models import Receipt
from proxy.models.receipt import OPEN, ReceiptQuerySet, State
from proxy.receipts.outcomes import MAX_RESULT_BYTES

#: of one partner, whose calls are still to be made
MAX_OPEN = 1_000
_RETRY_SECONDS = 30
_FREE_IT = "DELETE those that you have read; each goes by itself 24 hours after it was made."


def require_for_call(partner_id: UUID, size: int) -> None:
    """Raises Problem (saturated) unless a request of that size may be kept, and a result beside it."""
    # Of columns of one index alone (receipt_by_partner), so that no row is read.
    found = _kept(partner_id).aggregate(
        all=Count("state"), open=Count("state", filter=Q(state__in=OPEN)), kept=Sum("kept_bytes")
    )
    if found["open"] >= MAX_OPEN:
        raise _saturated(f"{MAX_OPEN:,} calls of yours are still to be made. Try again.")
    if found["all"] >= settings.RECEIPT_KEPT_ROWS:
        most = f"{settings.RECEIPT_KEPT_ROWS:,} of your receipts are kept, which is the most (RECEIPT_KEPT_ROWS)."
        raise _saturated(f"{most} {_FREE_IT}")
    _require_bytes((found["kept"] or 0) + size, results=1)


def require_for_result(receipt: Receipt) -> None:
    """Raises Problem (saturated) unless the result of a claimed receipt may be kept beside those of the calls that
    are under way and were taken up before it: so the first of them always gets on."""
    earlier = Q(begun_at__lt=receipt.begun_at) | Q(begun_at=receipt.begun_at, pk__lte=receipt.pk)
    rows = _kept(receipt.partner_id)
    coming = rows.filter(earlier, state=State.RUNNING).count()
    _require_bytes(rows.aggregate(kept=Sum("kept_bytes"))["kept"] or 0, results=coming)


def _kept(partner_id: UUID) -> ReceiptQuerySet:
    return Receipt.objects.kept().filter(partner=partner_id)


def _require_bytes(kept: int, *, results: int) -> None:
    if kept + results * MAX_RESULT_BYTES > settings.RECEIPT_KEPT_BYTES:
        raise _saturated(
            f"Your receipts may keep {settings.RECEIPT_KEPT_BYTES:,} bytes (RECEIPT_KEPT_BYTES), {MAX_RESULT_BYTES:,} "
            f"for each result that is still to come; that is used up. {_FREE_IT}"
        )


def _saturated(detail: str) -> Problem:
    return Problem("saturated", detail, {"retryAfter": _RETRY_SECONDS})
