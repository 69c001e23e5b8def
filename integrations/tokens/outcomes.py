"""One refresh under a held lease, and what each outcome does to the row (design rule 3)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import OperationalError, transaction
from django.db import connection as database
from django.utils import timezone

from accounts import audit
from accounts.audit import Actor
from integrations import provider_calls, states
from integrations.catalogue import TemplateError
from integrations.errors import ProviderError, ProviderRefused, ProviderUnavailable
from integrations.models import ClientCredentials, Connection
from integrations.models.connection import Status
from integrations.oauth.token_request import ClientAuthentication
from integrations.oauth.token_response import TokenResponse
from integrations.oauth.verdicts import Verdict
from integrations.tokens import lease
from integrations.tokens.openers import with_either_secret
from integrations.tokens.store import token_columns
from sealing import UnreadableSecret

log = structlog.get_logger(__name__)
_ACTOR = Actor.system("token refresh")

#: a lease lasts 40 s and a call 15 s: what begins later than this might still run when another takes the lease
_LAST_START_SECONDS = 20
#: temporary failures: 15 s, doubling, at most an hour, each spread by a fifth
_BACKOFF_FIRST_SECONDS = 15
_BACKOFF_MAX_SECONDS = 3_600
#: the sweep waits all of that; a caller asks again when the longest Retry-After is over (contract section 2)
_USE_BACKOFF_MAX = timedelta(minutes=1)
#: unknown 4xx: six tries over an hour, then the customer is asked (REF-12)
UNKNOWN_TRIES = 6
_UNKNOWN_SPACING = timedelta(minutes=12)
#: the sweep asks with a client that is refused for longer ever more rarely
_CLIENT_WRONG_PAUSE = timedelta(minutes=1)
_CLIENT_WRONG_SHARE = 4
#: from then on a failing refresh is a status of its own even while the old token lives
FAILING_AFTER = timedelta(minutes=15)
_USABLE = [Status.ACTIVE, Status.REFRESH_FAILING]
#: seconds between the tries to store a pair; the compare-and-swap holds however long it takes
_STORE_WAITS = (0.2, 1.0, 3.0)


def refresh_under_lease(connection: Connection, *, owner: UUID, clock: Callable[[], datetime]) -> None:
    """Refresh and store, or record why not; the lease is given back in every case.

    Raises UnreadableSecret only: a stored secret that no key opens changes no status.
    """
    try:
        response = _call(connection)
    except ProviderRefused as error:
        _refused(connection, error, now=clock())
    except ProviderError as error:
        _failed(connection, error, now=clock())
    except TemplateError as error:  # a value that the token endpoint's address needs is not there (any more)
        _failed(connection, ProviderError("The provider cannot be asked.", evidence=str(error)), now=clock())
    else:
        _store_surely(connection, response, now=clock())
    finally:
        lease.release(connection.pk, owner)


def _call(connection: Connection) -> TokenResponse:
    """The token call: once more with the same refresh token when the reply was lost (REF-03).

    No call begins that could outlive the lease: two with one refresh token would look like theft (REF-07).
    """
    last_start = time.monotonic() + _LAST_START_SECONDS
    try:
        return _call_with_either_secret(connection, last_start=last_start)
    except ProviderUnavailable as error:
        if not error.outcome_unknown or time.monotonic() > last_start:
            raise
        log.warning("refresh reply lost, asking once more", connection=str(connection.pk))
        return _call_with_either_secret(connection, last_start=last_start)


def _call_with_either_secret(connection: Connection, *, last_start: float) -> TokenResponse:
    client = connection.client
    sealed = connection.refresh_token
    if client is None or sealed is None:
        raise UnreadableSecret("The connection holds no refresh token or no client.")
    refresh_token = sealed.open().reveal()

    def call(authentication: ClientAuthentication) -> TokenResponse:
        return provider_calls.refresh(
            connection.integration.provider,
            client=authentication,
            refresh_token=refresh_token,
            values=connection.config_values(),
        )

    def require_time(error: ProviderRefused) -> None:
        if time.monotonic() > last_start:
            sentence = "No time was left to try the other client secret."
            raise ProviderUnavailable(sentence, evidence=error.evidence) from error

    return with_either_secret(client, call, before_next=require_time)


def _store_surely(connection: Connection, response: TokenResponse, *, now: datetime) -> None:
    """What the provider has rotated exists nowhere else: a database that is busy or away is asked again."""
    for wait in _STORE_WAITS:
        try:
            store(connection, response, now=now)
            return
        except OperationalError as error:
            if database.in_atomic_block:
                raise
            log.error("tokens not stored yet", connection=str(connection.pk), error=type(error).__name__)
            database.close()
            time.sleep(wait)
    store(connection, response, now=now)


def store(connection: Connection, response: TokenResponse, *, now: datetime) -> bool:
    """Write the new pair if nobody else has written one meanwhile and the connection still lives (REF-20)."""
    oauth = connection.integration.provider.oauth
    columns = token_columns(connection, response, oauth=oauth, now=now)
    live = Connection.objects.filter(pk=connection.pk, token_version=connection.token_version)
    with transaction.atomic():
        stored = live.filter(status__in=[*_USABLE, Status.PAUSED]).update(**columns)
        if stored:
            states.change(
                connection.pk, to=Status.ACTIVE, actor=_ACTOR, only_if={"status": Status.REFRESH_FAILING}
            )
            Connection.objects.filter(
                pk=connection.pk, status=Status.PAUSED, status_before_pause=Status.REFRESH_FAILING
            ).update(status_before_pause=Status.ACTIVE, reason_before_pause="")
            _end_alarm(connection.client)
    if not stored:
        log.warning("refresh result discarded, the row had moved on", connection=str(connection.pk))
    return bool(stored)


def end_grant(connection: Connection, *, reason: str, evidence: str = "") -> bool:
    """The grant is gone: one event, no more calls. Only if the tokens are still those that were tried (REF-06)."""
    return states.change(
        connection.pk,
        to=Status.RECONNECT_REQUIRED,
        actor=_ACTOR,
        reason=reason,
        evidence=evidence,
        only_if={"token_version": connection.token_version, "status__in": _USABLE},
        also={"next_refresh_at": None},
    )


def _refused(connection: Connection, error: ProviderRefused, *, now: datetime) -> None:
    if error.verdict == Verdict.GRANT_GONE:
        end_grant(connection, reason=_gone_reason(connection, now), evidence=error.evidence)
    elif error.verdict == Verdict.CLIENT_WRONG:
        _client_wrong(connection, error, now=now)
    elif error.verdict == Verdict.UNKNOWN:
        _unknown(connection, error, now=now)
    else:
        _failed(connection, error, now=now)


def _gone_reason(connection: Connection, now: datetime) -> str:
    ends_at = connection.refresh_token_expires_at
    return "refresh_token_expired" if ends_at is not None and now >= ends_at else "revoked_at_provider"


def _client_wrong(connection: Connection, error: ProviderRefused, *, now: datetime) -> None:
    """Our fault: one alarm on the integration, no customer is marked (REF-14)."""
    client = connection.client
    rejected_for = now - client.rejected_since if client and client.rejected_since else timedelta()
    wait = min(rejected_for / _CLIENT_WRONG_SHARE, timedelta(seconds=_BACKOFF_MAX_SECONDS))
    _postpone(connection, until=now + max(wait, _CLIENT_WRONG_PAUSE), at_use=now + _CLIENT_WRONG_PAUSE)
    if client is None:
        return
    with transaction.atomic():
        is_news = ClientCredentials.objects.filter(pk=client.pk, rejected_since=None).update(
            rejected_since=now
        )
        if is_news:
            audit.record(
                "integration.client_rejected",
                connection.integration,
                actor=_ACTOR,
                changes={"client_id": client.client_id, "error": error.error, "evidence": error.evidence},
            )
    if is_news:
        log.error(
            "the provider rejects our client", integration=connection.integration.slug, error=error.error
        )


def _end_alarm(client: ClientCredentials | None) -> None:
    if client is not None and client.rejected_since is not None:
        ClientCredentials.objects.filter(pk=client.pk).update(rejected_since=None)


def _unknown(connection: Connection, error: ProviderRefused, *, now: datetime) -> None:
    # One that a person asked for ahead of time is not one of the six: they are spread over an hour (REF-12).
    not_before = connection.refresh_not_before
    is_early = connection.unknown_refusals > 0 and not_before is not None and now < not_before
    tries = connection.unknown_refusals + (0 if is_early else 1)
    since = connection.refresh_failing_since or now
    if tries >= UNKNOWN_TRIES and now - since >= _UNKNOWN_SPACING * (UNKNOWN_TRIES - 1):
        end_grant(connection, reason="refused_repeatedly", evidence=error.evidence)
        return
    _postpone(connection, until=now + _UNKNOWN_SPACING, unknown_refusals=tries, refresh_failing_since=since)
    _mark_failing(connection, since=since, now=now, evidence=error.evidence)


def _failed(connection: Connection, error: ProviderError, *, now: datetime) -> None:
    """Temporary: back off with jitter, for ever; the old token serves while it lives."""
    failures = connection.refresh_failures + 1
    seconds = min(_BACKOFF_MAX_SECONDS, _BACKOFF_FIRST_SECONDS * 2 ** min(failures - 1, 10))
    until = now + timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 (spread, not secrecy)
    since = connection.refresh_failing_since or now
    at_use = min(until, now + _USE_BACKOFF_MAX)
    _postpone(connection, until=until, at_use=at_use, refresh_failures=failures, refresh_failing_since=since)
    _mark_failing(connection, since=since, now=now, evidence=error.evidence)


def _postpone(
    connection: Connection, *, until: datetime, at_use: datetime | None = None, **columns: Any
) -> None:
    """The sweep asks again from until on, and a use from at_use on, which is the same unless given."""
    Connection.objects.filter(pk=connection.pk, token_version=connection.token_version).update(
        refresh_not_before=at_use or until, next_refresh_at=until, updated_at=timezone.now(), **columns
    )


def _mark_failing(connection: Connection, *, since: datetime, now: datetime, evidence: str) -> None:
    """refresh_failing: the token has expired, or refreshes have failed for 15 minutes (contract section 3)."""
    expires_at = connection.access_token_expires_at
    if (expires_at is not None and now >= expires_at) or now - since >= FAILING_AFTER:
        states.change(
            connection.pk,
            to=Status.REFRESH_FAILING,
            actor=_ACTOR,
            reason="provider_unavailable",
            evidence=evidence,
            only_if={"token_version": connection.token_version, "status": Status.ACTIVE},
        )
