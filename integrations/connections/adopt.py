"""Adopting tokens that another system holds, without asking the customer again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts import audit, customers
from accounts.audit import Actor
from accounts.models import Partner
from accounts.models.event import EventType
from integrations import catalogue, states, tokens
from integrations.catalogue import InvalidConnectionField, MissingValue
from integrations.connections.find import check_name, ensure_for_link
from integrations.errors import InvalidInput, NotFound
from integrations.models import ClientCredentials, Connection, Integration
from integrations.models.connection import DEFAULT_NAME, Status
from integrations.oauth.errors import InvalidTokenValue
from integrations.oauth.members import Members
from integrations.oauth.token_response import TokenResponse
from integrations.oauth.token_values import clean_token
from integrations.tokens.refresh import load


@dataclass(frozen=True, slots=True, repr=False)
class Adoption:
    """One connection to adopt. Exactly one of expires_in (seconds), expires_at and never_expires is needed."""

    foreign_identifier: str
    access_token: str
    refresh_token: str = ""
    expires_in: int | None = None
    expires_at: datetime | None = None
    never_expires: bool = False
    name: str = DEFAULT_NAME
    scopes: list[str] = field(default_factory=list)
    connection_config: dict[str, str] = field(default_factory=dict)
    display_name: str = ""
    email: str = ""


def adopt(partner: Partner, integration: Integration, adoption: Adoption, *, actor: Actor) -> Connection:
    """Store the tokens as an active connection. Raises InvalidInput, and InvalidIdentifier of accounts."""
    check_name(adoption.name)
    client = _client(integration)
    response = _as_response(integration, adoption)
    config = _config(integration, adoption.connection_config)
    with transaction.atomic():
        customer = customers.ensure(
            partner, adoption.foreign_identifier, display_name=adoption.display_name, email=adoption.email
        )
        connection = ensure_for_link(customer, integration, name=adoption.name)
        if connection.status != Status.PENDING:
            raise InvalidInput(
                "userForeignIdentifier", "This customer already has a connection of that name."
            )
        columns = tokens.token_columns(
            connection,
            response,
            oauth=integration.provider.oauth,
            now=timezone.now(),
            keeps_refresh_token=False,
        )
        columns["token_stored_at"] = None  # its age is not known, so a rejection counts at once (REF-17)
        if adoption.never_expires:  # the importer knows better than the provider's usual lifetime (TOK-21)
            columns.update(access_token_lifetime=None, access_token_expires_at=None, next_refresh_at=None)
        Connection.objects.filter(pk=connection.pk).update(
            **columns,
            status=Status.ACTIVE,
            client=client,
            connection_config=config,
            requested_scopes=integration.required_scopes(),
            requested_optional_scopes=integration.optional_scopes(),
            connected_at=timezone.now(),
        )
        connection = load(connection.pk)
        audit.record("connection.imported", connection, actor=actor)
        states.tell(connection, EventType.CONNECTION_CREATED)
    return connection


def _client(integration: Integration) -> ClientCredentials:
    try:
        return integration.current_client()
    except ClientCredentials.DoesNotExist as error:
        raise NotFound("This integration is not ready to be used.") from error


def _as_response(integration: Integration, adoption: Adoption) -> TokenResponse:
    return TokenResponse(
        access_token=_clean(adoption.access_token, "accessToken"),
        refresh_token=_clean(adoption.refresh_token, "refreshToken")
        if adoption.refresh_token.strip()
        else None,
        token_type="bearer",  # noqa: S106 (a type, not a token)
        expires_in=_lifetime(integration, adoption),
        refresh_token_expires_in=None,
        scopes=tuple(adoption.scopes) or None,
        raw={},
        members=Members({}),
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
        return adoption.expires_in
    if adoption.expires_at is not None:
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
