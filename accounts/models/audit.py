"""AuditEntry: who did what. Append only; chained later by one sealer, so that writing does not serialise."""

from __future__ import annotations

import uuid
from typing import Any, NoReturn

from django.db import models

from accounts.models.partner import Partner


class ActorKind(models.TextChoices):
    STAFF = "staff"
    PARTNER = "partner"
    CUSTOMER = "customer"
    SYSTEM = "system"


class AppendOnly(models.QuerySet[Any]):
    """Rows that are added and read."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("Audit entries are never changed.")

    def delete(self) -> NoReturn:
        raise TypeError("Audit entries are never deleted.")


class AuditEntry(models.Model):
    """One act. `changes` names fields and never holds a secret. `sequence` and the digests are the sealer's."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(db_index=True)
    actor_kind = models.CharField(max_length=16, choices=ActorKind.choices)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_label = models.CharField(max_length=200, blank=True)
    action = models.CharField(max_length=64, db_index=True)
    object_type = models.CharField(max_length=64)
    object_id = models.CharField(max_length=64)
    object_label = models.CharField(max_length=200, blank=True)
    partner = models.ForeignKey(Partner, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    changes = models.JSONField(default=dict, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    sequence = models.BigIntegerField(null=True, unique=True, editable=False)
    previous_digest = models.CharField(max_length=64, blank=True, editable=False)
    digest = models.CharField(max_length=64, blank=True, editable=False)

    objects = AppendOnly.as_manager()

    class Meta:
        ordering = ["-at"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["object_type", "object_id", "-at"], name="audit_by_object"),
            models.Index(fields=["at"], condition=models.Q(sequence=None), name="audit_unsealed"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_label or self.object_id}"

    def save(self, **kwargs: Any) -> None:
        """Insert. Raises TypeError for an entry that is stored already."""
        if not self._state.adding or kwargs.get("force_update"):
            raise TypeError("Audit entries are never changed.")
        super().save(**kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("Audit entries are never deleted.")
