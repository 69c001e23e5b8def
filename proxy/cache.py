"""What warm calls need, kept in this process for moments: callers, routes, and the places of credentials.

Nothing in it is written anywhere; tokens are Secret objects. It is emptied at every commit to a SQLite
database (`PRAGMA data_version`, about 2 microseconds) but the traffic log's own, so revocation is exact there;
elsewhere an entry lives at most two seconds, counted from before it was read.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from django.db import connections

from proxy.traffic.commits import Count, OwnCommits, opened

MAX_ENTRIES = 100_000
TTL_SECONDS = 2.0
V = TypeVar("V")


class Shelf(Generic[V]):
    """A bounded map whose entries end; the oldest go first. What has ended goes with the next put()."""

    __slots__ = ("_entries", "_max_entries")

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._entries: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()
        self._max_entries = max_entries

    def get(self, key: Hashable) -> V | None:
        entry = self._entries.get(key)
        return entry[1] if entry is not None and time.monotonic() < entry[0] else None

    def put(self, key: Hashable, value: V, *, seconds: float) -> None:
        now, entries = time.monotonic(), self._entries
        entries.pop(key, None)
        while entries and (len(entries) >= self._max_entries or next(iter(entries.values()))[0] <= now):
            entries.popitem(last=False)
        entries[key] = (now + seconds, value)

    def clear(self) -> None:
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


class Cache:
    """The shelves and their guard. Used on the data plane's loop alone.

    own_commits: tells commits that touch nothing of what is kept here from those that may. loop: calls that
    arrived together ask the database once. The answer serves until the loop comes to a callback of the cache's, and
    whatever it runs before that had arrived when the database was asked: a call made after a commit sees it.
    """

    def __init__(
        self, own_commits: OwnCommits | None = None, *, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self.callers: Shelf[Any] = Shelf()
        self.routes: Shelf[Any] = Shelf()
        self.places: Shelf[Any] = Shelf(4_096)
        self._version = DataVersion()
        self._seen: int | None = None
        self._own_commits = own_commits
        self._others: Count | None = None
        self._generation = 0
        self._loop = loop
        self._is_known = False

    def generation(self) -> int:
        """The state of the database that entries may come from; empties the shelves when it has moved on.

        Ask before reading rows and give the answer to put(): what was read before a commit is not kept.
        """
        if self._is_known:
            return self._generation
        now = self._version.read()
        if self._loop is not None:
            self._is_known = True
            self._loop.call_soon(self._ask_again)
        if now != self._seen:
            self._seen = now
            others = None if self._own_commits is None else self._own_commits.others(self._others)
            if others is None or others != self._others:
                self._generation += 1
                for shelf in (self.callers, self.routes, self.places):
                    shelf.clear()
            self._others = others
        return self._generation

    def _ask_again(self) -> None:
        self._is_known = False

    def put(
        self,
        shelf: Shelf[V],
        key: Hashable,
        value: V,
        *,
        generation: int | None,
        asked_at: float,
        seconds: float = TTL_SECONDS,
    ) -> None:
        """Keep a value read in that generation, for at most two seconds from the moment (time.monotonic()) before
        it was read: it may have changed since."""
        seconds = min(seconds, asked_at + TTL_SECONDS - time.monotonic())
        if seconds > 0 and generation == self.generation():
            shelf.put(key, value, seconds=seconds)

    def close(self) -> None:
        self._version.close()


class DataVersion:
    """SQLite's own count of commits by others, seen by a connection that does nothing else."""

    def __init__(self) -> None:
        self._cursor: sqlite3.Cursor | None = None
        self._failures = 0
        if connections["default"].vendor == "sqlite":
            self._cursor = opened(timeout=0.05).cursor()

    def read(self) -> int | None:
        """The count, or None on a database that has none."""
        if self._cursor is None:
            return None
        try:
            return int(self._cursor.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            self._failures += 1
            return -self._failures  # unknown is as good as changed

    def close(self) -> None:
        if self._cursor is not None:
            self._cursor.connection.close()
            self._cursor = None
