"""Integration: one client registered at a provider, its credentials, its scopes, and who may use it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from accounts.models import Credential
from integrations import catalogue
from integrations.catalogue import Provider
from integrations.slugs import validate_slug
from sealing import SealedField


class Integration(models.Model):
    """A set of credentials at a provider, named by its slug (`appSlug`)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.CharField(
        "short name",
        max_length=63,
        unique=True,
        validators=[validate_slug],
        help_text="Partners write it in URLs, so it can never be changed. Example: hbdev.",
    )
    provider_id = models.CharField("provider", max_length=64)
    display_name = models.CharField(
        max_length=200, blank=True, help_text="Empty means the provider's own name."
    )
    environment = models.CharField(
        max_length=32, blank=True, help_text="A label such as dev, test or production; shown beside the name."
    )
    connection_config = models.JSONField(
        default=dict,
        blank=True,
        help_text="Values of the provider's fields that are the same for every customer.",
    )
    is_enabled = models.BooleanField("enabled", default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug

    @property
    def provider(self) -> Provider:
        """The catalogue's entry. Raises catalogue.UnknownProvider when the file is gone."""
        return catalogue.get(self.provider_id)

    @property
    def name(self) -> str:
        """What customers and partners read."""
        return self.display_name or self.provider.display_name

    @property
    def redirect_uri(self) -> str:
        """The one redirect URI of this integration: from PUBLIC_URL alone, never from a request (CON-07)."""
        return f"{settings.PUBLIC_URL}/oauth/{self.slug}/callback"

    def current_client(self) -> ClientCredentials:
        """The credentials that new connections are made with. Raises ClientCredentials.DoesNotExist."""
        return self.clients.get(is_current=True)

    def required_scopes(self) -> list[str]:
        """The provider's mandatory scopes and those that staff marked required, in order, each once."""
        chosen = [row.scope for row in self.scopes.all() if not row.is_optional]
        return list(dict.fromkeys([*chosen, *self.provider.oauth.scope.mandatory]))

    def optional_scopes(self) -> list[str]:
        """Those that staff marked optional and that are not required."""
        required = set(self.required_scopes())
        return [row.scope for row in self.scopes.all() if row.is_optional and row.scope not in required]


class ClientCredentials(models.Model):
    """A client id with its secret. An integration may have had several; each connection knows which made it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="clients")
    client_id = models.CharField(max_length=512)
    client_secret = SealedField(null=True)
    next_client_secret = SealedField(null=True)  # while the provider's secret is being rotated, both are live
    client_secret_last4 = models.CharField(max_length=4, blank=True, editable=False)
    app_id = models.CharField("App ID", max_length=64, blank=True)
    is_current = models.BooleanField(default=True)
    rejected_since = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Since when the provider refuses this client; an alarm.",
    )
    last_refused_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When the provider last refused this client with no success since; twice makes the alarm.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "client credentials"
        constraints = [
            models.UniqueConstraint(fields=["integration", "client_id"], name="client_id_once"),
            models.UniqueConstraint(
                fields=["integration"], condition=models.Q(is_current=True), name="one_current_client"
            ),
        ]

    def __str__(self) -> str:
        return f"client {self.client_id} of {self.integration_id}"


class IntegrationScope(models.Model):
    """One scope that staff picked, required or optional."""

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="scopes")
    scope = models.CharField(max_length=200)
    is_optional = models.BooleanField(default=False)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["integration", "scope"], name="scope_once")]

    def __str__(self) -> str:
        return self.scope


class IntegrationGrant(models.Model):
    """That a partner's credential may use an integration."""

    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="integration_grants")
    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="grants")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["credential", "integration"], name="grant_once")]

    def __str__(self) -> str:
        return f"{self.credential_id} may use {self.integration_id}"
