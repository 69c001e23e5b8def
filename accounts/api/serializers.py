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


@extend_schema_serializer(
    component_name="TokenReply",
    examples=[
        OpenApiExample(
            "Issued", value={"access_token": "pbt_Qm9w…", "token_type": "Bearer", "expires_in": 86_400}
        )
    ],
)
class TokenReplySerializer(serializers.Serializer[Any]):
    """RFC 6749 section 5.1."""

    access_token = serializers.CharField()
    token_type = serializers.CharField(default="Bearer")
    expires_in = serializers.IntegerField(help_text="Seconds.")


@extend_schema_serializer(component_name="Problem")
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
