"""How a receipt ends: its row, its content and one event for the partner, together or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import events
from accounts.models.event import EventType
from integrations.errors import ConnectionNotFound
from integrations.models import Connection
from integrations.models.connection import Status
from proxy.models import Receipt, ReceiptPart
from proxy.models.receipt import PartKind, ReceiptQuerySet, State
from proxy.problems import refusal
from proxy.receipts import contents
from proxy.receipts.claims import Claim
from proxy.receipts.contents import StoredReply
from proxy.record import Record

#: of a provider's reply; a longer one is not kept
MAX_RESULT_BYTES = 10 * 1_048_576
#: at least so long an end can be read, however late it comes
READABLE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call. code: of a problem that is ours, else ""."""

    state: State
    reply: StoredReply | None = None
    code: str = ""


def of_error(error: Exception, *, request_id: str, record: Record | None = None) -> Outcome:
    """The problem with which any other call would have been answered."""
    reply = refusal(error, request_id=request_id, record=record)
    code: str = json.loads(reply.content)["code"]
    return Outcome(State.FAILED, StoredReply(reply.status, reply.fields, reply.content), code)


def finish(claimed: Claim, outcome: Outcome) -> bool:
    """Store what came of a claimed receipt; False when the claim was lost, and nothing is stored.

    It replaces what others said of this very claim while the database was away: that nobody knows.
    """
    states = [State.RUNNING, State.OUTCOME_UNKNOWN]
    held = Receipt.objects.filter(state__in=states, lease_owner=claimed.owner)
    return end(claimed.receipt, outcome, only_if=held)


def end(receipt: Receipt, outcome: Outcome, *, only_if: ReceiptQuerySet) -> bool:
    """Bring a receipt into a final state if it is among the rows of only_if; True when this call did.

    The request's content goes: nobody needs it any more. Nothing of a customer's is stored once its connection
    has ended.
    """
    parts = _sealed(receipt, outcome)
    with transaction.atomic():
        if _is_of_provider(outcome) and _has_disconnected(receipt):
            outcome = of_error(ConnectionNotFound("No such connection."), request_id=receipt.request_id)
            parts = _sealed(receipt, outcome)
        ended = only_if.filter(pk=receipt.pk).update(**_row(receipt, outcome))
        if ended:
            ReceiptPart.objects.filter(receipt=receipt.pk).delete()
            contents.write(parts)
            _tell(receipt, outcome.state)
    return bool(ended)


def _sealed(receipt: Receipt, outcome: Outcome) -> list[ReceiptPart]:
    reply = outcome.reply
    return [] if reply is None else contents.sealed(receipt.pk, PartKind.RESULT, reply.packed())


def _row(receipt: Receipt, outcome: Outcome) -> dict[str, Any]:
    reply, now = outcome.reply, timezone.now()
    row: dict[str, Any] = {
        "state": outcome.state,
        "status": None if reply is None else reply.status,
        "code": outcome.code,
        "kept_bytes": 0 if reply is None else reply.size,
        "completed_at": now,
        "expires_at": max(receipt.expires_at, now + READABLE),
        "lease_expires_at": None,
        "not_before": None,
    }
    if outcome.state != State.OUTCOME_UNKNOWN:  # whose it was may wake, with the result in hand
        row["lease_owner"] = None
    return row


def _is_of_provider(outcome: Outcome) -> bool:
    return outcome.reply is not None and not outcome.code


def _has_disconnected(receipt: Receipt) -> bool:
    """Asked under the row's lock, so that an end of the connection sees what is stored, or is seen here."""
    row = Connection.objects.select_for_update(no_key=True).filter(pk=receipt.connection_id)
    return row.values_list("status", flat=True).first() in (None, Status.DISCONNECTED)


def _tell(receipt: Receipt, state: State) -> None:
    data: dict[str, Any] = {
        "id": str(receipt.pk),
        "state": state.value,
        "UUID": str(receipt.connection_id),
        "requestId": receipt.request_id,
    }
    events.record(
        EventType.RECEIPT_COMPLETED,
        partner=receipt.partner,
        data=data,
        connection_id=receipt.connection_id,
    )
