"""What `/api/v1` answers, as serializers, so that the OpenAPI schema names and describes each member."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from integrations.models.connection import Status
from integrations.models.link import LinkState

_UUID = "3f1c2a6e-8f0b-4f0e-9a55-0d3f6a1b7c21"
CONNECTION_EXAMPLE: dict[str, Any] = {
    "UUID": _UUID,
    "appSlug": "hbdev",
    "provider": "hubspot",
    "userForeignIdentifier": "tenant-42",
    "connectionName": "default",
    "status": "active",
    "statusReason": None,
    "providerAccount": {
        "id": "148312",
        "name": "Ada's Bakery",
        "url": "https://app.hubspot.com/contacts/148312",
    },
    "grantedScopes": ["oauth", "crm.objects.contacts.read"],
    "missingScopes": [],
    "createdAt": "2026-11-25T09:30:00.000Z",
    "updatedAt": "2026-11-25T09:31:12.000Z",
    "lastUsedAt": None,
    "accessTokenExpiresAt": "2026-11-25T10:01:12.000Z",
}
_LINK_EXAMPLE = {
    "id": "b2b0a4b0-2f7e-4d0c-8d3f-5c8f4a4f2d10",
    "url": "https://patchbay.example.com/connect/Qm9w…",
    "userForeignIdentifier": "tenant-42",
    "UUID": _UUID,
    "expiresAt": "2026-11-25T10:00:00.000Z",
}


@extend_schema_serializer(
    component_name="CreatedConnectLink",
    examples=[OpenApiExample("Made", value=_LINK_EXAMPLE, response_only=True)],
)
class CreatedLinkReply(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    url = serializers.URLField(help_text="For the customer alone; shown once.")
    userForeignIdentifier = serializers.CharField()
    UUID = serializers.UUIDField(help_text="The connection, pending until the customer has consented.")
    expiresAt = serializers.DateTimeField()


@extend_schema_serializer(
    component_name="ConnectLink",
    examples=[
        OpenApiExample(
            "Opened, not yet used",
            value={
                "id": _LINK_EXAMPLE["id"],
                "state": "opened",
                "appSlug": "hbdev",
                "userForeignIdentifier": "tenant-42",
                "UUID": _UUID,
                "failureReason": None,
                "createdAt": "2026-11-25T09:30:00.000Z",
                "expiresAt": "2026-11-25T10:00:00.000Z",
                "openedAt": "2026-11-25T09:30:41.000Z",
                "completedAt": None,
            },
        )
    ],
)
class LinkReply(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    state = serializers.ChoiceField(LinkState.choices)
    appSlug = serializers.CharField()
    userForeignIdentifier = serializers.CharField()
    UUID = serializers.UUIDField()
    failureReason = serializers.CharField(
        allow_null=True, help_text="Of the last try; the link stays usable."
    )
    createdAt = serializers.DateTimeField()
    expiresAt = serializers.DateTimeField()
    openedAt = serializers.DateTimeField(allow_null=True)
    completedAt = serializers.DateTimeField(allow_null=True)


@extend_schema_serializer(
    component_name="ManageLink",
    examples=[
        OpenApiExample(
            "Made",
            value={
                "url": "https://patchbay.example.com/manage/Zk3c…",
                "expiresAt": "2026-11-25T10:00:00.000Z",
            },
        )
    ],
)
class ManageLinkReply(serializers.Serializer[Any]):
    url = serializers.URLField(help_text="For the customer alone; shown once.")
    expiresAt = serializers.DateTimeField()


@extend_schema_serializer(component_name="IntegrationScope")
class ScopeReply(serializers.Serializer[Any]):
    name = serializers.CharField()
    meaning = serializers.CharField(
        help_text="What a customer reads; the name itself where nothing is known."
    )
    required = serializers.BooleanField()  # type: ignore[assignment]  # a member of the reply


@extend_schema_serializer(
    component_name="Integration",
    examples=[
        OpenApiExample(
            "HubSpot",
            value={
                "appSlug": "hbdev",
                "provider": "hubspot",
                "displayName": "HubSpot",
                "environment": "dev",
                "logo": "https://patchbay.example.com/logos/hubspot.svg",
                "scopes": [
                    {"name": "crm.objects.contacts.read", "meaning": "See your contacts.", "required": True}
                ],
            },
        )
    ],
)
class IntegrationReply(serializers.Serializer[Any]):
    appSlug = serializers.CharField()
    provider = serializers.CharField()
    displayName = serializers.CharField()
    environment = serializers.CharField(allow_null=True)
    logo = serializers.URLField(allow_null=True)
    scopes = ScopeReply(many=True)


@extend_schema_serializer(component_name="StatusReason")
class ReasonReply(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField(help_text="A sentence for the customer.")


@extend_schema_serializer(component_name="ProviderAccount")
class AccountReply(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField(allow_null=True)
    url = serializers.CharField(allow_null=True)


@extend_schema_serializer(
    component_name="Connection",
    examples=[OpenApiExample("Connected", value=CONNECTION_EXAMPLE, response_only=True)],
)
class ConnectionReply(serializers.Serializer[Any]):
    UUID = serializers.UUIDField()
    appSlug = serializers.CharField()
    provider = serializers.CharField()
    userForeignIdentifier = serializers.CharField()
    connectionName = serializers.CharField()
    status = serializers.ChoiceField(Status.choices)
    statusReason = ReasonReply(allow_null=True)
    providerAccount = AccountReply(allow_null=True)
    grantedScopes = serializers.ListField(child=serializers.CharField())
    missingScopes = serializers.ListField(child=serializers.CharField())
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()
    lastUsedAt = serializers.DateTimeField(allow_null=True)
    accessTokenExpiresAt = serializers.DateTimeField(allow_null=True)
    reconnectUrl = serializers.URLField(required=False, help_text="Only while the customer is needed.")


@extend_schema_serializer(
    component_name="AccessToken",
    examples=[
        OpenApiExample(
            "Fresh",
            value={
                "accessToken": "CJSP5qf1KhICAQEYs-gDIIGO...",
                "tokenType": "bearer",
                "expiresAt": "2026-11-25T10:01:12.000Z",
            },
        )
    ],
)
class TokenReply(serializers.Serializer[Any]):
    accessToken = serializers.CharField()
    tokenType = serializers.CharField()
    expiresAt = serializers.DateTimeField(allow_null=True, help_text="null: no end is known.")


class LifetimesReply(serializers.Serializer[Any]):
    accessTokenSeconds = serializers.IntegerField(allow_null=True)
    refreshTokenIdleSeconds = serializers.IntegerField(
        allow_null=True, help_text="Unused for so long, the provider ends the grant; null: unknown or never."
    )
    refreshTokenAbsoluteSeconds = serializers.IntegerField(
        allow_null=True, help_text="The grant ends this long after the consent; null: unknown or never."
    )
    rotatesRefreshToken = serializers.BooleanField(allow_null=True)
    refreshGraceSeconds = serializers.IntegerField(
        allow_null=True, help_text="How long the former refresh token still works after a rotation."
    )


class AdviceReply(serializers.Serializer[Any]):
    customer = serializers.CharField(help_text="What the customer can do now.")
    operator = serializers.CharField(help_text="What whoever runs the platform can do now.")


class ReportEntryReply(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(
        [("failed", "failed"), ("status", "status"), ("act", "act"), ("told", "told")],
        help_text="A failed refresh; a change of status; another act; an event that the partner was told.",
    )
    summary = serializers.CharField(help_text="A sentence in English.")
    verdict = serializers.CharField(
        required=False, help_text="grant_gone, client_wrong, temporary or unknown."
    )
    rule = serializers.CharField(required=False, help_text="By which rule.")
    error = serializers.CharField(required=False, allow_null=True, help_text="The provider's own code.")
    httpStatus = serializers.IntegerField(required=False, allow_null=True)
    evidence = serializers.CharField(
        required=False, help_text="What the provider said: one line, secrets masked."
    )
    nextTryAt = serializers.DateTimeField(required=False, allow_null=True)
    process = serializers.CharField(required=False, help_text="web, worker or command.")
    tokenVersion = serializers.IntegerField(required=False)
    actor = serializers.CharField(required=False, help_text="customer, partner, operator or platform.")
    statusBefore = serializers.CharField(required=False)
    statusAfter = serializers.CharField(required=False)
    reason = serializers.CharField(required=False, allow_null=True, help_text="The status reason's code.")
    event = serializers.CharField(required=False)
    revocation = serializers.CharField(
        required=False, help_text="What the provider said when it was asked to forget the grant."
    )
    outcome = serializers.CharField(required=False, help_text="Of an import.")


@extend_schema_serializer(
    component_name="ConnectionReport",
    examples=[
        OpenApiExample(
            "The app was removed at the provider",
            value={
                "UUID": _UUID,
                "appSlug": "hbdev",
                "provider": "hubspot",
                "status": "reconnect_required",
                "statusReason": {
                    "code": "revoked_at_provider",
                    "message": "Access was ended at the provider, or the app was removed there.",
                },
                "connectedAt": "2026-11-25T09:31:12.000Z",
                "clientId": "7fff1e36-2d40-4ae1-bbb1-5266d59564fb",
                "grantedScopes": ["oauth", "crm.objects.contacts.read"],
                "lastRefreshedAt": "2026-11-25T11:00:02.000Z",
                "accessTokenExpiresAt": "2026-11-25T11:30:02.000Z",
                "refreshTokenExpiresAt": None,
                "nextTryAt": None,
                "lifetimes": {
                    "accessTokenSeconds": 1800,
                    "refreshTokenIdleSeconds": None,
                    "refreshTokenAbsoluteSeconds": None,
                    "rotatesRefreshToken": False,
                    "refreshGraceSeconds": None,
                },
                "advice": {
                    "customer": "Connect again with the reconnect link; the connection keeps its UUID.",
                    "operator": "Send the customer the reconnect link; nothing else brings the grant back.",
                },
                "isComplete": True,
                "timeline": [
                    {
                        "at": "2026-11-25T11:27:00.000Z",
                        "kind": "failed",
                        "summary": "A refresh failed (HTTP 400, invalid_grant). The grant is gone, …",
                        "verdict": "grant_gone",
                        "rule": "rule 3 of the provider's file",
                        "error": "invalid_grant",
                        "httpStatus": 400,
                        "evidence": "the token endpoint refused: HTTP 400 status=BAD_REFRESH_TOKEN",
                        "nextTryAt": None,
                        "process": "web",
                        "tokenVersion": 4,
                    }
                ],
            },
        )
    ],
)
class ReportReply(serializers.Serializer[Any]):
    UUID = serializers.UUIDField()
    appSlug = serializers.CharField()
    provider = serializers.CharField()
    status = serializers.ChoiceField(Status.choices)
    statusReason = ReasonReply(allow_null=True)
    connectedAt = serializers.DateTimeField(allow_null=True)
    clientId = serializers.CharField(allow_null=True, help_text="The client that made the grant.")
    grantedScopes = serializers.ListField(child=serializers.CharField())
    lastRefreshedAt = serializers.DateTimeField(
        allow_null=True, help_text="When the present tokens were stored."
    )
    accessTokenExpiresAt = serializers.DateTimeField(allow_null=True)
    refreshTokenExpiresAt = serializers.DateTimeField(allow_null=True)
    nextTryAt = serializers.DateTimeField(allow_null=True, help_text="When the platform refreshes next.")
    lifetimes = LifetimesReply()
    advice = AdviceReply()
    isComplete = serializers.BooleanField(help_text="false: older entries were left out.")
    timeline = ReportEntryReply(many=True, help_text="Oldest first.")
