"""What the members of an entry mean, in words for staff and for a partner's engineers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from integrations.catalogue import Api, OAuth, Provider, RateLimitHeaders, Revocation, WebhookSignature, facts
from integrations.provider_pages.durations import in_words

KINDS = {
    "oauth2_code": "OAuth 2.0, with the customer's consent",
    "oauth2_client_credentials": "OAuth 2.0 client credentials",
    "oauth1": "OAuth 1.0a",
    "api_key": "API key",
    "basic": "User name and password",
}
#: for lists, where there is little room
SHORT_KINDS = {
    "oauth2_code": "OAuth 2.0",
    "oauth2_client_credentials": "client credentials",
    "oauth1": "OAuth 1.0a",
    "api_key": "API key",
    "basic": "password",
}
CONFIDENCE = {
    "checked": "compared with the provider's own pages",
    "high": "agrees with several sources",
    "medium": "partly from one source alone",
    "low": "not verified; try it before you rely on it",
}
_PKCE = {
    "required": "required by the provider, and sent",
    "optional": "sent",
    "forbidden": "not sent: the provider refuses it",
}
_CLIENT_AUTH = {
    "client_secret_basic": "HTTP Basic",
    "client_secret_post": "in the body",
    "private_key_jwt": "a signed JWT (private_key_jwt)",
    "none": "by its id alone",
}
_FACTS = {
    "access_token_lifetime": "how long an access token lives",
    "refresh_token_lifetime": "how long a refresh token lives",
    "rotation": "whether a refresh gives a new refresh token",
    "identity": "how to ask whose account it is",
    "revocation": "how to end a grant at the provider",
    "rate_limit": "how it tells its limits",
    "webhooks": "how its webhooks are signed",
    "scopes": "its scopes",
}
_ABSENT = {
    "access_token_lifetime": "access tokens do not end by themselves",
    "refresh_token_lifetime": "refresh tokens do not end by themselves",
    "rotation": "there are no refresh tokens",
    "identity": "no call tells whose account it is",
    "revocation": "no call ends a grant; on disconnecting the tokens are deleted here",
    "rate_limit": "no fields tell its limits",
    "webhooks": "an app has no webhooks",
    "scopes": "there are no scopes",
}


class Row(NamedTuple):
    """A line of a table: what it is, and what holds. is_code: the value is written as code."""

    label: str
    value: str
    is_code: bool = False


def unknown(provider: Provider) -> list[str]:
    """What nobody has found out yet, or what differs from app to app; in the order of facts.FACTS."""
    return [_FACTS[name] for name in facts.FACTS if name in provider.facts_unknown]


def absent(provider: Provider) -> list[str]:
    """What the provider does not have, each as a half sentence."""
    return [_ABSENT[name] for name in facts.FACTS if name in provider.facts_absent]


def token_rows(provider: Provider) -> list[Row]:
    """How tokens are got, renewed and ended."""
    if provider.oauth1 is not None:
        return [
            Row("Request token", provider.oauth1.request_token_endpoint, True),
            Row("Consent", provider.oauth1.authorization_endpoint, True),
            Row("Access token", provider.oauth1.access_token_endpoint, True),
            Row("Signature", provider.oauth1.signature_method, True),
        ]
    if not provider.oauth.token_endpoint:
        return []
    return [*_oauth_rows(provider.oauth), *_revocation_rows(provider.revocation)]


def _oauth_rows(oauth: OAuth) -> Iterator[Row]:
    if oauth.authorization_endpoint:
        yield Row("Authorize URL", oauth.authorization_endpoint, True)
    if oauth.pushed_authorization_request_endpoint:
        yield Row("Requests are pushed to", oauth.pushed_authorization_request_endpoint, True)
    yield Row("Token URL", oauth.token_endpoint, True)
    if oauth.refresh_endpoint:
        yield Row("Refresh URL", oauth.refresh_endpoint, True)
    yield Row("The app proves itself by", _CLIENT_AUTH[oauth.token_endpoint_auth_method])
    if oauth.authorization_endpoint:
        yield Row("PKCE", _PKCE[oauth.pkce])
    yield from _lifetime_rows(oauth)


def _lifetime_rows(oauth: OAuth) -> Iterator[Row]:
    lifetimes = oauth.lifetimes
    if lifetimes.access_token_seconds is not None:
        yield Row("An access token lives", in_words(lifetimes.access_token_seconds))
    if oauth.rotates_refresh_token is not None:
        rotates = "a new refresh token each time" if oauth.rotates_refresh_token else "no new refresh token"
        grace = oauth.refresh_grace_seconds
        still = f"; the old one works {in_words(grace)} more" if grace else ""
        yield Row("A refresh gives", rotates + still)
    if lifetimes.refresh_token_idle_seconds is not None:
        idle = in_words(lifetimes.refresh_token_idle_seconds)
        yield Row("Unused, a refresh token lapses after", f"{idle}; used in time by us")
    if lifetimes.refresh_token_absolute_seconds is not None:
        whole = in_words(lifetimes.refresh_token_absolute_seconds)
        yield Row("The customer must connect again after", whole)


def _revocation_rows(revocation: Revocation | None) -> Iterator[Row]:
    if revocation is not None:
        reach = " This ends the account's other connections to the app too." * revocation.shared_by_account
        yield Row("On disconnecting", f"the grant is ended at the provider.{reach}")


def call_rows(provider: Provider) -> list[Row]:
    """Where calls go and what they carry."""
    api = provider.api
    rows = [Row("Base URL", api.base_url, True)]
    others = [host for host in api.hosts if f"//{host}" not in api.base_url]
    if others:
        rows.append(Row("Also with Patchbay-Host", ", ".join(others), True))
    rows.append(Row("The credential is sent as", _placement(api), True))
    rows += [Row(f"Added unless you send it: {name}", value, True) for name, value in api.headers.items()]
    limit = api.rate_limit
    for window in limit.headers if limit else ():
        rows.append(Row("Limit fields that are read", _window(window), True))
    if limit is not None:
        statuses = ", ".join(str(status) for status in limit.statuses)
        rows.append(Row("Too many calls", f"status {statuses}"))
    return rows


def _placement(api: Api) -> str:
    placed = api.credential
    if placed.kind == "bearer":
        return "Authorization: Bearer …"
    if placed.kind == "basic":
        return "Authorization: Basic …"
    if placed.kind == "query":
        return f"?{placed.name}=…"
    if placed.kind == "oauth1":
        return "Authorization: OAuth … (signed)"
    return f"{placed.name}: {placed.prefix}…"


def _window(window: RateLimitHeaders) -> str:
    return ", ".join(name for name in (window.limit, window.remaining, window.reset) if name)


def webhook_rows(provider: Provider) -> list[Row]:
    """How what the provider sends us is told from what others send."""
    if provider.webhooks is None:
        return []
    return [Row("Signed in", _signature(each)) for each in provider.webhooks.signatures]


def _signature(signature: WebhookSignature) -> str:
    if signature.scheme == "hmac":
        return f"{signature.header} (HMAC-{signature.algorithm.upper()}, {signature.encoding})"
    return f"{signature.header} ({signature.scheme.replace('_', ' ')})"
