"""A partner's `requests_per_minute`, counted in the cache: exact in one process, shared where CACHE_URL is set."""

from __future__ import annotations

import math
import time
from typing import Any

from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.api.authentication import Caller
from accounts.models import Partner

WINDOW_SECONDS = 60


def count(partner: Partner, *, now: float) -> float | None:
    """Count one request; None when it is within the limit, else the seconds until the next minute begins.

    now: seconds since the epoch. Refused requests count too, and cost nothing: the next minute starts anew.
    """
    limit = partner.requests_per_minute
    if limit is None:
        return None
    window = int(now // WINDOW_SECONDS)
    key = f"requests:{partner.pk.hex}:{window}"
    cache.add(key, 0, timeout=WINDOW_SECONDS * 2)
    try:
        used = cache.incr(key)
    except ValueError:  # the cache dropped the key between the two calls
        cache.set(key, 1, timeout=WINDOW_SECONDS * 2)
        used = 1
    return None if used <= limit else (window + 1) * WINDOW_SECONDS - now


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
