"""How our views look in the OpenAPI 3.1 schema: problem+json on every error, credentials as security schemes."""

from __future__ import annotations

from typing import Any, Literal

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiResponse

from accounts.api.problems import CODES, CONTENT_TYPE, Problem
from accounts.api.serializers import ProblemSerializer

Direction = Literal["request", "response"]
#: what any authenticated call may answer
_COMMON = (400, 401, 403, 404, 429)
#: what any call with a body may answer
_WITH_BODY = (400, 413, 415)


class PatchbaySchema(AutoSchema):
    """Adds the problems that every operation may answer unless the view documents its own."""

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        asked = getattr(self.view, "problem_statuses", _COMMON)
        with_body = _WITH_BODY if self.method == "POST" and self.get_request_serializer() is not None else ()
        for status in sorted({*asked, *with_body}):
            if str(status) not in bodies:
                codes = {code: title for code, (of_code, title) in CODES.items() if of_code == status}
                response = OpenApiResponse(
                    ProblemSerializer,
                    description=" / ".join(codes.values()),
                    examples=[_example(next(iter(codes)))],
                )
                bodies[str(status)] = self._get_response_for_code(
                    response, str(status), media_types=[CONTENT_TYPE], direction=direction
                )
        return bodies


def _example(code: str) -> OpenApiExample:
    members: dict[str, Any] = {"field": "userForeignIdentifier"} if code == "invalid_request" else {}
    if CODES[code][0] in {429, 503}:
        members["retryAfter"] = 30
    return OpenApiExample(code, value=Problem(code, members=members).body("5f0c0b7e9d6a4b0f8a3f6c1d2e4b7a90"))


class PartnerAuthenticationScheme(OpenApiAuthenticationExtension):
    """Bearer (API key or issued token) or Basic (clientId:clientSecret)."""

    target_class = (
        "rest_framework.authentication.BaseAuthentication"  # each of ours names a partner's credential
    )
    match_subclasses = True
    name = ["bearer", "basic"]  # two schemes of one class

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        """Either of them: two objects, where one object with two keys would ask for both."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        return [
            {"type": "http", "scheme": "bearer", "description": "The API key, or a token from /oauth/token."},
            {
                "type": "http",
                "scheme": "basic",
                "description": "clientId as user name, clientSecret as password.",
            },
        ]
