"""Many receipts at once in one worker process: claimed and made on the data plane's loop, by one thread.

A run ends when nothing is due and nothing is under way, or, once the process is asked to end, when what it has sent
is answered. Whose a receipt is stands in the database alone, so any number of processes may run.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from accounts.shared_flag import SharedFlag
from proxy import plane as planes
from proxy.plane import DataPlane
from proxy.receipts import claims, execution
from proxy.receipts.claims import Claim

log = structlog.get_logger(__name__)

#: leases are renewed, and it is looked for due receipts, at least this often while calls are under way
RENEW_SECONDS = 15.0
#: and again so soon where that has failed: once the database is back, before others see to what has run out
_RETRY_SECONDS = 2.0
#: a process of a pool hears only so late that it is to end
_LOOK_SECONDS = 1.0
#: so many of the places may be one partner's
_SHARE = 0.75

_lock = threading.Lock()
_stopping = SharedFlag()
_current: _Run | None = None


def run() -> int | None:
    """Make calls until none is due; returns how many were taken up, None when this process is at it already.

    For the thread of a worker, which it holds while it runs. The run that is at it looks again.
    """
    global _current
    if _stopping.is_set():
        return 0
    with _lock:
        if _current is not None:
            _current.look_again()
            return None
        mine = _current = _Run()
    try:
        return asyncio.run(mine.work())
    finally:
        mine.leave()


def stop() -> None:
    """This process is asked to end, and with it those of its pool: claim nothing more, hand back what was not sent.
    Takes no lock: for a signal's handler."""
    _stopping.set()
    running = _current
    if running is not None:
        running.look_again()


class _Run:
    """One run. All but look_again() happens on the data plane's loop."""

    def __init__(self) -> None:
        self._is_asked = True
        self._made = 0
        self._renew_at = 0.0
        self._tasks: dict[asyncio.Task[None], Claim] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None

    def look_again(self) -> None:
        """Something may be due, or the process is to end."""
        self._is_asked = True
        loop, wake = self._loop, self._wake
        if loop is not None and wake is not None:
            loop.call_soon_threadsafe(wake.set)

    async def work(self) -> int:
        plane = planes.usable()
        hop = asyncio.run_coroutine_threadsafe(self._work(plane), plane.loop)
        return await asyncio.wrap_future(hop)

    async def _work(self, plane: DataPlane) -> int:
        self._wake, self._loop = asyncio.Event(), plane.loop
        self._renew_at = plane.loop.time() + RENEW_SECONDS
        watch = asyncio.create_task(self._watch())
        try:
            return await self._until_nothing_is_due(plane, self._wake)
        except BaseException:
            # A time limit, or a defect: nobody else renews these, and none may be cut off between mark and reply.
            self.leave()
            self._let_go()
            while self._tasks:
                self._wake.clear()  # who asks for another look is not answered here
                await self._step(plane, self._wake)
            raise
        finally:
            watch.cancel()

    async def _until_nothing_is_due(self, plane: DataPlane, wake: asyncio.Event) -> int:
        while True:
            wake.clear()
            if _stopping.is_set():
                self._let_go()
            else:
                await self._claim(plane)
            if self._tasks:
                await self._step(plane, wake)
            elif self._ends():
                return self._made

    async def _watch(self) -> None:
        """Wake the run when another process has been told to end, which no signal tells this one."""
        while not _stopping.is_set():
            await asyncio.sleep(_LOOK_SECONDS)
        self.look_again()

    async def _step(self, plane: DataPlane, wake: asyncio.Event) -> None:
        """Wait until something happens, and hold on to what is under way."""
        await self._something(wake, seconds=self._renew_at - plane.loop.time())
        if plane.loop.time() >= self._renew_at:
            is_held = await self._renew(plane)
            self._renew_at = plane.loop.time() + (RENEW_SECONDS if is_held else _RETRY_SECONDS)

    def _ends(self) -> bool:
        """Whether nobody has asked since this looked; from then on another run may begin."""
        global _current
        with _lock:
            if self._is_asked and not _stopping.is_set():
                return False
            _current = None
            return True

    def leave(self) -> None:
        """Another run may begin, while this sees to what it has sent."""
        global _current
        with _lock:
            if _current is self:
                _current = None

    async def _claim(self, plane: DataPlane) -> None:
        self._is_asked = False
        places: int = settings.RECEIPTS_AT_ONCE
        busy: Counter[UUID] = Counter(claimed.receipt.partner_id for claimed in self._tasks.values())
        try:
            free = places - len(self._tasks)
            share = max(1, int(places * _SHARE))
            found = await plane.reads.run(claims.claim, free, share=share, busy=busy)
        except (DatabaseError, InterfaceError) as error:
            log.warning("no receipts claimed", error=type(error).__name__)
            return
        for claimed in found:
            self._made += 1
            task = asyncio.create_task(execution.make(plane, claimed))
            self._tasks[task] = claimed

    async def _something(self, wake: asyncio.Event, *, seconds: float) -> None:
        """Wait until a call is over, somebody asks, or the time is over."""
        waker = asyncio.create_task(wake.wait())
        try:
            await asyncio.wait(
                {*self._tasks, waker}, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            waker.cancel()
        for task in [task for task in self._tasks if task.done()]:
            claimed = self._tasks.pop(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("receipt failed", receipt=str(claimed.receipt.pk), exc_info=error)

    async def _renew(self, plane: DataPlane) -> bool:
        """Whether they could be asked for; what is ours no longer is ended."""
        owners = [claimed.owner for claimed in self._tasks.values()]
        try:
            held = await plane.reads.run(claims.renew, owners)
        except Exception as error:  # noqa: BLE001 (no defect may cost calls under way their leases)
            log.warning("leases not renewed", error=type(error).__name__)
            return False
        for task, claimed in self._tasks.items():
            if claimed.owner not in held and not task.done():
                task.cancel()
        return True

    def _let_go(self) -> None:
        """What has not been sent is for another process; what has been sent is waited for."""
        for task, claimed in self._tasks.items():
            if not claimed.is_sending and not task.cancelling():
                task.cancel()
