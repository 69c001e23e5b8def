"""Rows that tests need, made by the project's own functions where there are any."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts import credentials, customers
from accounts.audit import Actor
from accounts.credentials import NewCredential
from accounts.models import Customer, Partner
from integrations.models import (
    ClientCredentials,
    Connection,
    ConnectionNumber,
    Integration,
    IntegrationGrant,
    IntegrationScope,
)
from integrations.models.connection import Status
from sealing import Secret

ACTOR = Actor.system("test")
HUBSPOT_ORIGINS = (
    "https://app.hubspot.com",
    "https://api.hubapi.com",
    "https://api.hubspot.com",
    "https://api-eu1.hubapi.com",
    "https://api.hsforms.com",
    "https://api-eu1.hsforms.com",
)
SCOPES = ("oauth", "crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.companies.read")
OPTIONAL_SCOPES = ("crm.objects.deals.read", "crm.objects.deals.write")
CLIENT_ID = "7fff1e36-2d40-4ae1-bbb1-5266d59564fb"
CLIENT_SECRET = "0c6b2a0e-6f3f-4b3c-9a53-6d5f2c1f9e77"


@dataclass
class World:
    """One partner and what it may use."""

    partner: Partner
    new_credential: NewCredential
    integration: Integration
    client: ClientCredentials

    @property
    def api_key(self) -> str:
        return self.new_credential.api_key

    @property
    def credential(self) -> Any:
        return self.new_credential.credential

    @property
    def auth(self) -> dict[str, str]:
        """Keyword arguments of Django's test client that name the credential."""
        return {"HTTP_AUTHORIZATION": f"Bearer {self.api_key}"}

    def register_at(self, sandbox: Any) -> None:
        """Make the integration's app known at a running sandbox, redirect URL and scopes included."""
        sandbox.control(
            "POST",
            "/_control/apps",
            {
                "clientId": self.client.client_id,
                "clientSecret": CLIENT_SECRET,
                "redirectUrls": [self.integration.redirect_uri],
                "scopes": list(SCOPES),
                "optionalScopes": list(OPTIONAL_SCOPES),
            },
        )


def partner(name: str = "Acme", **fields: Any) -> Partner:
    fields.setdefault("allowed_return_origins", ["https://app.example.com", settings.PUBLIC_URL])
    return Partner.objects.create(name=name, **fields)


def integration(
    slug: str = "hbdev", provider_id: str = "hubspot", *, client_id: str = CLIENT_ID, **fields: Any
) -> Integration:
    """An integration with its client and, for HubSpot, its scopes."""
    made = Integration.objects.create(slug=slug, provider_id=provider_id, **fields)
    ClientCredentials.objects.create(
        integration=made, client_id=client_id, client_secret=Secret(CLIENT_SECRET), app_id="1160452"
    )
    if provider_id == "hubspot":
        chosen = [(scope, False) for scope in SCOPES] + [(scope, True) for scope in OPTIONAL_SCOPES]
        for scope, is_optional in chosen:
            IntegrationScope.objects.create(integration=made, scope=scope, is_optional=is_optional)
    return made


def credential(
    owner: Partner, *integrations: Integration, permissions: list[str] | None = None
) -> NewCredential:
    new = credentials.create(owner, name="test", actor=ACTOR, permissions=permissions)
    for granted in integrations:
        IntegrationGrant.objects.create(credential=new.credential, integration=granted)
    return new


def world(
    name: str = "Acme",
    slug: str = "hbdev",
    *,
    of: Integration | None = None,
    permissions: list[str] | None = None,
) -> World:
    """A partner with a credential for an integration, made unless given."""
    used = of or integration(slug)
    owner = partner(name)
    return World(owner, credential(owner, used, permissions=permissions), used, used.current_client())


def customer(owner: Partner, identifier: str = "customer-1") -> Customer:
    return customers.ensure(owner, identifier)


def connection(
    at: World,
    identifier: str = "customer-1",
    *,
    access_token: str = "CAccessToken-of-a-test-0123456789",
    refresh_token: str | None = "na1-aaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    expires_in: int | None = 1800,
    **fields: Any,
) -> Connection:
    """An active connection with tokens that no sandbox knows unless they are given."""
    now = timezone.now()
    fields.setdefault("status", Status.ACTIVE)
    made = Connection(
        partner=at.partner,
        customer=customer(at.partner, identifier),
        integration=at.integration,
        client=at.client,
        access_token_lifetime=expires_in,
        access_token_expires_at=None if expires_in is None else now + timedelta(seconds=expires_in),
        token_version=1,
        token_stored_at=now - timedelta(minutes=5),
        token_type="bearer",
        connected_at=now,
        requested_scopes=list(SCOPES),
        granted_scopes=list(SCOPES),
        provider_account_id="62515",
        provider_account_name="meowmix.com",
        is_identity_known=True,
        **fields,
    )
    made.access_token = Secret(access_token)
    made.refresh_token = Secret(refresh_token) if refresh_token else None
    made.save()
    ConnectionNumber.objects.create(connection=made)
    return made
