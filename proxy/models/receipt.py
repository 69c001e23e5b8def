"""Receipt: a call that was taken in and is made later, and what came of it (RFC 7240 section 4.1)."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import models
from django.db.models.functions import Now

from accounts.models import Credential, Partner
from integrations.models import Connection, Integration
from sealing import SealedField

#: how long a receipt and its content are kept, from when it was made
KEEP = timedelta(hours=24)


class State(models.TextChoices):
    """pending and running are open; the others are final."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    RESULT_TOO_LARGE = "result_too_large"
    OUTCOME_UNKNOWN = "outcome_unknown"
    CANCELLED = "cancelled"


OPEN = (State.PENDING, State.RUNNING)


class ReceiptQuerySet(models.QuerySet["Receipt"]):
    def kept(self) -> ReceiptQuerySet:
        """Those that have not expired, by the database's clock."""
        return self.filter(expires_at__gt=Now())

    def open(self) -> ReceiptQuerySet:
        """Those whose call is still to be made, or is being made."""
        return self.filter(state__in=OPEN)


class Receipt(models.Model):
    """One call. Its content lies sealed in its parts, a request until the call has ended, a reply from then on.

    sent_at is committed before the first byte of a try goes out, and is empty again when another try may begin.
    A worker holds a running one by its lease; each claim has an owner id of its own.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="receipts", db_index=False)
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="receipts")
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="receipts")
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="receipts")
    method = models.CharField(max_length=16)
    is_repeatable = models.BooleanField(
        help_text="Whether a second try cannot do the work twice: an idempotent method, or an Idempotency-Key."
    )
    request_id = models.CharField(max_length=64)
    state = models.CharField(max_length=20, choices=State.choices, default=State.PENDING)
    status = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Of the provider's reply, or of the problem that stands for it."
    )
    code = models.CharField(max_length=40, blank=True, help_text="Of a problem that was ours.")
    kept_bytes = models.PositiveBigIntegerField(default=0, help_text="Of content, before it was sealed.")
    tries = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    lease_owner = models.UUIDField(null=True, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField()
    begun_at = models.DateTimeField(null=True, blank=True, help_text="When it was first taken up.")
    completed_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(db_index=True)

    objects = ReceiptQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["state", "created_at"], name="receipt_by_state"),
            # All that is asked about what a partner keeps, so that its rows need not be read.
            models.Index(fields=["partner", "state", "kept_bytes", "expires_at"], name="receipt_by_partner"),
            models.Index(fields=["lease_owner"], name="receipt_by_lease"),
        ]

    def __str__(self) -> str:
        return f"receipt {self.id} ({self.state})"

    def __repr__(self) -> str:
        return f"<Receipt {self.id} {self.state}>"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


class PartKind(models.TextChoices):
    """What a part belongs to."""

    REQUEST = "request"
    RESULT = "result"


class ReceiptPart(models.Model):
    """A piece of a receipt's content, each sealed under a key of its own. Opened by proxy.receipts.contents alone.

    In pieces, so that whoever walks over sealed values (rotation, surveys) holds little at a time.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    receipt = models.ForeignKey(Receipt, on_delete=models.CASCADE, related_name="parts", db_index=False)
    kind = models.CharField(max_length=8, choices=PartKind.choices)
    number = models.PositiveIntegerField()
    content = SealedField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["receipt", "kind", "number"], name="receipt_part_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} part {self.number} of receipt {self.receipt_id}"
