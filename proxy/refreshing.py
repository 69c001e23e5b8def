"""One refresh at a time for each connection in this process; across processes the lease sees to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Hashable
from datetime import datetime
from uuid import UUID

from integrations.errors import RefreshUnavailable
from integrations.tokens import AccessToken, ensure_fresh
from proxy.executors import DatabaseExecutor

THREADS = 16
#: one slow token endpoint must not take every thread
THREADS_PER_PROVIDER = 8
#: no call waits longer for a token, whatever time it has
MAX_REFRESH_WAIT_SECONDS = 45.0
#: a token that is due but not expired serves on when its refresh takes longer (design rule 3)
ALIVE_WAIT_SECONDS = 3.0


class Refreshes:
    """Callers that need the same refresh share one task, on threads of their own."""

    def __init__(self) -> None:
        self._is_closing = threading.Event()
        self._executor = DatabaseExecutor("refresh", threads=THREADS)
        self._flights: dict[Hashable, asyncio.Task[AccessToken]] = {}
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def fresh(
        self,
        connection_id: UUID,
        *,
        provider_id: str,
        wait_seconds: float,
        rejected_version: int | None = None,
    ) -> AccessToken:
        """A usable token. Raises what ensure_fresh raises, and RefreshUnavailable after wait_seconds."""
        key = (connection_id, rejected_version)
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fly(connection_id, provider_id, rejected_version))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        try:
            async with asyncio.timeout(wait_seconds):
                return await asyncio.shield(flight)
        except TimeoutError:
            raise RefreshUnavailable("The access token is still being refreshed.", retry_after=5) from None

    async def renewed(
        self, connection_id: UUID, token: AccessToken, *, provider_id: str, wait_seconds: float, now: datetime
    ) -> AccessToken:
        """The successor of a token that is due, or the token itself while it lives and the refresh is slow.

        Raises what fresh() raises.
        """
        is_alive = token.expires_at is not None and now < token.expires_at
        if is_alive:
            wait_seconds = min(wait_seconds, ALIVE_WAIT_SECONDS)
        try:
            return await self.fresh(connection_id, provider_id=provider_id, wait_seconds=wait_seconds)
        except RefreshUnavailable:
            if not is_alive:
                raise
            return token

    async def _fly(self, connection_id: UUID, provider_id: str, rejected_version: int | None) -> AccessToken:
        turns = self._turns.setdefault(provider_id, asyncio.Semaphore(THREADS_PER_PROVIDER))
        async with turns:
            return await self._executor.run(self._refreshed, connection_id, rejected_version)

    def _refreshed(self, connection_id: UUID, rejected_version: int | None) -> AccessToken:
        """On one of the threads: nothing is begun any more, and nobody waited for, once this is closing."""
        self._pause(0)
        return ensure_fresh(connection_id, rejected_version=rejected_version, sleep=self._pause)

    def _pause(self, seconds: float) -> None:
        if self._is_closing.wait(seconds):
            raise RefreshUnavailable("This process is being stopped.", retry_after=1)

    def _landed(self, key: Hashable, flight: asyncio.Task[AccessToken]) -> None:
        self._flights.pop(key, None)
        if not flight.cancelled():
            flight.exception()  # looked at, so that nobody is warned when every caller has gone

    async def close(self) -> None:
        """See to its end what asks a provider: a pair that it has rotated exists nowhere else (OPS-10).

        That takes as long as a lease at most. What only waits for another process ends at once.
        """
        self._is_closing.set()
        if flights := list(self._flights.values()):
            await asyncio.wait(flights)
        self._executor.close()
