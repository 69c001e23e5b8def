"""SQLite: the traffic log's own commits do not make calls cold, and nobody else's stay unseen."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections

from accounts.models import Partner
from proxy.cache import Cache
from proxy.traffic import commits
from proxy.traffic.commits import OwnCommits
from tests import factories
from tests.proxy.test_cache import elsewhere
from tests.proxy.traffic.records import record, store

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="other databases have no such count")


class Writer:
    """The traffic log's thread."""

    def __init__(self, own: OwnCommits) -> None:
        self.own = own
        self.pool = ThreadPoolExecutor(1)

    def flush(self, before_the_end: Callable[[], None] = lambda: None) -> None:
        self.pool.submit(self._flush, before_the_end).result()

    def _flush(self, before_the_end: Callable[[], None]) -> None:
        with self.own.transaction():
            store([record()])
            before_the_end()

    def reconnect(self) -> None:
        self.pool.submit(lambda: connection.close()).result()

    def close(self) -> None:
        self.pool.submit(lambda: (self.own.close(), connections.close_all())).result()
        self.pool.shutdown()


@pytest.fixture
def own(transactional_db: Any) -> OwnCommits:
    made = commits.made()
    assert made is not None
    return made


@pytest.fixture
def writer(own: OwnCommits) -> Iterator[Writer]:
    made = Writer(own)
    yield made
    made.close()


@pytest.fixture
def cache(own: OwnCommits, writer: Writer) -> Iterator[Cache]:
    """With an entry, and a witness that it knows."""
    made = Cache(own)
    writer.flush()
    remember(made)
    writer.flush()
    made.generation()
    remember(made)
    yield made
    made.close()


def remember(cache: Cache) -> None:
    cache.put(cache.routes, "k", "v", generation=cache.generation(), asked_at=time.monotonic())


def is_warm(cache: Cache) -> bool:
    cache.generation()
    return cache.routes.get("k") is not None


def test_a_flush_leaves_calls_warm(cache: Cache, writer: Writer) -> None:
    before = cache.generation()
    for _ in range(3):
        writer.flush()
    assert is_warm(cache)
    writer.flush()
    assert cache.generation() == before


@pytest.mark.parametrize("order", ["other flush", "flush other", "flush other flush", "other flush flush"])
def test_another_commit_beside_flushes_is_seen(cache: Cache, writer: Writer, order: str) -> None:
    for act in order.split():
        if act == "flush":
            writer.flush()
        else:
            elsewhere(lambda: Partner.objects.create(name="x"))
    assert not is_warm(cache)
    remember(cache)
    writer.flush()
    assert is_warm(cache)


def test_a_commit_just_before_or_just_after_a_flush_is_seen_while_it_runs(
    cache: Cache, writer: Writer
) -> None:
    """The loop asks while the transaction is open, and once it is over but not yet told to be."""
    elsewhere(lambda: Partner.objects.create(name="before"))
    seen: list[bool] = []
    writer.flush(lambda: seen.append(is_warm(cache)))
    assert seen == [False]
    remember(cache)
    assert is_warm(cache)


def test_a_commit_between_a_flush_and_the_question_is_seen(
    cache: Cache, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    asked = threading.Event()

    def wait(self: OwnCommits) -> None:
        ended.set()
        asked.wait(30)

    monkeypatch.setattr(OwnCommits, "_checkpoint", wait)
    flushing = threading.Thread(target=writer.flush)
    flushing.start()
    assert ended.wait(30)
    elsewhere(lambda: Partner.objects.create(name="x"))
    is_still_warm = is_warm(cache)
    asked.set()
    flushing.join()
    assert not is_still_warm


def test_the_loop_does_not_wait_while_the_log_waits_for_the_write_lock(cache: Cache, writer: Writer) -> None:
    holder = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    flushing = threading.Thread(target=writer.flush)
    flushing.start()
    while not writer.own._asking.locked():
        pass
    assert is_warm(cache)  # nobody has committed
    holder.execute("INSERT INTO django_session VALUES ('k', '', '2026-11-25 00:00:00')")
    holder.execute("COMMIT")
    holder.close()
    is_still_warm = is_warm(cache)
    flushing.join()
    assert not is_still_warm


def test_a_new_connection_of_the_log_counts_anew(cache: Cache, writer: Writer) -> None:
    """Its number may by chance be the former one's, with commits of others between."""
    writer.reconnect()
    elsewhere(lambda: Partner.objects.create(name="x"))
    writer.flush()
    assert not is_warm(cache)
    remember(cache)
    writer.flush()
    assert is_warm(cache)


def test_a_flush_that_fails_hides_nothing(cache: Cache, writer: Writer) -> None:
    def fail() -> None:
        raise RuntimeError("in the transaction")

    with pytest.raises(RuntimeError):
        writer.flush(fail)
    assert is_warm(cache)
    elsewhere(lambda: factories.partner())
    assert not is_warm(cache)


def test_what_was_written_is_written_back(
    own: OwnCommits, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "_CHECKPOINT_CHANGES", 1)
    writer.flush()
    with sqlite3.connect(connection.settings_dict["NAME"]) as reader:
        _, in_wal, written_back = reader.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    reader.close()
    assert in_wal == written_back
