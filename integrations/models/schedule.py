"""ScheduledJob: what is remembered of a periodic job, whatever staff do to its schedule."""

from __future__ import annotations

from django.db import models


class ScheduledJob(models.Model):
    """One row a job, by the name of its schedule.

    It outlives the schedule: a default that staff have deleted does not come back. slot_started_at: when the
    job last began; two schedulers that send it twice in one slot make it run once (OPS-02).
    """

    name = models.CharField(primary_key=True, max_length=200)
    slot_started_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name
