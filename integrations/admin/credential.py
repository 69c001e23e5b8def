"""Credentials of partners: made, with secrets shown exactly once; limited to integrations; revoked.

They belong to accounts; their page lives here because it also says which integrations they may use.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_variables

from accounts import credentials, partners
from accounts.admin.shown import badge, code
from accounts.audit import Actor
from accounts.credentials import NewCredential
from accounts.models import Credential
from accounts.models.partner import DEFAULT_PERMISSIONS, Permission
from integrations import grants
from integrations.models import Integration


class CredentialForm(forms.ModelForm):
    permissions = forms.MultipleChoiceField(
        choices=[(choice.value, f"{choice.value}: {choice.label}") for choice in Permission],
        initial=list(DEFAULT_PERMISSIONS),
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    integrations = forms.ModelMultipleChoiceField(
        queryset=Integration.objects.all(),
        widget=forms.CheckboxSelectMultiple,
        required=False,
        label="May use",
        help_text="An integration that is not ticked does not exist for this credential.",
    )
    expires_at = forms.SplitDateTimeField(
        required=False,
        widget=AdminSplitDateTime,
        label="Expires at",
        help_text="Empty means never. Time is UTC.",
    )

    class Meta:
        model = Credential
        fields = ("partner", "name", "permissions", "expires_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            granted = Integration.objects.filter(grants__credential=self.instance)
            self.fields["integrations"].initial = list(granted.values_list("pk", flat=True))

    def clean_expires_at(self) -> Any:
        expires_at = self.cleaned_data["expires_at"]
        if expires_at and "expires_at" in self.changed_data and expires_at <= timezone.now():
            raise forms.ValidationError("This is in the past. To end a credential now, revoke it.")
        return expires_at


@admin.register(Credential)
class CredentialAdmin(admin.ModelAdmin):
    form = CredentialForm
    list_display = (
        "name",
        "partner",
        "client_id",
        "key",
        "state",
        "integration_count",
        "last_used_at",
        "created_at",
    )
    list_filter = ("partner", ("revoked_at", admin.EmptyFieldListFilter), "integration_grants__integration")
    list_select_related = ("partner",)
    search_fields = ("name", "client_id", "partner__name")
    search_help_text = "Search by name, client id or partner."
    autocomplete_fields = ("partner",)
    actions: Any = None
    change_form_template = "admin/accounts/credential/form.html"
    _shown = ("client_id", "key", "state", "last_used_at", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        return super().get_queryset(request).annotate(n_integrations=Count("integration_grants"))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        head = ("partner", "name", "expires_at")
        fieldsets = [(None, {"fields": head if obj is None else (*head, *self._shown)})]
        may_write = self.has_change_permission(request, obj) if obj else True
        may = ("permissions", "integrations") if may_write else ("permissions", "shown_integrations")
        return [*fieldsets, ("What it may do", {"fields": may})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if obj is None else ("partner", *self._shown, "shown_integrations")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never: a credential is revoked, and its row stays for the trail."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        is_over = isinstance(obj, Credential) and obj.revoked_at is not None
        return not is_over and super().has_change_permission(request, obj)

    @admin.display(description="API key", ordering="api_key_last4")
    def key(self, credential: Credential) -> SafeString:
        return code(f"••••{credential.api_key_last4}")

    @admin.display(description="state", ordering="revoked_at")
    def state(self, credential: Credential) -> SafeString:
        if credential.revoked_at is not None:
            return badge("revoked", "bad")
        return badge("live", "good") if credential.is_live(timezone.now()) else badge("expired", "warn")

    @admin.display(description="integrations", ordering="n_integrations")
    def integration_count(self, credential: Any) -> int:
        return credential.n_integrations

    @admin.display(description="may use")
    def shown_integrations(self, credential: Credential) -> str:
        rows = Integration.objects.filter(grants__credential=credential)
        return ", ".join(rows.values_list("slug", flat=True)) or "nothing"

    # --- making -----------------------------------------------------------------------------------------------
    def save_model(self, request: HttpRequest, obj: Credential, form: Any, change: bool) -> None:
        actor = Actor.staff(request.user)  # type: ignore[arg-type]  # staff are signed in here
        cleaned = form.cleaned_data
        values = {name: cleaned[name] for name in ("name", "permissions", "expires_at")}
        if change:
            partners.update_credential(obj, actor=actor, **values)
        else:
            new = credentials.create(cleaned["partner"], actor=actor, **values)
            obj.pk = new.credential.pk
            obj._state.adding = False
            request.new_credential = new  # type: ignore[attr-defined]  # kept for this reply alone
        obj.refresh_from_db()
        grants.replace(obj, cleaned["integrations"], actor=actor)

    def response_add(
        self, request: HttpRequest, obj: Credential, post_url_continue: str | None = None
    ) -> HttpResponse:
        new: NewCredential = request.new_credential  # type: ignore[attr-defined]  # set by save_model
        return self._show_once(request, new)

    @sensitive_variables()
    def _show_once(self, request: HttpRequest, new: NewCredential) -> HttpResponse:
        """The reply to the POST itself: nothing is kept that could show the secrets again."""
        secrets = [
            (
                "clientId",
                "Client ID",
                new.credential.client_id,
                "With the client secret: HTTP Basic, or POST /oauth/token.",
            ),
            ("clientSecret", "Client secret", new.client_secret, ""),
            ("apiKey", "API key", new.api_key, "Instead of the two above: Authorization: Bearer."),
        ]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Copy these secrets now",
            "credential": new.credential,
            "secrets": secrets,
        }
        response = TemplateResponse(request, "admin/accounts/credential/secrets.html", context)
        response.headers["Cache-Control"] = "no-store"
        return response.render()

    # --- revoking ---------------------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        revoke = self.admin_site.admin_view(self.revoke_view)
        return [
            path("<path:object_id>/revoke/", revoke, name="accounts_credential_revoke"),
            *super().get_urls(),
        ]

    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """GET asks, POST revokes."""
        credential: Any = self.get_object(request, object_id)
        if credential is None:
            raise Http404
        if not super().has_change_permission(request):
            raise PermissionDenied
        back = reverse("admin:accounts_credential_change", args=[credential.pk])
        if request.method == "POST":
            if credentials.revoke(credential, actor=Actor.staff(request.user)):  # type: ignore[arg-type]  # signed in
                self.message_user(
                    request, f"{credential.name} is revoked and opens nothing any more.", messages.SUCCESS
                )
            return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Revoke {credential.name}?",
            "subject": credential,
            "sentences": [
                f"Every call that {credential.partner} makes with {credential.client_id} is refused from now on.",
                "This cannot be undone; make a new credential instead.",
            ],
            "verb": "Revoke",
            "is_dangerous": True,
            "back": back,
        }
        return TemplateResponse(request, "admin/patchbay/confirm.html", context)
