"""KeyCheck: a known text, sealed when the database was made, that shows whether the key ring fits it."""

from __future__ import annotations

import uuid

from django.db import models

from sealing.fields import SealedField


class KeyCheck(models.Model):
    """One row, always with the same primary key. Written once by `migrate`; rotation alone changes it."""

    THE_ONE = uuid.UUID("6b65790c-6865-4c6b-8000-000000000001")

    id = models.UUIDField(primary_key=True, default=THE_ONE, editable=False)
    canary = SealedField()
    # The name of the key that sealed it, for whoever has to find that key again; "" when it is not known.
    key_fingerprint = models.CharField(max_length=8, blank=True, default="", db_default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "key check"

    def __str__(self) -> str:
        return "key check"
