"""PendingRevocation: tokens of a connection that is gone, kept sealed until the provider was told."""

from __future__ import annotations

import uuid

from django.db import models

from integrations.models.connection import Connection
from integrations.models.integration import ClientCredentials
from sealing import SealedField


class PendingRevocation(models.Model):
    """Work of a job: revoke at the provider. The row goes when that is confirmed or given up."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    client = models.ForeignKey(ClientCredentials, on_delete=models.CASCADE, related_name="+")
    access_token = SealedField(null=True)
    refresh_token = SealedField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(db_index=True)
    lease_owner = models.UUIDField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    give_up_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"revocation of {self.connection_id}"
