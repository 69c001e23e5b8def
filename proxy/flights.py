"""Questions that several calls ask at the same moment are asked of the database once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Any, Generic, NamedTuple, TypeVar

from proxy.cache import TTL_SECONDS

R = TypeVar("R")


class Answer(NamedTuple, Generic[R]):
    """asked_at: the moment of time.monotonic() before the question was asked; what is older may have changed."""

    value: R
    asked_at: float


class _Flight(NamedTuple):
    future: asyncio.Future[Any]
    asked_at: float


class Flights:
    """Answers under way. Used on the data plane's loop alone.

    When an entry of the cache ends, every call that needs it comes at once: without this they would all ask,
    and each would wait for the others.
    """

    def __init__(self) -> None:
        self._under_way: dict[Hashable, _Flight] = {}

    async def join(self, key: Hashable, ask: Callable[[], asyncio.Future[R]]) -> Answer[R]:
        """The answer to the question under way, or to a new one. Who gives up waiting ends it for nobody else.

        The key must hold the cache's generation: an answer read before a commit is none for a call after it. Where
        generations tell nothing, a question that has been under way for longer than an entry lives is asked anew.
        """
        now = time.monotonic()
        flight = self._under_way.get(key)
        if flight is None or now - flight.asked_at >= TTL_SECONDS:
            future = ask()
            flight = self._under_way[key] = _Flight(future, now)
            future.add_done_callback(lambda done: self._landed(key, done))
        return Answer(await asyncio.shield(flight.future), flight.asked_at)

    def _landed(self, key: Hashable, future: asyncio.Future[Any]) -> None:
        if (flight := self._under_way.get(key)) is not None and flight.future is future:
            del self._under_way[key]
        if not future.cancelled():
            future.exception()  # looked at, so that nobody is warned when every caller has gone
