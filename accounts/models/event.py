"""Event: what happened, for the partner. Written in the transaction of the change (an outbox)."""

from __future__ import annotations

import uuid

from django.db import models

from accounts.models.partner import Partner


class EventType(models.TextChoices):
    """Contract section 7."""

    CONNECTION_CREATED = "connection.created"
    CONNECTION_UPDATED = "connection.updated"
    CONNECTION_RECONNECT_REQUIRED = "connection.reconnect_required"
    CONNECTION_RECOVERED = "connection.recovered"
    CONNECTION_DELETED = "connection.deleted"
    CONNECTION_REFRESH_FAILING = "connection.refresh_failing"
    PROVIDER_EVENT = "provider.event"
    FLOW_RECORDS = "flow.records"
    FLOW_FAILED = "flow.failed"
    RECEIPT_COMPLETED = "receipt.completed"


class Event(models.Model):
    """One event. `data` is the body that the partner will get: public names, no secret."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="events")
    type = models.CharField(max_length=64, choices=EventType.choices)
    connection_id = models.UUIDField(
        null=True, blank=True, help_text="No foreign key: an event outlives its row."
    )
    data = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()
    dispatched_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-occurred_at"]
        indexes = [
            models.Index(fields=["partner", "-occurred_at"], name="event_by_partner"),
            models.Index(fields=["connection_id", "-occurred_at"], name="event_by_connection"),
            models.Index(
                fields=["occurred_at"], condition=models.Q(dispatched_at=None), name="event_undispatched"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"
