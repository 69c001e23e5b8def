"""Events and audit entries: written with each change, read here, never changed by anyone."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from accounts.admin.read_only import ReadOnlyAdmin
from accounts.admin.shown import badge, code, pretty_json
from accounts.models import AuditEntry, Event


class EventAdmin(ReadOnlyAdmin):
    list_display = ("type", "partner", "connection_id", "occurred_at", "is_dispatched")
    list_filter = ("type", "partner", "occurred_at")
    list_select_related = ("partner",)
    search_fields = ("=type",)
    uuid_fields = ("id", "connection_id")
    search_help_text = "Search by the UUID of an event or of a connection, or by type."
    fields = ("id", "type", "partner", "connection_id", "occurred_at", "dispatched_at", "content")

    @admin.display(description="dispatched", boolean=True)
    def is_dispatched(self, event: Event) -> bool:
        return event.dispatched_at is not None

    @admin.display(description="data")
    def content(self, event: Event) -> SafeString:
        return pretty_json(event.data)


class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "action", "object_label", "who", "partner", "address")
    list_display_links = ("action",)
    list_filter = ("actor_kind", "at", "partner")
    list_select_related = ("partner",)
    search_fields = ("=object_id", "=action", "actor_label", "object_label", "=request_id")
    search_help_text = "Search by an object's UUID or name, a person, an action or a request id."
    fields = (
        "at",
        "action",
        "who",
        "object_type",
        "object_key",
        "object_label",
        "partner",
        "changed",
        "address",
        "request_id",
    )

    @admin.display(description="by", ordering="actor_label")
    def who(self, entry: AuditEntry) -> SafeString:
        tone = "good" if entry.actor_kind == "staff" else ""
        return badge(f"{entry.actor_kind}: {entry.actor_label or entry.actor_id}", tone)

    @admin.display(description="object id")
    def object_key(self, entry: AuditEntry) -> SafeString:
        return code(entry.object_id)

    @admin.display(description="changes")
    def changed(self, entry: AuditEntry) -> SafeString:
        return pretty_json(entry.changes)
