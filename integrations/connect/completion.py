"""From a claimed attempt to its outcome: exchange the code, learn the account, store all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts import audit
from accounts.audit import Actor
from accounts.models.event import EventType
from integrations import catalogue, provider_calls, states, tokens
from integrations.catalogue import InvalidConnectionField, Provider, TemplateError
from integrations.connect import callback_proof
from integrations.connections import shared_grants
from integrations.connections.identity import identity_columns
from integrations.errors import (
    ConnectFailed,
    ProviderError,
    ProviderRefused,
    ProviderReplyUnreadable,
    ProviderUnavailable,
)
from integrations.models import AuthorizationAttempt, Connection, ConnectLink, Integration
from integrations.models.connection import Status
from integrations.models.link import Outcome
from integrations.oauth.callback import Callback
from integrations.oauth.masking import mask_secrets
from integrations.oauth.token_response import TokenResponse
from integrations.oauth.verdicts import Verdict
from integrations.provider_calls import Identity
from integrations.tokens.refresh import load
from sealing import UnreadableSecret

log = structlog.get_logger(__name__)
#: error codes by which providers tell that the customer said no (RFC 6749 section 4.1.2.1, and what is seen)
_DENIALS = frozenset({"access_denied", "user_denied", "consent_denied", "user_cancelled", "login_cancelled"})
_DETAIL_CHARACTERS = 500


@dataclass(frozen=True, slots=True, repr=False)
class _Granted:
    """What the provider gave: tokens, values beside them, and the account if it could be read."""

    response: TokenResponse
    captured: dict[str, str]
    identity: Identity | None
    identity_evidence: str


def complete(attempt: AuthorizationAttempt, *, answer: Callback, query_string: str) -> None:
    """Bring a claimed attempt to its outcome; never raises what a provider or a caller can cause."""
    try:
        callback_proof.check_sender(attempt, answer)
        if answer.error:
            _told_error(attempt, answer)
            return
        values = callback_proof.prove(attempt, answer=answer, query_string=query_string)
        granted = _exchange(attempt, code=answer.code or "", values=values)
        _store(attempt, granted)
    except ConnectFailed as error:
        _end(attempt, Outcome.FAILED, reason=error.reason, detail=str(error))
    except TemplateError as error:
        # A value that the provider's addresses need did not come (QuickBooks: realmId, Pipedrive: api_domain).
        _end(attempt, Outcome.FAILED, reason="bad_response", detail=str(error))
    except UnreadableSecret:
        log.error("a client secret cannot be read", integration=attempt.link.integration.slug)
        _end(attempt, Outcome.FAILED, reason="misconfigured")
    except DatabaseError:
        log.exception("connection could not be stored", attempt=str(attempt.pk))
        _end(attempt, Outcome.FAILED, reason="stored_failed")


def _told_error(attempt: AuthorizationAttempt, answer: Callback) -> None:
    error = answer.error or ""
    is_denial = error in _DENIALS
    detail = (
        "" if is_denial else mask_secrets(answer.error_description or error, max_length=_DETAIL_CHARACTERS)
    )
    _end(
        attempt,
        Outcome.DENIED if is_denial else Outcome.FAILED,
        reason="denied" if is_denial else "error",
        detail=detail,
    )


def _exchange(attempt: AuthorizationAttempt, *, code: str, values: dict[str, str]) -> _Granted:
    """The token call in the callback request itself, then the account. Raises ConnectFailed."""
    config = {**attempt.link.integration.connection_config, **attempt.connection_config, **values}
    try:
        response = tokens.exchange(attempt, code=code, values=config)
    except ProviderError as error:
        raise _failed(error) from error
    provider = attempt.client.integration.provider
    try:
        captured = {**values, **_captures(provider, response, config)}
    except InvalidConnectionField as error:
        raise ConnectFailed("bad_parameter", f"{error.field} {error.reason}") from error
    try:
        identity = _identify(attempt, response, {**config, **captured})
    except ProviderError as error:
        log.warning(
            "account look-up failed after connecting", attempt=str(attempt.pk), evidence=error.evidence
        )
        return _Granted(response, captured, None, error.evidence)
    return _Granted(response, captured, identity, "")


def _failed(error: ProviderError) -> ConnectFailed:
    if isinstance(error, ProviderUnavailable):
        return ConnectFailed("unavailable", "")
    if isinstance(error, ProviderReplyUnreadable):
        is_redirect = error.status is not None and 300 <= error.status < 400
        return ConnectFailed("misconfigured" if is_redirect else "bad_response", "")
    if isinstance(error, ProviderRefused) and error.verdict != Verdict.CLIENT_WRONG:
        return ConnectFailed("rejected", error.error[:100])
    return ConnectFailed("misconfigured", "")


def _captures(provider: Provider, response: TokenResponse, config: Mapping[str, str]) -> dict[str, str]:
    """Values beside the tokens that the entry asks to keep, checked (CAL-16)."""
    kept = {}
    for rule in provider.oauth.token_captures:
        value = response.members.at(rule.path)
        if isinstance(value, str | int) and not isinstance(value, bool):
            kept[rule.store_as] = catalogue.captured(rule, str(value), values=config)
    return kept


def _identify(attempt: AuthorizationAttempt, response: TokenResponse, values: Mapping[str, str]) -> Identity:
    opened = {"access_token": response.access_token}
    if response.refresh_token:
        opened["refresh_token"] = response.refresh_token
    return provider_calls.identify(
        attempt.client.integration.provider,
        client=tokens.client_authentication(attempt.client),
        tokens=opened,
        values=values,
        bound_to=attempt.link.connection.provider_account_id,
    )


def _store(attempt: AuthorizationAttempt, granted: _Granted) -> None:
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


def _check_account(connection: Connection, granted: _Granted) -> None:
    """A reconnect must land on the account that was connected before (CON-15)."""
    bound = connection.provider_account_id
    if not bound:
        return
    if granted.identity is None:
        raise ConnectFailed("unavailable", "")
    if granted.identity.account_id != bound:
        name = connection.provider_account_name or bound
        raise ConnectFailed("account_mismatch", f"It was {name} before.")


def _is_refreshable(connection: Connection, granted: _Granted) -> bool:
    return bool(granted.response.refresh_token) or _keeps_refresh_token(connection, granted)


def _keeps_refresh_token(connection: Connection, granted: _Granted) -> bool:
    """The stored refresh token stays when the same account brought no new one (TOK-19)."""
    is_same = granted.identity is not None and granted.identity.account_id == connection.provider_account_id
    return connection.refresh_token is not None and is_same and bool(connection.provider_account_id)


def _write(connection: Connection, attempt: AuthorizationAttempt, granted: _Granted) -> None:
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


def _warning(provider: Provider, connection: Connection, granted: _Granted) -> tuple[str, str]:
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
            outcome_detail=detail[:_DETAIL_CHARACTERS],
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


def _give_back(attempt: AuthorizationAttempt, granted: _Granted) -> None:
    """Best effort: tokens that were granted and are not kept are ended at the provider (CAL-11).

    Not where that would, or might, end other connections to the same account too.
    """
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
            values={
                **attempt.link.integration.connection_config,
                **attempt.connection_config,
                **granted.captured,
            },
        )
    except (ProviderError, UnreadableSecret, TemplateError) as error:
        log.warning("unused tokens could not be revoked", attempt=str(attempt.pk), error=type(error).__name__)
