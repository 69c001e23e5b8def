"""How a receipt ends: its row, its content and one event for the partner, together or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass
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
    """Store what came of a claimed receipt; False when the claim was lost, and nothing is stored."""
    receipt = claimed.receipt
    outcome = _unless_disconnected(receipt, outcome)
    held = Receipt.objects.filter(pk=receipt.pk, state=State.RUNNING, lease_owner=claimed.owner)
    return end(receipt, outcome, only_if=held)


def end(receipt: Receipt, outcome: Outcome, *, only_if: ReceiptQuerySet) -> bool:
    """Bring a receipt into a final state if it is among the rows of only_if; True when this call did.

    The request's content goes: nobody needs it any more.
    """
    reply = outcome.reply
    parts = [] if reply is None else contents.sealed(receipt.pk, PartKind.RESULT, reply.packed())
    with transaction.atomic():
        ended = only_if.filter(pk=receipt.pk).update(
            state=outcome.state,
            status=None if reply is None else reply.status,
            code=outcome.code,
            kept_bytes=0 if reply is None else len(reply.content),
            completed_at=timezone.now(),
            lease_owner=None,
            lease_expires_at=None,
            not_before=None,
        )
        if ended:
            ReceiptPart.objects.filter(receipt=receipt.pk).delete()
            contents.write(parts)
            _tell(receipt, outcome.state)
    return bool(ended)


def _unless_disconnected(receipt: Receipt, outcome: Outcome) -> Outcome:
    """Nothing of a customer's is stored once its connection has ended."""
    status = Connection.objects.filter(pk=receipt.connection_id).values_list("status", flat=True).first()
    if status != Status.DISCONNECTED or outcome.code:
        return outcome
    return of_error(ConnectionNotFound("No such connection."), request_id=receipt.request_id)


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
