"""From a claimed attempt to its outcome: what was granted is stored, all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts import audit
from accounts.audit import Actor
from accounts.models.event import EventType
from integrations import provider_calls, states, tokens
from integrations.catalogue import Provider, TemplateError
from integrations.connect.consented import DETAIL_CHARACTERS
from integrations.connect.granted import Granted, config_of
from integrations.connections import shared_grants
from integrations.connections.identity import identity_columns
from integrations.errors import ConnectFailed, ProviderError
from integrations.models import AuthorizationAttempt, Connection, ConnectLink, Integration
from integrations.models.connection import Status
from integrations.models.link import Outcome
from integrations.tokens.refresh import load
from sealing import UnreadableSecret

log = structlog.get_logger(__name__)


def complete(attempt: AuthorizationAttempt, obtain: Callable[[], Granted]) -> None:
    """Bring a claimed attempt to its outcome; never raises what a provider or a caller can cause.

    obtain asks the provider, and may raise ConnectFailed, TemplateError and UnreadableSecret.
    """
    try:
        _store(attempt, obtain())
    except ConnectFailed as error:
        outcome = Outcome.DENIED if error.reason == "denied" else Outcome.FAILED
        _end(attempt, outcome, reason=error.reason, detail=str(error))
    except TemplateError as error:
        # A value that the provider's addresses need did not come (QuickBooks: realmId, Pipedrive: api_domain).
        _end(attempt, Outcome.FAILED, reason="bad_response", detail=str(error))
    except UnreadableSecret:
        log.error("a client secret cannot be read", integration=attempt.link.integration.slug)
        _end(attempt, Outcome.FAILED, reason="misconfigured")
    except DatabaseError:
        log.exception("connection could not be stored", attempt=str(attempt.pk))
        _end(attempt, Outcome.FAILED, reason="stored_failed")


def _store(attempt: AuthorizationAttempt, granted: Granted) -> None:
    """Tokens, link, attempt, audit and event in one transaction (CAL-18). Raises ConnectFailed, DatabaseError."""
    try:
        with transaction.atomic():
            connection = _locked(attempt)
            _check_account(connection, granted)
            before = Status(connection.status)
            _write(connection, attempt, granted)
            _spend(attempt)
            _end(attempt, Outcome.CONNECTED)
            _tell(connection, before=before, is_refreshable=_is_refreshable(connection, granted))
    except ConnectFailed:
        _give_back(attempt, granted)
        raise


def _locked(attempt: AuthorizationAttempt) -> Connection:
    """The connection to fill, if its integration is still there: by id, since a name may be reused (CAL-11)."""
    # no_key: rows that refer to the integration may still be made, else their makers could wait for us in a ring
    integration = Integration.objects.select_for_update(no_key=True).filter(
        pk=attempt.link.integration_id, is_enabled=True
    )
    connection = (
        Connection.objects.living()
        .select_related("integration", "customer", "partner")
        .select_for_update(of=("self",), no_key=True)
        .filter(pk=attempt.link.connection_id, integration__in=integration, partner__is_active=True)
        .first()
    )
    if connection is None:
        raise ConnectFailed("integration_gone", "")
    return connection


def _check_account(connection: Connection, granted: Granted) -> None:
    """A reconnect must land on the account that was connected before (CON-15)."""
    bound = connection.provider_account_id
    if not bound:
        return
    if granted.identity is None:
        raise ConnectFailed("unavailable", "")
    if granted.identity.account_id != bound:
        name = connection.provider_account_name or bound
        raise ConnectFailed("account_mismatch", f"It was {name} before.")


def _is_refreshable(connection: Connection, granted: Granted) -> bool:
    return bool(granted.response.refresh_token) or _keeps_refresh_token(connection, granted)


def _keeps_refresh_token(connection: Connection, granted: Granted) -> bool:
    """The stored refresh token stays when the same account brought no new one (TOK-19)."""
    is_same = granted.identity is not None and granted.identity.account_id == connection.provider_account_id
    return connection.refresh_token is not None and is_same and bool(connection.provider_account_id)


def _write(connection: Connection, attempt: AuthorizationAttempt, granted: Granted) -> None:
    provider = attempt.client.integration.provider
    now = timezone.now()
    columns = tokens.token_columns(
        connection,
        granted.response,
        oauth=provider.oauth,
        now=now,
        keeps_refresh_token=_keeps_refresh_token(connection, granted),
    )
    if granted.response.scopes is None:
        columns["granted_scopes"] = []
    reason, evidence = _warning(provider, connection, granted)
    Connection.objects.filter(pk=connection.pk).update(
        **columns,
        **(identity_columns(granted.identity) if granted.identity else {}),
        status=Status.ACTIVE,
        status_reason=reason,
        status_evidence=evidence[:500],
        status_before_pause="",
        reason_before_pause="",
        client=attempt.client,
        connection_config=attempt.connection_config,
        captured=granted.captured,
        requested_scopes=attempt.scopes,
        requested_optional_scopes=attempt.optional_scopes,
        connected_at=now,
    )


def _warning(provider: Provider, connection: Connection, granted: Granted) -> tuple[str, str]:
    """(reason, evidence) of what is worth telling although the connection works."""
    if provider.oauth.expects_refresh_token and not _is_refreshable(connection, granted):
        return "no_refresh_token", ""
    if granted.identity is None:
        return "identity_unknown", granted.identity_evidence
    return "", ""


def _spend(attempt: AuthorizationAttempt) -> None:
    """The first successful completion spends the link, by one conditional UPDATE."""
    unspent = ConnectLink.objects.filter(pk=attempt.link_id, completed_at=None, revoked_at=None)
    if not unspent.update(completed_at=timezone.now(), failed_at=None, failure_reason=""):
        was_used = ConnectLink.objects.filter(pk=attempt.link_id).exclude(completed_at=None).exists()
        raise ConnectFailed("link_used" if was_used else "link_revoked", "")


def _tell(connection: Connection, *, before: Status, is_refreshable: bool) -> None:
    actor = Actor.customer(connection.customer)
    connection = load(connection.pk)
    events = {
        Status.PENDING: EventType.CONNECTION_CREATED,
        Status.RECONNECT_REQUIRED: EventType.CONNECTION_RECOVERED,
        Status.REFRESH_FAILING: EventType.CONNECTION_RECOVERED,
    }
    audit.record(
        "connection.connected",
        connection,
        actor=actor,
        changes={"status": [before.value, connection.status], "account": connection.provider_account_id},
    )
    states.tell(connection, events.get(before, EventType.CONNECTION_UPDATED), refreshable=is_refreshable)


def _end(attempt: AuthorizationAttempt, outcome: Outcome, *, reason: str = "", detail: str = "") -> None:
    """Write the outcome of an attempt, and on its link that the last try failed."""
    now = timezone.now()
    with transaction.atomic():
        AuthorizationAttempt.objects.filter(pk=attempt.pk).update(
            outcome=outcome,
            outcome_reason=reason,
            outcome_detail=detail[:DETAIL_CHARACTERS],
            finished_at=now,
            code_verifier=None,
        )
        if outcome == Outcome.CONNECTED:
            return
        ConnectLink.objects.filter(pk=attempt.link_id, completed_at=None).update(
            failed_at=now, failure_reason=reason
        )
        audit.record(
            f"connect.{outcome.value}",
            attempt,
            actor=Actor.customer(attempt.link.connection.customer),
            partner=attempt.link.partner,
            changes={"reason": reason, "detail": detail[:200]},
        )


def _give_back(attempt: AuthorizationAttempt, granted: Granted) -> None:
    """Best effort: tokens that were granted and are not kept are ended at the provider (CAL-11).

    Not where that would, or might, end other connections to the same account too.
    """
    if not granted.is_ours_to_end:
        return
    provider = attempt.client.integration.provider
    opened = {"access_token": granted.response.access_token}
    if granted.response.refresh_token:
        opened["refresh_token"] = granted.response.refresh_token
    account_id = granted.identity.account_id if granted.identity else ""
    if shared_grants.obstacle(provider, client=attempt.client, account_id=account_id, opened=opened):
        return
    try:
        provider_calls.revoke(
            provider,
            client=tokens.client_authentication(attempt.client),
            tokens=opened,
            values={**config_of(attempt), **granted.captured},
        )
    except (ProviderError, UnreadableSecret, TemplateError) as error:
        log.warning("unused tokens could not be revoked", attempt=str(attempt.pk), error=type(error).__name__)
