"""Connection: one customer's grant on one integration."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import F, Func
from django.utils.translation import gettext_noop as _

from accounts.models import Customer, Partner
from integrations import granted_scopes
from integrations.catalogue import Provider, UnknownProvider
from integrations.models.integration import ClientCredentials, Integration
from sealing import SealedField

DEFAULT_NAME = "default"


class Status(models.TextChoices):
    """Contract section 3."""

    PENDING = "pending"
    ACTIVE = "active"
    REFRESH_FAILING = "refresh_failing"
    RECONNECT_REQUIRED = "reconnect_required"
    PAUSED = "paused"
    DISCONNECTED = "disconnected"


#: statuses in which a connection's tokens are used and refreshed
USABLE = (Status.ACTIVE, Status.REFRESH_FAILING)


#: reason code -> the sentence that a customer reads. English here, in events and in the API; the pages translate.
REASONS: dict[str, str] = {
    "": "",
    "revoked_at_provider": _(
        "Access was ended at the provider, or the app was removed there. Connect again to restore it."
    ),
    "refresh_token_expired": _("The authorization has expired. Connect again to restore it."),
    "client_credentials_rejected": _(
        "The provider refuses the app's credentials; its operator has to correct them."
    ),
    "scope_withdrawn": _("A permission that is needed was withdrawn. Connect again to grant it."),
    "provider_unavailable": _("The provider does not answer at the moment; we keep trying."),
    "unreadable_secret": _("The stored authorization can no longer be read. Connect again to restore it."),
    "refused_repeatedly": _(
        "The provider has refused to renew the authorization. Connect again to restore it."
    ),
    "not_refreshable": _(
        "The access was granted for a limited time only and has ended. Connect again to restore it."
    ),
    "identity_unknown": _("Connected; the name of the account could not be read yet."),
    "no_refresh_token": _(
        "Connected for a limited time: the provider gave nothing to renew the access with."
    ),
    "paused_by_partner": _("Use of this connection has been stopped for now."),
    "paused_by_customer": _("You have stopped the use of this connection for now."),
    "paused_by_staff": _("Use of this connection has been stopped for now."),
}


class _IsUsable(Func):
    """The condition of the index connection_due, written out: SQLite does not use a partial index when the
    condition comes as parameters."""

    template = "%(expressions)s IN ('active', 'refresh_failing')"
    output_field = models.BooleanField()


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def living(self) -> ConnectionQuerySet:
        """All but tombstones."""
        return self.exclude(status=Status.DISCONNECTED)

    def listed(self) -> ConnectionQuerySet:
        """What lists show unless asked: neither tombstones nor connections that were never made."""
        return self.exclude(status__in=[Status.DISCONNECTED, Status.PENDING])

    def usable(self) -> ConnectionQuerySet:
        """Those that calls may use, as the partial indexes have them."""
        return self.filter(_IsUsable(F("status")))

    def due(self, now: datetime) -> ConnectionQuerySet:
        """Those whose refresh is due, earliest first.

        Within one integration this reads a range of the index connection_due and no row beside it.
        """
        return self.usable().filter(next_refresh_at__lte=now).order_by("next_refresh_at")

    def with_ending_grant(self, now: datetime) -> ConnectionQuerySet:
        """Those whose partner has yet to be told that the customer must connect again soon, earliest first."""
        return self.usable().filter(refresh_token_alert_at__lte=now).order_by("refresh_token_alert_at")


class Connection(models.Model):
    """One customer's grant. The id is public (`UUID`) and never a secret.

    access_token and refresh_token are sealed and opened by integrations.tokens alone. token_version grows
    with each stored pair; the lease columns let one process at a time refresh (design rule 2).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Each refresh writes all indexes anew, so these two have none of their own: some of Meta begin with them.
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="connections", db_index=False)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="connections")
    integration = models.ForeignKey(
        Integration, on_delete=models.PROTECT, related_name="connections", db_index=False
    )
    client = models.ForeignKey(
        ClientCredentials, null=True, blank=True, on_delete=models.PROTECT, related_name="connections"
    )
    name = models.CharField(max_length=64, default=DEFAULT_NAME)
    status = models.CharField(max_length=24, choices=Status.choices, default=Status.PENDING)
    status_reason = models.CharField(max_length=40, blank=True)
    status_evidence = models.CharField(max_length=500, blank=True, help_text="One masked line for staff.")
    status_before_pause = models.CharField(max_length=24, blank=True)
    reason_before_pause = models.CharField(max_length=40, blank=True, default="", db_default="")
    connection_config = models.JSONField(default=dict, blank=True)
    captured = models.JSONField(
        default=dict, blank=True, help_text="What the provider told beside the tokens."
    )

    provider_account_id = models.CharField(max_length=255, blank=True)
    provider_account_name = models.CharField(max_length=255, blank=True)
    provider_account_url = models.CharField(max_length=2048, blank=True)
    provider_account_data = models.JSONField(default=dict, blank=True)
    is_identity_known = models.BooleanField(default=False)
    identity_tries = models.PositiveIntegerField(default=0, editable=False)
    identity_next_try_at = models.DateTimeField(null=True, blank=True, editable=False)

    requested_scopes = models.JSONField(default=list, blank=True)
    requested_optional_scopes = models.JSONField(default=list, blank=True)
    granted_scopes = models.JSONField(default=list, blank=True)

    access_token = SealedField(null=True)
    refresh_token = SealedField(null=True)
    token_type = models.CharField(max_length=64, blank=True)
    access_token_expires_at = models.DateTimeField(null=True, blank=True)
    access_token_lifetime = models.PositiveBigIntegerField(null=True, blank=True, help_text="Seconds.")
    refresh_token_expires_at = models.DateTimeField(null=True, blank=True)
    refresh_token_lifetime = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Seconds from the grant, or from the refresh that moved the end."
    )
    refresh_token_alert_at = models.DateTimeField(
        null=True, blank=True, help_text="When the partner is told of the coming end; empty once told."
    )
    token_version = models.PositiveBigIntegerField(default=0)
    token_stored_at = models.DateTimeField(null=True, blank=True)

    lease_owner = models.UUIDField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    next_refresh_at = models.DateTimeField(null=True, blank=True)
    refresh_not_before = models.DateTimeField(null=True, blank=True)
    refresh_failures = models.PositiveIntegerField(default=0)
    unknown_refusals = models.PositiveIntegerField(default=0)
    refresh_failing_since = models.DateTimeField(null=True, blank=True)
    unfinished_refreshes = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Refreshes in a row that began and never ended: the process died."
    )
    refresh_quarantined_at = models.DateTimeField(
        null=True, blank=True, help_text="Since then refreshed at use and by hand only."
    )

    connected_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    disconnected_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "integration", "name"],
                condition=~models.Q(status="disconnected"),
                name="living_connection_once",
            )
        ]
        indexes = [
            models.Index(fields=["partner", "-created_at"], name="connection_by_partner"),
            models.Index(fields=["integration", "-created_at"], name="connection_by_integration"),
            models.Index(fields=["-created_at", "-id"], name="connection_newest"),
            models.Index(fields=["status", "partner", "-created_at"], name="connection_by_status"),
            models.Index(
                fields=["integration", "next_refresh_at"],
                condition=models.Q(status__in=["active", "refresh_failing"]),
                name="connection_due",
            ),
            models.Index(
                fields=["refresh_token_alert_at"],
                condition=models.Q(refresh_token_alert_at__isnull=False),
                name="connection_grant_ends",
            ),
            models.Index(fields=["integration", "provider_account_id"], name="connection_by_account"),
            models.Index(
                fields=["identity_next_try_at"],
                condition=models.Q(
                    is_identity_known=False, connected_at__isnull=False, disconnected_at__isnull=True
                ),
                name="connection_identity_unknown",
            ),
            models.Index(
                fields=["client"],
                condition=models.Q(refresh_not_before__isnull=False),
                name="connection_backing_off",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.status})"

    def __repr__(self) -> str:
        return f"<Connection {self.id} {self.status}>"

    @property
    def reason_sentence(self) -> str:
        return REASONS.get(self.status_reason, "")

    @property
    def missing_scopes(self) -> list[str]:
        """What was requested or is required by the integration now, and is not covered by the grant.

        Empty where there is no grant. A scope that staff add stands here until the customer connects again.
        """
        needed = [*self.requested_scopes, *self.requested_optional_scopes, *self._required_now()]
        return self._lacking(needed)

    @property
    def lacks_required_scopes(self) -> bool:
        """Whether the integration requires a scope now that the grant does not cover: only a reconnect helps."""
        return bool(self._lacking(self._required_now()))

    def _lacking(self, wanted: list[str]) -> list[str]:
        if self.status in {Status.PENDING, Status.DISCONNECTED}:
            return []
        requested = [*self.requested_scopes, *self.requested_optional_scopes]
        provider = self.provider_or_none()
        return granted_scopes.lacking(provider, wanted, granted=self.granted_scopes, requested=requested)

    def _required_now(self) -> list[str]:
        return [] if self.provider_or_none() is None else self.integration.required_scopes()

    def provider_or_none(self) -> Provider | None:
        """The catalogue's entry, or None when its file is gone."""
        try:
            return self.integration.provider
        except UnknownProvider:
            return None

    def config_values(self) -> dict[str, str]:
        """What the provider's templates are filled with: what its account told, staff's, the customer's, captures."""
        return {
            **self.provider_account_data,
            **self.integration.connection_config,
            **self.connection_config,
            **self.captured,
        }


class ConnectionNumber(models.Model):
    """StackGo's integer `id` of a connection; the database counts."""

    id = models.BigAutoField(primary_key=True)
    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="number")

    def __str__(self) -> str:
        return str(self.id)
