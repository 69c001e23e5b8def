"""Writing partner events: call inside the transaction of the change that they tell."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import Event, Partner
from accounts.models.event import EventType


def record(
    type_: EventType, *, partner: Partner, data: Mapping[str, Any], connection_id: uuid.UUID | None = None
) -> Event:
    """Append one event. Raises outside a transaction: an event without its change would be a lie."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("An event is written in the transaction of the change that it tells.")
    return Event.objects.create(
        type=type_, partner=partner, data=dict(data), connection_id=connection_id, occurred_at=timezone.now()
    )
