"""What the provider gave, by whichever way it was got, and how its refusals are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog

from integrations import catalogue, provider_calls, tokens
from integrations.catalogue import InvalidConnectionField, Provider, TokenCapture
from integrations.errors import (
    ConnectFailed,
    ProviderError,
    ProviderRefused,
    ProviderReplyUnreadable,
    ProviderUnavailable,
)
from integrations.models import AuthorizationAttempt
from integrations.oauth.token_response import TokenResponse
from integrations.oauth.verdicts import Verdict
from integrations.provider_calls import Identity

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class Granted:
    """Tokens, values beside them, and the account if it could be read."""

    response: TokenResponse
    captured: dict[str, str]
    identity: Identity | None
    identity_evidence: str = ""

    def opened(self, provider: Provider) -> dict[str, str]:
        """The tokens by name, as those that a provider may be shown."""
        return opened(provider, self.response)


def config_of(attempt: AuthorizationAttempt) -> dict[str, str]:
    """The values that are known before the provider is asked."""
    return {**attempt.link.integration.connection_config, **attempt.connection_config}


def with_account(
    attempt: AuthorizationAttempt,
    response: TokenResponse,
    *,
    captured: Mapping[str, str],
    rules: Iterable[TokenCapture],
) -> Granted:
    """The grant with the values that the answer holds beside the tokens, and its account, which may be unknown yet.

    captured: values that came before the tokens. Raises ConnectFailed.
    """
    config = {**config_of(attempt), **captured}
    try:
        values = {**captured, **_captures(rules, response, config)}
    except InvalidConnectionField as error:
        raise ConnectFailed("bad_parameter", f"{error.field} {error.reason}") from error
    try:
        identity = look_up(attempt, response, {**config, **values})
    except ProviderError as error:
        log.warning(
            "account look-up failed after connecting", attempt=str(attempt.pk), evidence=error.evidence
        )
        return Granted(response, values, None, error.evidence)
    return Granted(response, values, identity)


def look_up(
    attempt: AuthorizationAttempt,
    response: TokenResponse,
    values: Mapping[str, str],
    *,
    proves_credential: bool = False,
) -> Identity:
    """Whose account it is. Raises ProviderError, and catalogue.TemplateError when a value is missing."""
    provider = attempt.client.integration.provider
    return provider_calls.identify(
        provider,
        client=tokens.client_authentication(attempt.client),
        tokens=opened(provider, response),
        values=values,
        bound_to=attempt.link.connection.provider_account_id,
        proves_credential=proves_credential,
    )


def opened(provider: Provider, response: TokenResponse) -> dict[str, str]:
    """The tokens by name. What is kept in the refresh token's place of client credentials is none."""
    found = {"access_token": response.access_token}
    if response.refresh_token and provider.auth_kind != "oauth2_client_credentials":
        found["refresh_token"] = response.refresh_token
    return found


def failed(error: ProviderError) -> ConnectFailed:
    """What a failed call for tokens means to the customer."""
    if isinstance(error, ProviderUnavailable):
        return ConnectFailed("unavailable", "")
    if isinstance(error, ProviderReplyUnreadable):
        is_redirect = error.status is not None and 300 <= error.status < 400
        return ConnectFailed("misconfigured" if is_redirect else "bad_response", "")
    if isinstance(error, ProviderRefused) and error.verdict != Verdict.CLIENT_WRONG:
        return ConnectFailed("rejected", error.error[:100])
    return ConnectFailed("misconfigured", "")


def _captures(
    rules: Iterable[TokenCapture], response: TokenResponse, config: Mapping[str, str]
) -> dict[str, str]:
    """Values beside the tokens that the entry asks to keep, checked (CAL-16)."""
    kept = {}
    for rule in rules:
        value = response.members.at(rule.path)
        if isinstance(value, str | int) and not isinstance(value, bool):
            kept[rule.store_as] = catalogue.captured(rule, str(value), values=config)
    return kept
