"""The buffer between calls and database: bounded, patient, and in nobody's way."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection, connections
from structlog.testing import capture_logs

from proxy.models import TrafficEntry
from proxy.record import Record
from proxy.traffic import buffer
from proxy.traffic.buffer import TrafficLog
from tests.proxy.traffic.records import record


class Store:
    """The database's part."""

    def __init__(self) -> None:
        self.batches: list[list[Record]] = []
        self.failure: Exception | None = None
        self.refused: set[str] = set()
        self.niceness = 0
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def __call__(self, batch: list[Record], *, pause_seconds: float) -> None:
        self.may_go_on.wait(30)
        self.niceness = os.getpriority(os.PRIO_PROCESS, 0)
        if self.failure is not None:
            raise self.failure
        if self.refused.intersection(made.request_id for made in batch):
            raise DataError("a row that no database takes")
        self.batches.append(batch)

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, transactional_db: Any) -> Store:
    made = Store()
    monkeypatch.setattr(buffer, "prepare", lambda batch, **options: batch)
    monkeypatch.setattr(buffer, "store", made)
    return made


@pytest.fixture
async def log(stored: Store) -> AsyncIterator[TrafficLog]:
    made = TrafficLog()
    yield made
    await made.close()


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert condition()


async def test_calls_are_written_after_a_while_in_one_batch(
    log: TrafficLog, stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffer, "FLUSH_SECONDS", 0.05)
    for _ in range(7):
        log.note(record())
    assert stored.batches == []
    await until(lambda: stored.sizes == [7])
    log.note(record())
    await until(lambda: stored.sizes == [7, 1])


async def test_many_calls_are_written_without_waiting(log: TrafficLog, stored: Store) -> None:
    for _ in range(buffer.BATCH):
        log.note(record())
    await until(lambda: stored.sizes == [buffer.BATCH])


async def test_what_comes_while_a_batch_is_written_follows_it(
    log: TrafficLog, stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffer, "FLUSH_SECONDS", 0.05)
    stored.may_go_on.clear()
    for _ in range(buffer.BATCH + 3):
        log.note(record())
        await asyncio.sleep(0)
    for _ in range(5):
        log.note(record())
    stored.may_go_on.set()
    await until(lambda: sum(stored.sizes) == buffer.BATCH + 8)


async def test_a_database_that_is_away_costs_one_line_and_no_call_while_there_is_room(
    log: TrafficLog, stored: Store
) -> None:
    stored.failure = OperationalError("away")
    with capture_logs() as lines:
        for _ in range(10):
            log.note(record())
        for _ in range(3):
            assert not await log.flush()
        stored.failure = None
        assert await log.flush()
    assert stored.sizes == [10] and log.dropped == 0
    assert [line["event"] for line in lines] == [
        "traffic log not written, database away",
        "traffic log written again",
    ]


async def test_the_order_of_calls_survives_a_failure(log: TrafficLog, stored: Store) -> None:
    stored.failure = OperationalError("away")
    noted = [record() for _ in range(4)]
    for made in noted[:2]:
        log.note(made)
    await log.flush()
    for made in noted[2:]:
        log.note(made)
    stored.failure = None
    await log.flush()
    assert stored.batches == [noted]


async def test_what_has_no_room_is_counted_and_forgotten(
    log: TrafficLog, stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffer, "BATCH", 5)
    monkeypatch.setattr(buffer, "MAX_WAITING", 5)
    stored.failure = OperationalError("away")
    for _ in range(9):
        log.note(record())
    assert log.dropped == 4
    stored.failure = None
    await log.flush()
    assert stored.sizes == [5]


def named(count: int) -> list[Record]:
    return [record(request_id=f"{number:032x}") for number in range(count)]


@pytest.mark.parametrize(
    "places", [{0}, {36}, {2, 19, 20}, set(range(12, 30))], ids=["first", "last", "some", "a run"]
)
async def test_calls_that_no_database_takes_cost_none_of_the_others(
    log: TrafficLog, stored: Store, places: set[int]
) -> None:
    noted = named(37)
    stored.refused = {noted[place].request_id for place in places}
    for made in noted:
        log.note(made)
    with capture_logs() as lines:
        assert await log.flush()
    kept = [made for batch in stored.batches for made in batch]
    assert kept == [made for made in noted if made.request_id not in stored.refused]
    assert log.dropped == len(places)
    told = [(line["request_id"], line["calls"], line["error"]) for line in lines]
    assert told == [(noted[place].request_id, 1, "DataError") for place in sorted(places)]


def ids_of_all() -> list[str]:
    return list(TrafficEntry.objects.order_by("request_id").values_list("request_id", flat=True))


@pytest.mark.db
async def test_a_text_that_the_database_cannot_hold_is_named_and_the_rest_is_kept(
    transactional_db: Any,
) -> None:
    log = TrafficLog()
    good = named(5)
    bad = record(request_id="f" * 32, code="\ud800")
    for made in (*good, bad):
        made.partner_id = uuid.UUID(int=1)
    for made in [*good[:2], bad, *good[2:]]:
        log.note(made)
    with capture_logs() as lines:
        assert await log.flush()
    kept = await log._executor.run(ids_of_all)
    await log._executor.run(connections.close_all)  # before PostgreSQL's test database goes
    await log.close()
    assert kept == [made.request_id for made in good]
    assert [line["request_id"] for line in lines] == [bad.request_id]


async def test_a_fault_that_is_no_calls_own_costs_few_lines(log: TrafficLog, stored: Store) -> None:
    stored.failure = ValueError("whatever is written")
    for made in named(buffer.BATCH - 1):
        log.note(made)
    with capture_logs() as lines:
        assert await log.flush()
    assert log.dropped == buffer.BATCH - 1 == sum(line["calls"] for line in lines)
    assert buffer.MAX_BAD < len(lines) < 3 * buffer.MAX_BAD
    stored.failure = None
    log.note(record())
    await log.flush()
    assert stored.sizes == [1]


async def test_a_database_that_goes_away_while_a_bad_call_is_looked_for_costs_none(
    log: TrafficLog, stored: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = named(8)
    stored.refused = {noted[5].request_id}
    for made in noted:
        log.note(made)

    def away_after_the_first_half(batch: list[Record], *, pause_seconds: float) -> None:
        if stored.batches:
            raise OperationalError("away")
        stored(batch, pause_seconds=pause_seconds)

    monkeypatch.setattr(buffer, "store", away_after_the_first_half)
    assert not await log.flush()
    monkeypatch.setattr(buffer, "store", stored)
    assert await log.flush()
    assert [made for batch in stored.batches for made in batch] == [*noted[:5], *noted[6:]]
    assert log.dropped == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no niceness of their own")
async def test_the_writing_thread_gives_way_to_the_loop(log: TrafficLog, stored: Store) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    log.note(record())
    await log.flush()
    assert stored.niceness == min(19, own + 5)
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


async def test_closing_writes_what_waits_and_gives_up_on_a_database_that_is_away(stored: Store) -> None:
    log = TrafficLog()
    log.note(record())
    await log.close()
    assert stored.sizes == [1]
    log = TrafficLog()
    log.note(record())
    stored.failure = OperationalError("away")
    await log.close()
    assert log.dropped == 1


@pytest.mark.skipif(connection.vendor != "sqlite", reason="holds SQLite's one write lock")
async def test_a_write_lock_that_is_held_for_long_holds_up_no_call(transactional_db: Any) -> None:

    holder = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    log = TrafficLog()
    log.note(record())
    flushing = asyncio.ensure_future(log.flush())
    for _ in range(100):
        log.note(record())
        await asyncio.sleep(0)
    assert not flushing.done()
    holder.execute("ROLLBACK")
    holder.close()
    assert await flushing
    await log.close()
    assert log.dropped == 0
