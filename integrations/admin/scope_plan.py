"""The page "Scope plan" of an integration: who has which scopes, and who must connect again."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrations import scope_plan
from integrations.admin.scope_picker import ScopeChoice, ScopePicker
from integrations.models import Integration
from integrations.scope_plan import MustReconnect, ScopePlan

PAGE_ROWS = 50


class ScopePlanPages(admin.ModelAdmin):
    """Mixed into the integration's admin: GET shows the plan, POST (the form's preview button) one for a choice
    of scopes that is not saved."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.scope_plan_view)
        return [
            path("<path:object_id>/scope-plan/", view, name="integrations_integration_scope_plan"),
            *super().get_urls(),
        ]

    def scope_plan_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if request.method not in {"GET", "HEAD", "POST"}:
            return HttpResponseNotAllowed(["GET", "POST"])
        integration: Any = self.get_object(request, object_id)
        if integration is None:
            raise Http404
        is_preview = request.method == "POST"
        may = self.has_change_permission if is_preview else self.has_view_or_change_permission
        if not may(request, integration):
            raise PermissionDenied
        found = self._preview(request, integration) if is_preview else scope_plan.plan(integration)
        may_list = request.user.has_perm("integrations.view_connection") and not is_preview
        rows = _page(request, integration, found) if may_list and found.lacks_required else []
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{'Preview of the scope plan' if is_preview else 'Scope plan'} of {integration.slug}",
            "integration": integration,
            "plan": found,
            "headline": headline(found, is_preview=is_preview),
            "is_preview": is_preview,
            "may_list": may_list,
            "rows": [(row, _links(request, row)) for row in rows[:PAGE_ROWS]],
            "next_url": _next(rows),
            "is_first_page": "before" not in request.GET,
        }
        return TemplateResponse(request, "admin/integrations/integration/scope_plan.html", context)

    def _preview(self, request: HttpRequest, integration: Integration) -> ScopePlan:
        """The scopes as the form has them, saved or not; whatever else was typed is not looked at."""
        choice: ScopeChoice = ScopePicker().value_from_datadict(request.POST, request.FILES, "scopes")
        return scope_plan.plan(integration, required=choice.required, optional=choice.optional)


def headline(found: ScopePlan, *, is_preview: bool = False) -> str:
    """ "12 of 240 living connections lack crm.objects.deals.read and would have to reconnect." """
    if not found.living:
        return "Nobody has connected yet."
    if not found.lacks_required and found.living == 1:
        return "The one living connection has every required scope."
    if not found.lacks_required:
        return f"All {found.living} living connections have every required scope."
    short = [scope.name for scope in found.scopes if scope.lacking and not scope.is_optional]
    named = ", ".join(short[:5]) + (f" and {len(short) - 5} more" if len(short) > 5 else "")
    is_one = found.lacks_required == 1
    verb = "lacks" if is_one else "lack"
    must = "would have to" if is_preview else ("has to" if is_one else "have to")
    return f"{found.lacks_required} of {found.living} living connections {verb} {named} and {must} reconnect."


def message(integration: Integration) -> SafeString | None:
    """What staff read after saving other scopes; None when nobody has to reconnect."""
    found = scope_plan.plan(integration)
    if not found.lacks_required:
        return None
    url = reverse("admin:integrations_integration_scope_plan", args=[integration.pk])
    return format_html(
        '{} They work on with what was granted. <a href="{}">Scope plan</a>', headline(found), url
    )


def _page(request: HttpRequest, integration: Integration, found: ScopePlan) -> list[MustReconnect]:
    """One row more than a page, which tells whether there is a next one."""
    before = _position(request.GET.get("before", ""))
    return scope_plan.who_must_reconnect(integration, found, before=before, limit=PAGE_ROWS + 1)


def _position(text: str) -> tuple[datetime, uuid.UUID] | None:
    """Where a page begins; whatever is not from our own links begins at the start."""
    at, _, pk = text[:100].partition("_")
    try:
        moment = datetime.fromisoformat(at)
        return (moment.astimezone(UTC), uuid.UUID(pk)) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _next(rows: list[MustReconnect]) -> str:
    if len(rows) <= PAGE_ROWS:
        return ""
    last = rows[PAGE_ROWS - 1].connection
    return "?" + urlencode({"before": f"{last.created_at.isoformat()}_{last.pk}"})


def _links(request: HttpRequest, row: MustReconnect) -> dict[str, str]:
    """Where staff may go from a row."""
    links = {"connection": reverse("admin:integrations_connection_change", args=[row.connection.pk])}
    if request.user.has_perm("accounts.view_partner"):
        links["partner"] = reverse("admin:accounts_partner_change", args=[row.connection.partner_id])
    return links
