"""What a partner may see of its receipts, and how."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from accounts.api.problems import Problem
from accounts.models import Credential
from integrations.models.connection import Status
from integrations.representation import timestamp
from proxy.models import Receipt
from proxy.models.receipt import OPEN, State
from proxy.receipts import contents
from proxy.receipts.contents import StoredReply

PATH = "/api/v1/receipts/"
_LONGEST_POLL_SECONDS = 30
#: why there is no reply to show
_NO_REPLY = {
    State.PENDING: "The call has not been made yet.",
    State.RUNNING: "The call is under way.",
    State.RESULT_TOO_LARGE: "The provider's reply was longer than is kept; its content is gone.",
    State.OUTCOME_UNKNOWN: "The process that made the call has died. Whether the provider did the work is not known.",
    State.CANCELLED: "The call was called off before it was made.",
}


def find(credential: Credential, receipt_id: UUID) -> Receipt:
    """A receipt of the caller's. Raises Problem (not_found): expired and other partners' are not there."""
    of_ended = Q(connection__status=Status.DISCONNECTED, state__in=[State.COMPLETED, State.RESULT_TOO_LARGE])
    rows = Receipt.objects.kept().exclude(of_ended).select_related("partner")
    found = rows.filter(
        pk=receipt_id, partner=credential.partner_id, integration__grants__credential=credential
    ).first()
    if found is None:
        raise Problem("not_found", "No such receipt.")
    return found


def receipt_data(receipt: Receipt) -> dict[str, Any]:
    """The members that every receipt has."""
    return {
        "id": str(receipt.pk),
        "state": receipt.state,
        "createdAt": timestamp(receipt.created_at),
        "expiresAt": timestamp(receipt.expires_at),
        "url": f"{settings.PUBLIC_URL}{PATH}{receipt.pk}",
    }


def full_data(receipt: Receipt) -> dict[str, Any]:
    """Those and, once it is over, what came of it. Raises Problem when no key opens that."""
    data = receipt_data(receipt)
    if receipt.state in OPEN:
        return data
    data["completedAt"] = timestamp(receipt.completed_at)
    reply = contents.reply_of(receipt.pk)
    if receipt.state == State.FAILED and reply is not None:
        data["problem"] = json.loads(reply.content)
    elif reply is not None:
        data["status"] = reply.status
        data["headers"] = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in reply.fields]
        if receipt.state == State.COMPLETED:
            data["bodyBase64"] = base64.b64encode(reply.content).decode("ascii")
    return data


def reply_to_give(receipt: Receipt, *, now: datetime) -> StoredReply:
    """The reply itself, the problem that stands for it included. Raises Problem (conflict) when there is none."""
    if receipt.state in (State.COMPLETED, State.FAILED):
        reply = contents.reply_of(receipt.pk)
        if reply is None:
            raise Problem("not_found", "No such receipt.")
        return reply
    members: dict[str, Any] = {"state": receipt.state}
    if receipt.state in OPEN:
        members["retryAfter"] = poll_seconds(receipt, now=now)
    raise Problem("conflict", _NO_REPLY[State(receipt.state)], members)


def poll_seconds(receipt: Receipt, *, now: datetime) -> int:
    """When to ask again: soon at first, ever more rarely for what takes long."""
    age = int((now - receipt.created_at).total_seconds())
    return max(1, min(_LONGEST_POLL_SECONDS, age // 4))
