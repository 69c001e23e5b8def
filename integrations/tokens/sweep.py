"""One run of the sweep that refreshes ahead of use: claim, refresh in a bounded pool of threads, claim again.

A run ends when nothing is due, or when its time is over and what it had begun has ended. Any number of runs may
work side by side, in this process or elsewhere (OPS-02); which connection is whose stands in the database alone.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import structlog
from django.conf import settings
from django.utils import timezone

from accounts.shared_flag import SharedFlag
from integrations import catalogue
from integrations.models import Connection
from integrations.tokens import claims, lease, outcomes, pacing
from integrations.tokens.pool import Pool
from sealing import UnreadableSecret

log = structlog.get_logger(__name__)

#: how long a run claims: less than the time to the next, so that a worker is free again when it comes
RUN_SECONDS = 25.0
#: results are told to the pacing, and calls for help are sent, at most this often
_SETTLE_SECONDS = 1.0
_HELP_SECONDS = 1.0
_PACED_SECONDS = 0.5
#: a claimed connection whose lease could not end before the claim does is not begun any more
_LATEST_START = claims.CLAIM - lease.LEASE
#: stored secrets that no key opens: tried again when an operator may have given the key back
_UNREADABLE_PAUSE = timedelta(hours=1)

_stopping = SharedFlag()
_claiming = threading.Lock()


class Ending(StrEnum):
    """How a refresh of the sweep ended, as far as the pacing is concerned."""

    RENEWED = "renewed"
    PUT_OFF = "put off"  # for a reason that is expected to pass
    OTHER = "other"  # a verdict, another process was at it, or there was no time left


@dataclass(slots=True, eq=False)
class _Job:
    connection: Connection
    provider_id: str
    start_at: float
    latest_start: float
    was_begun: bool = False
    retry_after: timedelta | None = None


@dataclass(slots=True)
class Report:
    """What a run did. found: connections that were due, those put off to later or into quarantine included."""

    found: int = 0
    endings: dict[Ending, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def renewed(self) -> int:
        return self.endings[Ending.RENEWED]


def stop() -> None:
    """Claim nothing more, here and in the pool forked from here: it is asked to end. What has begun is ended."""
    _stopping.set()


def run(
    *,
    seconds: float = RUN_SECONDS,
    threads: int | None = None,
    call_for_help: Callable[[], None] | None = None,
) -> Report | None:
    """Refresh what is due; None when this process is claiming already.

    call_for_help is called now and then while there is more to do than this run can claim.
    """
    if not _claiming.acquire(blocking=False):
        return None
    try:
        with Pool[_Job](threads or settings.REFRESH_THREADS, _refresh) as pool:
            sweep = _Sweep(pool, until=time.monotonic() + seconds, call_for_help=call_for_help)
            sweep.work()
    finally:
        _claiming.release()
    return sweep.report


class _Sweep:
    """The run's own thread: it claims, hands out what is to begin now, and tells the pacing how it went."""

    def __init__(self, pool: Pool[_Job], *, until: float, call_for_help: Callable[[], None] | None) -> None:
        self.report = Report()
        self._pool, self._until, self._call_for_help = pool, until, call_for_help
        self._waiting: dict[str, deque[_Job]] = defaultdict(deque)
        self._in_flight: dict[str, int] = defaultdict(int)
        self._alone: deque[_Job] = deque()
        self._ended: list[_Job] = []
        self._answering: set[str] = set()
        self._asked: set[UUID] = set()
        self._next_claim = self._next_settle = self._next_help = 0.0
        self._is_over = False

    def work(self) -> None:
        while not self._is_over or self._left or self._pool.in_flight:
            if _stopping.is_set():
                self._leave()
            if self._may_claim():
                self._claim()
            self._begin()
            for job in self._pool.done(wait_seconds=self._pause()):
                self._in_flight[job.provider_id] -= 1
                self._ended.append(job)
            if time.monotonic() >= self._next_settle or self._is_in_doubt():
                self._settle()
        self._settle()

    def _leave(self) -> None:
        """Begin nothing more: who has asked this process to end kills it if that takes long."""
        for provider_id in list(self._waiting):
            self._give_back(provider_id)
        claims.give_back([job.connection for job in self._alone], now=timezone.now())
        self._alone.clear()

    def _is_in_doubt(self) -> bool:
        """Enough has ended to tell whether a provider that has not answered yet is in trouble."""
        unproven = [job for job in self._ended if job.provider_id not in self._answering]
        return len(unproven) >= min(pacing.TROUBLE_AFTER, self._pool.size)

    @property
    def _left(self) -> int:
        return len(self._alone) + sum(map(len, self._waiting.values()))

    def _may_claim(self) -> bool:
        now = time.monotonic()
        if self._is_over:
            return False
        if now >= self._until or _stopping.is_set():
            self._is_over = True
            return False
        return now >= self._next_claim and not self._pool.is_full and not self._alone

    def _claim(self) -> None:
        """One claim for each provider that is due, is not in trouble and has few waiting here."""
        now = timezone.now()
        closed = {
            name for name, pace in pacing.paces().items() if pace.asks_again_at and pace.asks_again_at > now
        }
        busy = {name for name, jobs in self._waiting.items() if len(jobs) >= self._pool.size}
        due = claims.waiting(now, without=[*closed, *busy])
        may_be_more, is_paced = bool(busy), False
        for provider_id, integrations in due.items():
            provider = catalogue.get(provider_id)
            batch = claims.claim(provider, integrations, limit=claims.BATCH, now=now, asked=self._asked)
            self._asked |= batch.refused
            self._add(provider_id, batch, now)
            may_be_more |= batch.found > 0
            is_paced |= batch.is_paced
            if batch.found == claims.BATCH:
                self._help()
        if not may_be_more and not is_paced:
            self._is_over = not self._pool.in_flight and not self._left
            self._next_claim = time.monotonic() + _PACED_SECONDS
        elif is_paced:
            self._next_claim = time.monotonic() + _PACED_SECONDS

    def _add(self, provider_id: str, batch: claims.Batch, now: datetime) -> None:
        self.report.found += batch.found
        clock = time.monotonic()
        latest = clock + _LATEST_START.total_seconds()
        for jobs, rows in ((self._waiting[provider_id], batch.ready), (self._alone, batch.alone)):
            for row, start in rows:
                jobs.append(_Job(row, provider_id, clock + (start - now).total_seconds(), latest))

    def _help(self) -> None:
        if self._call_for_help is not None and time.monotonic() >= self._next_help:
            self._next_help = time.monotonic() + _HELP_SECONDS
            self._call_for_help()

    def _begin(self) -> None:
        """Hand out what may begin now, each provider in its turn."""
        self._drop_late()
        now, is_moving = time.monotonic(), True
        while is_moving and not self._pool.is_full:
            is_moving = False
            for provider_id, jobs in self._waiting.items():
                if (
                    jobs
                    and jobs[0].start_at <= now
                    and not self._pool.is_full
                    and self._has_room(provider_id)
                ):
                    self._submit(jobs.popleft())
                    is_moving = True
        if self._alone and not self._pool.in_flight and self._left == len(self._alone):
            self._submit(self._alone.popleft())

    def _has_room(self, provider_id: str) -> bool:
        """A provider that has not answered yet in this run, or is not the only one, gets half of the threads."""
        others = any(jobs for name, jobs in self._waiting.items() if name != provider_id)
        has_all = provider_id in self._answering and not others
        return self._in_flight[provider_id] < (self._pool.size if has_all else max(1, self._pool.size // 2))

    def _submit(self, job: _Job) -> None:
        self._in_flight[job.provider_id] += 1
        self._pool.submit(job)

    def _drop_late(self) -> None:
        """What waited too long is left to its claim: it is due again when that has run out."""
        now = time.monotonic()
        for jobs in (*self._waiting.values(), self._alone):
            while jobs and jobs[0].latest_start < now:
                jobs.popleft()

    def _pause(self) -> float:
        """Seconds until there may be something to do although nothing ends."""
        moments = [jobs[0].start_at for jobs in self._waiting.values() if jobs]
        if not self._is_over:
            moments.append(self._next_claim)
        soonest = min(moments, default=time.monotonic() + _SETTLE_SECONDS)
        if self._pool.in_flight:  # then something ends soon
            soonest = max(soonest, time.monotonic() + _SETTLE_SECONDS / 10)
        return min(max(soonest - time.monotonic(), 0.0), _SETTLE_SECONDS)

    def _settle(self) -> None:
        """Read back how refreshes ended, all at once, and tell the pacing and the report."""
        self._next_settle = time.monotonic() + _SETTLE_SECONDS
        ended, self._ended = self._ended, []
        begun = {job.connection.pk: job for job in ended if job.was_begun}
        self.report.endings[Ending.OTHER] += len(ended) - len(begun)
        if not begun:
            return
        counts: dict[str, dict[Ending, int]] = defaultdict(lambda: defaultdict(int))
        again: dict[str, int] = defaultdict(int)
        rows = Connection.objects.filter(pk__in=begun).values_list("pk", "token_version", "refresh_failures")
        for pk, token_version, refresh_failures in rows:
            before = begun[pk].connection
            ending = _ending(before, token_version=token_version, refresh_failures=refresh_failures)
            counts[begun[pk].provider_id][ending] += 1
            self.report.endings[ending] += 1
            again[begun[pk].provider_id] += ending == Ending.PUT_OFF and before.refresh_failures > 0
        waits = _longest_waits(begun.values())
        for provider_id, found in counts.items():
            renewed, failed = found[Ending.RENEWED], found[Ending.PUT_OFF]
            if renewed:
                self._answering.add(provider_id)
            elif failed:
                self._answering.discard(provider_id)
            is_well = pacing.settle(
                provider_id,
                renewed=renewed,
                failed=failed - again[provider_id],
                failed_again=again[provider_id],
                retry_after=waits.get(provider_id),
                now=timezone.now(),
            )
            if not is_well:
                self._give_back(provider_id)

    def _give_back(self, provider_id: str) -> None:
        """What is claimed of a provider in trouble stays due: it has not failed."""
        jobs = self._waiting.pop(provider_id, deque())
        claims.give_back([job.connection for job in jobs], now=timezone.now())
        self.report.endings[Ending.OTHER] += len(jobs)


def _longest_waits(jobs: Iterable[_Job]) -> dict[str, timedelta]:
    """For how long each provider has asked to be left alone."""
    found: dict[str, timedelta] = {}
    for job in jobs:
        if job.retry_after is not None:
            found[job.provider_id] = max(job.retry_after, found.get(job.provider_id, timedelta()))
    return found


def _ending(before: Connection, *, token_version: int, refresh_failures: int) -> Ending:
    if token_version > before.token_version:
        return Ending.RENEWED
    return Ending.PUT_OFF if refresh_failures > before.refresh_failures else Ending.OTHER


def _refresh(job: _Job) -> None:
    """Refresh one claimed connection, in a thread of the pool; who comes too late leaves it to the winner."""
    connection = job.connection
    outcomes.finish_recovery(connection)
    owner = lease.take(
        connection.pk,
        token_version=connection.token_version,
        refresh_not_before=connection.refresh_not_before,
    )
    if owner is None:
        return
    job.was_begun = True
    try:
        failure = outcomes.refresh_under_lease(connection, owner=owner, clock=timezone.now)
        job.retry_after = failure.retry_after if failure is not None else None
    except UnreadableSecret as error:
        log.warning("not refreshed", connection=str(connection.pk), error=type(error).__name__)
        until = timezone.now() + _UNREADABLE_PAUSE
        claims.postpone(connection.pk, token_version=connection.token_version, until=until)
