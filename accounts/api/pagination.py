"""Lists are cursor-paged: `{"results": […], "next": url|null}` (contract section 2)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import NotFound
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
        page: list[Any] | None = super().paginate_queryset(queryset, request, view)
        self.base_url = settings.PUBLIC_URL + request.get_full_path()
        return page

    def decode_cursor(self, request: Any) -> Any:
        """The cursor, or None on the first page. One that no list has returned is refused before it is queried."""
        try:
            cursor = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None:
                _moment(str(cursor.position))
            elif cursor is not None and not cursor.offset:
                raise ValueError("a cursor that says nothing")
        except (NotFound, ValueError, OverflowError) as error:
            raise invalid("cursor", self.invalid_cursor_message) from error
        return cursor

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
                    "example": None,
                    "description": "The next page, or null.",
                },
            },
        }


def _moment(position: str) -> datetime:
    """The moment at which a page begins. Raises ValueError and OverflowError for what no database can compare."""
    moment = parse_datetime(position)
    if moment is None or moment.tzinfo is None:
        raise ValueError("no moment")
    return moment.astimezone(UTC)
