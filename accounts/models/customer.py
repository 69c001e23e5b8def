"""Customer: the partner's user or tenant."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from accounts import identifiers
from accounts.models.partner import Partner


def validate_identifier(value: str) -> None:
    try:
        identifiers.check_identifier(value)
    except identifiers.InvalidIdentifier as error:
        raise ValidationError(str(error)) from error


class Customer(models.Model):
    """One user or tenant of one partner, named by the partner's own identifier (case matters)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="customers")
    foreign_identifier = models.TextField(validators=[validate_identifier])
    identifier_sha256 = models.CharField(max_length=64, editable=False)
    display_name = models.CharField(
        max_length=200, blank=True, help_text="What the connect page calls this customer."
    )
    email = models.EmailField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "identifier_sha256"], name="customer_identifier_unique"
            ),
        ]

    def __str__(self) -> str:
        return self.display_name or self.foreign_identifier[:80]

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.identifier_sha256 = identifiers.digest(self.foreign_identifier)
        super().save(*args, **kwargs)
