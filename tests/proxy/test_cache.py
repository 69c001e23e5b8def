"""The cache of warm calls: bounded, short-lived, and empty after any commit on SQLite."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Partner
from proxy.cache import Cache, Shelf
from tests import factories

on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="other databases have the TTL alone")


def elsewhere(work: Any) -> None:
    """Do it on another thread, so on another connection."""

    def run() -> None:
        work()
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


@pytest.fixture
def cache(transactional_db: Any) -> Any:
    made = Cache()
    made.generation()
    yield made
    made.close()


def test_an_entry_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("proxy.cache.time.monotonic", lambda: now[0])
    shelf: Shelf[str] = Shelf()
    shelf.put("k", "v", seconds=2)
    now[0] = 101.9
    assert shelf.get("k") == "v"
    now[0] = 102.0
    assert shelf.get("k") is None


def test_what_has_ended_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("proxy.cache.time.monotonic", lambda: now[0])
    shelf: Shelf[str] = Shelf()
    for number in range(50):
        shelf.put(number, "secret", seconds=2)
    now[0] = 103.0
    shelf.put("next", "v", seconds=2)
    assert len(shelf) == 1


def test_the_oldest_entry_goes_first() -> None:
    shelf: Shelf[int] = Shelf(3)
    for number in range(5):
        shelf.put(number, number, seconds=60)
    shelf.put(3, 33, seconds=60)
    assert [shelf.get(number) for number in range(5)] == [None, None, 2, 33, 4]
    assert len(shelf) == 3


@on_sqlite
def test_a_commit_on_any_connection_empties_it(cache: Cache) -> None:
    generation = cache.generation()
    cache.put(cache.routes, "k", "v", generation=generation, asked_at=time.monotonic())
    assert cache.routes.get("k") == "v"
    cache.generation()
    assert cache.routes.get("k") == "v"
    elsewhere(lambda: factories.partner())
    assert cache.generation() != generation
    assert cache.routes.get("k") is None


@on_sqlite
def test_what_was_read_before_a_commit_is_not_kept(cache: Cache) -> None:
    generation = cache.generation()
    elsewhere(lambda: factories.partner())
    cache.put(cache.routes, "k", "read too early", generation=generation, asked_at=time.monotonic())
    assert cache.routes.get("k") is None


@on_sqlite
def test_a_change_that_is_not_committed_changes_nothing(cache: Cache) -> None:
    generation = cache.generation()
    with transaction.atomic():
        Partner.objects.create(name="x")
        assert cache.generation() == generation
        transaction.set_rollback(True)
    assert cache.generation() == generation


def test_nothing_is_kept_longer_than_two_seconds_or_past_its_end(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("proxy.cache.time.monotonic", lambda: now[0])
    for key, seconds in (("long", float("inf")), ("short", 0.5), ("over", 0.0), ("past", -1.0)):
        cache.put(cache.routes, key, key, generation=cache.generation(), asked_at=now[0], seconds=seconds)
    now[0] = 100.4
    assert [cache.routes.get(key) for key in ("long", "short", "over", "past")] == [
        "long",
        "short",
        None,
        None,
    ]
    now[0] = 101.9
    assert [cache.routes.get(key) for key in ("long", "short")] == ["long", None]
    now[0] = 102.1
    assert cache.routes.get("long") is None


def test_the_two_seconds_begin_before_the_value_was_read(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("proxy.cache.time.monotonic", lambda: now[0])
    for key, asked_at in (("slow", 98.5), ("too slow", 98.0)):
        cache.put(cache.routes, key, key, generation=cache.generation(), asked_at=asked_at)
    assert [cache.routes.get(key) for key in ("slow", "too slow")] == ["slow", None]
    now[0] = 100.6
    assert cache.routes.get("slow") is None


@on_sqlite
async def test_calls_that_arrive_together_ask_the_database_once_and_later_ones_see_a_commit(
    transactional_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    cache, asked = await asyncio.to_thread(lambda: Cache(loop=loop)), []
    read = cache._version.read
    monkeypatch.setattr(cache._version, "read", lambda: asked.append(1) or read())

    async def call() -> int:
        return cache.generation()

    first = set(await asyncio.gather(*(call() for _ in range(8))))
    assert len(asked) == 1
    await asyncio.to_thread(elsewhere, lambda: factories.partner())
    second = set(await asyncio.gather(*(call() for _ in range(8))))

    assert len(asked) == 2
    assert len(first) == len(second) == 1
    assert first != second
    cache.close()
