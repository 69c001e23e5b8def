"""Waiting with a limit: what is done at once never yields, what is not ends in time."""

from __future__ import annotations

import asyncio

import pytest

from proxy.eager import within


async def test_what_is_done_at_once_is_done_without_a_turn_of_the_loop() -> None:
    turns = []
    asyncio.get_running_loop().call_soon(turns.append, 1)

    async def quick() -> str:
        return "done"

    assert await within(0.0, quick()) == "done"
    assert not turns


async def test_what_waits_gives_its_result_later() -> None:
    async def slow() -> str:
        await asyncio.sleep(0)
        first = await asyncio.sleep(0.001, "a")
        return first + await asyncio.sleep(0.001, "b")

    assert await within(10, slow()) == "ab"
    assert await within(10, asyncio.sleep(0.001, "c")) == "c"


async def test_a_future_may_be_awaited_too() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, "set")

    assert await within(10, future) == "set"
    assert await within(10, future) == "set"


async def test_what_takes_too_long_is_cancelled_and_ends_with_a_timeout() -> None:
    ended = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with pytest.raises(TimeoutError):
        await within(0.01, endless())
    assert ended == [True]


async def test_errors_come_out_whether_at_once_or_later() -> None:
    async def failing(*, is_slow: bool) -> None:
        if is_slow:
            await asyncio.sleep(0)
        raise LookupError("no")

    for is_slow in (False, True):
        with pytest.raises(LookupError):
            await within(10, failing(is_slow=is_slow))


async def test_an_error_that_is_waited_for_can_be_handled_inside() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_exception, LookupError("no"))

    async def handling() -> str:
        try:
            await future
        except LookupError:
            return "handled"
        return "nothing happened"

    assert await within(10, handling()) == "handled"


async def test_a_cancellation_reaches_what_is_waited_for() -> None:
    ended = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append(True)
            raise

    task = asyncio.create_task(within(10, endless()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]
