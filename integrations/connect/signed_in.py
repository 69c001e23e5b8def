"""OAuth 1.0a: to the provider with a temporary token, and back with a verifier (RFC 5849 sections 2.2 and 2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from integrations import catalogue, provider_calls, tokens
from integrations.catalogue import Provider
from integrations.connect import granted
from integrations.connect.granted import Granted
from integrations.errors import ConnectFailed, ProviderError
from integrations.models import AuthorizationAttempt
from integrations.oauth.callback import parse_callback
from integrations.oauth.masking import display_text
from integrations.oauth.members import Members
from integrations.oauth.oauth1 import TokenPair
from integrations.oauth.token_request import ClientAuthentication
from integrations.oauth.token_response import TokenResponse

#: oauth_problem values of the Problem Reporting extension by which the customer says no
_DENIALS = frozenset({"user_refused", "permission_denied", "access_denied"})
_PARAMETERS = ("oauth_token", "oauth_verifier", "oauth_problem", "denied")


def authorization_url(provider: Provider, token: str, *, client_id: str, values: Mapping[str, str]) -> str:
    """The address of the provider's page of consent."""
    rules = provider.oauth1
    assert rules is not None
    url = catalogue.render_url(provider, rules.authorization_endpoint, values)
    more = catalogue.render_all(rules.authorization_params, {**values, "client_id": client_id})
    return f"{url}{'&' if '?' in url else '?'}{urlencode({'oauth_token': token, **more})}"


def obtain(attempt: AuthorizationAttempt, *, query_string: str) -> Granted:
    """The verifier for the customer's token, in the callback request itself; then the account.

    Raises ConnectFailed, TemplateError, UnreadableSecret.
    """
    told = parse_callback(query_string, captures=_PARAMETERS).captured
    _require_consent(told)
    temporary = TokenPair.of(attempt.code_verifier.open().reveal() if attempt.code_verifier else "")
    if told.get("oauth_token") != temporary.token:
        raise ConnectFailed("bad_parameter", "oauth_token is not the one that was sent")
    if not told.get("oauth_verifier"):
        raise ConnectFailed("bad_response", "The answer holds no verifier.")
    provider = attempt.client.integration.provider

    def call(client: ClientAuthentication) -> TokenPair:
        return provider_calls.fetch_access_token(
            provider,
            client=client,
            request_token=temporary,
            verifier=told["oauth_verifier"],
            values=granted.config_of(attempt),
        )

    try:
        pair = tokens.with_either_secret(attempt.client, call)
    except ProviderError as error:
        raise granted.failed(error) from error
    rules = provider.oauth1.token_captures if provider.oauth1 else ()
    return granted.with_account(attempt, _as_response(provider, pair), captured={}, rules=rules)


def _require_consent(told: Mapping[str, str]) -> None:
    problem = told.get("oauth_problem", "")
    if problem in _DENIALS or told.get("denied"):
        raise ConnectFailed("denied", "")
    if problem:
        raise ConnectFailed("error", display_text(problem, max_length=100))


def _as_response(provider: Provider, pair: TokenPair) -> TokenResponse:
    lifetime = provider.oauth1.token_lifetime_seconds if provider.oauth1 else None
    return TokenResponse(
        access_token=pair.stored(),
        refresh_token=None,
        token_type="oauth1",  # noqa: S106 - a type
        expires_in=lifetime,
        refresh_token_expires_in=None,
        scopes=None,
        raw={},
        members=Members(pair.members),
    )
