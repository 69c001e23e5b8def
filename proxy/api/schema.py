"""How the proxy's calls look in the OpenAPI schema: operations without a fixed reply shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_serializer,
    inline_serializer,
)
from rest_framework import serializers

from proxy.models.receipt import State

#: the partner's credential, as everywhere; the schemes are described once, with PartnerAuthentication
_AUTH: list[Any] = [{"bearer": []}, {"basic": []}]
#: what a proxy call may answer of our own
PROBLEM_STATUSES = (400, 401, 403, 404, 423, 424, 429, 502, 503, 504)
_ANY = {("*/*"): OpenApiTypes.BINARY}
_PROVIDERS_REPLY = OpenApiResponse(
    OpenApiTypes.BINARY, description="The provider's own status, header fields and bytes."
)
_CONTROLS = [
    OpenApiParameter(
        "Patchbay-Connection", str, OpenApiParameter.HEADER, description="The connection's UUID."
    ),
    OpenApiParameter(
        "Patchbay-Connection-Name",
        str,
        OpenApiParameter.HEADER,
        description="Which of several accounts of one customer.",
    ),
    OpenApiParameter(
        "Patchbay-Host",
        str,
        OpenApiParameter.HEADER,
        description="Another host that the catalogue allows for the provider.",
    ),
]
_TIMES = [
    OpenApiParameter(
        "Patchbay-Retries",
        int,
        OpenApiParameter.HEADER,
        description="0 (default) to 10; idempotent methods, or any with an Idempotency-Key.",
    ),
    OpenApiParameter(
        "Patchbay-Timeout",
        float,
        OpenApiParameter.HEADER,
        description="Seconds until the response header section, at most 120.",
    ),
]
_PREFER = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description="respond-async: make the call later and answer 202 (RFC 7240); with wait=10, only if the reply "
    "has not come within 10 seconds.",
)
_SLUG = OpenApiParameter("app_slug", str, OpenApiParameter.PATH, description="Names the integration.")
_PATH = [
    _SLUG,
    OpenApiParameter(
        "identifier",
        str,
        OpenApiParameter.PATH,
        description="userForeignIdentifier, percent-encoded; or ~ together with Patchbay-Connection.",
    ),
    OpenApiParameter("path", str, OpenApiParameter.PATH, description="The provider's path, sent as it is."),
]


class EnvelopeSerializer(serializers.Serializer[Any]):
    """One request to a provider."""

    userForeignIdentifier = serializers.CharField(required=False, help_text="This or UUID.")
    UUID = serializers.UUIDField(required=False)
    connectionName = serializers.CharField(required=False)
    method = serializers.ChoiceField(choices=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    url = serializers.CharField(help_text="Absolute, or a path under the provider's base URL.")
    query = serializers.DictField(required=False, help_text="Added to the URL; lists repeat the name.")
    headers = serializers.DictField(child=serializers.CharField(), required=False)
    body = serializers.JSONField(
        required=False, help_text="A string is sent as it is, another value as the JSON that was written."
    )
    bodyBase64 = serializers.CharField(required=False, help_text="Instead of body, for bytes.")


@extend_schema_serializer(component_name="TakenIn")
class TakenInSerializer(serializers.Serializer[Any]):
    """The receipt of a call that is made later."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(State.choices)
    createdAt = serializers.DateTimeField()
    expiresAt = serializers.DateTimeField()
    url = serializers.URLField(help_text="Where to ask what came of it.")


class StackGoRequestSerializer(serializers.Serializer[Any]):
    """StackGo's form of an envelope."""

    method = serializers.CharField()
    url = serializers.CharField()
    userForeignIdentifier = serializers.CharField()
    headers = serializers.JSONField(required=False, help_text="An object, or a string that holds one.")
    body = serializers.JSONField(required=False, help_text="A JSON value, or a string that holds one.")


#: a field called data cannot be declared on a serializer, which has a member of that name
StackGoReply = inline_serializer(
    "StackGoReply",
    {"data": serializers.JSONField(allow_null=True, help_text="Parsed JSON, or the text, or null.")},
)


def passthrough(method: str, handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler of one method of the passthrough, described."""

    async def described(self: Any, request: Any, **path: str) -> Any:
        return await handler(self, request, **path)

    described.__name__ = method
    decorate = extend_schema(
        operation_id=f"passthrough_{method}",
        tags=["proxy"],
        summary=f"{method.upper()} at the provider",
        description="Path, query, header fields and content go to the provider as they are.",
        parameters=[*_PATH, *_CONTROLS, *_TIMES],
        auth=_AUTH,
        request=_ANY if method in ("post", "put", "patch") else None,
        responses={(200, "*/*"): _PROVIDERS_REPLY},
    )
    decorated: Callable[..., Any] = decorate(described)
    return decorated


envelope = extend_schema(
    operation_id="proxy_envelope",
    tags=["proxy"],
    summary="One request to a provider, as JSON",
    description="The reply is the provider's own status, header fields and bytes; with Prefer, a receipt.",
    auth=_AUTH,
    parameters=[_SLUG, *_TIMES, _PREFER],
    request=EnvelopeSerializer,
    responses={
        (200, "*/*"): _PROVIDERS_REPLY,
        202: OpenApiResponse(TakenInSerializer, description="Taken in; Location names the receipt."),
    },
)
stackgo = extend_schema(
    tags=["stackgo"],
    summary="One request to a provider, in StackGo's form",
    description="2xx comes back wrapped in data; anything else is the provider's own reply.",
    auth=_AUTH,
    parameters=[_SLUG],
    request={
        "application/json": StackGoRequestSerializer,
        "application/x-www-form-urlencoded": StackGoRequestSerializer,
    },
    responses={200: StackGoReply},
)
