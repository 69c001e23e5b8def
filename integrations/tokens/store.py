"""From a token reply to columns. The columns are written by a conditional UPDATE, never by saving a row."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from integrations.catalogue import OAuth
from integrations.models import Connection
from integrations.oauth import expiry
from integrations.oauth.token_response import TokenResponse
from sealing import seal

#: a grant that tells no end is renewed once a day, so that it does not lapse by disuse (REF-23)
DAILY = timedelta(days=1)


def token_columns(
    connection: Connection,
    response: TokenResponse,
    *,
    oauth: OAuth,
    now: datetime,
    keeps_refresh_token: bool = True,
) -> dict[str, Any]:
    """Every column that a new token pair sets.

    An absent refresh token keeps the stored one (RFC 6749 section 6) unless keeps_refresh_token is False.
    """
    has_refresh_token = bool(response.refresh_token) or (
        keeps_refresh_token and connection.refresh_token is not None
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
        "next_refresh_at": _next_refresh(expires_at, lifetime, oauth, now) if has_refresh_token else None,
        "refresh_not_before": None,
        "refresh_failures": 0,
        "unknown_refusals": 0,
        "refresh_failing_since": None,
        "lease_owner": None,
        "lease_expires_at": None,
        "updated_at": now,
    }
    if response.refresh_token:
        columns["refresh_token"] = seal(
            response.refresh_token, model=Connection, field="refresh_token", pk=connection.pk
        )
        columns["refresh_token_expires_at"] = _refresh_token_end(response, now)
    elif not keeps_refresh_token:
        columns["refresh_token"] = None
    if response.scopes is not None:
        columns["granted_scopes"] = list(response.scopes)
    return columns


def _refresh_token_end(response: TokenResponse, now: datetime) -> datetime | None:
    seconds = response.refresh_token_expires_in
    return None if seconds is None else now + timedelta(seconds=seconds)


def _next_refresh(expires_at: datetime | None, lifetime: int | None, oauth: OAuth, now: datetime) -> datetime:
    due_at = expiry.refresh_due_at(
        expires_at,
        lifetime=lifetime,
        margin=oauth.refresh_margin_seconds,
        minimum_age=oauth.minimum_token_age_seconds,
    )
    return due_at or now + DAILY
