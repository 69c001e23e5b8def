"""Blocks of providers' budgets, told from process to process through the cache, in the background.

A log of numbered entries: whoever learns of a block adds one, and every process reads what is new twice a
second. No call waits for it, and a cache that is away costs nothing but that each process learns for itself.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import structlog
from django.core.cache import cache

from accounts.api.quotas import CacheState
from proxy.limits.budgets import MAX_BLOCK_SECONDS, Budgets

log = structlog.get_logger(__name__)
EXCHANGE_SECONDS = 0.5
_LAST = "budgets:last"
_MAX_READ = 1_000
Entry = tuple[str, float]


class SharedBlocks:
    """The cache's side; used on one thread. Entries are (account, the epoch's seconds at which it ends)."""

    def __init__(self) -> None:
        self._state = CacheState("providers' limits are learnt")
        self._seen = self._read = 0
        self._done: set[int] = set()

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
        for entry in told:
            cache.add(_LAST, 0, timeout=None)
            number = int(cache.incr(_LAST))
            self._done.add(number)
            cache.set(_key(number), entry, timeout=MAX_BLOCK_SECONDS)
        last = int(cache.get(_LAST) or 0)
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
        return list(found.values())


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
        while True:
            await self.exchange()
            await asyncio.sleep(EXCHANGE_SECONDS)

    async def exchange(self) -> None:
        """Tell what was learnt here since the last time, and heed what others were told."""
        untold, self._budgets.untold = self._budgets.untold, []
        now = time.time()
        told = [(account, now + seconds) for account, seconds in untold]
        heard = await asyncio.get_running_loop().run_in_executor(self._thread, self._blocks.exchange, told)
        for account, ends in heard:
            self._budgets.heard(account, ends - time.time())

    async def close(self) -> None:
        self._task.cancel()
        self._thread.shutdown(wait=False)
