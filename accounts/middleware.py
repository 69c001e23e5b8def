"""RequestContextMiddleware: an id for each request, on the reply, in the log and in the audit trail."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from accounts import request_context


class RequestContextMiddleware:
    """Sets `request.request_id` and `X-Request-Id`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = request_context.new_request_id()
        request.request_id = request_id  # type: ignore[attr-defined]  # ours, read by problems
        token = request_context.enter(request_id, request_context.client_address(request))
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            response = self.get_response(request)
        finally:
            structlog.contextvars.clear_contextvars()
            request_context.leave(token)
        response.headers.setdefault(request_context.REQUEST_ID_HEADER, request_id)
        if settings.SECURE_HSTS_SECONDS:
            # Django's own waits for a request that came by TLS, which ends before us.
            response.headers.setdefault(
                "Strict-Transport-Security", f"max-age={settings.SECURE_HSTS_SECONDS}"
            )
        return response
