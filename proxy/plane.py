"""The data plane: one event loop's client, caches and threads, opened once and shared by every call.

A server opens it on its own loop (ASGI lifespan). Where views run elsewhere (WSGI, a test client) one plane
lives on a loop thread of its own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from django.conf import settings

from accounts.models import Credential
from egress.aio import AsyncClient
from integrations.models import Connection
from proxy.cache import Cache
from proxy.executors import DatabaseExecutor
from proxy.flights import Flights
from proxy.last_used import LastUsed
from proxy.limits import Limits
from proxy.observation.observation import Observation
from proxy.record import Record
from proxy.refreshing import Refreshes
from proxy.traffic import commits
from proxy.traffic.buffer import TrafficLog

READ_THREADS = 8


class DataPlane:
    """Make and use it on one loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.observation = Observation(self)
        self.client = AsyncClient()
        own_commits = commits.made()
        self.cache = Cache(own_commits, loop=self.loop)
        self.flights = Flights()
        self.reads = DatabaseExecutor("read", threads=READ_THREADS)
        self.refreshes = Refreshes()
        self._writes = DatabaseExecutor("flush", threads=1)
        self.connections_used = LastUsed(Connection, self._writes)
        self.credentials_used = LastUsed(Credential, self._writes)
        self.limits = Limits()
        #: told of each call that is over, on this loop; they must be quick
        self.observers: list[Callable[[Record], None]] = []
        self.traffic = TrafficLog(own_commits)
        if settings.TRAFFIC_LOG != "off":
            self.observers.append(self.traffic.note)

    @property
    def envelopes(self) -> int:
        """How many are in flight."""
        return self.limits.envelopes.taken

    async def open(self) -> None:
        await self.client.open()
        await self.observation.open()

    async def close(self) -> None:
        """Write what is still to be written, refreshes above all, then let go of connections and threads."""
        await self.connections_used.close()
        await self.credentials_used.close()
        await self.client.close()
        await self.refreshes.close()
        await self.traffic.close()
        await self.limits.close()
        await self.observation.close()
        for executor in (self.reads, self._writes):
            executor.close()
        self.cache.close()


_planes: dict[asyncio.AbstractEventLoop, DataPlane] = {}
_background: DataPlane | None = None
_thread: threading.Thread | None = None
_lock = threading.Lock()


async def opened() -> DataPlane:
    """The plane of the running loop, opened if it is not."""
    loop = asyncio.get_running_loop()
    plane = _planes.get(loop)
    if plane is None:
        plane = _planes[loop] = DataPlane()
        await plane.open()
    return plane


async def closed() -> None:
    """Close the plane of the running loop, if there is one."""
    plane = _planes.pop(asyncio.get_running_loop(), None)
    if plane is not None:
        await plane.close()


def usable() -> DataPlane:
    """The plane of the running loop, else the one on the loop thread, started if need be."""
    return _planes.get(asyncio.get_running_loop()) or _on_thread()


def _on_thread() -> DataPlane:
    global _background, _thread
    with _lock:
        if _background is None or not _background.loop.is_running():
            loop = asyncio.new_event_loop()
            _thread = threading.Thread(target=loop.run_forever, name="proxy-plane", daemon=True)
            _thread.start()
            _background = asyncio.run_coroutine_threadsafe(opened(), loop).result()
        return _background


def stop_thread() -> None:
    """Close the plane on the loop thread and end the thread; the next use starts another."""
    global _background
    with _lock:
        plane, _background = _background, None
        if plane is None:
            return
        asyncio.run_coroutine_threadsafe(closed(), plane.loop).result()
        plane.loop.call_soon_threadsafe(plane.loop.stop)
        if _thread is not None:
            _thread.join()
        plane.loop.close()
