"""Which facts an entry tells: each one is filled, said to be unknown, or said to be absent at the provider."""

from __future__ import annotations

from typing import get_args

from .api_settings import RetryAfterRule
from .provider import AuthKind, FactName, Provider

FACTS: tuple[FactName, ...] = get_args(FactName)
_OF_EVERY_KIND: frozenset[FactName] = frozenset({"identity", "rate_limit", "webhooks"})
_APPLICABLE: dict[AuthKind, frozenset[FactName]] = {
    "oauth2_code": frozenset(FACTS),
    "oauth2_client_credentials": _OF_EVERY_KIND | {"access_token_lifetime", "revocation", "scopes"},
    "oauth1": _OF_EVERY_KIND | {"access_token_lifetime", "revocation"},
    "api_key": _OF_EVERY_KIND,
    "basic": _OF_EVERY_KIND,
}


def applicable(provider: Provider) -> frozenset[FactName]:
    """The facts that an entry of its kind must account for."""
    return _APPLICABLE[provider.auth_kind]


def filled(provider: Provider) -> frozenset[FactName]:
    """The facts that the entry tells by a value of its own."""
    oauth, oauth1, api = provider.oauth, provider.oauth1, provider.api
    lifetimes = oauth.lifetimes
    refresh_lifetimes = (lifetimes.refresh_token_idle_seconds, lifetimes.refresh_token_absolute_seconds)
    access_lifetime = oauth1.token_lifetime_seconds if oauth1 else lifetimes.access_token_seconds
    told: dict[FactName, bool] = {
        "access_token_lifetime": access_lifetime is not None,
        "refresh_token_lifetime": any(lifetime is not None for lifetime in refresh_lifetimes),
        "rotation": oauth.rotates_refresh_token is not None,
        "identity": bool(provider.identity) or provider.account_id_template is not None,
        "revocation": provider.revocation is not None,
        "rate_limit": api.rate_limit is not None or api.retry_after != (RetryAfterRule(),),
        "webhooks": provider.webhooks is not None,
        "scopes": bool(provider.scopes),
    }
    return frozenset(name for name, is_told in told.items() if is_told)
