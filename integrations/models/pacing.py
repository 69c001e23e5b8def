"""ProviderPace: how fast the sweep may ask one provider's token endpoint, shared by all workers."""

from __future__ import annotations

from django.db import models


class ProviderPace(models.Model):
    """One row a provider, made at its first batch. Only the sweep reads it; a use never waits for it.

    next_slot_at: slots before it are taken. failures: refreshes in a row that failed for a passing reason;
    asks_again_at: until then nothing is asked, and from then on one connection at a time.
    """

    provider_id = models.CharField(primary_key=True, max_length=64)
    next_slot_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True, blank=True)
    asks_again_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "provider's pace"
        verbose_name_plural = "providers' pace"

    def __str__(self) -> str:
        return self.provider_id
