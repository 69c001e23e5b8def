"""Blocks of providers' budgets, told from process to process through the cache, in the background.

A log of numbered entries: whoever learns of a block adds one, and every process reads what is new twice a
second. No call waits for it, and a cache that is away costs nothing but that each process learns for itself.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from math import isfinite
from typing import TypeGuard

import structlog
from django.core.cache import cache

from accounts.api.quotas import CacheState
from proxy.limits.blocks import MAX_BLOCK_SECONDS, Scope
from proxy.limits.budgets import Budgets

log = structlog.get_logger(__name__)
EXCHANGE_SECONDS = 0.5
_LAST = "budgets:last"
_MAX_READ = 1_000
#: account, what of it as in Scope, the window's number, and the epoch's seconds at which it ends
Entry = tuple[str, str, int, float]
_SHAPE = (str, str, int, float)


class SharedBlocks:
    """The cache's side; used on one thread."""

    def __init__(self) -> None:
        self._state = CacheState("providers' limits are learnt")
        self._seen = self._read = 0
        self._done: set[int] = set()
        self._has_complained = False

    def exchange(self, told: list[Entry]) -> list[Entry]:
        """Add entries and return those that are new; nothing while the cache is away."""
        if not self._state.may_ask():
            return []
        try:
            heard = self._exchanged(told)
        except Exception as error:  # noqa: BLE001 (whatever a cache raises, calls go on)
            self._state.is_away(error)
            return []
        self._state.is_back()
        return heard

    def _exchanged(self, told: list[Entry]) -> list[Entry]:
        if told:
            _last()
        for entry in told:
            cache.add(_LAST, 0, timeout=None)
            number = int(cache.incr(_LAST))
            self._done.add(number)
            cache.set(_key(number), entry, timeout=MAX_BLOCK_SECONDS)
        last = _last()
        if last < self._seen:  # the cache was emptied
            self._seen = self._read = 0
            self._done.clear()
        # A number is taken before its entry is there: what was new last time is looked for once more.
        first = max(self._read, last - _MAX_READ) + 1
        self._read, self._seen = self._seen, last
        sought = {_key(number): number for number in range(first, last + 1) if number not in self._done}
        found = cache.get_many(list(sought)) if sought else {}
        self._done |= {sought[key] for key in found}
        self._done = {number for number in self._done if number > self._read}
        return self._sound(list(found.values()))

    def _sound(self, entries: list[object]) -> list[Entry]:
        """Those of the entries that can be one; another version, or another program, may have written others."""
        sound = [entry for entry in entries if _is_entry(entry)]
        if len(sound) < len(entries) and not self._has_complained:
            self._has_complained = True
            log.error("the cache holds entries of providers' limits that are none; they are passed over")
        return sound


def _is_entry(entry: object) -> TypeGuard[Entry]:
    return (
        isinstance(entry, tuple)
        and len(entry) == len(_SHAPE)
        and all(type(value) is wanted for value, wanted in zip(entry, _SHAPE, strict=True))
        and isfinite(entry[3])
    )


def _last() -> int:
    """The number of the last entry. What is no number is done away with: it would keep all from counting on."""
    value = cache.get(_LAST, 0)
    if type(value) is int:
        return value
    cache.delete(_LAST)
    return 0


def _key(number: int) -> str:
    return f"budgets:{number}"


class Exchanges:
    """Runs the exchange on the data plane's loop, its waiting on a thread of its own."""

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._blocks = SharedBlocks()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="proxy-budgets")
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        has_complained = False
        while True:
            try:
                await self.exchange()
            except Exception as error:  # noqa: BLE001 (whatever it was, processes go on telling each other)
                if not has_complained:
                    has_complained = True
                    log.error("providers' limits were not told", error=type(error).__name__)
            await asyncio.sleep(EXCHANGE_SECONDS)

    async def exchange(self) -> None:
        """Tell what was learnt here since the last time, and heed what others were told."""
        untold, self._budgets.untold = self._budgets.untold, {}
        ahead = time.time() - time.monotonic()
        told = [
            (str(scope.account), scope.where, window, ends + ahead)
            for (scope, window), ends in untold.items()
        ]
        heard = await asyncio.get_running_loop().run_in_executor(self._thread, self._blocks.exchange, told)
        for account, where, window, ends in heard:
            self._budgets.heard(Scope(account, where), window, ends - time.time())

    async def close(self) -> None:
        self._task.cancel()
        self._thread.shutdown(wait=False)
