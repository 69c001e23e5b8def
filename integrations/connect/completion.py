"""From a claimed attempt to its outcome: what was granted is stored, all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from django.db import DatabaseError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import audit
from accounts.audit import Actor
from accounts.models.event import EventType
from integrations import provider_calls, states, tokens
from integrations.catalogue import Provider, TemplateError
from integrations.connect import choice
from integrations.connect.consented import DETAIL_CHARACTERS
from integrations.connect.granted import Granted, config_of
from integrations.connections import shared_grants
from integrations.connections.identity import identity_columns
from integrations.errors import ConnectFailed, ProviderError
from integrations.models import AuthorizationAttempt, Connection, ConnectLink, Integration
from integrations.models.connection import Status
from integrations.models.link import Outcome
from integrations.provider_calls import Identity
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
        end(attempt, outcome, reason=error.reason, detail=str(error))
    except TemplateError as error:
        # A value that the provider's addresses need did not come (QuickBooks: realmId, Pipedrive: api_domain).
        end(attempt, Outcome.FAILED, reason="bad_response", detail=str(error))
    except UnreadableSecret:
        log.error("a client secret cannot be read", integration=attempt.link.integration.slug)
        end(attempt, Outcome.FAILED, reason="misconfigured")
    except DatabaseError:
        log.exception("connection could not be stored", attempt=str(attempt.pk))
        end(attempt, Outcome.FAILED, reason="stored_failed")


def _store(attempt: AuthorizationAttempt, granted: Granted) -> None:
    """Tokens, link, attempt, audit and event in one transaction (CAL-18). Raises ConnectFailed, DatabaseError."""
    try:
        with transaction.atomic():
            connection = _locked(attempt)
            _check_account(connection, granted)
            if granted.identity is not None and granted.identity.accounts:
                _require_unspent(attempt)
                _park(connection, attempt, granted)
                return
            before = Status(connection.status)
            _write(connection, attempt, granted)
            _spend(attempt)
            end(attempt, Outcome.CONNECTED)
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


def _park(connection: Connection, attempt: AuthorizationAttempt, granted: Granted) -> None:
    """Keep the tokens with the connection, which nobody may use until the customer has chosen an account."""
    columns = _grant_columns(connection, attempt, granted)
    Connection.objects.filter(pk=connection.pk).update(**columns, is_identity_known=False)
    _take_out_of_use(connection)
    identity = granted.identity
    assert identity is not None
    AuthorizationAttempt.objects.filter(pk=attempt.pk).update(
        choice=choice.as_json(identity, token_version=columns["token_version"])
    )
    end(attempt, Outcome.CHOOSING)


def _take_out_of_use(connection: Connection) -> None:
    """One that was in use, of an account that was never known: its new tokens may be of another."""
    if connection.status in (Status.PENDING, Status.RECONNECT_REQUIRED):
        return
    states.change(
        connection.pk,
        to=Status.RECONNECT_REQUIRED,
        actor=Actor.customer(connection.customer),
        evidence="the customer gave access to several accounts and has yet to choose one",
        also={"status_before_pause": "", "reason_before_pause": ""},
    )


def complete_choice(attempt: AuthorizationAttempt, identity: Identity, *, token_version: int) -> None:
    """Bring the attempt to its outcome with the account that the customer has chosen."""
    try:
        _store_chosen(attempt, identity, token_version=token_version)
    except ConnectFailed as error:
        drop_choice(attempt, token_version=token_version, reason=error.reason, detail=str(error))
    except DatabaseError:
        log.exception("connection could not be stored", attempt=str(attempt.pk))
        drop_choice(attempt, token_version=token_version, reason="stored_failed")


def drop_choice(attempt: AuthorizationAttempt, *, token_version: int, reason: str, detail: str = "") -> None:
    """End an attempt from which nothing was chosen: what it had parked is given back, and nothing of it is kept."""
    opened: dict[str, str] = {}
    with transaction.atomic():
        row = Connection.objects.select_for_update(no_key=True).get(pk=attempt.link.connection_id)
        if not _is_choosing(attempt):
            return
        # Another attempt may have brought other tokens meanwhile, which are not this one's to end.
        if row.token_version == token_version and row.status in (Status.PENDING, Status.RECONNECT_REQUIRED):
            opened = tokens.open_tokens(row)
            Connection.objects.filter(pk=row.pk).update(
                access_token=None, refresh_token=None, next_refresh_at=None, refresh_token_alert_at=None
            )
        end(attempt, Outcome.FAILED, reason=reason, detail=detail)
        AuthorizationAttempt.objects.filter(pk=attempt.pk).update(choice=None)
    if opened:
        give_back(attempt, opened, captured=row.captured)


def _is_choosing(attempt: AuthorizationAttempt) -> bool:
    """Asked under the connection's lock: of two answers to one question the first counts."""
    return AuthorizationAttempt.objects.filter(pk=attempt.pk, outcome=Outcome.CHOOSING).exists()


def _store_chosen(attempt: AuthorizationAttempt, identity: Identity, *, token_version: int) -> None:
    with transaction.atomic():
        connection = _locked(attempt)
        if not _is_choosing(attempt):
            return
        if connection.token_version != token_version or connection.access_token is None:
            raise ConnectFailed("link_used", "")  # another attempt has brought other tokens meanwhile
        before = Status(connection.status)
        provider = attempt.client.integration.provider
        is_refreshable = connection.refresh_token is not None
        lacks_refresh = provider.oauth.expects_refresh_token and not is_refreshable
        Connection.objects.filter(pk=connection.pk).update(
            **identity_columns(identity),
            status=Status.ACTIVE,
            status_reason="no_refresh_token" if lacks_refresh else "",
            status_evidence="",
            status_before_pause="",
            reason_before_pause="",
            connected_at=timezone.now(),
        )
        _spend(attempt)
        end(attempt, Outcome.CONNECTED)
        AuthorizationAttempt.objects.filter(pk=attempt.pk).update(choice=None)
        _tell(connection, before=before, is_refreshable=is_refreshable)


def _grant_columns(connection: Connection, attempt: AuthorizationAttempt, granted: Granted) -> dict[str, Any]:
    """What a grant sets, whoever's account it turns out to be of."""
    columns = tokens.token_columns(
        connection,
        granted.response,
        oauth=attempt.client.integration.provider.oauth,
        now=timezone.now(),
        keeps_refresh_token=_keeps_refresh_token(connection, granted),
    )
    if granted.response.scopes is None:
        columns["granted_scopes"] = []
    return {
        **columns,
        "client": attempt.client,
        "connection_config": attempt.connection_config,
        "captured": granted.captured,
        "requested_scopes": attempt.scopes,
        "requested_optional_scopes": attempt.optional_scopes,
    }


def _write(connection: Connection, attempt: AuthorizationAttempt, granted: Granted) -> None:
    provider = attempt.client.integration.provider
    reason, evidence = _warning(provider, connection, granted)
    Connection.objects.filter(pk=connection.pk).update(
        **_grant_columns(connection, attempt, granted),
        **(identity_columns(granted.identity) if granted.identity else {}),
        status=Status.ACTIVE,
        status_reason=reason,
        status_evidence=evidence[:500],
        status_before_pause="",
        reason_before_pause="",
        connected_at=timezone.now(),
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
    if not _unspent(attempt).update(completed_at=timezone.now(), failed_at=None, failure_reason=""):
        _require_unspent(attempt)


def _unspent(attempt: AuthorizationAttempt) -> QuerySet[ConnectLink]:
    return ConnectLink.objects.filter(pk=attempt.link_id, completed_at=None, revoked_at=None)


def _require_unspent(attempt: AuthorizationAttempt) -> None:
    """Raise ConnectFailed for a link that was used or taken back while the customer was away."""
    if not _unspent(attempt).exists():
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


def end(attempt: AuthorizationAttempt, outcome: Outcome, *, reason: str = "", detail: str = "") -> None:
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
        if outcome == Outcome.CHOOSING:
            customer = attempt.link.connection.customer
            partner = attempt.link.partner
            audit.record("connect.choosing", attempt, actor=Actor.customer(customer), partner=partner)
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
    """Tokens that were granted and are not kept. Of several accounts any may be one that is connected already."""
    is_one = granted.identity is not None and not granted.identity.accounts
    account_id = granted.identity.account_id if granted.identity and is_one else ""
    extras = granted.identity.extras if granted.identity and is_one else {}
    opened = granted.opened(attempt.client.integration.provider)
    give_back(attempt, opened, captured={**extras, **granted.captured}, account_id=account_id)


def give_back(
    attempt: AuthorizationAttempt,
    opened: Mapping[str, str],
    *,
    captured: Mapping[str, str],
    account_id: str = "",
) -> None:
    """Best effort: end unused tokens at the provider (CAL-11); not where that would, or might, end other
    connections to the same account too."""
    provider = attempt.client.integration.provider
    if provider.auth_kind in ("api_key", "basic"):
        return  # the customer's own, which no attempt has made
    if shared_grants.obstacle(provider, client=attempt.client, account_id=account_id, opened=dict(opened)):
        return
    try:
        provider_calls.revoke(
            provider,
            client=tokens.client_authentication(attempt.client),
            tokens=opened,
            values={**config_of(attempt), **captured},
        )
    except (ProviderError, UnreadableSecret, TemplateError) as error:
        log.warning("unused tokens could not be revoked", attempt=str(attempt.pk), error=type(error).__name__)
