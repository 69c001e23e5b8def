"""`/api/v1/integrations`: what a credential may use, never a secret."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.pagination import CursorPages
from accounts.api.partner_view import PartnerView
from integrations import catalogue
from integrations.access import integration_for, integrations_of
from integrations.api.paging import PAGE_NAMES, PAGE_PARAMETERS, paged
from integrations.api.queries import require_known
from integrations.api.replies import IntegrationReply
from integrations.models import Integration
from integrations.pages import marks


def integration_data(integration: Integration) -> dict[str, Any]:
    """The public JSON object of an integration; scopes in the order in which they are asked for."""
    required = integration.required_scopes()
    return {
        "appSlug": integration.slug,
        "provider": integration.provider_id,
        "displayName": integration.name,
        "environment": integration.environment or None,
        "logo": settings.PUBLIC_URL + reverse("logo", args=[integration.provider_id]),
        "scopes": [_scope(integration, name, is_required=True) for name in required]
        + [_scope(integration, name, is_required=False) for name in integration.optional_scopes()],
    }


def _scope(integration: Integration, name: str, *, is_required: bool) -> dict[str, Any]:
    known = integration.provider.scope_by_name(name)
    return {"name": name, "meaning": known.meaning if known else name, "required": is_required}


class IntegrationsView(PartnerView):
    """What the credential may use."""

    permission = None
    pagination_class = CursorPages

    @extend_schema(
        operation_id="list_integrations",
        summary="List the integrations that the credential may use",
        tags=["integrations"],
        parameters=PAGE_PARAMETERS,
        responses={200: IntegrationReply(many=True)},
    )
    def get(self, request: Request) -> Response:
        """Enabled integrations, newest first."""
        require_known(request, PAGE_NAMES)
        rows = integrations_of(self.credential).prefetch_related("scopes")
        return paged(self, rows, integration_data)


class IntegrationView(PartnerView):
    """One integration."""

    permission = None

    @extend_schema(
        operation_id="get_integration",
        summary="Read an integration",
        tags=["integrations"],
        responses={200: IntegrationReply},
    )
    def get(self, request: Request, app_slug: str) -> Response:
        """What it connects to, and the scopes that a link asks for unless told otherwise."""
        return Response(integration_data(integration_for(self.credential, app_slug)))


@require_safe
@cache_control(public=True, max_age=86_400)
def logo(request: HttpRequest, provider_id: str) -> HttpResponse:
    """The provider's lettered tile as SVG; the same for everybody."""
    try:
        mark = marks.of_provider(catalogue.get(provider_id))
    except catalogue.UnknownProvider as error:
        raise Http404 from error
    svg = format_html(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" role="img"><rect width="64" height="64" rx="14" '
        'fill="{}"/><text x="32" y="41" font-family="sans-serif" font-size="26" font-weight="600" '
        'text-anchor="middle" fill="{}">{}</text></svg>',
        mark.fill,
        mark.ink,
        mark.letters,
    )
    return HttpResponse(svg, content_type="image/svg+xml")
