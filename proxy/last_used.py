"""When connections and credentials were last used: noted in memory, written rarely and off the hot path."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, models, transaction
from django.utils import timezone

from proxy.executors import DatabaseExecutor

log = structlog.get_logger(__name__)
#: at most one write for a row in this time (REF-27)
INTERVAL_SECONDS = 600.0
FLUSH_SECONDS = 5.0
_MAX_NOTED = 200_000
_BATCH = 500


class LastUsed:
    """Notes uses of a model's rows and writes `last_used_at` in batches."""

    def __init__(self, model: type[models.Model], executor: DatabaseExecutor) -> None:
        self._model = model
        self._executor = executor
        self._noted: dict[UUID, float] = {}
        self._pending: set[UUID] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def note(self, row_id: UUID) -> None:
        """The row is in use now. Costs a look into a dictionary; call it on the event loop."""
        now = time.monotonic()
        if now - self._noted.get(row_id, -INTERVAL_SECONDS) < INTERVAL_SECONDS:
            return
        if len(self._noted) >= _MAX_NOTED:
            self._noted.clear()
        self._noted[row_id] = now
        self._pending.add(row_id)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._task = asyncio.ensure_future(self.flush())

    async def flush(self) -> None:
        """Write what was noted. A failure is logged and forgotten: it costs ten minutes of precision."""
        pending, self._pending = list(self._pending), set()
        for start in range(0, len(pending), _BATCH):
            try:
                await self._executor.run(write, self._model, pending[start : start + _BATCH])
            except Exception as error:  # noqa: BLE001 (nobody waits for it)
                log.warning("last use not written", error=type(error).__name__)

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self.flush()


def write(model: type[models.Model], ids: list[UUID]) -> int:
    """Set last_used_at of the rows that have not been written lately; locked rows are left out (REF-27)."""
    now = timezone.now()
    manager: Any = model._default_manager
    is_due = models.Q(last_used_at=None) | models.Q(
        last_used_at__lt=now - timedelta(seconds=INTERVAL_SECONDS)
    )
    rows = manager.filter(is_due, pk__in=ids)
    if not connection.features.has_select_for_update_skip_locked:
        return int(rows.update(last_used_at=now))
    with transaction.atomic():
        free = list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True))
        return int(manager.filter(pk__in=free).update(last_used_at=now))
