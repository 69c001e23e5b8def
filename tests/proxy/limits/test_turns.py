"""Turns of the loop: told by order, never by time."""

from __future__ import annotations

import asyncio
from typing import Any

from proxy.limits import turns as module
from proxy.limits.turns import PER_TURN, Turns


async def begin(turns: Turns, partner: str, order: list[str]) -> None:
    turns.see(partner)
    if turns.are_kept and not turns.may_go(partner):
        await turns.turn(partner)
    order.append(partner)


async def arrive(turns: Turns, partners: str) -> str:
    """The order in which calls begin that arrive at once in this order, a letter for the partner of each."""
    order: list[str] = []
    await asyncio.gather(*(begin(turns, partner, order) for partner in partners))
    return "".join(order)


async def test_a_partner_alone_is_never_held_up() -> None:
    turns = Turns()
    turns.see("a")
    assert not turns.are_kept
    assert await arrive(turns, "a" * 100) == "a" * 100
    assert turns._begun == {}


async def test_a_call_waits_for_few_of_the_flood_before_it() -> None:
    turns = Turns()
    turns.see("b")
    order = await arrive(turns, "a" * 64 + "b")
    assert order.index("b") <= PER_TURN
    assert order.count("a") == 64


async def test_a_call_that_comes_while_a_flood_stands_in_line_goes_at_once() -> None:
    turns = Turns()
    turns.see("b")
    order: list[str] = []
    flood = [asyncio.create_task(begin(turns, "a", order)) for _ in range(64)]
    for _ in range(3):
        await asyncio.sleep(0)
    begun = len(order)
    assert 0 < begun < 40
    await begin(turns, "b", order)
    assert order.index("b") <= begun + PER_TURN
    await asyncio.gather(*flood)


async def test_two_floods_take_turns_and_each_keeps_its_own_order() -> None:
    turns = Turns()
    turns.see("z")
    order = await arrive(turns, "a" * 32 + "b" * 32)
    middle = order[PER_TURN * 2 : -PER_TURN * 2]
    assert abs(middle.count("a") - middle.count("b")) <= PER_TURN


async def test_the_line_is_first_in_first_out() -> None:
    turns = Turns()
    turns.see("a")
    turns.see("b")
    order: list[int] = []

    async def call(number: int) -> None:
        if not turns.may_go("b"):
            await turns.turn("b")
        order.append(number)

    await asyncio.gather(*(call(number) for number in range(50)))
    assert order == list(range(50))


async def test_a_call_that_is_given_up_in_line_takes_no_turn() -> None:
    turns = Turns()
    turns.see("b")
    order: list[str] = []
    flood = [asyncio.create_task(begin(turns, "a", order)) for _ in range(40)]
    await asyncio.sleep(0)
    for task in flood[10:30]:
        task.cancel()
    await asyncio.gather(*flood, return_exceptions=True)
    assert len(order) == 20
    assert turns._lines == {}


async def test_large_content_takes_more_of_a_turn() -> None:
    turns = Turns()
    assert turns.may_go("a", pieces=PER_TURN)
    assert not turns.may_go("a")
    assert turns.may_go("b")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert turns.may_go("a")


async def test_the_loop_rests_when_nobody_waits() -> None:
    turns = Turns()
    turns.see("a")
    await arrive(turns, "ab" * 20)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not turns._is_turning


async def test_lines_are_kept_for_moments_after_several_partners_called(monkeypatch: Any) -> None:
    turns = Turns()
    turns.see("a")
    turns.see("b")
    assert turns.are_kept
    monkeypatch.setattr(module, "MIXED_SECONDS", 0.0)
    turns.see("a")
    assert not turns.are_kept
