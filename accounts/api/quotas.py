"""How many requests a partner has left in this minute: counted in memory, shared through the cache where there is one.

Without a shared cache a process counts for itself: one process exactly, N processes limit/N each. With one
(CACHE_URL) a process takes small batches out of the shared count and spends them in memory, so that not every
request asks it: never more than the limit goes through, and at most a batch in each other process goes unused.
A shared cache that is away refuses nobody: each process counts for itself until it is back (OPS-12).
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from uuid import UUID

import structlog
from django.conf import settings
from django.core.cache import cache

log = structlog.get_logger(__name__)
WINDOW_SECONDS = 60
#: a batch is this part of the limit
_BATCHES = 50
#: smaller batches are not fetched ahead
_SMALLEST_AHEAD = 4
#: how long a cache that has failed is left alone; then one request tries it, and waits for it alone
CACHE_PAUSE_SECONDS = 5.0
#: whoever waits longer for a batch that another fetches goes on without it
_BATCH_WAIT_SECONDS = 1.0
_MAX_WINDOWS = 100_000


class CacheState:
    """Whether the shared cache may be asked. Threads may race for it: then two of them ask."""

    def __init__(self, what: str) -> None:
        self._what = what
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
            log.error(f"{self._what} by each process: the cache is away", error=type(error).__name__)
        self._asked_again_at = time.monotonic() + CACHE_PAUSE_SECONDS

    def is_back(self) -> None:
        if self._asked_again_at is not None:
            self._asked_again_at = None
            log.warning(f"{self._what} through the cache again")


class _Window:
    """One partner's minute, as this process sees it.

    left: may go without asking. used: have gone through here. granted: taken out of the shared count. total:
    the shared count when it was last seen. is_over: what is left is all.
    """

    __slots__ = ("fetching", "granted", "is_ahead", "is_over", "left", "limit", "number", "total", "used")

    def __init__(self, number: int, limit: int, *, left: int, used: int, is_over: bool) -> None:
        self.number = number
        self.limit = limit
        self.left = left
        self.used = used
        self.is_over = is_over
        self.granted = self.total = 0
        self.is_ahead = False
        self.fetching = threading.Lock()

    @property
    def batch(self) -> int:
        return max(1, self.limit // _BATCHES)


class Quotas:
    """The minutes of all partners. Used by threads and by the proxy's event loop alike."""

    def __init__(self) -> None:
        self._windows: dict[UUID, _Window] = {}
        self._lock = threading.Lock()
        self._state = CacheState("limits are counted")
        self._ahead: ThreadPoolExecutor | None = None

    def take_here(self, partner_id: UUID, limit: int) -> bool | None:
        """Count one request without waiting: whether it may go on. None: only the shared count can tell."""
        with self._lock:
            window = self._window(partner_id, limit)
            if window.left <= 0:
                return False if window.is_over else None
            window.left -= 1
            window.used += 1
            if not window.is_over and window.left == window.batch // 2 and window.batch >= _SMALLEST_AHEAD:
                self._fetch_ahead(partner_id, window)
            return True

    def is_settled(self, partner_id: UUID, limit: int) -> bool:
        """Whether take() would not wait."""
        with self._lock:
            window = self._window(partner_id, limit)
            return window.left > 0 or window.is_over

    def take(self, partner_id: UUID, limit: int) -> bool:
        """Count one request: whether it may go on. May ask the cache, and wait for it."""
        while (answer := self.take_here(partner_id, limit)) is None:
            with self._lock:
                window = self._window(partner_id, limit)
            if not self._fetch(partner_id, window):
                return False
        return answer

    def fields(self, partner_id: UUID) -> dict[str, str]:
        """RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers) as of the last request."""
        window = self._windows.get(partner_id)
        if window is None or window.number != int(time.time() // WINDOW_SECONDS):
            return {}
        unclaimed = 0 if window.is_over else max(0, window.limit - window.total)
        return {
            "RateLimit": f'"default";r={window.left + unclaimed};t={seconds_left()}',
            "RateLimit-Policy": f'"default";q={window.limit};w={WINDOW_SECONDS}',
        }

    def _window(self, partner_id: UUID, limit: int) -> _Window:
        number = int(time.time() // WINDOW_SECONDS)
        window = self._windows.get(partner_id)
        if window is None or window.number != number or window.limit != limit:
            used = window.used if window is not None and window.number == number else 0
            self._windows.pop(partner_id, None)
            if len(self._windows) >= _MAX_WINDOWS:  # let go of the oldest
                self._windows.pop(next(iter(self._windows)))
            is_shared = _is_shared()
            left = 0 if is_shared else max(0, share(limit) - used)
            window = _Window(number, limit, left=left, used=used, is_over=not is_shared)
            window.granted = used
            self._windows[partner_id] = window
        return window

    def _fetch_ahead(self, partner_id: UUID, window: _Window) -> None:
        if not window.is_ahead:
            window.is_ahead = True
            if self._ahead is None:
                self._ahead = ThreadPoolExecutor(1, thread_name_prefix="quotas")
            with suppress(RuntimeError):  # the process is ending
                self._ahead.submit(self._run_ahead, partner_id, window)

    def _run_ahead(self, partner_id: UUID, window: _Window) -> None:
        with window.fetching:
            if window.left <= window.batch // 2 and not window.is_over and self._state.may_ask():
                self._take_out(partner_id, window)
        window.is_ahead = False

    def _fetch(self, partner_id: UUID, window: _Window) -> bool:
        """Take a batch out of the shared count; whether there is anything to take now.

        While the cache is away a batch comes out of this process's own share, and is told to the cache later.
        """
        has_lock = window.fetching.acquire(timeout=_BATCH_WAIT_SECONDS)
        try:
            if window.left > 0 or window.is_over:
                return True  # another has fetched it meanwhile
            if has_lock and self._state.may_ask() and self._take_out(partner_id, window):
                return True
            with self._lock:
                window.left = max(0, min(window.batch, share(window.limit) - window.used))
                return window.left > 0
        finally:
            if has_lock:
                window.fetching.release()

    def _take_out(self, partner_id: UUID, window: _Window) -> bool:
        """Whether the cache was there."""
        key = f"requests:{partner_id.hex}:{window.number}"
        with self._lock:
            untold = max(0, window.used - window.granted)
        try:
            total = _added(key, window.batch + untold)
        except Exception as error:  # noqa: BLE001 (whatever a cache raises, the partner's call goes on)
            self._state.is_away(error)
            return False
        self._state.is_back()
        with self._lock:
            window.total = total
            batch = max(0, min(window.batch, window.limit - (total - window.batch)))
            window.left += batch
            window.granted += batch + untold
            window.is_over = total >= window.limit
        return True

    def close(self) -> None:
        """Let what is fetched ahead come to its end."""
        if self._ahead is not None:
            self._ahead.shutdown(wait=True)


def _added(key: str, count: int) -> int:
    cache.add(key, 0, timeout=WINDOW_SECONDS * 2)
    try:
        return int(cache.incr(key, count))
    except ValueError:  # the cache dropped the key between the two calls
        cache.set(key, count, timeout=WINDOW_SECONDS * 2)
        return count


def seconds_left() -> int:
    """Whole seconds until the next minute begins, at least one."""
    return max(1, math.ceil(WINDOW_SECONDS - time.time() % WINDOW_SECONDS))


def share(limit: int) -> int:
    """What one of several processes that do not count together lets through: at least 1, unless nothing may."""
    return max(min(1, limit), limit // max(1, settings.WEB_PROCESSES, _workers(tuple(sys.argv))))


def _is_shared() -> bool:
    return not settings.CACHES["default"]["BACKEND"].endswith((".LocMemCache", ".DummyCache"))


@lru_cache(maxsize=8)
def _workers(arguments: Sequence[str]) -> int:
    """The number after uvicorn's --workers; the processes that it starts have its command line."""
    for position, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--workers":
            value = value or next(iter(arguments[position + 1 :]), "")
            return int(value) if value.isdigit() else 1
    return 1


#: this process's
quotas = Quotas()
