"""How fast the sweep asks each provider's token endpoint, over all workers: slots, and back-off (design rule 4).

Kept in one row a provider. Slots are reserved for a whole batch by one UPDATE. A use of a connection never waits
for any of this: it has its own back-off in the connection's row.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from integrations.catalogue import Provider
from integrations.models import ProviderPace

#: slots are given at most this far ahead, so that what is claimed is also begun soon
HORIZON = timedelta(seconds=5)
#: so many connections that begin to fail for a passing reason without a success between, and the provider
#: counts as in trouble; those that have failed before say nothing new about it (REF-24)
TROUBLE_AFTER = 5
#: in trouble it is asked again after half the time that the trouble has lasted, within these bounds
_PAUSE_MIN = timedelta(seconds=15)
_PAUSE_MAX = timedelta(minutes=15)
_PAUSE_SHARE = 2
#: what a provider may ask for by Retry-After
_RETRY_AFTER_MAX = timedelta(hours=1)
#: two token calls of 15 s each, and room: a probe that has not ended by then has died with its worker
_PROBE = timedelta(seconds=45)


def rate(provider: Provider) -> float:
    """Refreshes a second at that provider, over all workers: its file's number or the installation's."""
    return float(provider.oauth.refreshes_per_second or settings.REFRESHES_PER_SECOND)


def paces() -> dict[str, ProviderPace]:
    """All rows, by provider id, as they stand."""
    return {pace.provider_id: pace for pace in ProviderPace.objects.all()}


def locked(provider_id: str) -> ProviderPace:
    """The provider's row, made if need be; locked until the caller's transaction ends."""
    rows = ProviderPace.objects.select_for_update(no_key=True)
    found = rows.filter(pk=provider_id).first()
    if found is None:
        ProviderPace.objects.get_or_create(pk=provider_id)
        found = rows.get(pk=provider_id)
    return found


def free_slots(pace: ProviderPace, *, per_second: float, now: datetime) -> int:
    """How many refreshes may be begun within the horizon; one at a time while the provider is in trouble."""
    if pace.asks_again_at is not None and pace.asks_again_at > now:
        return 0
    if pace.failures >= TROUBLE_AFTER:
        return 1
    first = max(now, pace.next_slot_at or now)
    ahead = (now + HORIZON - first).total_seconds()
    return max(int(ahead * per_second), 1 if first <= now else 0)


def reserve(pace: ProviderPace, count: int, *, per_second: float, now: datetime) -> list[datetime]:
    """Take so many slots of a locked row: the moments at which to begin, earliest first."""
    if not count:
        return []
    first, spacing = max(now, pace.next_slot_at or now), timedelta(seconds=1 / per_second)
    columns = {"next_slot_at": first + spacing * count}
    if pace.failures >= TROUBLE_AFTER:
        columns["asks_again_at"] = now + _PROBE
    ProviderPace.objects.filter(pk=pace.pk).update(**columns)
    return [first + spacing * number for number in range(count)]


def settle(
    provider_id: str,
    *,
    renewed: int,
    failed: int,
    now: datetime,
    failed_again: int = 0,
    retry_after: timedelta | None = None,
) -> bool:
    """What refreshes of one provider ended in: so many tokens stored, so many put off for a passing reason.

    failed: connections that have begun to fail; failed_again: those that had failed before.
    False when nothing more is to be asked now. The first success opens the provider again at once.
    retry_after: what the provider asked for (RFC 9110 section 10.2.3), honoured up to an hour.
    """
    row = ProviderPace.objects.filter(pk=provider_id)
    is_well = True
    if renewed:
        row.filter(failures__gt=0).update(failures=0, failing_since=None, asks_again_at=None)
    elif failed or failed_again:
        is_well = _count(provider_id, failed, failed_again, now=now) < TROUBLE_AFTER
    if retry_after:
        until = now + min(retry_after, _RETRY_AFTER_MAX)
        row.filter(Q(asks_again_at=None) | Q(asks_again_at__lt=until)).update(asks_again_at=until)
    return is_well and not retry_after


def _count(provider_id: str, failed: int, failed_again: int, *, now: datetime) -> int:
    """Failures in a row with these; a probe counts whichever connection it was."""
    with transaction.atomic():
        pace = locked(provider_id)
        failures = pace.failures + failed + (failed_again if pace.failures >= TROUBLE_AFTER else 0)
        if failures == pace.failures:
            return failures
        since = pace.failing_since or now
        columns: dict[str, object] = {"failures": failures, "failing_since": since}
        if failures >= TROUBLE_AFTER:
            pause = min(max((now - since) / _PAUSE_SHARE, _PAUSE_MIN), _PAUSE_MAX)
            columns["asks_again_at"] = now + pause * random.uniform(0.8, 1.2)  # noqa: S311 (spread)
        ProviderPace.objects.filter(pk=provider_id).update(**columns)
    return failures
