"""A code for tokens, in the callback request itself (case 16 of the HubSpot failures)."""

from __future__ import annotations

from integrations import provider_calls
from integrations.models import AuthorizationAttempt
from integrations.oauth.token_request import ClientAuthentication
from integrations.oauth.token_response import TokenResponse
from integrations.tokens.openers import with_either_secret


def exchange(attempt: AuthorizationAttempt, *, code: str, values: dict[str, str]) -> TokenResponse:
    """Exchange the code of an attempt, with the redirect URI and the verifier that it was started with.

    A code is never sent twice, with one exception: when the provider says that our client secret is wrong, it
    has not looked at the code, and the secret that is being rotated in may be the right one.
    Raises ProviderError and sealing.UnreadableSecret.
    """
    client = attempt.client
    verifier = attempt.code_verifier.open().reveal() if attempt.code_verifier else None

    def call(authentication: ClientAuthentication) -> TokenResponse:
        return provider_calls.exchange_code(
            client.integration.provider,
            client=authentication,
            code=code,
            redirect_uri=attempt.redirect_uri,
            code_verifier=verifier,
            values=values,
        )

    return with_either_secret(client, call)
