"""ConnectLink, AuthorizationAttempt, ManageLink: what a customer opens, and each try to connect through it."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models

from accounts.models import Credential, Customer, Partner
from integrations.models.connection import Connection
from integrations.models.integration import ClientCredentials, Integration
from sealing import SealedField


class LinkState(models.TextChoices):
    """Contract section 3."""

    PENDING = "pending"
    OPENED = "opened"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    REVOKED = "revoked"


class ConnectLink(models.Model):
    """An install link. The token in its URL has 256 random bits and is stored as SHA-256."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    token_sha256 = models.CharField(max_length=64, unique=True, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="connect_links")
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="connect_links")
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="connect_links")
    credential = models.ForeignKey(
        Credential, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    return_url = models.CharField(max_length=2048, blank=True)
    scopes = models.JSONField(default=list, blank=True)
    optional_scopes = models.JSONField(default=list, blank=True)
    connection_config = models.JSONField(default=dict, blank=True)
    shows_json_result = models.BooleanField(default=False)
    expires_at = models.DateTimeField(db_index=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    failure_reason = models.CharField(max_length=64, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"link {self.id}"

    def state(self, now: datetime) -> LinkState:
        """completed and revoked are final; failed tells of the last try, and the link stays usable."""
        if self.completed_at:
            return LinkState.COMPLETED
        if self.revoked_at:
            return LinkState.REVOKED
        if self.expires_at <= now:
            return LinkState.EXPIRED
        if self.failed_at:
            return LinkState.FAILED
        return LinkState.OPENED if self.opened_at else LinkState.PENDING


class Outcome(models.TextChoices):
    STARTED = "started"
    EXCHANGING = "exchanging"
    CHOOSING = "choosing"
    CONNECTED = "connected"
    DENIED = "denied"
    FAILED = "failed"


class AuthorizationAttempt(models.Model):
    """One trip of one browser to the provider: `state` is one-shot, the outcome is kept for repeats."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    link = models.ForeignKey(ConnectLink, on_delete=models.CASCADE, related_name="attempts")
    client = models.ForeignKey(ClientCredentials, on_delete=models.CASCADE, related_name="+")
    state_sha256 = models.CharField(max_length=64, unique=True, editable=False)
    browser_sha256 = models.CharField(max_length=64, editable=False)
    code_verifier = SealedField(null=True)
    redirect_uri = models.CharField(max_length=2048)
    scopes = models.JSONField(default=list, blank=True)
    optional_scopes = models.JSONField(default=list, blank=True)
    connection_config = models.JSONField(default=dict, blank=True)
    expires_at = models.DateTimeField(db_index=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, default=Outcome.STARTED)
    outcome_reason = models.CharField(max_length=64, blank=True)
    outcome_detail = models.CharField(max_length=500, blank=True)
    choice = models.JSONField(
        null=True,
        blank=True,
        help_text="While the customer chooses among several accounts: the accounts, and the version of the tokens.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"attempt {self.id} ({self.outcome})"


class ManageLink(models.Model):
    """A link to the customer's own page: 256 random bits, stored as SHA-256."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    token_sha256 = models.CharField(max_length=64, unique=True, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="+")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="manage_links")
    expires_at = models.DateTimeField(db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"manage link {self.id}"
