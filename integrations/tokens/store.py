"""From a token reply to columns. The columns are written by a conditional UPDATE, never by saving a row."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from integrations.catalogue import OAuth
from integrations.models import Connection
from integrations.oauth import expiry
from integrations.oauth.token_response import TokenResponse
from integrations.tokens import plan
from sealing import seal

#: the sweep renews no token again sooner, however short it says that it lives (TOK-05)
REPEATED_AFTER = timedelta(minutes=5)


def token_columns(
    connection: Connection,
    response: TokenResponse,
    *,
    oauth: OAuth,
    now: datetime,
    keeps_refresh_token: bool | None = None,
    granted_at: datetime | None = None,
) -> dict[str, Any]:
    """Every column that a new token pair sets.

    keeps_refresh_token None: a refresh. Given: the customer has consented anew, and a stored refresh token
    stays (True) or goes when none came. An absent refresh token keeps the stored one in a refresh (RFC 6749
    section 6). granted_at: when the customer consented, from which absolute lifetimes count; None: now for a
    new grant, connected_at for a refresh. A connection whose last_used_at is within a day counts as used.
    """
    is_refresh = keeps_refresh_token is None
    has_refresh_token = bool(response.refresh_token) or (
        keeps_refresh_token is not False and connection.refresh_token is not None
    )
    lifetime = expiry.token_lifetime(
        response.expires_in,
        previous_lifetime=connection.access_token_lifetime,
        default_lifetime=oauth.lifetimes.access_token_seconds if has_refresh_token else None,
    )
    expires_at = None if lifetime is None else now + timedelta(seconds=lifetime)
    columns: dict[str, Any] = {
        "access_token": seal(response.access_token, model=Connection, field="access_token", pk=connection.pk),
        "token_type": response.token_type[:64],
        "access_token_lifetime": lifetime,
        "access_token_expires_at": expires_at,
        "token_version": connection.token_version + 1,
        "token_stored_at": now,
        "next_refresh_at": None,
        "refresh_not_before": None,
        "refresh_failures": 0,
        "unknown_refusals": 0,
        "refresh_failing_since": None,
        "unfinished_refreshes": 0,
        "refresh_quarantined_at": None,
        "lease_owner": None,
        "lease_expires_at": None,
        "updated_at": now,
    }
    if response.refresh_token:
        columns["refresh_token"] = seal(
            response.refresh_token, model=Connection, field="refresh_token", pk=connection.pk
        )
    elif keeps_refresh_token is False:
        columns["refresh_token"] = None
    if has_refresh_token:
        base = granted_at or (connection.connected_at if is_refresh else now)
        end = _end_columns(connection, response, oauth=oauth, now=now, granted_at=base, is_refresh=is_refresh)
        columns.update(end)
        columns["next_refresh_at"] = _next_refresh(
            connection, columns, oauth=oauth, now=now, is_refresh=is_refresh
        )
    else:
        columns.update(
            refresh_token_expires_at=None, refresh_token_lifetime=None, refresh_token_alert_at=None
        )
    if response.scopes is not None:
        columns["granted_scopes"] = list(response.scopes)
    return columns


def _next_refresh(
    connection: Connection, columns: dict[str, Any], *, oauth: OAuth, now: datetime, is_refresh: bool
) -> datetime:
    moment = plan.next_refresh(
        oauth,
        now=now,
        expires_at=columns["access_token_expires_at"],
        lifetime=columns["access_token_lifetime"],
        is_used=not is_refresh or plan.is_used_lately(connection, now),
        refresh_token_seconds=columns.get("refresh_token_lifetime", connection.refresh_token_lifetime),
    )
    return max(moment, now + REPEATED_AFTER) if is_refresh else moment


def _end_columns(
    connection: Connection,
    response: TokenResponse,
    *,
    oauth: OAuth,
    now: datetime,
    granted_at: datetime | None,
    is_refresh: bool,
) -> dict[str, Any]:
    """When the grant ends, and when its partner is told: anew when a refresh moves the end, else once (REF-23)."""
    before = connection.refresh_token_expires_at
    told = _told_end(response, now) if response.refresh_token else before
    end, is_absolute = plan.grant_end(oauth, granted_at=granted_at, told_end=told)
    if end is None:
        return {
            "refresh_token_expires_at": None,
            "refresh_token_lifetime": None,
            "refresh_token_alert_at": None,
        }
    if is_refresh and connection.refresh_token_lifetime is not None and not plan.has_moved(before, end):
        return {"refresh_token_expires_at": end}
    lifetime = max(end - (granted_at if is_absolute and granted_at is not None else now), timedelta())
    return {
        "refresh_token_expires_at": end,
        "refresh_token_lifetime": int(lifetime.total_seconds()),
        "refresh_token_alert_at": plan.alert_at(end, lifetime),
    }


def _told_end(response: TokenResponse, now: datetime) -> datetime | None:
    """0 is what servers tell of tokens without end."""
    seconds = response.refresh_token_expires_in
    return now + timedelta(seconds=seconds) if seconds else None
