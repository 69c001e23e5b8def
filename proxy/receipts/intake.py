"""Taking a call in: what may be kept, and the row that remembers it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.api.problems import Problem
from accounts.models import Credential
from integrations.errors import ConnectionNotFound
from integrations.models import Connection
from proxy import retries
from proxy.forwarder import Call
from proxy.models import Receipt
from proxy.models.receipt import KEEP, PartKind
from proxy.receipts import contents, room
from proxy.receipts.contents import StoredRequest

MAX_REQUEST_BYTES = 1_048_576


def require_storable(request: StoredRequest) -> None:
    """Raises Problem (413) that names the larger part."""
    if request.size > MAX_REQUEST_BYTES:
        body = len(request.body or b"")
        raise Problem(
            "content_too_large",
            f"With respond-async url, headers and body together may have {MAX_REQUEST_BYTES:,} bytes; these "
            f"have {request.size:,}. Larger requests are answered without that preference.",
            {"field": "body" if body > request.size - body else "headers", "maxBytes": MAX_REQUEST_BYTES},
        )


def take_in(credential: Credential, connection_id: UUID, request: StoredRequest, *, call: Call) -> Receipt:
    """Commit a pending receipt for a call that could be made. Raises Problem (413, saturated) and
    ConnectionNotFound."""
    require_storable(request)
    room.require_for_call(credential.partner_id, request.size)
    connection = Connection.objects.filter(pk=connection_id).only("integration_id").first()
    if connection is None:
        raise ConnectionNotFound("No such connection.")
    now = timezone.now()
    receipt = Receipt(
        partner_id=credential.partner_id,
        credential=credential,
        integration_id=connection.integration_id,
        connection=connection,
        method=call.method,
        is_repeatable=retries.may_repeat(call.method, call.fields),
        request_id=call.record.request_id,
        kept_bytes=request.size,
        created_at=now,
        expires_at=now + KEEP,
    )
    parts = contents.sealed(receipt.pk, PartKind.REQUEST, request.packed())
    with transaction.atomic():
        receipt.save(force_insert=True)
        contents.write(parts)
    return receipt
