"""Partners' requests counted in memory, in batches of a shared count, and without it while it is away."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from accounts.api import quotas
from accounts.api.quotas import Quotas

Process = Callable[[], Quotas]
PARTNER, OTHER = UUID(int=1), UUID(int=2)


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_200.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Shared:
    """A cache server; `is_there` False: it is away."""

    def __init__(self) -> None:
        self.is_there = True
        self.asked = 0
        self.counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, key: str, value: int, timeout: int) -> bool:
        self.asked += 1
        if not self.is_there:
            raise ConnectionError("Connection refused.")
        with self._lock:
            return self.counts.setdefault(key, value) == value

    def incr(self, key: str, delta: int) -> int:
        with self._lock:
            self.counts[key] += delta
            return self.counts[key]


@pytest.fixture
def clock(monkeypatch: Any) -> Clock:
    made = Clock()
    monkeypatch.setattr(quotas, "time", made)
    return made


@pytest.fixture
def alone(clock: Clock, settings: Any) -> Quotas:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    return Quotas()


@pytest.fixture
def shared(clock: Clock, settings: Any, monkeypatch: Any) -> Shared:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache"}}
    made = Shared()
    monkeypatch.setattr(quotas, "cache", made)
    return made


@pytest.fixture
def process(shared: Shared) -> Iterator[Process]:
    """A count as another process has it."""
    made: list[Quotas] = []

    def begin() -> Quotas:
        made.append(Quotas())
        return made[-1]

    yield begin
    for counting in made:
        counting.close()


def test_a_minute_holds_exactly_as_many_requests_as_the_limit_says(alone: Quotas, clock: Clock) -> None:
    assert [alone.take(PARTNER, 3) for _ in range(5)] == [True] * 3 + [False] * 2
    clock.now += 59.5
    assert not alone.take(PARTNER, 3)
    clock.now += 0.5
    assert [alone.take(PARTNER, 3) for _ in range(4)] == [True] * 3 + [False]


def test_partners_are_counted_apart(alone: Quotas) -> None:
    assert [alone.take(PARTNER, 1), alone.take(OTHER, 1), alone.take(OTHER, 1)] == [True, True, False]


def test_a_limit_that_is_changed_holds_from_the_next_request(alone: Quotas) -> None:
    assert [alone.take(PARTNER, 2) for _ in range(2)] == [True, True]
    assert [alone.take(PARTNER, 3) for _ in range(2)] == [True, False]
    assert not alone.take(PARTNER, 1)
    assert not alone.take(OTHER, 0)


def test_counting_alone_never_waits(alone: Quotas) -> None:
    assert alone.is_settled(PARTNER, 1)
    assert alone.take_here(PARTNER, 1) is True
    assert alone.is_settled(PARTNER, 1)
    assert alone.take_here(PARTNER, 1) is False


@pytest.mark.parametrize(("limit", "processes", "each"), [(100, 4, 25), (10, 4, 2), (3, 4, 1), (0, 4, 0)])
def test_processes_without_a_shared_count_let_an_equal_part_through(
    alone: Quotas, settings: Any, limit: int, processes: int, each: int
) -> None:
    settings.WEB_PROCESSES = processes
    assert sum(alone.take(PARTNER, limit) for _ in range(limit + 1)) == each


@pytest.mark.parametrize(
    ("arguments", "workers"),
    [
        (["uvicorn", "--workers", "4", "x"], 4),
        (["uvicorn", "--workers=3"], 3),
        (["uvicorn"], 1),
        (["x", "--workers"], 1),
    ],
)
def test_the_number_of_processes_is_read_from_the_servers_command_line(
    arguments: list[str], workers: int
) -> None:
    assert quotas._workers(tuple(arguments)) == workers


def test_processes_with_a_shared_count_never_let_more_through_together(
    shared: Shared, process: Process
) -> None:
    went = [
        sum(counting.take(PARTNER, 1_000) for _ in range(400)) for counting in [process() for _ in range(4)]
    ]
    assert 1_000 - 2 * 3 * 20 <= sum(went) <= 1_000
    assert shared.asked < 100


def test_a_batch_that_lies_unused_elsewhere_is_all_that_is_missing(shared: Shared, process: Process) -> None:
    idle, busy = process(), process()
    assert idle.take(PARTNER, 1_000)
    assert 1_000 - 2 * 20 <= 1 + sum(busy.take(PARTNER, 1_000) for _ in range(1_100)) <= 1_000


def test_threads_that_race_for_a_batch_let_no_more_through(shared: Shared, process: Process) -> None:
    counting, went = process(), []

    def call() -> None:
        went.extend(counting.take(PARTNER, 500) for _ in range(100))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(went), len(went)) == (500, 800)


def test_a_shared_count_is_asked_before_the_first_and_not_after_the_last(
    shared: Shared, process: Process
) -> None:
    counting = process()
    assert counting.take_here(PARTNER, 2) is None
    assert not counting.is_settled(PARTNER, 2)
    assert [counting.take(PARTNER, 2) for _ in range(4)] == [True, True, False, False]
    asked = shared.asked
    assert counting.take_here(PARTNER, 2) is False
    assert shared.asked == asked


def test_batches_are_fetched_ahead_off_the_callers_way(shared: Shared, process: Process) -> None:
    counting = process()
    assert counting.take(PARTNER, 1_000)
    assert all(counting.take_here(PARTNER, 1_000) for _ in range(9))
    assert counting._ahead is not None
    counting.close()
    assert shared.asked == 2
    assert all(counting.take_here(PARTNER, 1_000) for _ in range(20))


def test_ops_12_requests_go_on_and_are_counted_while_the_cache_is_away(
    shared: Shared, process: Process
) -> None:
    shared.is_there = False
    counting = process()
    assert [counting.take(PARTNER, 2) for _ in range(4)] == [True, True, False, False]


def test_ops_12_a_cache_that_is_away_is_not_asked_by_every_request(shared: Shared, process: Process) -> None:
    shared.is_there = False
    counting = process()
    assert all(counting.take(PARTNER, 100) for _ in range(50))
    assert shared.asked == 1


def test_ops_12_a_cache_that_is_back_is_told_what_went_through_without_it(
    shared: Shared, process: Process, clock: Clock
) -> None:
    shared.is_there = False
    counting, elsewhere = process(), process()
    assert all(counting.take(PARTNER, 10) for _ in range(4))
    shared.is_there = True
    clock.now += quotas.CACHE_PAUSE_SECONDS
    assert counting.take(PARTNER, 10)
    assert sum(elsewhere.take(PARTNER, 10) for _ in range(10)) == 5


def test_ops_12_a_cache_that_was_emptied_counts_anew(shared: Shared, process: Process) -> None:
    counting = process()
    assert counting.take(PARTNER, 100)
    shared.counts.clear()
    assert all(counting.take(PARTNER, 100) for _ in range(50))


def test_what_is_left_is_told_in_the_words_of_the_draft(alone: Quotas, clock: Clock) -> None:
    assert alone.fields(PARTNER) == {}
    clock.now += 29.5
    assert alone.take(PARTNER, 100)
    assert alone.fields(PARTNER) == {
        "RateLimit": '"default";r=99;t=31',
        "RateLimit-Policy": '"default";q=100;w=60',
    }
    clock.now += 31
    assert alone.fields(PARTNER) == {}


def test_what_is_left_takes_in_what_is_left_in_the_shared_count(shared: Shared, process: Process) -> None:
    counting = process()
    assert counting.take(PARTNER, 100)
    assert counting.fields(PARTNER)["RateLimit"] == '"default";r=99;t=60'


def test_millions_of_partners_fit_into_bounded_memory(alone: Quotas, monkeypatch: Any) -> None:
    monkeypatch.setattr(quotas, "_MAX_WINDOWS", 100)
    for _ in range(1_000):
        alone.take(uuid.uuid4(), 5)
    assert len(alone._windows) == 100
