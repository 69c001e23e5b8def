"""One connection to adopt, and what must be true of it before a row is touched."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from integrations import catalogue
from integrations.catalogue import InvalidConnectionField, MissingValue, Provider
from integrations.connections.find import check_name
from integrations.errors import InvalidInput, NotFound
from integrations.models import ClientCredentials, Integration
from integrations.models.connection import DEFAULT_NAME
from integrations.oauth.errors import InvalidTokenValue
from integrations.oauth.members import Members
from integrations.oauth.token_response import TokenResponse
from integrations.oauth.token_values import clean_token
from integrations.tokens import client_grant

LONGEST_LIFE = timedelta(days=36_525)
HIGHEST_NUMBER = 10**12


@dataclass(frozen=True, slots=True, repr=False)
class Adoption:
    """One connection to adopt. Exactly one of expires_in (seconds), expires_at and never_expires is needed.

    provider_data: what the provider told beside its tokens, by the names of the entry's captures. client_id:
    the OAuth client that made the tokens, "" for the current one. connection_id, number and connected_at
    are kept from the other system where they are free.
    """

    foreign_identifier: str
    access_token: str
    refresh_token: str = ""
    expires_in: int | None = None
    expires_at: datetime | None = None
    never_expires: bool = False
    name: str = DEFAULT_NAME
    scopes: list[str] = field(default_factory=list)
    connection_config: dict[str, str] = field(default_factory=dict)
    provider_data: dict[str, str] = field(default_factory=dict)
    client_id: str = ""
    display_name: str = ""
    email: str = ""
    connection_id: UUID | None = None
    number: int | None = None
    connected_at: datetime | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Checked:
    """An adoption after every check that needs no lock."""

    adoption: Adoption
    client: ClientCredentials
    response: TokenResponse
    config: dict[str, str]
    captured: dict[str, str]


def check_adoption(integration: Integration, adoption: Adoption) -> Checked:
    """Judge everything that needs no lock. Raises InvalidInput, and NotFound for an integration without client."""
    check_name(adoption.name)
    client = _client(integration, adoption.client_id)
    response = _as_response(integration, adoption)
    _require_renewable(integration.provider, response.refresh_token)
    config = _config(integration, adoption.connection_config)
    captured = _captured(integration, adoption.provider_data, config)
    if adoption.number is not None and not 1 <= adoption.number <= HIGHEST_NUMBER:
        raise InvalidInput("id", f"A whole number from 1 to {HIGHEST_NUMBER} is needed.")
    return Checked(adoption, client, response, config, captured)


def _client(integration: Integration, client_id: str) -> ClientCredentials:
    """The client that made the tokens: with another one they could never be refreshed (RFC 6749 section 6)."""
    if client_id:
        found = integration.clients.filter(client_id=client_id).first() if "\x00" not in client_id else None
        if found is None:
            raise InvalidInput(
                "clientId",
                "The integration has no client of this id, so that it could not refresh these tokens: add "
                "the client to the integration first.",
            )
        return found
    try:
        return integration.current_client()
    except ClientCredentials.DoesNotExist as error:
        raise NotFound("This integration is not ready to be used.") from error


def _as_response(integration: Integration, adoption: Adoption) -> TokenResponse:
    return TokenResponse(
        access_token=_clean(adoption.access_token, "accessToken"),
        refresh_token=_renewing_token(integration.provider, adoption),
        token_type="bearer",  # noqa: S106 (a type, not a token)
        expires_in=_lifetime(integration, adoption),
        refresh_token_expires_in=None,
        scopes=tuple(adoption.scopes) or None,
        raw={},
        members=Members({}),
    )


def _renewing_token(provider: Provider, adoption: Adoption) -> str | None:
    """What renews the access token; another product's export may hold what is of no use at this provider."""
    if provider.auth_kind == "oauth2_code" and provider.oauth.renews_with != "refresh_token":
        is_itself = provider.oauth.renews_with == "access_token"
        return _clean(adoption.access_token, "accessToken") if is_itself else None
    return _clean(adoption.refresh_token, "refreshToken") if adoption.refresh_token.strip() else None


def _require_renewable(provider: Provider, refresh_token: str | None) -> None:
    """A refresh token that could only fail would do so as the integration's client, and end in its alarm."""
    if refresh_token is None or provider.auth_kind == "oauth2_code":
        return
    if provider.auth_kind == "oauth2_client_credentials" and client_grant.fits(provider, refresh_token):
        return
    raise InvalidInput(
        "refreshToken", f"{provider.display_name} renews nothing with a refresh token: leave it out."
    )


def _clean(value: str, field_name: str) -> str:
    try:
        cleaned = clean_token(value, name=field_name, is_sent_in_header=field_name == "accessToken")
    except InvalidTokenValue as error:
        raise InvalidInput(field_name, "The token holds characters that a token cannot hold.") from error
    if not cleaned:
        raise InvalidInput(field_name, "The token is empty.")
    return cleaned


def _lifetime(integration: Integration, adoption: Adoption) -> int | None:
    """Seconds, None for never. The importer has to say it: nobody else knows (TOK-21)."""
    told = [adoption.expires_in is not None, adoption.expires_at is not None, adoption.never_expires]
    if sum(told) > 1:
        raise InvalidInput("expiresIn", "Give one of expiresIn, expiresAt and neverExpires.")
    if adoption.expires_in is not None:
        if not 0 <= adoption.expires_in <= LONGEST_LIFE.total_seconds():
            raise InvalidInput("expiresIn", "0 seconds to a hundred years; longer ones are neverExpires.")
        return adoption.expires_in
    if adoption.expires_at is not None:
        if adoption.expires_at > timezone.now() + LONGEST_LIFE:
            raise InvalidInput("expiresAt", "That is more than a hundred years away; use neverExpires.")
        return max(0, int((adoption.expires_at - timezone.now()) / timedelta(seconds=1)))
    expires = integration.provider.oauth.lifetimes.access_token_seconds is not None
    if expires and not adoption.never_expires:
        raise InvalidInput(
            "expiresIn", "Tokens of this provider expire: give expiresIn, expiresAt or neverExpires."
        )
    return None


def _config(integration: Integration, given: dict[str, str]) -> dict[str, str]:
    try:
        return catalogue.check_connection_fields(
            integration.provider, given, asked_of=("customer", "partner")
        )
    except MissingValue as error:
        raise InvalidInput(f"connectionConfig.{error.field}", "This value is needed.") from error
    except InvalidConnectionField as error:
        raise InvalidInput(f"connectionConfig.{error.field}", error.reason) from error


def _captured(integration: Integration, given: dict[str, str], config: dict[str, str]) -> dict[str, str]:
    """What a callback or a token reply would have brought, judged as if it had (CAL-16)."""
    provider = integration.provider
    rules = {
        rule.store_as: rule for rule in (*provider.oauth.callback_captures, *provider.oauth.token_captures)
    }
    values = {**integration.connection_config, **config}
    kept = {}
    for name, raw in given.items():
        if name not in rules:
            known = ", ".join(sorted(rules)) or "none"
            raise InvalidInput(
                f"providerData.{name}", f"is not told by {provider.display_name}; known: {known}."
            )
        try:
            kept[name] = catalogue.captured(rules[name], raw, values=values)
        except (InvalidConnectionField, MissingValue) as error:
            raise InvalidInput(
                f"providerData.{name}", f"This is no value that {provider.display_name} uses there."
            ) from error
    missing = next((name for name in sorted(_needed(provider) & rules.keys()) if name not in kept), None)
    if missing is not None:
        raise InvalidInput(
            f"providerData.{missing}",
            f"{provider.display_name} tells this value when a customer connects, and calls need it: give it.",
        )
    return kept


def _needed(provider: Provider) -> frozenset[str]:
    """The values without which a connection has no API to call, or no account."""
    templates = (provider.api.base_url, *provider.api.hosts, provider.account_id_template or "")
    return frozenset(name for template in templates for name in catalogue.placeholders(template))
