"""Connect links and attempts: what a customer opened, and what was sent to the provider."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.read_only import ReadOnlyAdmin
from accounts.admin.shown import status_badge, word_list
from egress import upstream_map
from integrations.catalogue import CatalogueError, TemplateError, UnknownProvider
from integrations.connect.attempts import authorization_url
from integrations.models import AuthorizationAttempt, ConnectLink
from integrations.oauth import pkce
from integrations.oauth.errors import UnsendableRequest

HIDDEN = "(hidden)"
_STAND_IN = "hidden"


@admin.register(ConnectLink)
class ConnectLinkAdmin(ReadOnlyAdmin):
    list_display = ("id", "state", "partner", "integration", "customer", "created_at", "expires_at")
    list_filter = ("integration", "partner", "created_at")
    list_select_related = ("partner", "integration", "connection__customer")
    search_fields = ("connection__customer__foreign_identifier",)
    uuid_fields = ("id", "connection_id")
    search_help_text = "Search by the UUID of a link or of its connection, or by the partner's identifier."
    fields = (
        "id", "state", "failure_reason", "partner", "credential", "integration", "connection", "return_url",
        "required", "optional", "created_at", "opened_at", "failed_at", "completed_at", "revoked_at", "expires_at",
    )  # fmt: skip

    @admin.display(description="state")
    def state(self, link: ConnectLink) -> SafeString:
        return status_badge(link.state(timezone.now()).value)

    @admin.display(description="customer")
    def customer(self, link: ConnectLink) -> str:
        return str(link.connection.customer)

    @admin.display(description="scopes")
    def required(self, link: ConnectLink) -> SafeString | str:
        return word_list(link.scopes)

    @admin.display(description="optional scopes")
    def optional(self, link: ConnectLink) -> SafeString | str:
        return word_list(link.optional_scopes)


@admin.register(AuthorizationAttempt)
class AuthorizationAttemptAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "outcome_label",
        "outcome_reason",
        "integration",
        "customer",
        "created_at",
        "finished_at",
    )
    list_filter = ("outcome", "link__integration", "created_at")
    search_fields = ("link__connection__customer__foreign_identifier",)
    uuid_fields = ("id", "link_id", "link__connection_id")
    search_help_text = (
        "Search by the UUID of an attempt, its link or its connection, or by the partner's identifier."
    )
    fields = (
        "id", "outcome_label", "outcome_reason", "outcome_detail", "link", "integration", "customer", "sent_url",
        "redirect_uri", "created_at", "claimed_at", "finished_at", "expires_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuthorizationAttempt]:
        related = ("client", "link__integration", "link__connection__customer")
        return super().get_queryset(request).select_related(*related).defer("code_verifier")

    @admin.display(description="outcome", ordering="outcome")
    def outcome_label(self, attempt: AuthorizationAttempt) -> SafeString:
        return status_badge(attempt.outcome)

    @admin.display(description="integration")
    def integration(self, attempt: AuthorizationAttempt) -> str:
        return attempt.link.integration.slug

    @admin.display(description="customer")
    def customer(self, attempt: AuthorizationAttempt) -> str:
        return str(attempt.link.connection.customer)

    @admin.display(description="URL that was sent")
    def sent_url(self, attempt: AuthorizationAttempt) -> SafeString | str:
        try:
            if attempt.link.integration.provider.auth_kind != "oauth2_code":
                return "–"  # none, or one whose token is gone
            return format_html('<code class="pb-code pb-code--block">{}</code>', url_without_secrets(attempt))
        except (UnknownProvider, CatalogueError, TemplateError, UnsendableRequest) as error:
            return f"cannot be shown any more: {error}"


def url_without_secrets(attempt: AuthorizationAttempt) -> str:
    """The authorize URL of an attempt as the browser got it, but for the values of state and code_challenge.

    It is built again from the attempt's row, since the URL itself is not kept. Raises as authorization_url does.
    """
    provider = attempt.link.integration.provider
    verifier = None if provider.oauth.pkce == "forbidden" else _STAND_IN
    url = authorization_url(attempt, provider, state_value=_STAND_IN, verifier=verifier)
    url = upstream_map.public_location(url).replace(f"state={_STAND_IN}", f"state={HIDDEN}")
    if verifier is not None:
        url = url.replace(pkce.code_challenge(verifier), HIDDEN)
    return url
