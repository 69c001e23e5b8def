"""Partner, Credential, IssuedToken: the apps that call the API, and what they call it with."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import models

from accounts import origins


class Permission(models.TextChoices):
    """What a credential may do. `tokens:read` hands out access tokens, so it is off by default."""

    CONNECT = "connect", "make connect and manage links"
    CONNECTIONS_READ = "connections:read", "read connections"
    CONNECTIONS_WRITE = "connections:write", "refresh, pause, import and delete connections"
    PROXY = "proxy", "call providers through the proxy"
    FLOWS = "flows", "run data flows"
    TOKENS_READ = "tokens:read", "read access tokens (audited)"


DEFAULT_PERMISSIONS = tuple(
    permission.value for permission in Permission if permission != Permission.TOKENS_READ
)


def default_permissions() -> list[str]:
    return list(DEFAULT_PERMISSIONS)


def validate_permissions(value: object) -> None:
    if not isinstance(value, list) or not set(value) <= set(Permission.values):
        raise ValidationError(f"Choose from: {', '.join(Permission.values)}.")


class Partner(models.Model):
    """An app that calls the API, and the side of the tenant wall on which its rows lie."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200, unique=True, help_text="What customers read on the connect page.")
    allowed_return_origins = models.JSONField(
        default=list,
        blank=True,
        validators=[origins.validate_origins],
        help_text="Origins under which returnUrl may lie, such as https://app.example.com.",
    )
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty means no limit."
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CredentialQuerySet(models.QuerySet["Credential"]):
    def live(self, now: datetime) -> CredentialQuerySet:
        """Those that may be used now: not revoked, not expired, of an active partner."""
        is_unexpired = models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=now)
        return self.filter(is_unexpired, revoked_at__isnull=True, partner__is_active=True)


class Credential(models.Model):
    """One set of secrets of a partner: an API key, and a client id with its client secret.

    The secrets are random, 256 bits each, shown once and stored as SHA-256.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="credentials")
    name = models.CharField(
        max_length=200, help_text="Where this credential is used, such as 'production backend'."
    )
    client_id = models.CharField(max_length=64, unique=True, editable=False)
    client_secret_sha256 = models.CharField(max_length=64, editable=False)
    api_key_sha256 = models.CharField(max_length=64, unique=True, editable=False)
    api_key_last4 = models.CharField(max_length=4, editable=False)
    permissions = models.JSONField(default=default_permissions, validators=[validate_permissions])
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.client_id})"

    def is_live(self, now: datetime) -> bool:
        """True while the credential itself may be used; its partner is checked beside it."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class IssuedToken(models.Model):
    """An access token that `/oauth/token` issued to a partner; lives 24 hours, stored as SHA-256."""

    token_sha256 = models.CharField(primary_key=True, max_length=64)
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="issued_tokens")
    expires_at = models.DateTimeField(db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"token of {self.credential_id} until {self.expires_at:%Y-%m-%d %H:%M}"
