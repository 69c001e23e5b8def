"""From the calls' ends to the database: noted on the loop in a moment, written by a thread of its own."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import deque
from contextlib import suppress

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
#: as soon as so many wait, they are written, by one transaction: it holds SQLite's write lock for some milliseconds
BATCH = 500
#: what waits at most; a call that ends while the database is away is counted and forgotten
MAX_WAITING = 20_000
#: records of a batch that cannot be written, after which, if none could, the fault is taken to be no record's own
MAX_BAD = 8
_MAX_PAUSE_SECONDS = 30.0
#: between slices of rows that are made or written, so that the loop gets on
_PAUSE_SECONDS = 0.001
#: added to the writing thread's: on a core that both want the loop gets three quarters, and is not waited out
_NICENESS = 5


class TrafficLog:
    """Buffer and writer. Everything but the writing is on the data plane's loop.

    dropped: calls that were not kept since the process began, because the database could not take them.
    """

    def __init__(self, own_commits: OwnCommits | None = None) -> None:
        self._own_commits = own_commits
        self._executor = DatabaseExecutor("traffic", threads=1)
        self._waiting: deque[Record] = deque()
        #: how many may wait before there is anything to decide
        self._look_at = 1
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._pause = 0.0
        self._gives_way = False
        self._only_failures = settings.TRAFFIC_LOG == "errors"
        self.dropped = 0

    def note(self, record: Record) -> None:
        """A call is over. Costs a quarter of a microsecond."""
        waiting = self._waiting
        waiting.append(record)
        if len(waiting) >= self._look_at:
            self._look()

    def _look(self) -> None:
        if len(self._waiting) > MAX_WAITING:
            self._waiting.pop()
            self.dropped += 1
        if self._timer is None and self._task is None:
            self._begin_after(FLUSH_SECONDS)
        elif len(self._waiting) >= BATCH and self._task is None and not self._pause:
            self._begin()

    def _begin_after(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._begin)
        self._look_at = MAX_WAITING + 1 if self._pause else BATCH

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is None:
            self._look_at = MAX_WAITING + 1
            self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        try:
            await self.flush()
        finally:
            self._task = self._timer = None
            self._look_at = 1
            if self._waiting:
                self._begin_after(self._pause or (0.0 if len(self._waiting) >= BATCH else FLUSH_SECONDS))

    async def flush(self) -> bool:
        """Write what waits. False when the database is away: it waits on, and the next try comes later."""
        waiting = self._waiting
        while waiting:
            if not await self._keep([waiting.popleft() for _ in range(min(BATCH, len(waiting)))]):
                return False
            if len(waiting) < BATCH:
                break
        return True

    async def _keep(self, batch: list[Record]) -> bool:
        """Write a batch, and if that cannot be, its halves, until what cannot be written is alone."""
        parts, bad, is_any_written = [batch], 0, False
        while parts:
            part = parts.pop()
            try:
                await self._executor.run(self._write, part)
            except (OperationalError, InterfaceError) as error:
                for rest in (*parts, part):
                    self._waiting.extendleft(reversed(rest))
                self._fail(error)
                return False
            except Exception as error:  # noqa: BLE001 (nobody waits for it; what cannot be written is not tried again)
                if len(part) > 1 and (is_any_written or bad < MAX_BAD):
                    parts += [part[len(part) // 2 :], part[: len(part) // 2]]
                    continue
                bad += 1
                self._forget(part, error)
            else:
                is_any_written = True
                self._recover()
        return True

    def _write(self, batch: list[Record]) -> None:
        if not self._gives_way:
            self._gives_way = True
            _give_way()
        prepared = prepare(batch, only_failures=self._only_failures, pause_seconds=_PAUSE_SECONDS)
        with transaction.atomic() if self._own_commits is None else self._own_commits.transaction():
            store(prepared, pause_seconds=_PAUSE_SECONDS)

    def _forget(self, records: list[Record], error: Exception) -> None:
        self.dropped += len(records)
        which = {"request_id": records[0].request_id} if len(records) == 1 else {}
        log.error(
            "calls not kept in the traffic log", calls=len(records), error=type(error).__name__, **which
        )

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


def _give_way() -> None:
    """Make this thread less urgent than the process, where threads have a niceness of their own."""
    if sys.platform != "linux":
        return
    with suppress(OSError):  # who forbids it gets a log that is as urgent as calls
        niceness = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness + _NICENESS)
