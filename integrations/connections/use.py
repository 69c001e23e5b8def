"""Pause, resume, check."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from django.utils import timezone

from accounts.audit import Actor
from accounts.models.audit import ActorKind
from accounts.models.event import EventType
from integrations import provider_calls, states, tokens
from integrations.catalogue import TemplateError
from integrations.connections.identity import store_identity
from integrations.errors import (
    ConnectionNotFound,
    ProviderError,
    ProviderReplyUnreadable,
    ProviderUnavailable,
    RefreshUnavailable,
)
from integrations.models import Connection
from integrations.models.connection import Status
from integrations.tokens.outcomes import end_grant
from integrations.tokens.refresh import load, reconnect_required

_PAUSED_BY = {
    ActorKind.PARTNER: "paused_by_partner",
    ActorKind.CUSTOMER: "paused_by_customer",
    ActorKind.STAFF: "paused_by_staff",
}


def pause(connection: Connection, *, actor: Actor) -> Connection:
    """Stop all use; tokens are kept and not refreshed. Doing it twice is no error.

    What is happening to the connection meanwhile (a refresh that fails, or works again) does not undo it.
    """
    connection = load(connection.pk)
    while connection.status != Status.PAUSED:
        _require_made(connection)
        states.change(
            connection.pk,
            to=Status.PAUSED,
            actor=actor,
            reason=_PAUSED_BY.get(actor.kind, "paused_by_staff"),
            evidence=connection.status_evidence,
            only_if={"status": connection.status},
            also={
                "status_before_pause": connection.status,
                "reason_before_pause": connection.status_reason,
            },
        )
        connection = load(connection.pk)
    return connection


def resume(connection: Connection, *, actor: Actor) -> Connection:
    """Allow use again; what was broken before the pause is still broken, and for the same reason."""
    connection = load(connection.pk)
    _require_made(connection)
    if connection.status == Status.PAUSED:
        states.change(
            connection.pk,
            to=Status(connection.status_before_pause or Status.ACTIVE),
            actor=actor,
            reason=connection.reason_before_pause,
            evidence=connection.status_evidence,
            only_if={"status": Status.PAUSED},
            also={"status_before_pause": "", "reason_before_pause": ""},
            event=EventType.CONNECTION_UPDATED,
        )
    return load(connection.pk)


def check(connection: Connection) -> Connection:
    """Ask the provider whether the grant works: the account behind it, then a refresh.

    The account alone would not tell: where a grant is withdrawn, tokens that were issued may live on (HubSpot's do
    until they expire). A refresh that fails for a while is no verdict on the grant; the row tells of it.
    Raises ReconnectRequired, RefreshUnavailable, ProviderUnavailable, ConnectionPaused, ConnectionNotFound.
    """
    connection = load(connection.pk)
    token = tokens.ensure_fresh(connection.pk)
    try:
        identity = _ask(connection, token.secret.reveal())
    except ProviderReplyUnreadable:
        # The provider does not take the token: a refresh tells a dead grant from a token that went bad. Somebody
        # asks, so that it happens for a young token too, which may have been imported a moment ago.
        if connection.refresh_token is not None:
            tokens.refresh_now(connection.pk)
        token = tokens.ensure_fresh(connection.pk, rejected_version=token.version)
        try:
            identity = _ask(connection, token.secret.reveal())
        except ProviderReplyUnreadable as error:
            _end_if_refused(connection, error)
            raise ProviderUnavailable(
                "The provider does not accept the token.", evidence=error.evidence
            ) from error
    # Which of several accounts the customer means, nobody here can say; a reconnect asks.
    if identity.account_id and not identity.accounts and not connection.provider_account_id:
        store_identity(connection, identity)
    if token.version == connection.token_version:  # no refresh has proved the grant on the way here
        _prove(connection)
    return load(connection.pk)


def _end_if_refused(connection: Connection, error: ProviderError) -> None:
    """A key, a password or a signed token that is refused has been withdrawn: there is nothing to renew it with.

    Raises ReconnectRequired.
    """
    is_lasting = connection.integration.provider.auth_kind in ("api_key", "basic", "oauth1")
    if is_lasting and error.status == 401:
        end_grant(connection, reason="revoked_at_provider", error=error, now=timezone.now())
        raise reconnect_required(load(connection.pk))


def _prove(connection: Connection) -> None:
    """Refresh, where there is something to refresh with and it is not too early. Raises ReconnectRequired."""
    at_least = connection.integration.provider.oauth.minimum_token_age_seconds or 0
    stored_at = connection.token_stored_at
    is_too_young = stored_at is not None and timezone.now() - stored_at < timedelta(seconds=at_least)
    if connection.refresh_token is not None and not is_too_young:
        with suppress(RefreshUnavailable):
            tokens.refresh_now(connection.pk)


def _ask(connection: Connection, access_token: str) -> provider_calls.Identity:
    connection = load(connection.pk)
    if connection.client is None:
        raise ConnectionNotFound("No such connection.")
    opened = {**tokens.open_tokens(connection), "access_token": access_token}
    try:
        return provider_calls.identify(
            connection.integration.provider,
            client=tokens.client_authentication(connection.client),
            tokens=opened,
            values=connection.config_values(),
            bound_to=connection.provider_account_id,
        )
    except (ProviderUnavailable, ProviderReplyUnreadable):
        raise
    except ProviderError as error:
        raise ProviderUnavailable("The provider could not be asked.", evidence=error.evidence) from error
    except TemplateError as error:  # an adopted connection may lack what a callback would have brought
        raise ProviderUnavailable("The provider could not be asked.", evidence=str(error)) from error


def _require_made(connection: Connection) -> None:
    if connection.status in {Status.DISCONNECTED, Status.PENDING}:
        raise ConnectionNotFound("No such connection.")
