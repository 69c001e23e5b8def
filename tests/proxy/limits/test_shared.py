"""What one process learns of a provider's limit, the others hear through the cache."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache

from proxy.limits import shared
from proxy.limits.budgets import Budgets, Scope
from proxy.limits.shared import Exchanges, SharedBlocks

pytestmark = pytest.mark.db


@pytest.fixture(autouse=True)
def _emptied() -> None:
    cache.clear()


def test_what_is_told_is_heard_once_by_every_other_process() -> None:
    mine, yours, third = SharedBlocks(), SharedBlocks(), SharedBlocks()
    assert mine.exchange([("app:1", 5.0), ("app:2", 6.0)]) == []
    assert yours.exchange([]) == [("app:1", 5.0), ("app:2", 6.0)]
    assert yours.exchange([("app:3", 7.0)]) == []
    assert third.exchange([]) == [("app:1", 5.0), ("app:2", 6.0), ("app:3", 7.0)]
    assert [mine.exchange([]) for _ in range(3)] == [[("app:3", 7.0)], [], []]


def test_an_entry_whose_number_was_seen_before_it_was_there_is_still_heard() -> None:
    yours = SharedBlocks()
    cache.set("budgets:last", 1, timeout=None)
    assert yours.exchange([]) == []
    cache.set("budgets:1", ("app:1", 5.0), timeout=60)
    assert yours.exchange([]) == [("app:1", 5.0)]
    assert yours.exchange([]) == []


def test_ops_12_a_cache_that_is_emptied_loses_blocks_and_nothing_else() -> None:
    mine, yours = SharedBlocks(), SharedBlocks()
    for number in range(5):
        mine.exchange([(f"app:{number}", 5.0)])
    yours.exchange([])
    cache.clear()
    assert yours.exchange([]) == []
    mine.exchange([("app:new", 9.0)])
    assert yours.exchange([]) == [("app:new", 9.0)]


class Away:
    asked = 0

    def get(self, key: str) -> object:
        self.asked += 1
        raise ConnectionError("Connection refused.")


def test_ops_12_a_cache_that_is_away_is_left_alone(monkeypatch: Any) -> None:
    away = Away()
    monkeypatch.setattr(shared, "cache", away)
    mine = SharedBlocks()
    assert [mine.exchange([]) for _ in range(5)] == [[]] * 5
    assert away.asked == 1


async def test_a_block_reaches_another_process_for_as_long_as_it_lasts() -> None:
    mine, yours = Budgets(), Budgets()
    exchanges = [Exchanges(mine), Exchanges(yours)]
    try:
        mine.block(Scope("app:1", ""), 60.0)
        mine.block(Scope("app:1", "api/search"), 60.0)
        for exchange in exchanges:
            await exchange.exchange()
        assert 55 < yours.wait_seconds("app:1", "api/anything") <= 60
        assert yours.wait_seconds("app:2", "api/search") == 0
        assert mine.untold == []
    finally:
        for exchange in exchanges:
            await exchange.close()
