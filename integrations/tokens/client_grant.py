"""Client credentials (RFC 6749 section 4.4): what is kept in the refresh token's place, and how a token is renewed.

The customer's own client, where it is the customer who has one, else the integration's. It is sealed like a refresh
token and never sent as one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from integrations import provider_calls
from integrations.catalogue import Provider
from integrations.errors import ProviderRefused
from integrations.models import ClientCredentials
from integrations.oauth.token_request import ClientAuthentication
from integrations.oauth.token_response import TokenResponse
from integrations.oauth.verdicts import Verdict
from integrations.tokens.openers import CLIENT_GRANT, client_authentication, with_either_secret


@dataclass(frozen=True, slots=True)
class ClientGrant:
    """client_id "": the integration's own client."""

    client_id: str = ""
    client_secret: str = field(default="", repr=False)

    def stored(self) -> str:
        """The text that is kept."""
        members = {"client_id": self.client_id, "client_secret": self.client_secret} if self.client_id else {}
        return CLIENT_GRANT + json.dumps(members)

    @classmethod
    def of(cls, stored: str) -> ClientGrant | None:
        """Read what stored() made; None for a refresh token, and for what cannot be read."""
        if not stored.startswith(CLIENT_GRANT):
            return None
        try:
            members = json.loads(stored.removeprefix(CLIENT_GRANT))
            return cls(str(members.get("client_id", "")), str(members.get("client_secret", "")))
        except (ValueError, AttributeError):
            return None


def fits(provider: Provider, stored: str) -> bool:
    """Whether a text in the refresh token's place is a client of the kind that the entry asks for."""
    grant = ClientGrant.of(stored)
    return grant is not None and bool(grant.client_id) == bool(provider.connection_secrets)


def of_connection(provider: Provider, stored: str) -> ClientGrant:
    """The client that a connection of this kind is renewed with.

    Raises ProviderRefused where there is none: the connection's own fault, which must raise no alarm on a client
    that other connections are renewed with.
    """
    grant = ClientGrant.of(stored)
    if grant is not None and fits(provider, stored):
        return grant
    refused = ProviderRefused(
        "The connection holds no client to renew it with.",
        error="unsendable_request",
        verdict=Verdict.GRANT_GONE,
        evidence="what is stored is no client of the kind that the provider's entry asks for",
    )
    refused.rule = "no client is stored"
    raise refused


def fetch(
    client: ClientCredentials, grant: ClientGrant, *, scopes: Sequence[str], values: Mapping[str, str]
) -> TokenResponse:
    """A token of the grant's client; client is the integration's.

    Raises ProviderError, where a refusal of the customer's own client is the end of the grant and no alarm on the
    integration, and sealing.UnreadableSecret.
    """
    provider = client.integration.provider

    def call(authentication: ClientAuthentication) -> TokenResponse:
        return provider_calls.fetch_client_token(
            provider, client=authentication, scopes=scopes, values=values
        )

    if not grant.client_id:
        return with_either_secret(client, call)
    own = replace(client_authentication(client), client_id=grant.client_id, client_secret=grant.client_secret)
    try:
        return call(own)
    except ProviderRefused as error:
        if error.verdict == Verdict.CLIENT_WRONG:
            error.verdict, error.rule = Verdict.GRANT_GONE, "the customer's own client is refused"
        raise
