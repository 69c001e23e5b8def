"""`/oauth/token`: the client credentials grant for partner apps; health."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.exceptions import AuthenticationFailed, ParseError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import credentials, health
from accounts.api.authentication import decode_basic
from accounts.api.bodies import TakesChunks
from accounts.api.negotiation import IgnoreAccept
from accounts.api.parsers import FormBody, JSONBody
from accounts.api.problems import CONTENT_TYPE, Problem
from accounts.api.serializers import TokenErrorSerializer, TokenReplySerializer, TokenRequestSerializer

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def _refusal(error: str, description: str, *, status: int, field: str | None = None) -> Problem:
    """An error of RFC 6749 section 5.2 that is a problem of RFC 9457 too."""
    code = "not_authenticated" if status == 401 else "invalid_request"
    members = {"error": error, "error_description": description}
    if field is not None:
        members["field"] = field
    return Problem(code, description, members, {"Pragma": "no-cache"})


def _example(error: str) -> OpenApiExample:
    problem = _refusal(
        error, "What is wrong, in a sentence.", status=401 if error == "invalid_client" else 400
    )
    return OpenApiExample(error, value=problem.body("5f0c0b7e9d6a4b0f8a3f6c1d2e4b7a90"))


class TokenView(TakesChunks):
    """Exchange clientId and clientSecret for an access token that lives 24 hours."""

    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    parser_classes = [FormBody, JSONBody]
    content_negotiation_class = IgnoreAccept
    problem_statuses = ()

    @extend_schema(
        operation_id="issue_token",
        summary="Exchange clientId and clientSecret for an access token",
        tags=["authentication"],
        request={
            "application/x-www-form-urlencoded": TokenRequestSerializer,
            "application/json": TokenRequestSerializer,
        },
        responses={
            200: TokenReplySerializer,
            (400, CONTENT_TYPE): OpenApiResponse(
                TokenErrorSerializer,
                description="The request is not valid",
                examples=[_example("invalid_request")],
            ),
            (401, CONTENT_TYPE): OpenApiResponse(
                TokenErrorSerializer,
                description="The client is not known",
                examples=[_example("invalid_client")],
            ),
        },
    )
    def post(self, request: Request) -> Response:
        """The token lives 24 hours; an API key or HTTP Basic serves as well without this call."""
        try:
            data = request.data if hasattr(request.data, "get") else {}
        except ParseError as error:
            raise _refusal("invalid_request", str(error.detail), status=400, field="body") from error
        grant_type = _text(data, "grant_type")
        client_id, client_secret = _client(request, data)
        credential = credentials.by_client_secret(client_id, client_secret, now=timezone.now())
        if credential is None:
            raise _refusal("invalid_client", "The client id or the client secret is not right.", status=401)
        if grant_type != "client_credentials":
            error_code = "unsupported_grant_type" if grant_type else "invalid_request"
            raise _refusal(
                error_code, "grant_type must be client_credentials.", status=400, field="grant_type"
            )
        token, seconds = credentials.issue_token(credential, now=timezone.now())
        body = {"access_token": token, "token_type": "Bearer", "expires_in": seconds}
        return Response(body, headers=_NO_STORE)


def _text(data: Any, name: str) -> str:
    value = data.get(name, "")
    return value if isinstance(value, str) else ""


def _client(request: Request, data: Any) -> tuple[str, str]:
    """Client authentication by HTTP Basic or in the body (RFC 6749 section 2.3.1)."""
    scheme, _, encoded = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return decode_basic(encoded.strip())
        except AuthenticationFailed:
            return "", ""
    return _text(data, "client_id"), _text(data, "client_secret")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 only while every registered check is well; each is named in the JSON."""
    results = health.run()
    is_ready = all(result.is_well for result in results.values())
    body = {
        "status": "ready" if is_ready else "not_ready",
        "checks": {
            name: {"status": "ok"} if result.is_well else {"status": "failing", "detail": result.detail}
            for name, result in results.items()
        },
    }
    return JsonResponse(body, status=200 if is_ready else 503)
