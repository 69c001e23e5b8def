"""What one process learns of a provider's limit, the others hear through the cache."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.core.cache import cache
from structlog.testing import capture_logs

from proxy.limits import shared
from proxy.limits.blocks import UNNAMED, Scope
from proxy.limits.budgets import Budgets
from proxy.limits.shared import Entry, Exchanges, SharedBlocks

pytestmark = pytest.mark.db


def entry(account: str, ends: float) -> Entry:
    return (account, "", UNNAMED, ends)


@pytest.fixture(autouse=True)
def _emptied() -> None:
    cache.clear()


def test_what_is_told_is_heard_once_by_every_other_process() -> None:
    mine, yours, third = SharedBlocks(), SharedBlocks(), SharedBlocks()
    assert mine.exchange([entry("app:1", 5.0), entry("app:2", 6.0)]) == []
    assert yours.exchange([]) == [entry("app:1", 5.0), entry("app:2", 6.0)]
    assert yours.exchange([entry("app:3", 7.0)]) == []
    assert third.exchange([]) == [entry("app:1", 5.0), entry("app:2", 6.0), entry("app:3", 7.0)]
    assert [mine.exchange([]) for _ in range(3)] == [[entry("app:3", 7.0)], [], []]


def test_an_entry_whose_number_was_seen_before_it_was_there_is_still_heard() -> None:
    yours = SharedBlocks()
    cache.set("budgets:last", 1, timeout=None)
    assert yours.exchange([]) == []
    cache.set("budgets:1", entry("app:1", 5.0), timeout=60)
    assert yours.exchange([]) == [entry("app:1", 5.0)]
    assert yours.exchange([]) == []


def test_ops_12_a_cache_that_is_emptied_loses_blocks_and_nothing_else() -> None:
    mine, yours = SharedBlocks(), SharedBlocks()
    for number in range(5):
        mine.exchange([entry(f"app:{number}", 5.0)])
    yours.exchange([])
    cache.clear()
    assert yours.exchange([]) == []
    mine.exchange([entry("app:new", 9.0)])
    assert yours.exchange([]) == [entry("app:new", 9.0)]


class Away:
    asked = 0

    def get(self, key: str, default: object) -> object:
        self.asked += 1
        raise ConnectionError("Connection refused.")


def test_ops_12_a_cache_that_is_away_is_left_alone(monkeypatch: Any) -> None:
    away = Away()
    monkeypatch.setattr(shared, "cache", away)
    mine = SharedBlocks()
    assert [mine.exchange([]) for _ in range(5)] == [[]] * 5
    assert away.asked == 1


@pytest.fixture
async def two() -> AsyncIterator[list[tuple[Budgets, Exchanges]]]:
    """Two processes' budgets, and what tells them of each other."""
    made = [(budgets, Exchanges(budgets)) for budgets in (Budgets(is_shared=True), Budgets(is_shared=True))]
    yield made
    for _, exchanges in made:
        await exchanges.close()


async def told_of(two: list[tuple[Budgets, Exchanges]]) -> Budgets:
    """The second's budgets, once both have told and heard."""
    for _, exchanges in two:
        await exchanges.exchange()
    return two[1][0]


async def test_a_block_reaches_another_process_for_as_long_as_it_lasts(
    two: list[tuple[Budgets, Exchanges]],
) -> None:
    mine, _ = two[0]
    mine.block(Scope("app:1"), 60.0)
    mine.block(Scope("app:1", "api/search"), 90.0)
    mine.block(Scope("app:2", "#search"), 90.0, window=1)
    yours = await told_of(two)
    assert 55 < yours.wait_seconds("app:1", "api/search") <= 60
    assert yours.wait_seconds("app:2", "api/search") == 0
    yours._resources.note("api/search", "search")
    assert 85 < yours.wait_seconds("app:2", "api/search") <= 90
    assert mine.untold == {}


MALFORMED: list[Any] = [
    "app:1",
    None,
    ("app:1", 5.0),
    ("app:1", "", UNNAMED, "soon"),
    ("app:1", "", UNNAMED, float("nan")),
    ("app:1", "", UNNAMED, float("inf")),
    (7, "", UNNAMED, 5.0),
]


@pytest.mark.parametrize("value", MALFORMED, ids=range(len(MALFORMED)))
async def test_an_entry_that_is_none_is_passed_over_and_the_next_is_heard(
    two: list[tuple[Budgets, Exchanges]], value: Any
) -> None:
    cache.set("budgets:last", 1, timeout=None)
    cache.set("budgets:1", value, timeout=60)
    two[0][0].block(Scope("app:2"), 60.0)
    yours = await told_of(two)
    assert yours.wait_seconds("app:1", "") == 0
    assert yours.wait_seconds("app:2", "") > 55


@pytest.mark.parametrize("value", ["many", (1, 2), None, 3.5])
async def test_a_number_of_entries_that_is_none_begins_anew(
    two: list[tuple[Budgets, Exchanges]], value: Any
) -> None:
    cache.set("budgets:last", value, timeout=None)
    two[0][0].block(Scope("app:2"), 60.0)
    assert (await told_of(two)).wait_seconds("app:2", "") > 55


async def test_a_failure_to_tell_is_complained_of_once_and_does_not_end_the_telling(monkeypatch: Any) -> None:
    monkeypatch.setattr(shared, "EXCHANGE_SECONDS", 0.0)
    tried = asyncio.Event()
    tries: list[int] = []

    async def exchange(self: Exchanges) -> None:
        tries.append(1)
        if len(tries) > 3:
            tried.set()
        raise TypeError("odd")

    monkeypatch.setattr(Exchanges, "exchange", exchange)
    with capture_logs() as logs:
        exchanges = Exchanges(Budgets(is_shared=True))
        await asyncio.wait_for(tried.wait(), 10)
        await exchanges.close()
    assert [each["error"] for each in logs] == ["TypeError"]
