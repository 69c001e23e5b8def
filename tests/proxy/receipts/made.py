"""Receipts as tests need them, in any state, beside those that a call makes."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from integrations.models import Connection
from proxy.models import Receipt
from proxy.models.receipt import KEEP, PartKind
from proxy.receipts import contents
from proxy.receipts.contents import StoredRequest
from tests import factories
from tests.factories import World


def receipt(at: World, connection: Connection | None = None, **fields: Any) -> Receipt:
    """A pending GET, without a request, unless fields say otherwise."""
    now = timezone.now()
    used = connection or Connection.objects.filter(partner=at.partner).first() or factories.connection(at)
    values: dict[str, Any] = {
        "method": "GET",
        "is_repeatable": True,
        "request_id": "0" * 32,
        "created_at": now,
        "expires_at": now + KEEP,
        **fields,
    }
    return Receipt.objects.create(
        partner=at.partner,
        credential=at.credential,
        integration=at.integration,
        connection=used,
        **values,
    )


def waiting(
    at: World, connection: Connection, *, method: str = "GET", url: str = "/crm", **fields: Any
) -> Receipt:
    """A pending one with its request; a POST is not repeatable."""
    made = receipt(at, connection, method=method, is_repeatable=method != "POST", **fields)
    asked = StoredRequest(url, body=b"body" if method == "POST" else None)
    contents.write(contents.sealed(made.pk, PartKind.REQUEST, asked.packed()))
    return made
