"""When the sweep refreshes a connection next, and when its partner is told that its grant ends (design rule 4).

Moments are aware UTC. Jitter always moves a moment towards earlier, so that it never costs life.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from integrations.catalogue import OAuth
from integrations.models import Connection
from integrations.oauth import expiry

#: a connection used or made within this time has its token kept fresh; others are touched now and then
USED_LATELY = timedelta(hours=24)
#: at the latest: a refresh token that is never used may lapse, and a dead grant should show (REF-23)
DAILY = timedelta(days=1)
#: touches within the time after which an unused refresh token lapses: two may fail and do no harm
TOUCHES_PER_IDLE_LIFE = 3
_JITTER_MAX = timedelta(minutes=5)
_TOUCH_JITTER_MAX = timedelta(hours=1)
_JITTER_SHARE = 10
#: the partner is told of a coming end this long before it, or a tenth of the grant's life if that is less
ALERT_BEFORE = timedelta(days=14)
_ALERT_SHARE = 10
#: an end that a refresh moves by less has not moved: providers count whole seconds, and replies take time
_SAME_END = timedelta(hours=1)


def is_used_lately(connection: Connection, now: datetime) -> bool:
    """Used or made within the last day. last_used_at is written every ten minutes at most."""
    moments = (connection.last_used_at, connection.connected_at)
    return any(moment is not None and now - moment < USED_LATELY for moment in moments)


def touch_interval(oauth: OAuth, refresh_token_seconds: int | None = None) -> timedelta:
    """How old the tokens of an unused connection may grow; the provider may have told a life of its own."""
    lives = [oauth.lifetimes.refresh_token_idle_seconds, refresh_token_seconds]
    shares = [timedelta(seconds=life) / TOUCHES_PER_IDLE_LIFE for life in lives if life]
    return min([DAILY, *shares])


def next_refresh(
    oauth: OAuth,
    *,
    now: datetime,
    expires_at: datetime | None,
    lifetime: int | None,
    is_used: bool,
    refresh_token_seconds: int | None = None,
) -> datetime:
    """When tokens that are stored now are renewed ahead of use.

    In use: before the moment from which a use would have to wait for a refresh. Otherwise, and where the
    token tells no end: at the touch interval.
    """
    touch_at = next_touch(oauth, stored_at=now, refresh_token_seconds=refresh_token_seconds)
    due_at = expiry.refresh_due_at(
        expires_at,
        lifetime=lifetime,
        margin=oauth.refresh_margin_seconds,
        minimum_age=oauth.minimum_token_age_seconds,
    )
    if due_at is None or not is_used:
        return touch_at
    return min(_old_enough(now + _earlier(due_at - now, at_most=_JITTER_MAX), oauth, now, due_at), touch_at)


def _old_enough(moment: datetime, oauth: OAuth, now: datetime, due_at: datetime) -> datetime:
    """Jitter does not move it to where the provider refuses to renew so young a token."""
    minimum_age = timedelta(seconds=oauth.minimum_token_age_seconds or 0)
    return max(moment, min(now + minimum_age, due_at))


def next_touch(oauth: OAuth, *, stored_at: datetime, refresh_token_seconds: int | None = None) -> datetime:
    """When an unused connection whose tokens were stored then is touched."""
    return stored_at + _earlier(touch_interval(oauth, refresh_token_seconds), at_most=_TOUCH_JITTER_MAX)


def is_touch_due(connection: Connection, oauth: OAuth, now: datetime) -> bool:
    """The tokens of an unused connection are as old as they may grow, give or take the jitter."""
    stored_at = connection.token_stored_at
    if stored_at is None:
        return True
    interval = touch_interval(oauth, connection.refresh_token_lifetime)
    return now >= stored_at + interval - min(interval / _JITTER_SHARE, _TOUCH_JITTER_MAX)


def _earlier(span: timedelta, *, at_most: timedelta) -> timedelta:
    """The span less a random part of it: a tenth at most, and never more than at_most."""
    return span - min(max(span, timedelta()) / _JITTER_SHARE, at_most) * random.random()  # noqa: S311 (spread)


def grant_end(
    oauth: OAuth, *, granted_at: datetime | None, told_end: datetime | None
) -> tuple[datetime | None, bool]:
    """(end, is_absolute): what the provider told, or its absolute lifetime from the grant, if that is sooner."""
    seconds = oauth.lifetimes.refresh_token_absolute_seconds
    absolute = None if seconds is None or granted_at is None else granted_at + timedelta(seconds=seconds)
    if absolute is None or (told_end is not None and told_end <= absolute):
        return told_end, False
    return absolute, True


def has_moved(before: datetime | None, after: datetime | None) -> bool:
    """Whether a refresh has changed the end of the grant, beyond what counting in seconds explains."""
    if before is None or after is None:
        return before is not after
    return abs(after - before) > _SAME_END


def alert_at(end: datetime, lifetime: timedelta) -> datetime:
    """When the partner is told of that end."""
    return end - min(ALERT_BEFORE, lifetime / _ALERT_SHARE)
