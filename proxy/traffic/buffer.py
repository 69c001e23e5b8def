"""From the calls' ends to the database: noted on the loop in a moment, written by a thread of its own."""

from __future__ import annotations

import asyncio
from collections import deque

import structlog
from django.conf import settings
from django.db import DatabaseError, OperationalError, transaction
from django.db.utils import InterfaceError

from proxy.executors import DatabaseExecutor
from proxy.record import Record
from proxy.traffic.commits import OwnCommits
from proxy.traffic.storing import prepare, store

log = structlog.get_logger(__name__)
FLUSH_SECONDS = 1.0
#: as soon as so many wait, they are written
BATCH = 500
#: what one transaction writes at most: it holds SQLite's write lock for some milliseconds
MAX_BATCH = 2_000
#: what waits at most; a call that ends while the database is away is counted and forgotten
MAX_WAITING = 20_000
_MAX_PAUSE_SECONDS = 30.0
#: between slices of rows that are made, so that the loop gets on
_PAUSE_SECONDS = 0.001


class TrafficLog:
    """Buffer and writer. Everything but the writing is on the data plane's loop.

    dropped: calls that were not kept since the process began, because the database could not take them.
    """

    def __init__(self, own_commits: OwnCommits | None = None) -> None:
        self._own_commits = own_commits
        self._executor = DatabaseExecutor("traffic", threads=1)
        self._waiting: deque[Record] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._pause = 0.0
        self._only_failures = settings.TRAFFIC_LOG == "errors"
        self.dropped = 0

    def note(self, record: Record) -> None:
        """A call is over. Costs about half a microsecond."""
        waiting = self._waiting
        if len(waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        waiting.append(record)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._begin)
        elif len(waiting) == BATCH and self._task is None and not self._pause:
            self._begin()

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        try:
            await self.flush()
        finally:
            self._task = self._timer = None
            if self._waiting:
                delay = self._pause or (0.0 if len(self._waiting) >= BATCH else FLUSH_SECONDS)
                self._timer = asyncio.get_running_loop().call_later(delay, self._begin)

    async def flush(self) -> bool:
        """Write what waits. False when the database is away: it waits on, and the next try comes later."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
            try:
                await self._executor.run(self._write, batch)
            except (OperationalError, InterfaceError) as error:
                self._waiting.extendleft(reversed(batch))
                self._fail(error)
                return False
            except Exception as error:  # noqa: BLE001 (nobody waits for it; what cannot be written is not tried again)
                self.dropped += len(batch)
                log.error("calls not kept in the traffic log", calls=len(batch), error=type(error).__name__)
            else:
                self._recover()
            if len(self._waiting) < BATCH:
                break
        return True

    def _write(self, batch: list[Record]) -> None:
        prepared = prepare(batch, only_failures=self._only_failures, pause_seconds=_PAUSE_SECONDS)
        with transaction.atomic() if self._own_commits is None else self._own_commits.transaction():
            store(prepared)

    def _fail(self, error: DatabaseError | InterfaceError) -> None:
        if not self._pause:
            log.error("traffic log not written, database away", error=type(error).__name__)
        self._pause = min(_MAX_PAUSE_SECONDS, self._pause * 2 or FLUSH_SECONDS)

    def _recover(self) -> None:
        if self._pause:
            log.warning("traffic log written again", calls_dropped_since_start=self.dropped)
        self._pause = 0.0

    async def close(self) -> None:
        """Write what waits, if the database is there, and let go of the thread."""
        if self._task is not None:
            await self._task
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and await self.flush():
            pass
        if self._waiting:
            self.dropped += len(self._waiting)
            log.error("calls not kept in the traffic log", calls=len(self._waiting), error="closing")
            self._waiting.clear()
        if self._own_commits is not None:
            await self._executor.run(self._own_commits.close)
        self._executor.close()
