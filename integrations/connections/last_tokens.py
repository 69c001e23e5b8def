"""Tokens of a connection that has ended, made fit for telling the provider so (REF-32)."""

from __future__ import annotations

from datetime import datetime, timedelta

from integrations import provider_calls, tokens
from integrations.catalogue import Provider
from integrations.models import Connection, PendingRevocation
from integrations.oauth.token_request import ClientAuthentication
from integrations.oauth.token_response import TokenResponse
from integrations.tokens.openers import with_either_secret
from sealing import seal

#: an access token that was alive when the connection ended is used for so long without asking for another
_STAYS_ALIVE = timedelta(minutes=5)


def worth_keeping(connection: Connection, *, now: datetime) -> dict[str, str]:
    """The stored tokens, without an access token that has expired while there is a refresh token to get another."""
    opened = tokens.open_tokens(connection)
    ends_at = connection.access_token_expires_at
    if "refresh_token" in opened and ends_at is not None and ends_at <= now + _STAYS_ALIVE:
        opened.pop("access_token", None)
    return opened


def usable(revocation: PendingRevocation, provider: Provider, *, now: datetime) -> dict[str, str]:
    """The kept tokens; where the provider must be told with an access token, one that is alive.

    A dead one would leave the grant alive, or be answered with 200 all the same (RFC 7009 section 2.2). The pair
    that a renewal brings is stored before it is used. Raises ProviderError, and sealing.UnreadableSecret.
    """
    opened = tokens.open_tokens(revocation)
    is_fresh = "access_token" in opened and now - revocation.created_at < _STAYS_ALIVE
    if is_fresh or "refresh_token" not in opened or not _needs_access_token(provider):
        return opened
    return _renewed(revocation, provider, opened)


def _needs_access_token(provider: Provider) -> bool:
    rules = provider.revocation
    return rules is not None and (rules.auth in {"bearer", "api"} or "refresh_token" not in rules.sends)


def _renewed(revocation: PendingRevocation, provider: Provider, opened: dict[str, str]) -> dict[str, str]:
    def call(client: ClientAuthentication) -> TokenResponse:
        return provider_calls.refresh(
            provider,
            client=client,
            refresh_token=opened["refresh_token"],
            values=revocation.connection.config_values(),
        )

    response = with_either_secret(revocation.client, call)
    pair = {"access_token": response.access_token}
    if response.refresh_token:
        pair["refresh_token"] = response.refresh_token
    sealed = {
        name: seal(value, model=PendingRevocation, field=name, pk=revocation.pk)
        for name, value in pair.items()
    }
    PendingRevocation.objects.filter(pk=revocation.pk).update(**sealed)
    return {**opened, **pair}
