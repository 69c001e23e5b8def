"""When tokens expire and when to refresh them. Times are aware, lifetimes are whole seconds."""

from __future__ import annotations

from datetime import datetime, timedelta

LONGEST_MARGIN_SECONDS = 300
MARGIN_SHARE_OF_LIFE = 10


def token_lifetime(
    expires_in: int | None, *, previous_lifetime: int | None, default_lifetime: int | None
) -> int | None:
    """The seconds that a new token lives: what was told, else as last time, else the provider's default.

    None: nobody knows, and the token counts as usable until the provider says otherwise. Without a refresh
    token pass no default: an invented end would only break what works.
    """
    if expires_in is not None:
        return expires_in
    return previous_lifetime or default_lifetime or None


def expires_at(
    now: datetime, expires_in: int | None, *, previous_lifetime: int | None, default_lifetime: int | None
) -> datetime | None:
    """The moment the token ends, None when unknown. `expires_in` 0 is now (RFC 6749 section 5.1)."""
    lifetime = token_lifetime(
        expires_in, previous_lifetime=previous_lifetime, default_lifetime=default_lifetime
    )
    return None if lifetime is None else now + timedelta(seconds=lifetime)


def refresh_margin(lifetime: int | None, margin: int | None = None) -> int:
    """How many seconds before its end a token is due for refresh.

    The smaller of five minutes and a tenth of its life. A provider's own margin takes that place, but never
    more than half of a life, which would refresh on every call.
    """
    if margin is not None:
        return margin if lifetime is None else min(margin, lifetime // 2)
    if lifetime is None:
        return LONGEST_MARGIN_SECONDS
    return min(LONGEST_MARGIN_SECONDS, lifetime // MARGIN_SHARE_OF_LIFE)


def refresh_due_at(
    expires_at: datetime | None,
    *,
    lifetime: int | None,
    margin: int | None = None,
    minimum_age: int | None = None,
) -> datetime | None:
    """The moment from which the next use refreshes; None for a token without a known end.

    minimum_age: seconds within which the provider refuses to renew a token. It never moves the moment past
    the token's end.
    """
    if expires_at is None:
        return None
    due_at = expires_at - timedelta(seconds=refresh_margin(lifetime, margin))
    if minimum_age is not None and lifetime is not None:
        due_at = max(due_at, expires_at - timedelta(seconds=max(lifetime - minimum_age, 0)))
    return due_at


def is_due(
    now: datetime, expires_at: datetime | None, *, lifetime: int | None, margin: int | None = None
) -> bool:
    """Whether a use at this moment should refresh first."""
    due_at = refresh_due_at(expires_at, lifetime=lifetime, margin=margin)
    return due_at is not None and now >= due_at
