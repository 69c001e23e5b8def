"""Whose a receipt is: each step one conditional UPDATE, by the database's clock (design rules 2 and 11)."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import DateTimeField, F, Q, Value, Window
from django.db.models.functions import Coalesce, Now, RowNumber
from django.utils import timezone

from integrations.tokens.lease import ends_at
from proxy.models import Receipt
from proxy.models.receipt import ReceiptQuerySet, State

#: a worker that does not renew for so long is dead, or as good as dead
LEASE = timedelta(seconds=60)
_LOOKED_AT = 200


@dataclass(slots=True, eq=False)
class Claim:
    """A receipt that this process holds. is_sending: from the moment at which it may have been marked as sent."""

    receipt: Receipt
    owner: UUID
    is_sending: bool = False


def claim(limit: int, *, share: int, busy: Mapping[UUID, int] | None = None) -> list[Claim]:
    """At most limit receipts that are due, each now held under an owner id of its own.

    Partners take turns, oldest first; none gets more than share, counting those that are busy here already.
    """
    taken = dict(busy or {})
    claimed: list[Claim] = []
    for pk, partner_id in _due(share) if limit > 0 else ():
        if len(claimed) == limit:
            break
        if taken.get(partner_id, 0) >= share:
            continue
        owner = uuid.uuid4()
        if (
            _pending()
            .filter(pk=pk)
            .update(
                state=State.RUNNING,
                lease_owner=owner,
                lease_expires_at=ends_at(LEASE),
                tries=F("tries") + 1,
                not_before=None,
                begun_at=Coalesce("begun_at", Value(timezone.now(), output_field=DateTimeField())),
            )
        ):
            taken[partner_id] = taken.get(partner_id, 0) + 1
            held = Receipt.objects.select_related("integration", "partner").filter(pk=pk).first()
            if held is not None:
                claimed.append(Claim(held, owner))
    return claimed


def count_due(limit: int) -> int:
    """How many receipts wait for a worker, counted up to limit."""
    return _pending()[:limit].count()


def _pending() -> ReceiptQuerySet:
    is_due = Q(not_before=None) | Q(not_before__lte=Now())
    return Receipt.objects.kept().filter(is_due, state=State.PENDING)


def _due(share: int) -> list[tuple[UUID, UUID]]:
    place = Window(RowNumber(), partition_by=F("partner_id"), order_by=F("created_at").asc())
    rows = _pending().annotate(place=place).filter(place__lte=share).order_by("place", "created_at")
    return list(rows.values_list("pk", "partner_id")[:_LOOKED_AT])


def renew(owners: Collection[UUID]) -> set[UUID]:
    """Hold on to these; returns those that are still ours: what was given up as not known is, too, since its
    result may still come (outcomes.finish)."""
    ours = Receipt.objects.filter(
        lease_owner__in=list(owners), state__in=[State.RUNNING, State.OUTCOME_UNKNOWN]
    )
    ours.filter(state=State.RUNNING).update(lease_expires_at=ends_at(LEASE))
    return {owner for owner in ours.values_list("lease_owner", flat=True) if owner is not None}


def mark_sent(claimed: Claim) -> bool:
    """Commit that the request may have gone out from now on; False when it must not, being ours no longer.

    Nothing is sent before this has returned True. Whoever finds the receipt afterwards therefore knows: without
    the mark nothing was sent, and a holder that has slept through its lease cannot set it any more.
    """
    held = _held(claimed).filter(lease_expires_at__gt=Now())
    return bool(held.update(sent_at=Now(), lease_expires_at=ends_at(LEASE)))


def hand_back(claimed: Claim) -> bool:
    """Give up a claim before anything was sent; any process may take it up at once."""
    return _put_back(_held(claimed).filter(sent_at=None))


def defer(claimed: Claim, *, seconds: float) -> bool:
    """Try again later. Only for who knows that nothing was sent, whatever the mark says."""
    return _put_back(_held(claimed), not_before=ends_at(timedelta(seconds=seconds)))


def _put_back(rows: ReceiptQuerySet, **also: object) -> bool:
    return bool(
        rows.update(
            state=State.PENDING,
            sent_at=None,
            lease_owner=None,
            lease_expires_at=None,
            tries=F("tries") - 1,
            **also,
        )
    )


def _held(claimed: Claim) -> ReceiptQuerySet:
    return Receipt.objects.filter(pk=claimed.receipt.pk, lease_owner=claimed.owner, state=State.RUNNING)
