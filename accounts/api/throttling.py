"""A partner's `requests_per_minute`, counted in the cache: exact in one process, shared where CACHE_URL is set.

A shared cache that is away refuses nobody: each process counts for itself until it is back (OPS-12).
"""

from __future__ import annotations

import math
import time
from typing import Any

import structlog
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.api.authentication import Caller
from accounts.models import Partner

log = structlog.get_logger(__name__)
WINDOW_SECONDS = 60
#: how long a cache that has failed is left alone; then one request tries it, and waits for it alone
CACHE_PAUSE_SECONDS = 5.0
_own_counts = LocMemCache("requests-counted-here", {})


class _CacheState:
    """Whether the shared cache may be asked. Threads may race for it: then two of them ask."""

    def __init__(self) -> None:
        self._asked_again_at: float | None = None

    def may_ask(self) -> bool:
        now = time.monotonic()
        if self._asked_again_at is None:
            return True
        if now < self._asked_again_at:
            return False
        self._asked_again_at = now + CACHE_PAUSE_SECONDS
        return True

    def is_away(self, error: Exception) -> None:
        if self._asked_again_at is None:
            log.error("limits are counted by each process: the cache is away", error=type(error).__name__)
        self._asked_again_at = time.monotonic() + CACHE_PAUSE_SECONDS

    def is_back(self) -> None:
        if self._asked_again_at is not None:
            self._asked_again_at = None
            log.warning("limits are counted in the cache again")


_state = _CacheState()


def count(partner: Partner, *, now: float) -> float | None:
    """Count one request; None when it is within the limit, else the seconds until the next minute begins.

    now: seconds since the epoch. Refused requests count too, and cost nothing: the next minute starts anew.
    """
    limit = partner.requests_per_minute
    if limit is None:
        return None
    window = int(now // WINDOW_SECONDS)
    used = _used(f"requests:{partner.pk.hex}:{window}")
    return None if used <= limit else (window + 1) * WINDOW_SECONDS - now


def _used(key: str) -> int:
    """How many requests the key counts, this one included."""
    if _state.may_ask():
        try:
            used = _counted(cache, key)
        except Exception as error:  # noqa: BLE001 (whatever a cache raises, the partner's call goes on)
            _state.is_away(error)
        else:
            _state.is_back()
            return used
    return _counted(_own_counts, key)


def _counted(counts: BaseCache, key: str) -> int:
    counts.add(key, 0, timeout=WINDOW_SECONDS * 2)
    try:
        return counts.incr(key)
    except ValueError:  # the cache dropped the key between the two calls
        counts.set(key, 1, timeout=WINDOW_SECONDS * 2)
        return 1


class PartnerThrottle(BaseThrottle):
    """DRF's door to count()."""

    def __init__(self) -> None:
        self._wait: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        caller = request.user
        if isinstance(caller, Caller):
            self._wait = count(caller.partner, now=time.time())
        return self._wait is None

    def wait(self) -> float | None:
        return None if self._wait is None else math.ceil(self._wait)
