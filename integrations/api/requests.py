"""What callers of `/api/v1` send: shapes and limits. What the values mean is decided in the domain modules."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from accounts.identifiers import MAX_CHARACTERS
from integrations.api.fields import Body, ExactText, Text, TrueOrFalse, WholeNumber
from integrations.connect import LinkRequest
from integrations.connections import Adoption
from integrations.connections.adoption import LONGEST_LIFE
from integrations.models.connection import DEFAULT_NAME

_MAX_TOKEN_CHARACTERS = 16_384
_IDENTIFIER_HELP = (
    f"Your own name for the customer: 1 to {MAX_CHARACTERS:,} characters, taken exactly as given."
)
_CONFIG_HELP = (
    "Values that the provider's addresses need, such as Shopify's shop; otherwise the customer is asked."
)
_PROVIDER_DATA_HELP = (
    "What the provider told beside the tokens when the customer connected, by the names of its catalogue entry, such "
    "as QuickBooks' realm_id or Pipedrive's api_domain_host; needed where calls need it."
)
_CLIENT_ID_HELP = (
    "The OAuth client that the tokens were made with, when it is not the integration's current one. It must be one "
    "of the integration's: no other client can refresh them."
)


def _identifier() -> ExactText:
    """Length and characters are judged by accounts.identifiers, the same at every door."""
    return ExactText(help_text=_IDENTIFIER_HELP, allow_blank=True)


def _names(help_text: str) -> serializers.ListField:
    return serializers.ListField(
        child=ExactText(max_length=200), required=False, max_length=200, help_text=help_text
    )


def _config() -> serializers.DictField:
    return serializers.DictField(child=ExactText(max_length=1_024), required=False, help_text=_CONFIG_HELP)


def _connection_name() -> ExactText:
    return ExactText(
        required=False, default=DEFAULT_NAME, help_text="Tells several accounts of one customer apart."
    )


class CustomerBody(Body):
    """What customers are called on our pages; the identifier itself is never shown to them."""

    displayName = Text(required=False, allow_blank=True, max_length=200)
    email = serializers.EmailField(required=False, allow_blank=True, max_length=254)


class _CustomerMembers(Body):
    """The members that both links and imports have."""

    appSlug = ExactText(max_length=200)
    userForeignIdentifier = _identifier()
    connectionName = _connection_name()
    connectionConfig = _config()
    customer = CustomerBody(required=False)

    def display_name(self) -> str:
        name: str = self.validated_data.get("customer", {}).get("displayName", "")
        return name

    def email(self) -> str:
        address: str = self.validated_data.get("customer", {}).get("email", "")
        return address


@extend_schema_serializer(
    component_name="NewConnectLink",
    examples=[
        OpenApiExample(
            "A link for one customer",
            value={
                "appSlug": "hbdev",
                "userForeignIdentifier": "tenant-42",
                "returnUrl": "https://app.example.com/settings",
                "customer": {"displayName": "Ada's Bakery", "email": "ada@example.com"},
            },
            request_only=True,
        )
    ],
)
class ConnectLinkBody(_CustomerMembers):
    returnUrl = ExactText(
        required=False,
        allow_blank=True,
        help_text="Where the customer goes afterwards; under an origin that staff allowed for you.",
    )
    scopes = _names(
        "Required scopes of this link, among those that staff configured; default: all required ones."
    )
    optionalScopes = _names("Optional scopes of this link; default: all optional ones.")
    expiresInSeconds = WholeNumber(required=False, help_text="60 to 604,800; default 1,800.")

    def link_request(self) -> LinkRequest:
        data = self.validated_data
        return LinkRequest(
            foreign_identifier=data["userForeignIdentifier"],
            return_url=data.get("returnUrl", ""),
            scopes=data.get("scopes"),
            optional_scopes=data.get("optionalScopes"),
            expires_in_seconds=data.get("expiresInSeconds"),
            connection_name=data["connectionName"],
            connection_config=data.get("connectionConfig", {}),
            display_name=self.display_name(),
            email=self.email(),
        )


@extend_schema_serializer(
    component_name="NewManageLink",
    examples=[
        OpenApiExample("One hour", value={"userForeignIdentifier": "tenant-42", "expiresInSeconds": 3_600})
    ],
)
class ManageLinkBody(Body):
    userForeignIdentifier = _identifier()
    expiresInSeconds = WholeNumber(required=False, help_text="60 to 604,800; default 1,800.")


@extend_schema_serializer(
    component_name="ImportedConnection",
    examples=[
        OpenApiExample(
            "Tokens of another system",
            value={
                "appSlug": "hbdev",
                "userForeignIdentifier": "tenant-42",
                "accessToken": "CJSP5qf1KhICAQEYs-gDIIGO...",
                "refreshToken": "7b1b9ce5-6f7c-4b6c-...",
                "expiresIn": 1_800,
                "scopes": ["oauth", "crm.objects.contacts.read"],
            },
            request_only=True,
        )
    ],
)
class ImportBody(_CustomerMembers):
    accessToken = ExactText(max_length=_MAX_TOKEN_CHARACTERS)
    refreshToken = ExactText(required=False, allow_blank=True, max_length=_MAX_TOKEN_CHARACTERS)
    expiresIn = WholeNumber(
        required=False,
        min_value=0,
        max_value=int(LONGEST_LIFE.total_seconds()),
        help_text="Seconds that the access token still lives.",
    )
    expiresAt = serializers.DateTimeField(
        required=False, help_text="When the access token expires (RFC 3339)."
    )
    neverExpires = TrueOrFalse(required=False, help_text="The token has no end, and is never refreshed.")
    scopes = _names("What the customer has granted.")
    providerData = serializers.DictField(
        child=ExactText(max_length=1_024), required=False, help_text=_PROVIDER_DATA_HELP
    )
    clientId = ExactText(required=False, allow_blank=True, max_length=512, help_text=_CLIENT_ID_HELP)

    def validate_expiresAt(self, value: Any) -> Any:
        if value > timezone.now() + LONGEST_LIFE:
            raise serializers.ValidationError("That is more than a hundred years away; use neverExpires.")
        return value

    def adoption(self) -> Adoption:
        data = self.validated_data
        return Adoption(
            foreign_identifier=data["userForeignIdentifier"],
            access_token=data["accessToken"],
            refresh_token=data.get("refreshToken", ""),
            expires_in=data.get("expiresIn"),
            expires_at=data.get("expiresAt"),
            never_expires=data.get("neverExpires", False),
            name=data["connectionName"],
            scopes=data.get("scopes", []),
            connection_config=data.get("connectionConfig", {}),
            provider_data=data.get("providerData", {}),
            client_id=data.get("clientId", ""),
            display_name=self.display_name(),
            email=self.email(),
        )
