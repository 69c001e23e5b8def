"""The shapes of StackGo's endpoints, for the schema."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers


@extend_schema_serializer(component_name="StackGoInstallLink")
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


@extend_schema_serializer(component_name="StackGoUsers")
class UsersReply(serializers.Serializer[Any]):
    userForeignIdentifiers = UserRow(many=True)


@extend_schema_serializer(component_name="StackGoUser")
class UserReply(serializers.Serializer[Any]):
    connected = serializers.BooleanField()
    data = serializers.CharField(help_text="The userForeignIdentifier.")


@extend_schema_serializer(component_name="StackGoIdentifier")
class IdentifierBody(serializers.Serializer[Any]):
    userForeignIdentifier = serializers.CharField()


@extend_schema_serializer(component_name="StackGoDeletedUser")
class DeletedReply(serializers.Serializer[Any]):
    message = serializers.CharField()
    userForeignIdentifier = serializers.CharField()
    appSlug = serializers.CharField()
