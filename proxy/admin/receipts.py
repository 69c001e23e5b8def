"""Receipts for staff: whose, in which state, since when. Never what is in them."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from accounts.admin.read_only import ReadOnlyAdmin
from accounts.admin.shown import badge, status_badge
from proxy.models import Receipt
from proxy.models.receipt import OPEN


@admin.register(Receipt)
class ReceiptAdmin(ReadOnlyAdmin):
    list_display = (
        "id", "shown_state", "method", "status", "code", "partner", "integration", "tries", "created_at",
        "completed_at",
    )  # fmt: skip
    list_filter = ("state", "integration", "partner", "created_at")
    list_select_related = ("partner", "integration")
    search_fields = ("=request_id",)
    uuid_fields = ("id", "connection_id")
    search_help_text = "Search by the UUID of a receipt or of its connection, or by request id."
    fields = (
        "id", "shown_state", "method", "is_repeatable", "status", "code", "partner", "credential", "integration",
        "connection", "request_id", "tries", "not_before", "sent_at", "lease_expires_at", "created_at", "begun_at",
        "completed_at", "expires_at", "kept_bytes",
    )  # fmt: skip

    @admin.display(description="state", ordering="state")
    def shown_state(self, receipt: Receipt) -> SafeString:
        return badge(receipt.state, "warn") if receipt.state in OPEN else status_badge(receipt.state)
