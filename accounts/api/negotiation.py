"""Our API speaks JSON whatever `Accept` says: refusing a call over a header helps nobody (RFC 9110 section 12.4.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import Http404
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request


class IgnoreAccept(DefaultContentNegotiation):
    """The view's first renderer, always; `?format=` means nothing either. Parsers are chosen as usual."""

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        return _first(renderers)


class PreferAccept(DefaultContentNegotiation):
    """As Accept asks where one of the view's renderers fits, else the first."""

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        try:
            return super().select_renderer(request, renderers, format_suffix)
        except (NotAcceptable, Http404):
            return _first(renderers)


def _first(renderers: Iterable[Any]) -> tuple[Any, str]:
    renderer = next(iter(renderers))
    return renderer, renderer.media_type
