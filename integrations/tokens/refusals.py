"""What a failed refresh does to the row, by its verdict (design rule 3)."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q

from accounts import audit
from accounts.audit import Actor
from integrations import states
from integrations.errors import ProviderError, ProviderRefused
from integrations.models import ClientCredentials, Connection
from integrations.models.connection import USABLE, Status
from integrations.oauth.verdicts import Verdict
from integrations.tokens import incidents

log = structlog.get_logger(__name__)
ACTOR = Actor.system("token refresh")

#: temporary failures: 15 s, doubling, at most an hour, each spread by a fifth
_BACKOFF_FIRST_SECONDS = 15
_BACKOFF_MAX_SECONDS = 3_600
#: the sweep waits all of that; a caller asks again when the longest Retry-After is over (contract section 2)
_USE_BACKOFF_MAX = timedelta(minutes=1)
#: unknown 4xx: six tries over an hour, then the customer is asked (REF-12)
UNKNOWN_TRIES = 6
_UNKNOWN_SPACING = timedelta(minutes=12)
#: while an alarm stands one connection a minute asks for all of the client's
_CLIENT_WRONG_PAUSE = timedelta(minutes=1)
#: the sweep asks with a client that is refused for longer ever more rarely
_CLIENT_WRONG_SHARE = 4
#: from then on a failing refresh is a status of its own even while the old token lives
FAILING_AFTER = timedelta(minutes=15)


def record(connection: Connection, error: ProviderError, *, now: datetime) -> None:
    """Do what the verdict on this failure asks for, and keep it for the connection's report."""
    verdict = error.verdict if isinstance(error, ProviderRefused) else Verdict.TEMPORARY
    if verdict == Verdict.GRANT_GONE:
        end_grant(connection, reason=_gone_reason(connection, error, now), error=error, now=now)
    elif verdict == Verdict.CLIENT_WRONG:
        _client_wrong(connection, error, now=now)
    elif verdict == Verdict.UNKNOWN:
        _unknown(connection, error, now=now)
    else:
        _failed(connection, error, now=now)


def end_grant(
    connection: Connection, *, reason: str, error: ProviderError | None = None, now: datetime | None = None
) -> bool:
    """The grant is gone: one event, no more calls. Only if the tokens are still those that were tried (REF-06).

    error and now: what the provider has said to that, if it was asked.
    """
    with transaction.atomic():
        has_ended = states.change(
            connection.pk,
            to=Status.RECONNECT_REQUIRED,
            actor=ACTOR,
            reason=reason,
            evidence=error.evidence if error is not None else "",
            only_if={"token_version": connection.token_version, "status__in": USABLE},
            also={"next_refresh_at": None},
        )
        if has_ended and error is not None and now is not None:
            incidents.record(connection, error, now=now, next_try_at=None)
    return has_ended


def _gone_reason(connection: Connection, error: ProviderError, now: datetime) -> str:
    """What the verdict's rule says, unless the end was known and has come."""
    ends_at = connection.refresh_token_expires_at
    if ends_at is not None and now >= ends_at:
        return "refresh_token_expired"
    return error.reason or "revoked_at_provider"


def is_held_back(connection: Connection, *, now: datetime) -> bool:
    """Whether the provider is not to be asked now, since it refuses the client itself (REF-14).

    While the alarm stands one connection a minute, whichever comes first, asks for all; the others are put off.
    """
    client = connection.client
    if client is None or client.rejected_since is None:
        return False
    is_turn = Q(last_refused_at=None) | Q(last_refused_at__lte=now - _CLIENT_WRONG_PAUSE)
    refused = ClientCredentials.objects.filter(pk=client.pk).exclude(rejected_since=None)
    if refused.filter(is_turn).update(last_refused_at=now) or not refused.exists():
        return False
    _postpone(connection, until=now + _client_wait(client, now), at_use=now + _CLIENT_WRONG_PAUSE, now=now)
    return True


def _client_wait(client: ClientCredentials | None, now: datetime) -> timedelta:
    """Until the sweep asks again."""
    since = client.rejected_since if client is not None else None
    rejected_for = now - since if since is not None else timedelta()
    wait = min(rejected_for / _CLIENT_WRONG_SHARE, timedelta(seconds=_BACKOFF_MAX_SECONDS))
    return max(wait, _CLIENT_WRONG_PAUSE)


def _client_wrong(connection: Connection, error: ProviderError, *, now: datetime) -> None:
    """Our fault: one alarm on the integration, no customer is marked (REF-14)."""
    until = now + _client_wait(connection.client, now)
    _postpone(connection, until=until, at_use=now + _CLIENT_WRONG_PAUSE, now=now, error=error)
    if connection.client is not None and _is_refused_again(connection.client, now=now):
        _raise_alarm(connection, connection.client, error, now=now)


def _is_refused_again(client: ClientCredentials, *, now: datetime) -> bool:
    """Whether this refusal follows another without a success between: one odd reply is no alarm.

    A provider with several data centres knows a new secret in one of them earlier than in the next.
    """
    rows = ClientCredentials.objects.filter(pk=client.pk)
    is_first = bool(rows.filter(last_refused_at=None).update(last_refused_at=now))
    return not is_first


def _raise_alarm(
    connection: Connection, client: ClientCredentials, error: ProviderError, *, now: datetime
) -> None:
    code = error.error if isinstance(error, ProviderRefused) else ""
    with transaction.atomic():
        unalarmed = ClientCredentials.objects.filter(pk=client.pk, rejected_since=None)
        is_news = unalarmed.update(rejected_since=now)
        if is_news:
            changes = {"client_id": client.client_id, "error": code, "evidence": error.evidence}
            audit.record("integration.client_rejected", connection.integration, actor=ACTOR, changes=changes)
    if is_news:
        log.error("the provider rejects our client", integration=connection.integration.slug, error=code)


def _unknown(connection: Connection, error: ProviderError, *, now: datetime) -> None:
    # One that a person asked for ahead of time is not one of the six: they are spread over an hour (REF-12).
    not_before = connection.refresh_not_before
    is_early = connection.unknown_refusals > 0 and not_before is not None and now < not_before
    tries = connection.unknown_refusals + (0 if is_early else 1)
    since = connection.refresh_failing_since or now
    if tries >= UNKNOWN_TRIES and now - since >= _UNKNOWN_SPACING * (UNKNOWN_TRIES - 1):
        end_grant(connection, reason=error.reason or "refused_repeatedly", error=error, now=now)
        return
    counted: dict[str, Any] = {"unknown_refusals": tries, "refresh_failing_since": since}
    _postpone(connection, until=now + _UNKNOWN_SPACING, now=now, error=error, **counted)
    _mark_failing(connection, since=since, now=now, evidence=error.evidence)


def _failed(connection: Connection, error: ProviderError, *, now: datetime) -> None:
    """Temporary: back off with jitter, for ever; the old token serves while it lives."""
    failures = connection.refresh_failures + 1
    seconds = min(_BACKOFF_MAX_SECONDS, _BACKOFF_FIRST_SECONDS * 2 ** min(failures - 1, 10))
    asked = min(error.retry_after or timedelta(), timedelta(seconds=_BACKOFF_MAX_SECONDS))
    until = now + max(timedelta(seconds=seconds), asked) * random.uniform(1.0, 1.2)  # noqa: S311 (spread)
    since = connection.refresh_failing_since or now
    counted: dict[str, Any] = {"refresh_failures": failures, "refresh_failing_since": since}
    _postpone(
        connection, until=until, at_use=min(until, now + _USE_BACKOFF_MAX), now=now, error=error, **counted
    )
    _mark_failing(connection, since=since, now=now, evidence=error.evidence)


def _postpone(
    connection: Connection,
    *,
    until: datetime,
    now: datetime,
    at_use: datetime | None = None,
    error: ProviderError | None = None,
    **columns: Any,
) -> None:
    """The sweep asks again from until on, and a use from at_use on, which is the same unless given.

    error: what failed; kept beside the row, unless somebody else has refreshed it meanwhile.
    """
    row = Connection.objects.filter(pk=connection.pk, token_version=connection.token_version)
    with transaction.atomic():
        is_current = row.update(
            refresh_not_before=at_use or until, next_refresh_at=until, updated_at=now, **columns
        )
        if is_current and error is not None:
            incidents.record(connection, error, now=now, next_try_at=at_use or until)


def _mark_failing(connection: Connection, *, since: datetime, now: datetime, evidence: str) -> None:
    """refresh_failing: the token has expired, or refreshes have failed for 15 minutes (contract section 3)."""
    expires_at = connection.access_token_expires_at
    if (expires_at is not None and now >= expires_at) or now - since >= FAILING_AFTER:
        states.change(
            connection.pk,
            to=Status.REFRESH_FAILING,
            actor=ACTOR,
            reason="provider_unavailable",
            evidence=evidence,
            only_if={"token_version": connection.token_version, "status": Status.ACTIVE},
        )
