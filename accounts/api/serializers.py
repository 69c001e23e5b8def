"""Shapes of accounts' own endpoints."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers


class TokenRequestSerializer(serializers.Serializer[Any]):
    """RFC 6749 section 4.4.2."""

    grant_type = serializers.CharField(help_text="client_credentials")
    client_id = serializers.CharField(required=False, help_text="Or in HTTP Basic.")
    client_secret = serializers.CharField(required=False, help_text="Or in HTTP Basic.")
    audience = serializers.CharField(required=False, help_text="Taken for StackGo's sake, and ignored.")


class TokenReplySerializer(serializers.Serializer[Any]):
    """RFC 6749 section 5.1."""

    access_token = serializers.CharField()
    token_type = serializers.CharField(default="Bearer")
    expires_in = serializers.IntegerField(help_text="Seconds.")


@extend_schema_serializer(
    component_name="Problem",
    examples=[
        OpenApiExample(
            "A problem",
            value={
                "type": "https://patchbay.dev/problems/invalid-request",
                "title": "The request is not valid",
                "status": 400,
                "detail": "The identifier must not be empty.",
                "code": "invalid_request",
                "requestId": "5f0c0b7e9d6a4b0f8a3f6c1d2e4b7a90",
                "field": "userForeignIdentifier",
            },
            response_only=True,
        )
    ],
)
class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457, as every error of the platform."""

    type = serializers.CharField(help_text="Stable URI of the kind of problem.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    requestId = serializers.CharField()
    field = serializers.CharField(required=False, help_text="The parameter to correct.")
    reconnectUrl = serializers.CharField(required=False)
    retryAfter = serializers.IntegerField(required=False, help_text="Seconds.")


@extend_schema_serializer(component_name="TokenError")
class TokenErrorSerializer(ProblemSerializer):
    """RFC 6749 section 5.2 beside the members of a problem."""

    error = serializers.CharField()
    error_description = serializers.CharField()
