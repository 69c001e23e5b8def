"""The shapes of StackGo's endpoints, for the schema."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers


@extend_schema_serializer(
    component_name="StackGoInstallLink",
    examples=[
        OpenApiExample(
            "A link",
            value={
                "url": "https://patchbay.example.com/connect/Qm9w…",
                "userForeignIdentifier": "tenant-42",
                "UUID": "3f1c2a6e-8f0b-4f0e-9a55-0d3f6a1b7c21",
            },
        )
    ],
)
class AuthReply(serializers.Serializer[Any]):
    url = serializers.URLField(help_text="What stands behind your Connect button.")
    userForeignIdentifier = serializers.CharField()
    UUID = serializers.UUIDField()


@extend_schema_serializer(component_name="StackGoUserRow")
class UserRow(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    status = serializers.ChoiceField(["ACTIVE", "REFRESH_FAILING", "RECONNECT_REQUIRED", "PAUSED"])
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()
    userForeignIdentifier = serializers.CharField()


@extend_schema_serializer(
    component_name="StackGoUsers",
    examples=[
        OpenApiExample(
            "One user",
            value={
                "userForeignIdentifiers": [
                    {
                        "id": 17,
                        "status": "ACTIVE",
                        "createdAt": "2026-11-25T09:30:00.000Z",
                        "updatedAt": "2026-11-25T09:31:12.000Z",
                        "userForeignIdentifier": "tenant-42",
                    }
                ]
            },
        )
    ],
)
class UsersReply(serializers.Serializer[Any]):
    userForeignIdentifiers = UserRow(many=True)


@extend_schema_serializer(
    component_name="StackGoUser",
    examples=[OpenApiExample("Connected", value={"connected": True, "data": "tenant-42"})],
)
class UserReply(serializers.Serializer[Any]):
    connected = serializers.BooleanField()
    data = serializers.CharField(help_text="The userForeignIdentifier.")  # type: ignore[assignment]  # a member


@extend_schema_serializer(component_name="StackGoIdentifier")
class IdentifierBody(serializers.Serializer[Any]):
    userForeignIdentifier = serializers.CharField()


@extend_schema_serializer(
    component_name="StackGoDeletedUser",
    examples=[
        OpenApiExample(
            "Deleted",
            value={"message": "User Deleted", "userForeignIdentifier": "tenant-42", "appSlug": "hbdev"},
        )
    ],
)
class DeletedReply(serializers.Serializer[Any]):
    message = serializers.CharField()
    userForeignIdentifier = serializers.CharField()
    appSlug = serializers.CharField()
