"""Rows that staff look at: nobody adds, changes or deletes them here, whatever their permissions."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest


class ReadOnlyAdmin(admin.ModelAdmin):
    """View only. Lists neither count the whole table nor offer bulk actions.

    A search for a UUID, however it is written, also finds rows by uuid_fields, through their indexes.
    """

    uuid_fields: tuple[str, ...] = ("id",)
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

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        try:
            wanted = uuid.UUID(search_term.strip())
        except ValueError:
            return found, may_repeat
        query = Q(pk__in=found.order_by().values("pk"))
        for name in self.uuid_fields:
            query |= Q(**{name: wanted})
        return queryset.filter(query), False
