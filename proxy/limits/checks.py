"""Where a partner's requests are counted when that means to wait for the cache: on threads of their own.

Look-ups in the database do not wait for a slow cache so, nor one partner's count for another partner's flood.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any

from proxy.executors import DatabaseExecutor

_THREADS = 2


class _Line:
    __slots__ = ("lock", "members")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.members = 0


class Checks:
    """One per data plane; used on its loop alone."""

    def __init__(self) -> None:
        self._threads = DatabaseExecutor("quotas", threads=_THREADS)
        self._lines: dict[Hashable, _Line] = {}

    async def run(self, partner: Hashable, function: Callable[..., object], *args: Any) -> None:
        """Run it on a thread, one after another for each partner; its exception is raised here."""
        line = self._lines.get(partner)
        if line is None:
            line = self._lines[partner] = _Line()
        line.members += 1
        try:
            async with line.lock:
                await self._threads.run(function, *args)
        finally:
            line.members -= 1
            if not line.members:
                del self._lines[partner]

    def close(self) -> None:
        self._threads.close()
