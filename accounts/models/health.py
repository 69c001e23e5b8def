"""WorkerHeartbeat: proof that messages travel from the scheduler through the broker to a worker."""

from __future__ import annotations

from django.db import models


class WorkerHeartbeat(models.Model):
    """One row a worker host, written by a task; `readyz` reads its age."""

    name = models.CharField(primary_key=True, max_length=200)
    beaten_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.beaten_at:%H:%M:%S}"
