"""GrantIncident: one refresh that failed, and what the provider said to it."""

from __future__ import annotations

import uuid

from django.db import models

from integrations.models.connection import Connection


class Process(models.TextChoices):
    """In which kind of process a refresh was tried."""

    WEB = "web"
    WORKER = "worker"
    COMMAND = "command"


class GrantIncident(models.Model):
    """One failed refresh, for the connection's report; the newest 50 are kept (integrations.tokens.incidents).

    verdict and rule: what was made of the reply, and by which rule. error: the provider's own code. evidence: one
    masked line. token_version: that of the tokens that were tried. next_try_at: None when no more is tried.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, db_index=False, related_name="incidents"
    )
    at = models.DateTimeField(db_index=True)
    verdict = models.CharField(max_length=24)
    rule = models.CharField(max_length=120, blank=True)
    error = models.CharField(max_length=100, blank=True)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    evidence = models.CharField(max_length=500, blank=True)
    next_try_at = models.DateTimeField(null=True, blank=True)
    process = models.CharField(max_length=16, choices=Process.choices)
    token_version = models.PositiveBigIntegerField()

    class Meta:
        ordering = ["-at"]
        indexes = [models.Index(fields=["connection", "-at"], name="incident_by_connection")]

    def __str__(self) -> str:
        return f"{self.verdict} {self.error or self.http_status or ''}".strip()
