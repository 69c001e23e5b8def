"""Lists are cursor-paged: `{"results": […], "next": url|null}` (contract section 2)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response

from accounts.api.problems import invalid


class CursorPages(CursorPagination):
    """Newest first; `limit` up to 100. Links are built from PUBLIC_URL, never from the Host field."""

    page_size = 25
    page_size_query_param = "limit"
    max_page_size = 100
    ordering = ("-created_at", "-pk")
    invalid_cursor_message = "The cursor is not one that a list has returned."

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any] | None:
        asked = request.query_params.get("limit")
        if asked is not None and not (asked.isascii() and asked.isdigit() and 1 <= int(asked[:9]) <= 100):
            raise invalid("limit", "A whole number from 1 to 100 is needed.")
        page = super().paginate_queryset(queryset, request, view)
        self.base_url = settings.PUBLIC_URL + request.get_full_path()
        return page

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.get_next_link()})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {
                "results": schema,
                "next": {
                    "type": ["string", "null"],
                    "format": "uri",
                    "description": "The next page, or null.",
                },
            },
        }
