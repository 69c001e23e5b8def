"""`/api/schema` and `/api/docs`: served whatever `Accept` says, under the strict Content-Security-Policy."""

from __future__ import annotations

from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.negotiation import PreferAccept


@cache
def openapi() -> dict[str, Any]:
    """The schema of every call; the same for everybody, so it is built once a process."""
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return schema


class SchemaView(SpectacularAPIView):
    """OpenAPI 3.1 as YAML; as JSON where Accept or `?format=json` asks for it."""

    content_negotiation_class = PreferAccept

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(openapi(), headers={"Cache-Control": "public, max-age=300"})


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI from our own static files: no inline script or style, nothing from elsewhere."""

    content_negotiation_class = PreferAccept
    template_name = "accounts/docs.html"
