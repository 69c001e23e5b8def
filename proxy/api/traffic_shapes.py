"""What `/api/v1/traffic` answers, as serializers, so that the OpenAPI schema names and describes each member."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from proxy.record import BROKEN_OFF, COMPLETED, PARTNER_GONE


@extend_schema_serializer(
    component_name="TrafficEntry",
    examples=[
        OpenApiExample(
            "A call",
            value={
                "id": "019abf5c-9a00-7cc3-98c4-dc0c0c07398f",
                "at": "2026-11-25T09:31:12.120Z",
                "requestId": "0af7651916cd43dd8448eb211c80319c",
                "appSlug": "hbdev",
                "provider": "hubspot",
                "UUID": "3f1c2a6e-8f0b-4f0e-9a55-0d3f6a1b7c21",
                "userForeignIdentifier": "tenant-42",
                "clientId": "pbc_7946186212990b597ec6d85c",
                "door": "passthrough",
                "method": "GET",
                "host": "api.hubapi.com",
                "path": "/crm/v3/objects/contacts",
                "query": "limit=100&email=***",
                "status": 200,
                "code": None,
                "outcome": "completed",
                "requestBytes": 0,
                "replyBytes": 20481,
                "totalMs": 143.2,
                "upstreamMs": 139.8,
                "retries": 0,
                "refreshed": False,
            },
            response_only=True,
        )
    ],
)
class TrafficEntryReply(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    at = serializers.DateTimeField(help_text="When the call was over.")
    requestId = serializers.CharField(help_text="As in the reply's Patchbay-Request-Id.")
    appSlug = serializers.CharField(allow_null=True, help_text="Null when what was called cannot be one.")
    provider = serializers.CharField(allow_null=True)
    UUID = serializers.UUIDField(allow_null=True)
    userForeignIdentifier = serializers.CharField(allow_null=True)
    clientId = serializers.CharField(allow_null=True, help_text="Of the credential that called.")
    door = serializers.CharField(
        help_text="passthrough, envelope or stackgo; respond-async for a call that was taken in, which is there once "
        "more, as envelope, when it has been made."
    )
    method = serializers.CharField()
    host = serializers.CharField(help_text="Empty, as path and query, when nothing was to be sent.")
    path = serializers.CharField(help_text="Without what looks like a person's address or a secret.")
    query = serializers.CharField(help_text="Without values, but those that page, sort and shape.")
    status = serializers.IntegerField(
        allow_null=True, help_text="What you got; null when you left before it."
    )
    code = serializers.CharField(allow_null=True, help_text="Of a problem of the platform's own.")
    outcome = serializers.ChoiceField([COMPLETED, BROKEN_OFF, PARTNER_GONE])
    requestBytes = serializers.IntegerField()
    replyBytes = serializers.IntegerField()
    totalMs = serializers.FloatField()
    upstreamMs = serializers.FloatField(allow_null=True, help_text="Until the provider's header section.")
    retries = serializers.IntegerField(help_text="Tries after the first.")
    refreshed = serializers.BooleanField(
        help_text="Whether a reply led to a new access token and one more try."
    )


@extend_schema_serializer(
    component_name="TrafficHour",
    examples=[
        OpenApiExample(
            "An hour",
            value={
                "hour": "2026-11-25T09:00:00.000Z",
                "calls": 1204,
                "statuses": {"2xx": 1190, "4xx": 12, "5xx": 2},
                "ours": 3,
                "retries": 4,
                "refreshed": 1,
                "requestBytes": 48211,
                "replyBytes": 9120412,
                "p50Ms": 41.7,
                "p95Ms": 188.0,
            },
            response_only=True,
        )
    ],
)
class TrafficHourReply(serializers.Serializer[Any]):
    hour = serializers.DateTimeField(help_text="Its beginning.")
    calls = serializers.IntegerField()
    statuses = serializers.DictField(
        child=serializers.IntegerField(), help_text="2xx and so on; 0xx for no reply."
    )
    ours = serializers.IntegerField(help_text="Replies that were problems of the platform's own.")
    retries = serializers.IntegerField()
    refreshed = serializers.IntegerField()
    requestBytes = serializers.IntegerField()
    replyBytes = serializers.IntegerField()
    p50Ms = serializers.FloatField(allow_null=True, help_text="Estimated from counts of durations.")
    p95Ms = serializers.FloatField(allow_null=True)


@extend_schema_serializer(component_name="TrafficHours")
class TrafficHoursReply(serializers.Serializer[Any]):
    results = TrafficHourReply(many=True)
    next = serializers.CharField(allow_null=True, help_text="Always null: all hours are there.")
