"""Asking the provider for each adopted connection whether its grant works, a few at a time."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self
from uuid import UUID

from django.db import connection as database

from integrations import connections
from integrations.errors import ConnectionNotFound, ConnectionPaused, IntegrationsError, ReconnectRequired
from integrations.models import Connection
from integrations.tokens.refresh import load
from sealing import UnreadableSecret

THREADS = 8
#: how many checks may wait for a thread; who hands in more waits itself
MOST_WAITING = 64


class Checker:
    """`with Checker() as checker: checker.check(connection)`; afterwards counts has works, refused, unanswered."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(works=0, refused=0, unanswered=0)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="check")
        self._room = threading.BoundedSemaphore(MOST_WAITING)
        self._counting = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=error is not None)

    def check(self, connection: Connection) -> None:
        """Ask in the background. The connection has to be committed: another thread reads it."""
        self._room.acquire()
        self._pool.submit(self._run, connection.pk)

    def _run(self, connection_id: UUID) -> None:
        try:
            outcome = _outcome(connection_id)
        except Exception:  # noqa: BLE001 (one that goes wrong in a new way is one that was not answered)
            outcome = "unanswered"
        finally:
            database.close()
            self._room.release()
        with self._counting:
            self.counts[outcome] += 1


def _outcome(connection_id: UUID) -> str:
    try:
        connections.check(load(connection_id))
    except (ReconnectRequired, ConnectionNotFound):
        return "refused"
    except (IntegrationsError, UnreadableSecret, ConnectionPaused):
        return "unanswered"
    return "works"
