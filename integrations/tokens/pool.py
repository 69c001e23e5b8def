"""A bounded pool of threads, each with a database connection and provider connections of its own that last."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

import structlog
from django.db import DatabaseError, connections

from integrations import provider_calls

log = structlog.get_logger(__name__)
Item = TypeVar("Item")


class Pool(Generic[Item]):
    """Does `work` on what is submitted; threads begin when they are needed and end with the pool.

    work must not raise; if it does, the item counts as done and the thread goes on.
    """

    def __init__(self, size: int, work: Callable[[Item], None]) -> None:
        self.size = max(1, size)
        self._work = work
        self._inbox: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self.in_flight = 0

    @property
    def is_full(self) -> bool:
        return self.in_flight >= self.size

    def submit(self, item: Item) -> None:
        """Hand an item to a thread. The caller minds is_full, so that nothing waits here unseen."""
        self.in_flight += 1
        if self.in_flight > len(self._threads) and len(self._threads) < self.size:
            thread = threading.Thread(target=self._serve, name="refresh", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._inbox.put(item)

    def done(self, *, wait_seconds: float) -> list[Item]:
        """The items that are done since the last call; waits that long for the first of them."""
        found: list[Item] = []
        try:
            found.append(self._outbox.get(timeout=max(wait_seconds, 0.0005)))
            while True:
                found.append(self._outbox.get_nowait())
        except queue.Empty:
            pass
        self.in_flight -= len(found)
        return found

    def _serve(self) -> None:
        try:
            with provider_calls.kept_connections():
                while (item := self._inbox.get()) is not None:
                    self._do(item)
        finally:
            connections.close_all()

    def _do(self, item: Item) -> None:
        try:
            self._work(item)
        except Exception:
            log.exception("a refresh ended in a way nobody thought of")
        finally:
            try:
                _close_broken()
            finally:  # an item that never counts as done would keep the run from ending
                self._outbox.put(item)

    def __enter__(self) -> Pool[Item]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _ in self._threads:
            self._inbox.put(None)
        for thread in self._threads:
            thread.join()


def _close_broken() -> None:
    """Not by age: a connection lasts as long as its thread."""
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred:
            try:
                connection.close()
            except DatabaseError as error:
                log.warning("a broken connection did not close well", error=type(error).__name__)
