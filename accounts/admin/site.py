"""The admin site: Django's own, with our name, templates and stylesheet."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse

from accounts.admin import next_steps

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

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        steps = next_steps.steps_for(request)
        context = {"next_steps": [] if all(step.is_done for step in steps) else steps}
        return super().index(request, {**context, **(extra_context or {})})
