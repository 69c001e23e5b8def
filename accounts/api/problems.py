"""Errors of the platform as `application/problem+json` (RFC 9457): the one place that turns classes into replies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from accounts import identifiers, origins, request_context

CONTENT_TYPE = "application/problem+json"
TYPE_BASE = "https://patchbay.dev/problems/"
log = structlog.get_logger(__name__)

#: code -> (status, title): contract section 2.
CODES: dict[str, tuple[int, str]] = {
    "invalid_request": (400, "The request is not valid"),
    "connection_ambiguous": (400, "Several connections fit"),
    "not_authenticated": (401, "Credentials are missing or not valid"),
    "permission_denied": (403, "The credential may not do this"),
    "destination_not_allowed": (403, "The destination is not allowed"),
    "not_found": (404, "Not found"),
    "connection_not_found": (404, "No such connection"),
    "method_not_allowed": (405, "Method not allowed"),
    "not_acceptable": (406, "No representation fits the Accept field"),
    "conflict": (409, "The state does not allow this"),
    "link_expired": (410, "The link has expired"),
    "link_used": (410, "The link was used"),
    "link_revoked": (410, "The link was revoked"),
    "content_too_large": (413, "The content is too large"),
    "unsupported_media_type": (415, "The content type is not supported"),
    "connection_paused": (423, "The connection is paused"),
    "reconnect_required": (424, "The customer must reconnect"),
    "rate_limited": (429, "Too many requests"),
    "internal_error": (500, "Something failed on our side"),
    "upstream_unreachable": (502, "The provider could not be reached"),
    "refresh_unavailable": (503, "The access token could not be refreshed just now"),
    "saturated": (503, "Too many calls are in flight"),
    "circuit_open": (503, "The provider keeps failing"),
    "upstream_timeout": (504, "The provider did not answer in time"),
}


@dataclass(slots=True, eq=False)
class Problem(Exception):
    """One error for the caller. members are RFC 9457 extensions: field, reconnectUrl, retryAfter, names …"""

    code: str
    detail: str = ""
    members: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return CODES[self.code][0]

    def body(self, request_id: str) -> dict[str, Any]:
        """The JSON object of the reply."""
        status, title = CODES[self.code]
        return {
            "type": TYPE_BASE + self.code.replace("_", "-"),
            "title": title,
            "status": status,
            "detail": self.detail or f"{title}.",
            "code": self.code,
            "requestId": request_id,
            **self.members,
        }

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


Translator = Callable[[Any], Problem]
_translators: dict[type[BaseException], Translator] = {}


def register(exception_class: type[BaseException], translator: Translator) -> None:
    """Higher layers add their error classes; the most specific registered base class wins."""
    _translators[exception_class] = translator


def invalid(field_name: str, detail: str) -> Problem:
    """`invalid_request` that names the field."""
    return Problem("invalid_request", detail, {"field": field_name})


def from_exception(error: BaseException) -> Problem | None:
    """The problem that an exception means to the caller, or None when it is a defect of ours."""
    if isinstance(error, Problem):
        return error
    for base in type(error).__mro__:
        if base in _translators:
            return _translators[base](error)
    return None


def render(problem: Problem, request_id: str) -> HttpResponse:
    """The problem as a Django response; 401 carries the challenge, 429 and 503 their Retry-After."""
    response = JsonResponse(problem.body(request_id), status=problem.status, content_type=CONTENT_TYPE)
    for name, value in _headers(problem, request_id).items():
        response.headers[name] = value
    return response


def _headers(problem: Problem, request_id: str) -> dict[str, str]:
    headers = {"Cache-Control": "no-store", request_context.REQUEST_ID_HEADER: request_id, **problem.headers}
    if problem.status == 401:
        headers.setdefault(
            "WWW-Authenticate", 'Bearer realm="patchbay", Basic realm="patchbay", charset="UTF-8"'
        )
    if "retryAfter" in problem.members:
        headers.setdefault("Retry-After", str(problem.members["retryAfter"]))
    return headers


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """DRF's EXCEPTION_HANDLER."""
    problem = from_exception(error)
    if problem is None:
        return None  # Django's own handler renders the 500 (see server_error)
    request_id = request_context.current().request_id or request_context.new_request_id()
    renderers = getattr(context.get("view"), "renderer_classes", [])
    if renderers and not issubclass(renderers[0], JSONRenderer):
        return render(problem, request_id)  # a page's renderer would draw the problem as a page
    response = Response(problem.body(request_id), status=problem.status, content_type=CONTENT_TYPE)
    for name, value in _headers(problem, request_id).items():
        response.headers[name] = value
    return response


def _first_error(detail: Any, path: str = "") -> tuple[str, str]:
    """(field path, sentence) of the first error of a DRF ValidationError."""
    if isinstance(detail, Mapping):
        name, inner = next(iter(detail.items()))
        inner_path = path if name == "non_field_errors" else f"{path}.{name}" if path else str(name)
        return _first_error(inner, inner_path)
    if isinstance(detail, list):
        position, inner = next((i, item) for i, item in enumerate(detail) if item)
        return _first_error(inner, path if isinstance(inner, str) else f"{path}[{position}]")
    return path, str(detail)


def _validation(error: exceptions.ValidationError) -> Problem:
    field_name, sentence = _first_error(error.detail)
    return invalid(field_name or "body", sentence)


def _throttled(error: exceptions.Throttled) -> Problem:
    wait = max(1, int(getattr(error, "wait", None) or 1))
    return Problem("rate_limited", f"Try again in {wait} seconds.", {"retryAfter": wait})


def _method_not_allowed(error: exceptions.MethodNotAllowed) -> Problem:
    return Problem("method_not_allowed", str(error.detail))


register(exceptions.ValidationError, _validation)
register(exceptions.ParseError, lambda error: invalid("body", str(error.detail)))
register(exceptions.NotAuthenticated, lambda error: Problem("not_authenticated", str(error.detail)))
register(exceptions.AuthenticationFailed, lambda error: Problem("not_authenticated", str(error.detail)))
register(exceptions.PermissionDenied, lambda error: Problem("permission_denied", str(error.detail)))
register(PermissionDenied, lambda error: Problem("permission_denied"))
register(exceptions.NotFound, lambda error: Problem("not_found"))
register(Http404, lambda error: Problem("not_found"))
register(exceptions.MethodNotAllowed, _method_not_allowed)
register(exceptions.NotAcceptable, lambda error: Problem("not_acceptable", str(error.detail)))
register(exceptions.UnsupportedMediaType, lambda error: Problem("unsupported_media_type", str(error.detail)))
register(exceptions.Throttled, _throttled)
register(
    RequestDataTooBig, lambda error: Problem("content_too_large", "The body is larger than this call takes.")
)
register(identifiers.InvalidIdentifier, lambda error: invalid("userForeignIdentifier", str(error)))
register(origins.ReturnUrlRefused, lambda error: invalid("returnUrl", str(error)))


def request_id_of(request: HttpRequest) -> str:
    return getattr(request, "request_id", "") or request_context.new_request_id()
