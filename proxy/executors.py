"""Threads for the data plane's database work: few, bounded, each with a lasting connection."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections, connections

P = ParamSpec("P")
R = TypeVar("R")
_CONNECTION_SECONDS = 300


class DatabaseExecutor:
    """Runs functions that use the ORM away from the event loop.

    Never Django's sync_to_async, which shares one thread: a slow call there would stall every other one.
    """

    def __init__(self, name: str, *, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"proxy-{name}", initializer=_keep_open)

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The function's result; its exception is raised here."""
        return await self.submit(function, *args, **kwargs)

    def submit(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]:
        """Begin, and give what will hold the result."""
        context = contextvars.copy_context()

        def work() -> R:
            close_old_connections()
            try:
                return context.run(function, *args, **kwargs)
            finally:
                close_old_connections()

        return asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Let what runs come to its end; nothing new is taken."""
        self._pool.shutdown(wait=False)


def _keep_open() -> None:
    """Let this thread's connections last, unless a pool keeps them."""
    for connection in connections.all():
        if not connection.settings_dict.get("OPTIONS", {}).get("pool"):
            connection.settings_dict = {**connection.settings_dict, "CONN_MAX_AGE": _CONNECTION_SECONDS}
