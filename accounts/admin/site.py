"""The admin site: Django's own, with our name, templates and stylesheet."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import path

from accounts.admin import key_page, next_steps
from sealing import watch

_FIRST_APPS = ("integrations", "accounts", "auth")


class PatchbayAdminSite(AdminSite):
    site_header = "Patchbay"
    site_title = "Patchbay"
    index_title = "Overview"
    index_template = "admin/overview.html"
    site_url = None  # there is no public page to view
    enable_nav_sidebar = True

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        # Registered here, not by importing this package's modules from its __init__: the first touch of
        # `admin.site` imports this package, and a registration at that moment would land on a second site.
        from accounts.admin.customer import CustomerAdmin
        from accounts.admin.partner import PartnerAdmin
        from accounts.admin.trail import AuditEntryAdmin, EventAdmin
        from accounts.models import AuditEntry, Customer, Event, Partner

        for model, admin_class in (
            (Partner, PartnerAdmin),
            (Customer, CustomerAdmin),
            (Event, EventAdmin),
            (AuditEntry, AuditEntryAdmin),
        ):
            self.register(model, admin_class)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Django's list with our own apps first: what staff come for stands on top."""
        apps = super().get_app_list(request, app_label)
        order = {label: place for place, label in enumerate(_FIRST_APPS)}
        return sorted(apps, key=lambda app: order.get(app["app_label"], len(order)))

    def get_urls(self) -> list[Any]:
        return [path("keys/", self.admin_view(self.keys_view), name="keys"), *super().get_urls()]

    def keys_view(self, request: HttpRequest) -> TemplateResponse:
        """Whether FERNET_KEYS opens what is stored, and what to do where it does not."""
        context = {**self.each_context(request), **key_page.context(request)}
        return TemplateResponse(request, "admin/patchbay/keys.html", context)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Staff see on every page that secrets cannot be read: whatever else they look into comes from that."""
        context = super().each_context(request)
        return {**context, "key_trouble": watch.glance() if context["has_permission"] else None}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        steps = next_steps.steps_for(request)
        context = {"next_steps": [] if all(step.is_done for step in steps) else steps}
        return super().index(request, {**context, **(extra_context or {})})
