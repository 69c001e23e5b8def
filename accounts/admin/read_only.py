"""Rows that staff look at: nobody adds, changes or deletes them here, whatever their permissions."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest


class ReadOnlyAdmin(admin.ModelAdmin):
    """View only. Lists neither count the whole table nor offer bulk actions."""

    actions: Any = None
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        app_label, model_name = self.opts.app_label, self.opts.model_name
        return any(request.user.has_perm(f"{app_label}.{act}_{model_name}") for act in ("view", "change"))
