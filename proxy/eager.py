"""Waiting with a limit that costs nothing when there is nothing to wait for.

asyncio.timeout() costs about four microseconds each time. Most of what a warm call awaits is done at once: its
content has come with its header section, and a short reply fits into the socket's buffer.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Generator
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, awaitable: Awaitable[T]) -> T:
    """The result. Raises TimeoutError when it takes longer, as asyncio.timeout() does."""
    steps = awaitable.__await__()
    try:
        waited_for = next(steps)
    except StopIteration as done:
        result: T = done.value
        return result
    async with asyncio.timeout(seconds):
        return await _rest(steps, waited_for)


@types.coroutine
def _rest(steps: Generator[Any, Any, T], waited_for: Any) -> Generator[Any, Any, T]:
    """Go on with what has been begun, and waits for that already."""
    try:
        while True:
            try:
                got = yield waited_for
            except BaseException as error:  # noqa: BLE001 - handed to the one that waits
                waited_for = steps.throw(error)
            else:
                waited_for = steps.send(got)
    except StopIteration as done:
        result: T = done.value
        return result
