"""A usable access token for a connection: the stored one, or a refreshed one, by one process at a time.

Design rules 2 to 4. Many processes and threads may call ensure_fresh for one connection at once: one takes
the lease and refreshes, the others read its result. No network call is made inside a transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connections
from django.utils import timezone

from integrations.errors import ConnectionNotFound, ConnectionPaused, ReconnectRequired, RefreshUnavailable
from integrations.models import Connection
from integrations.models.connection import REASONS, USABLE, Status
from integrations.oauth import expiry
from integrations.representation import reconnect_url
from integrations.tokens import lease, outcomes
from sealing import Secret, UnreadableSecret

WAIT_SECONDS = 45.0
_POLL_SECONDS = 0.05
_POLL_MAX_SECONDS = 0.4
#: a token that the provider rejected although it is this young is not refreshed again (REF-17)
FRESHLY_REFRESHED = timedelta(seconds=60)

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What the proxy attaches. due_at: from then on ask again; None means until it is rejected."""

    secret: Secret
    token_type: str
    version: int
    due_at: datetime | None
    expires_at: datetime | None


def load(connection_id: UUID) -> Connection:
    """The row with all that a refresh needs. Raises ConnectionNotFound."""
    found = (
        Connection.objects.select_related("client__integration", "integration", "customer", "partner")
        .filter(pk=connection_id)
        .first()
    )
    if found is None:
        raise ConnectionNotFound("No such connection.")
    return found


def ensure_fresh(
    connection_id: UUID,
    *,
    rejected_version: int | None = None,
    wait_seconds: float = WAIT_SECONDS,
    clock: Clock = timezone.now,
    sleep: Callable[[float], None] = time.sleep,
) -> AccessToken:
    """A usable access token, refreshed first when it is due.

    rejected_version: the version that the provider has just called expired; it counts as due whatever its
    stored expiry says, unless it was stored within the last minute (REF-17). Waits at most wait_seconds for
    another process's refresh.
    Raises ConnectionNotFound, ConnectionPaused, ReconnectRequired, RefreshUnavailable, UnreadableSecret.
    """
    give_up_at = time.monotonic() + min(wait_seconds, WAIT_SECONDS)
    pause = _POLL_SECONDS
    while True:
        connection = load(connection_id)
        require_usable(connection)
        outcomes.finish_recovery(connection)
        now = clock()
        if not _needs_refresh(connection, rejected_version, now):
            return opened(connection)
        if connection.refresh_token is None:
            return _unrefreshable(connection, now)
        if _is_backing_off(connection, now):
            return _old_token_or_later(connection, rejected_version, now)
        owner = lease.take(
            connection.pk,
            token_version=connection.token_version,
            refresh_not_before=connection.refresh_not_before,
        )
        if owner is not None:
            connection.last_used_at = now  # in memory: this is a use, whenever the buffered one is written
            outcomes.refresh_under_lease(connection, owner=owner, clock=clock)
            renewed = load(connection_id)
            if renewed.token_version > connection.token_version and renewed.status in USABLE:
                return opened(renewed)  # also when it is due again at once: expires_in may be 0 (TOK-05)
            rejected_version = None
            continue
        if _is_alive(connection, rejected_version, now):
            return opened(connection)  # due, not expired, and somebody else is at it
        if time.monotonic() >= give_up_at:
            raise RefreshUnavailable("Another process is still refreshing the access token.", retry_after=5)
        _hold_no_connection()
        sleep(pause)
        pause = min(pause * 1.5, _POLL_MAX_SECONDS)


def _hold_no_connection() -> None:
    """Give pooled database connections back while waiting: the one who refreshes must be able to store.

    The refresher keeps its own during the token call, for the same reason: what a provider has rotated must
    never wait for a free connection. SQLite has no pool; inside a transaction there is nothing to give back.
    """
    for connection in connections.all(initialized_only=True):
        if connection.vendor != "sqlite" and not connection.in_atomic_block:
            connection.close()


def refresh_now(connection_id: UUID, *, clock: Clock = timezone.now) -> Connection:
    """Refresh although the token may still live (API, beat); returns the row as it then is.

    A temporary failure leaves the connection as it was and raises RefreshUnavailable (REF-36).
    """
    connection = load(connection_id)
    require_usable(connection)
    if connection.refresh_token is None:
        raise RefreshUnavailable("The provider gave nothing to refresh this connection with.", retry_after=60)
    owner = lease.take(
        connection.pk,
        token_version=connection.token_version,
        refresh_not_before=connection.refresh_not_before,
    )
    before = connection.token_version
    if owner is None:
        ensure_fresh(connection_id, rejected_version=before, clock=clock)  # waits for the one who is at it
        connection = load(connection_id)
        has_failed = connection.refresh_not_before is not None
        # A token of the last minute does for both, unless the other's refresh has just failed.
        return _renewed_since(connection_id, before) if has_failed else connection
    connection.last_used_at = clock()
    outcomes.refresh_under_lease(connection, owner=owner, clock=clock)
    return _renewed_since(connection_id, before)


def _renewed_since(connection_id: UUID, version: int) -> Connection:
    connection = load(connection_id)
    require_usable(connection)
    if connection.token_version == version:
        raise RefreshUnavailable("The provider could not refresh the access token just now.", retry_after=30)
    return connection


def renew_ahead(connection_id: UUID) -> None:
    """One connection by itself: refresh what is due, and what tells no end (REF-23).

    The latter is never due at use; it alone waits when another process is refreshing it. The sweep does this in
    batches (tokens.sweep). Raises as ensure_fresh does.
    """
    connection = load(connection_id)
    require_usable(connection)
    if connection.access_token_expires_at is None and connection.refresh_token is not None:
        refresh_now(connection_id)
    else:
        ensure_fresh(connection_id, wait_seconds=0)


def require_usable(connection: Connection) -> None:
    """Raise unless the status lets the connection be used."""
    status = connection.status
    if status in {Status.DISCONNECTED, Status.PENDING}:
        raise ConnectionNotFound("No such connection.")
    if status == Status.PAUSED:
        raise ConnectionPaused("Use of this connection is stopped; resume it first.")
    if status == Status.RECONNECT_REQUIRED:
        raise reconnect_required(connection)
    if connection.access_token is None:
        raise ConnectionNotFound("No such connection.")


def reconnect_required(connection: Connection) -> ReconnectRequired:
    """The error for a grant that is gone, with the URL that brings the customer back."""
    reason = connection.status_reason
    return ReconnectRequired(reason, REASONS.get(reason, ""), reconnect_url=reconnect_url(connection))


def opened(connection: Connection) -> AccessToken:
    """The stored token. Raises UnreadableSecret, which changes no status."""
    sealed = connection.access_token
    if sealed is None:
        raise UnreadableSecret("No access token is stored.")
    return AccessToken(
        sealed.open(),
        connection.token_type,
        connection.token_version,
        _due_at(connection),
        connection.access_token_expires_at,
    )


def _needs_refresh(connection: Connection, rejected_version: int | None, now: datetime) -> bool:
    if connection.token_version == rejected_version:
        stored_at = connection.token_stored_at
        return stored_at is None or now - stored_at > FRESHLY_REFRESHED or _is_expired(connection, now)
    due_at = _due_at(connection)
    return due_at is not None and now >= due_at


def _due_at(connection: Connection) -> datetime | None:
    oauth = connection.integration.provider.oauth
    return expiry.refresh_due_at(
        connection.access_token_expires_at,
        lifetime=connection.access_token_lifetime,
        margin=oauth.refresh_margin_seconds,
        minimum_age=oauth.minimum_token_age_seconds,
    )


def _is_expired(connection: Connection, now: datetime) -> bool:
    return connection.access_token_expires_at is not None and now >= connection.access_token_expires_at


def _is_alive(connection: Connection, rejected_version: int | None, now: datetime) -> bool:
    return connection.token_version != rejected_version and not _is_expired(connection, now)


def _is_backing_off(connection: Connection, now: datetime) -> bool:
    return connection.refresh_not_before is not None and now < connection.refresh_not_before


def _old_token_or_later(connection: Connection, rejected_version: int | None, now: datetime) -> AccessToken:
    """During back-off the old token serves while it lives (design rule 3)."""
    if _is_alive(connection, rejected_version, now):
        return opened(connection)
    assert connection.refresh_not_before is not None
    wait = int((connection.refresh_not_before - now).total_seconds()) + 1
    raise RefreshUnavailable("The provider could not refresh the access token just now.", retry_after=wait)


def _unrefreshable(connection: Connection, now: datetime) -> AccessToken:
    """A token that cannot be renewed: used while it lives, then the customer is asked (REF-34)."""
    if not _is_expired(connection, now):
        return opened(connection)
    outcomes.end_grant(connection, reason="not_refreshable")
    raise reconnect_required(load(connection.pk))
