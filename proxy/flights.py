"""Questions that several calls ask at the same moment are asked of the database once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

R = TypeVar("R")


class Flights:
    """Answers under way. Used on the data plane's loop alone.

    When an entry of the cache ends, every call that needs it comes at once: without this they would all ask,
    and each would wait for the others.
    """

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Future[Any]] = {}

    async def join(self, key: Hashable, ask: Callable[[], asyncio.Future[R]]) -> R:
        """The answer to the question under way, or to a new one. Who gives up waiting ends it for nobody else.

        The key must hold the cache's generation: an answer read before a commit is none for a call after it.
        """
        flight = self._under_way.get(key)
        if flight is None:
            flight = self._under_way[key] = ask()
            flight.add_done_callback(lambda done: self._landed(key, done))
        answer: R = await asyncio.shield(flight)
        return answer

    def _landed(self, key: Hashable, flight: asyncio.Future[Any]) -> None:
        self._under_way.pop(key, None)
        if not flight.cancelled():
            flight.exception()  # looked at, so that nobody is warned when every caller has gone
