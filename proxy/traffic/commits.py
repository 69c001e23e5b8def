"""SQLite: telling the proxy's cache that a commit was the traffic log's own.

Every commit moves `PRAGMA data_version` of every other connection, and the cache is emptied when it moves: a log
that is written each second would make calls cold each second. Commits cannot be counted by it (three between two
readings move it by one), but a connection's own commits never move its own. So the connection that writes the
log, and nothing else, is the witness: whether its `data_version` has moved says whether anybody else committed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import structlog
from django.db import connections, transaction

log = structlog.get_logger(__name__)
#: rows written after which the WAL is written back
_CHECKPOINT_CHANGES = 1_000
Count = tuple[int, int]


class OwnCommits:
    """The witness. transaction() and close() belong to the writing thread, others() to the loop."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._witness: sqlite3.Connection | None = None
        self._number = 0
        self._at_begin: Count | None = None
        self._checkpointer: sqlite3.Connection | None = None
        self._changes_written_back = 0

    # --- on the loop ------------------------------------------------------------------------------------------
    def others(self, known: Count | None) -> Count | None:
        """How often others have committed, in the witness's own count; None when it cannot tell just now.

        known: the answer before. Two equal answers mean: nobody else has committed in between. Ask when
        another connection has seen a commit. Does not wait while the witness waits or inserts.
        """
        at_begin = self._at_begin
        if at_begin is not None:
            # A transaction of ours holds the write lock since then, or has just ended. If others had not
            # committed before it, the commit that was seen is ours, and the witness free to answer.
            return at_begin if at_begin != known else self._count()
        if not self._asking.acquire(blocking=False):
            return None
        try:
            return self._count()
        finally:
            self._asking.release()

    def _count(self) -> Count | None:
        witness, number = self._witness, self._number
        if witness is None:
            return None
        try:
            return number, int(witness.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return None

    # --- on the writing thread --------------------------------------------------------------------------------
    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction on this thread's connection. Write nothing in it that the cache is made of."""
        try:
            with ExitStack() as stack:
                with self._asking:  # whoever asked now would wait with us for the write lock
                    self._watch()
                    stack.enter_context(transaction.atomic())
                    self._at_begin = self._count()
                yield
        finally:
            self._at_begin = None
        self._checkpoint()

    def close(self) -> None:
        self._witness = None
        if self._checkpointer is not None:
            self._checkpointer.close()
            self._checkpointer = None

    def _watch(self) -> None:
        """Make this thread's connection the witness; a new one counts from another number."""
        connection = connections["default"]
        connection.ensure_connection()
        if connection.connection is self._witness:
            return
        witness: Any = connection.connection
        self._number += 1
        self._changes_written_back = 0
        # A log may lose its last second in a power failure. Whoever commits next with FULL syncs this too.
        witness.execute("PRAGMA synchronous=NORMAL")
        # Never within a commit, which the loop might then wait for.
        witness.execute("PRAGMA wal_autocheckpoint=0")
        self._witness = witness

    def _checkpoint(self) -> None:
        """Write the WAL back on a connection of its own, as other connections do within their commits."""
        witness = self._witness
        if witness is None or witness.total_changes - self._changes_written_back < _CHECKPOINT_CHANGES:
            return
        self._changes_written_back = witness.total_changes
        try:
            if self._checkpointer is None:
                self._checkpointer = opened(timeout=0.05)
            self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:  # it is tried again after as many changes
            log.info("not written back", error=type(error).__name__)


def opened(*, timeout: float) -> sqlite3.Connection:
    """A connection to the database's file beside Django's, for pragmas; any thread may use it."""
    parameters: dict[str, Any] = connections["default"].get_connection_params()
    return sqlite3.connect(
        parameters["database"],
        uri=bool(parameters.get("uri")),
        isolation_level=None,
        timeout=timeout,
        check_same_thread=False,
    )


def made() -> OwnCommits | None:
    """A witness where there can be one: SQLite, compiled so that two threads may use one connection."""
    is_possible = connections["default"].vendor == "sqlite" and sqlite3.threadsafety == 3
    return OwnCommits() if is_possible else None
