"""Partners: who calls the API, and where their customers may be sent back to."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import origins, partners
from accounts.admin import next_steps
from accounts.admin.next_steps import Step
from accounts.admin.shown import badge
from accounts.audit import Actor
from accounts.models import Partner


class OriginsField(forms.CharField):
    """One origin a line; cleans to a list without repeats and names the line that is wrong."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or []) != [line.strip() for line in (data or "").splitlines() if line.strip()]

    def clean(self, value: Any) -> Any:
        text = super().clean(value) or ""
        errors, found = [], []
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                try:
                    found.append(_origin(line.strip()))
                except origins.ReturnUrlRefused as error:
                    errors.append(f"Line {number}: {error}")
        if errors:
            raise ValidationError(errors)
        return list(dict.fromkeys(found))


def _origin(line: str) -> str:
    origin = origins.origin_of(line)
    parts = urlsplit(line)
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise origins.ReturnUrlRefused(f"An origin has no path; use {origin}")
    return origin


class PartnerForm(forms.ModelForm):
    allowed_return_origins = OriginsField(
        required=False,
        label="Allowed return origins",
        widget=forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField pb-mono", "spellcheck": "false"}),
        help_text=(
            "One a line, such as https://app.example.com. Customers are sent back only to addresses under these; "
            "http is allowed for localhost alone."
        ),
    )

    class Meta:
        model = Partner
        fields = partners.PARTNER_FIELDS


class PartnerAdmin(admin.ModelAdmin):
    form = PartnerForm
    list_display = ("name", "state", "live_credentials", "customer_count", "origins", "created_at")
    list_filter = ("is_active",)
    search_fields = ("name",)
    search_help_text = "Search by name."
    readonly_fields = ("id", "created_at")
    actions: Any = None
    fieldsets = (
        (None, {"fields": ("name", "is_active")}),
        ("Where customers may return to", {"fields": ("allowed_return_origins",)}),
        ("Limits", {"fields": ("requests_per_minute",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Partner]:
        live = Q(credentials__revoked_at=None)
        return (
            super()
            .get_queryset(request)
            .annotate(
                n_credentials=Count("credentials", filter=live, distinct=True),
                n_customers=Count("customers", distinct=True),
            )
        )

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never: it would take customers' grants along without telling any provider. Switch the partner off."""
        return False

    @admin.display(description="state", ordering="is_active")
    def state(self, partner: Partner) -> SafeString:
        return badge("active", "good") if partner.is_active else badge("off")

    @admin.display(description="credentials", ordering="n_credentials")
    def live_credentials(self, partner: Any) -> SafeString:
        url = reverse("admin:accounts_credential_changelist")
        return format_html(
            '<a href="{}?partner__id__exact={}">{}</a>', url, partner.pk, partner.n_credentials
        )

    @admin.display(description="customers", ordering="n_customers")
    def customer_count(self, partner: Any) -> SafeString:
        url = reverse("admin:accounts_customer_changelist")
        return format_html('<a href="{}?partner__id__exact={}">{}</a>', url, partner.pk, partner.n_customers)

    @admin.display(description="return origins")
    def origins(self, partner: Partner) -> str:
        listed = partner.allowed_return_origins
        more = f" and {len(listed) - 2} more" if len(listed) > 2 else ""
        return ", ".join(listed[:2]) + more or "none"

    def save_model(self, request: HttpRequest, obj: Partner, form: Any, change: bool) -> None:
        actor = Actor.staff(request.user)  # type: ignore[arg-type]  # staff are signed in here
        values = {name: form.cleaned_data[name] for name in partners.PARTNER_FIELDS}
        if change:
            partners.update(obj, actor=actor, **values)
        else:
            partners.create(pk=obj.pk, actor=actor, **values)


def _partner_step(request: HttpRequest) -> Step:
    may_add = request.user.has_perm("accounts.add_partner")
    return Step(
        "Add a partner",
        "The app that calls the API for its customers. Allow the addresses that customers return to.",
        Partner.objects.exists(),
        reverse("admin:accounts_partner_add") if may_add else "",
        "Add partner",
    )


next_steps.register(20, _partner_step)
