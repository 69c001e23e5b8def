"""Customers: made by partners' calls, looked up by staff."""

from __future__ import annotations

from django.contrib import admin

from accounts.admin.read_only import ReadOnlyAdmin
from accounts.models import Customer


class CustomerAdmin(ReadOnlyAdmin):
    list_display = ("identifier", "display_name", "email", "partner", "created_at")
    list_filter = ("partner",)
    list_select_related = ("partner",)
    search_fields = ("foreign_identifier", "email", "display_name")
    search_help_text = "Search by the partner's identifier, by e-mail address or by name."
    fields = ("id", "partner", "foreign_identifier", "display_name", "email", "created_at")

    @admin.display(description="identifier", ordering="foreign_identifier")
    def identifier(self, customer: Customer) -> str:
        text = customer.foreign_identifier
        return text if len(text) <= 60 else f"{text[:57]}…"
