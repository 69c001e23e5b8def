"""Cursor pages of our lists, and how they stand in the schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.pagination import CursorPages

Row = TypeVar("Row", bound=Model)
PAGE_NAMES = frozenset({"limit", "cursor"})
PAGE_PARAMETERS = [
    OpenApiParameter(
        "limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 25}, description="Rows."
    ),
    OpenApiParameter("cursor", str, description="From `next` of the page before; follow `next` as it is."),
]


def paged(view: APIView, rows: QuerySet[Row], show: Callable[[Row], dict[str, Any]]) -> Response:
    """One page of rows as `{"results": […], "next": url|null}`."""
    pages = CursorPages()
    page = pages.paginate_queryset(rows, view.request, view=view) or []
    return pages.get_paginated_response([show(row) for row in page])
