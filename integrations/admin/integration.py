"""The pages of integrations: choose a provider, fill in its credentials, check them, delete."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Model, Q, QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.shown import badge, code, word_list
from accounts.audit import Actor
from integrations import secret_rotation, setup
from integrations.admin import credential_check, scope_plan
from integrations.admin.integration_form import CONFIG_PREFIX, form_class, stored_secret
from integrations.admin.provider_choice import ProviderFilter, chosen_provider, provider_cards
from integrations.admin.scope_picker import advice
from integrations.admin.scope_plan import ScopePlanPages
from integrations.catalogue import CatalogueError, Provider, UnknownProvider
from integrations.errors import InvalidInput
from integrations.models import ClientCredentials, Integration
from integrations.models.connection import Status
from integrations.provider_pages import words
from integrations.provider_pages.content import around_redirect
from integrations.setup import IntegrationInUse

_OVER = [Status.DISCONNECTED, Status.PENDING]
SLUG_PLACEHOLDER = "<short name>"


@admin.register(Integration)
class IntegrationAdmin(ScopePlanPages):
    list_display = (
        "slug",
        "provider_name",
        "environment",
        "state",
        "scope_count",
        "connection_count",
        "created_at",
    )
    list_filter = (ProviderFilter, "is_enabled", "environment")
    search_fields = ("slug", "display_name", "provider_id", "clients__client_id")
    search_help_text = "Search by short name, display name, provider or Client ID."
    actions: Any = None
    save_on_top = False
    change_form_template = "admin/integrations/integration/form.html"
    add_form_template = "admin/integrations/integration/form.html"
    delete_confirmation_template = "admin/integrations/integration/delete.html"

    class Media:
        js = ("patchbay/admin/copy.js", "patchbay/admin/redirect-url.js")

    # --- list -----------------------------------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> QuerySet[Integration]:
        living = ~Q(connections__status__in=_OVER) & Q(connections__isnull=False)
        return (
            super()
            .get_queryset(request)
            .prefetch_related("clients")
            .annotate(
                n_scopes=Count("scopes", distinct=True),
                n_connections=Count("connections", filter=living, distinct=True),
            )
        )

    @admin.display(description="provider", ordering="provider_id")
    def provider_name(self, integration: Integration) -> str:
        provider = _provider_or_none(integration)
        return provider.display_name if provider else f"{integration.provider_id} (no such provider)"

    @admin.display(description="state")
    def state(self, integration: Integration) -> SafeString:
        if not integration.is_enabled:
            return badge("off")
        client = next((client for client in integration.clients.all() if client.is_current), None)
        if client is None:
            return badge("no credentials", "bad")
        return badge("credentials refused", "bad") if client.rejected_since else badge("on", "good")

    @admin.display(description="scopes", ordering="n_scopes")
    def scope_count(self, integration: Any) -> int:
        return integration.n_scopes

    @admin.display(description="connections", ordering="n_connections")
    def connection_count(self, integration: Any) -> SafeString:
        url = reverse("admin:integrations_connection_changelist")
        return format_html(
            '<a href="{}?integration__id__exact={}">{}</a>', url, integration.pk, integration.n_connections
        )

    # --- form -----------------------------------------------------------------------------------------------
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        provider = chosen_provider(request)
        if provider is None:
            return self._choose_provider(request)
        return super().add_view(
            request, form_url, {**self._page(request, provider, None), **(extra_context or {})}
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        integration: Any = self.get_object(request, object_id)
        provider = _provider_or_none(integration) if integration else None
        page = self._page(request, provider, integration) if integration and provider else {}
        return super().change_view(request, object_id, form_url, {**page, **(extra_context or {})})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except InvalidInput as error:  # somebody else was faster: the form had found nothing wrong
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def _choose_provider(self, request: HttpRequest) -> HttpResponse:
        query = request.GET.get("q", "")[:100]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Choose a provider",
            "cards": provider_cards(query),
            "query": query,
            "was_unknown": bool(request.GET.get("provider")),
        }
        return TemplateResponse(request, "admin/integrations/integration/choose_provider.html", context)

    def _page(
        self, request: HttpRequest, provider: Provider, integration: Integration | None
    ) -> dict[str, Any]:
        """What form.html shows around the form."""
        slug = integration.slug if integration else SLUG_PLACEHOLDER
        prefix, suffix = f"{settings.PUBLIC_URL}/oauth/", "/callback"
        client = integration.clients.filter(is_current=True).first() if integration else None
        public_host = urlsplit(settings.PUBLIC_URL).netloc.lower()
        return {
            "provider": provider,
            "redirect": {"prefix": prefix, "slug": slug, "suffix": suffix, "placeholder": SLUG_PLACEHOLDER},
            "setup_steps": [around_redirect(step) for step in provider.setup_steps],
            "about": [*words.token_rows(provider), *words.call_rows(provider)],
            "foreign_host": "" if request.get_host().lower() == public_host else request.get_host(),
            "public_url": settings.PUBLIC_URL,
            "client": client,
            "may_check": integration is not None
            and provider.credentials.client_id is not None
            and self.has_change_permission(request, integration),
            "has_next_secret": client is not None and client.next_client_secret is not None,
            "is_secret_unreadable": client is not None
            and client.client_secret is not None
            and not client.client_secret.is_readable(),
            "earlier_clients": _earlier_clients(integration) if integration else [],
            **({} if integration else {"title": f"New {provider.display_name} integration"}),
        }

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        provider = _provider_or_none(obj) if obj else chosen_provider(request)
        if provider is None or (obj is not None and not self.has_change_permission(request, obj)):
            return super().get_form(request, obj, change=change, **{**kwargs, "fields": ()})
        return form_class(provider, obj)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        provider = _provider_or_none(obj) if obj else chosen_provider(request)
        if provider is None or (obj is not None and not self.has_change_permission(request, obj)):
            return ((None, {"fields": self.get_readonly_fields(request, obj)}),)
        names = form_class(provider, obj).base_fields
        app: list[str] = [
            name for name in ("install_url", "client_id", "client_secret", "app_id") if name in names
        ]
        app += [name for name in names if name.startswith(CONFIG_PREFIX)]
        head = ("slug", "display_name", "environment", "is_enabled")
        fieldsets: list[Any] = [(None, {"fields": head if obj is None else ("provider_name", *head)})]
        if app:
            fieldsets.append((f"Your app at {provider.display_name}", {"fields": (*app, "use_anyway")}))
        if "next_client_secret" in names:
            fieldsets.append(
                ("Changing the secret", {"fields": ("next_client_secret",), "classes": ("collapse",)})
            )
        if "scopes" in names:
            fieldsets.append(("Scopes", {"fields": ("scopes",), "classes": ("pb-scopes",)}))
        return fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ()
        if _provider_or_none(obj) and self.has_change_permission(request, obj):
            return ("provider_name", "slug")
        return (
            "slug", "provider_name", "display_name", "environment", "is_enabled",
            "shown_client_id", "shown_secret", "shown_required", "shown_optional", "created_at",
        )  # fmt: skip

    @admin.display(description="Client ID")
    def shown_client_id(self, integration: Integration) -> SafeString | str:
        client = integration.clients.filter(is_current=True).first()
        return code(client.client_id) if client and client.client_id else "–"

    @admin.display(description="Client Secret")
    def shown_secret(self, integration: Integration) -> str:
        client = integration.clients.filter(is_current=True).first()
        return stored_secret(integration, client).partition(";")[0] or "–"

    @admin.display(description="required scopes")
    def shown_required(self, integration: Integration) -> SafeString | str:
        return word_list([row.scope for row in integration.scopes.all() if not row.is_optional])

    @admin.display(description="optional scopes")
    def shown_optional(self, integration: Integration) -> SafeString | str:
        return word_list([row.scope for row in integration.scopes.all() if row.is_optional])

    def save_model(self, request: HttpRequest, obj: Integration, form: Any, change: bool) -> None:
        actor = Actor.staff(request.user)  # type: ignore[arg-type]  # staff are signed in here
        values = form.integration_values()
        if change:
            setup.update(obj, values, actor=actor)
        else:
            obj.provider_id = form.provider.id
            setup.create(form.provider.id, obj.slug, values, actor=actor, pk=obj.pk)
            obj._state.adding = False
        obj.refresh_from_db()
        told = scope_plan.message(obj) if change and "scopes" in form.changed_data else None
        if told is not None:
            self.message_user(request, told, messages.WARNING)
        for sentence in (
            advice(form.provider, form.cleaned_data["scopes"]) if "scopes" in form.cleaned_data else []
        ):
            self.message_user(request, sentence, messages.WARNING)

    # --- buttons --------------------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<path:object_id>/check/", wrap(self.check_view), name="integrations_integration_check"),
            path(
                "<path:object_id>/next-secret/",
                wrap(self.next_secret_view),
                name="integrations_integration_next_secret",
            ),
            *super().get_urls(),
        ]

    def _changeable(self, request: HttpRequest, object_id: str) -> Integration | HttpResponse:
        """The integration of a button, or the reply that refuses."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        integration: Any = self.get_object(request, object_id)
        if integration is None:
            raise Http404
        if not self.has_change_permission(request, integration):
            raise PermissionDenied
        return integration

    def _back(self, integration: Integration) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:integrations_integration_change", args=[integration.pk]))

    def check_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask the provider whether it takes the stored credentials."""
        integration = self._changeable(request, object_id)
        if isinstance(integration, HttpResponse):
            return integration
        for result in credential_check.run(integration):
            self.message_user(request, result.sentence, result.level)
        return self._back(integration)

    def next_secret_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Promote or discard the secret that is being rotated in."""
        integration = self._changeable(request, object_id)
        if isinstance(integration, HttpResponse):
            return integration
        if request.POST.get("act") not in {"promote", "discard"}:
            return HttpResponseBadRequest("act is promote or discard.", content_type="text/plain")
        is_promotion = request.POST["act"] == "promote"
        act = secret_rotation.promote if is_promotion else secret_rotation.discard
        try:
            act(integration, actor=Actor.staff(request.user))  # type: ignore[arg-type]  # staff are signed in here
        except InvalidInput as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            told = "The next secret is the secret now." if is_promotion else "The next secret is forgotten."
            self.message_user(request, told, messages.SUCCESS)
        return self._back(integration)

    # --- deleting -------------------------------------------------------------------------------------------
    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Connections are listed by number: living ones forbid, pending ones and tombstones go along."""
        in_use = [error for error in map(setup.obstacles, objs) if error is not None]
        counts = {"integrations": len(objs)}
        for integration in objs:
            for name, statuses in (
                ("pending connections", [Status.PENDING]),
                ("ended connections", [Status.DISCONNECTED]),
            ):
                counts[name] = (
                    counts.get(name, 0) + integration.connections.filter(status__in=statuses).count()
                )
        return [str(obj) for obj in objs], counts, set(), [str(error) for error in in_use]

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            response = super().delete_view(request, object_id, extra_context)
        except IntegrationInUse as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        if request.method == "POST" and response.status_code == 200:
            response.status_code = 409  # the page that says why not
        return response

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        assert isinstance(obj, Integration)
        setup.delete(obj, actor=Actor.staff(request.user))  # type: ignore[arg-type]  # staff are signed in here


def _provider_or_none(integration: Integration) -> Provider | None:
    try:
        return integration.provider
    except (UnknownProvider, CatalogueError):
        return None


def _earlier_clients(integration: Integration) -> list[Any]:
    """Client IDs that were replaced, with how many living connections still hang on each."""
    living = ~Q(connections__status__in=_OVER) & Q(connections__isnull=False)
    rows = ClientCredentials.objects.filter(integration=integration, is_current=False)
    return list(
        rows.annotate(n=Count("connections", filter=living))
        .order_by("-created_at")
        .values("client_id", "n", "created_at")
    )
