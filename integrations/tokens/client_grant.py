"""Client credentials (RFC 6749 section 4.4): what is kept in the refresh token's place, and how a token is renewed.

The customer's own client, where it is the customer who has one, else the integration's. It is sealed like a refresh
token and never sent as one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from integrations import provider_calls
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
